#include "srtp/session.h"
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

enum label {
    LABEL_RTP_KEY = 0,
    LABEL_RTP_AUTH = 1,
    LABEL_RTP_SALT = 2,
    LABEL_RTCP_KEY = 3,
    LABEL_RTCP_AUTH = 4,
    LABEL_RTCP_SALT = 5,
};

#define LABEL_AT 7 /* byte of the 14-byte salt, to which shorter ones are filled up with zeros */

/* The key stream of AES in counter mode that begins at salt XOR label (RFC 3711, section 4.3.3). */
static bool derive(
    EVP_CIPHER_CTX *c, const uint8_t *salt, size_t salt_len, enum label label, uint8_t *out, size_t len)
{
    static const uint8_t zeros[SRTP_KEY_MAX];
    uint8_t iv[SRTP_CM_IV] = {0};
    int n;

    memcpy(iv, salt, salt_len);
    iv[LABEL_AT] ^= (uint8_t)label;
    return EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) == 1 &&
           EVP_EncryptUpdate(c, out, &n, zeros, (int)len) == 1 && n == (int)len;
}

int srtp_session_derive(enum srtp_profile profile, const uint8_t *key, const uint8_t *salt,
    struct srtp_session *ret_rtp, struct srtp_session *ret_rtcp)
{
    size_t key_len = srtp_profile_key_len(profile), n = srtp_profile_salt_len(profile);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c)
        return -ENOMEM;
    memset(ret_rtp, 0, sizeof *ret_rtp);
    memset(ret_rtcp, 0, sizeof *ret_rtcp);
    bool good =
        EVP_EncryptInit_ex(c, key_len == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, key, NULL) == 1 &&
        derive(c, salt, n, LABEL_RTP_KEY, ret_rtp->key, key_len) &&
        derive(c, salt, n, LABEL_RTP_AUTH, ret_rtp->auth, sizeof ret_rtp->auth) &&
        derive(c, salt, n, LABEL_RTP_SALT, ret_rtp->salt, n) &&
        derive(c, salt, n, LABEL_RTCP_KEY, ret_rtcp->key, key_len) &&
        derive(c, salt, n, LABEL_RTCP_AUTH, ret_rtcp->auth, sizeof ret_rtcp->auth) &&
        derive(c, salt, n, LABEL_RTCP_SALT, ret_rtcp->salt, n);
    EVP_CIPHER_CTX_free(c);
    return good ? 0 : -EIO;
}
