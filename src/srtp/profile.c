#include "srtp/srtp.h"

static const struct profile {
    enum srtp_profile id;
    const char *name;
    uint8_t key_len, salt_len, rtp_trailer, rtcp_trailer;
} profiles[] = {
    {SRTP_PROFILE_AES128_CM_SHA1_80, "AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 14},
    {SRTP_PROFILE_AEAD_AES_128_GCM, "AEAD_AES_128_GCM", 16, 12, 16, 20},
    {SRTP_PROFILE_AEAD_AES_256_GCM, "AEAD_AES_256_GCM", 32, 12, 16, 20},
};
static const struct profile none = {.name = "none"};

static const struct profile *find(enum srtp_profile p)
{
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        if (profiles[i].id == p)
            return &profiles[i];
    }
    return &none;
}

bool srtp_profile_is_known(enum srtp_profile p)
{
    return find(p) != &none;
}

size_t srtp_profile_key_len(enum srtp_profile p)
{
    return find(p)->key_len;
}

size_t srtp_profile_salt_len(enum srtp_profile p)
{
    return find(p)->salt_len;
}

size_t srtp_profile_rtp_trailer(enum srtp_profile p)
{
    return find(p)->rtp_trailer;
}

size_t srtp_profile_rtcp_trailer(enum srtp_profile p)
{
    return find(p)->rtcp_trailer;
}

const char *srtp_profile_name(enum srtp_profile p)
{
    return find(p)->name;
}
