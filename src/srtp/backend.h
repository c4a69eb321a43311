/* What a cipher library gives to srtp_rx and srtp_tx, which call it only for packets that the law lets pass.
 */
#ifndef SRTP_BACKEND_H
#define SRTP_BACKEND_H

#include "srtp/srtp.h"

struct srtp_backend {
    const char *name;
    bool (*supports)(enum srtp_profile p);

    /* Keys of one direction. 0 or -errno. */
    int (*rx_new)(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret);
    void (*rx_free)(void *rx);
    /* In place; index is the one that the window expects, header_len that of the RTP header with its
     * extensions, behind which there is room for the trailer at least. 0, -EBADMSG, -EINVAL, -EKEYEXPIRED,
     * -ENOMEM, -EIO; a library with windows of its own may also say -EALREADY or -ESTALE. */
    int (*rx_rtp)(void *rx, uint32_t ssrc, uint64_t index, size_t header_len, uint8_t *packet, size_t *len);
    /* SRTCP with the E bit, and room for the trailer behind the first 8 bytes. */
    int (*rx_rtcp)(void *rx, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len);
    void (*rx_ssrc_del)(void *rx, uint32_t ssrc); /* also for an SSRC never seen */

    int (*tx_new)(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret);
    void (*tx_free)(void *tx);
    /* A new SSRC, before its first packet; *ret is handed back with each. */
    int (*tx_ssrc_add)(void *tx, uint32_t ssrc, void **ret);
    void (*tx_ssrc_del)(void *tx, uint32_t ssrc, void *stream);
    /* The first RTP index of an SSRC. */
    int (*tx_ssrc_start)(void *tx, uint32_t ssrc, void *stream, uint64_t index);
    /* Sets ret_len and ret_err of each job; lengths and header have been checked, stream is set. */
    void (*tx_run)(struct srtp_tx_job *const *jobs, size_t n);
    /* index: 1, 2, 3, ... for each SSRC. In place. */
    int (*tx_rtcp)(void *tx, uint32_t ssrc, void *stream, uint32_t index, uint8_t *packet, size_t *len);
};

extern const struct srtp_backend srtp_backend_libsrtp2;
extern const struct srtp_backend srtp_backend_ipsecmb; /* supports nothing where the library is missing */
extern const struct srtp_backend srtp_backend_evp;

void srtp_backend_libsrtp2_prepare(void); /* as srtp_prepare */

/* The one that srtp_use chose; NULL for an unknown profile. */
const struct srtp_backend *srtp_backend_of(enum srtp_profile p);

/* Test programs compare back ends with these. */
int srtp_rx_new_with(const struct srtp_backend *b, enum srtp_profile profile, const uint8_t *key,
    const uint8_t *salt, struct srtp_rx **ret);
int srtp_tx_new_with(const struct srtp_backend *b, enum srtp_profile profile, const uint8_t *key,
    const uint8_t *salt, struct srtp_tx **ret);

#endif
