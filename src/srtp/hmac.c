#include "srtp/hmac.h"
#include <string.h>

/* SHA-1 begun with the key's block (RFC 2104: 0x36 for the inner hash, 0x5c for the outer). */
static void begin(const struct srtp_session *s, uint8_t pad, SHA_CTX *ret)
{
    uint8_t block[SHA_CBLOCK];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < sizeof s->auth; i++)
        block[i] ^= s->auth[i];
    (void)SHA1_Init(ret);
    (void)SHA1_Update(ret, block, sizeof block);
    explicit_bzero(block, sizeof block);
}

void srtp_hmac_init(struct srtp_hmac *h, const struct srtp_session *s)
{
    begin(s, 0x36, &h->inner);
    begin(s, 0x5c, &h->outer);
}

void srtp_hmac_tag(const struct srtp_hmac *h, const uint8_t *data, size_t n,
    const uint8_t behind[SRTP_CM_ROC], uint8_t ret[SRTP_CM_TAG])
{
    SHA_CTX inner = h->inner, outer = h->outer;
    uint8_t hash[SHA_DIGEST_LENGTH];

    /* none of these can fail */
    (void)SHA1_Update(&inner, data, n);
    (void)SHA1_Update(&inner, behind, SRTP_CM_ROC);
    (void)SHA1_Final(hash, &inner);
    (void)SHA1_Update(&outer, hash, sizeof hash);
    (void)SHA1_Final(hash, &outer);
    memcpy(ret, hash, SRTP_CM_TAG);
}
