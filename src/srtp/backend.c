#include "srtp/backend.h"
#include <errno.h>

static enum srtp_library wanted = SRTP_LIBRARY_AUTO;

static const struct srtp_backend *backend_of(enum srtp_library library)
{
    switch (library) {
    case SRTP_LIBRARY_IPSECMB:
        return &srtp_backend_ipsecmb;
    case SRTP_LIBRARY_OPENSSL:
        return &srtp_backend_evp;
    case SRTP_LIBRARY_LIBSRTP:
        return &srtp_backend_libsrtp2;
    default:
        return srtp_backend_ipsecmb.supports(SRTP_PROFILE_AEAD_AES_128_GCM) ? &srtp_backend_ipsecmb
                                                                            : &srtp_backend_evp;
    }
}

int srtp_use(enum srtp_library library)
{
    /* the automatic choice is made when it is needed: looking makes the library run its self-tests */
    if (library != SRTP_LIBRARY_AUTO && !backend_of(library)->supports(SRTP_PROFILE_AEAD_AES_128_GCM))
        return -ENOTSUP;
    wanted = library;
    return 0;
}

const char *srtp_library_name(void)
{
    return backend_of(wanted)->name;
}

void srtp_prepare(void)
{
    if (backend_of(wanted) == &srtp_backend_libsrtp2)
        srtp_backend_libsrtp2_prepare();
}

const struct srtp_backend *srtp_backend_of(enum srtp_profile p)
{
    const struct srtp_backend *b = backend_of(wanted);
    return b->supports(p) ? b : NULL;
}
