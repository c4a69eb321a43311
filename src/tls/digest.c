#include "tls/digest.h"
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>

void digest_sha1(const void *data, size_t len, uint8_t out[DIGEST_SHA1_SIZE])
{
    SHA1(data, len, out);
}

void digest_sha256(const void *data, size_t len, uint8_t out[DIGEST_SHA256_SIZE])
{
    SHA256(data, len, out);
}

static void hmac(
    const EVP_MD *md, const void *key, size_t key_len, const void *data, size_t len, uint8_t *out)
{
    unsigned size = 0;

    /* A key of length 0 must not be NULL: that would mean the key of the call before. */
    if (!HMAC(md, key_len ? key : "", (int)key_len, data, len, out, &size))
        abort(); /* only without memory: an authenticator that is not computed must not be compared */
}

void digest_hmac_sha1(
    const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_SHA1_SIZE])
{
    hmac(EVP_sha1(), key, key_len, data, len, out);
}

void digest_hmac_sha256(
    const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_SHA256_SIZE])
{
    hmac(EVP_sha256(), key, key_len, data, len, out);
}
