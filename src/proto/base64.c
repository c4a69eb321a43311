#include "proto/base64.h"

#include <errno.h>

void proto_base64_encode(const uint8_t *data, size_t len, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)data[i] << 16;
        if (i + 1 < len)
            v |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < len)
            v |= data[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = i + 1 < len ? alphabet[v >> 6 & 63] : '=';
        *out++ = i + 2 < len ? alphabet[v & 63] : '=';
    }
    *out = '\0';
}

/* The six bits of a character, or -1. */
static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

int proto_base64_decode(const char *text, size_t len, uint8_t *out, size_t *ret_len)
{
    size_t padding = 0, n = 0;
    while (padding < 2 && len > 0 && text[len - 1] == '=') {
        len--;
        padding++;
    }
    if (len % 4 == 1 || (padding && (len + padding) % 4))
        return -EBADMSG;
    uint32_t bits = 0;
    for (size_t i = 0; i < len; i++) {
        int d = digit_of(text[i]);
        if (d < 0)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4 > 0)
            out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *ret_len = n;
    return 0;
}
