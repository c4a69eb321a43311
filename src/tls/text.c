/* Base64, base64url and hexadecimal (RFC 4648). */
#include "tls/digest.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int encode(const uint8_t *data, size_t len, char *out, size_t cap, const char *alphabet, bool pad)
{
    size_t rest = len % 3;
    size_t chars = len / 3 * 4 + (rest ? (pad ? 4 : rest + 1) : 0);
    size_t n = 0;

    if (len > INT_MAX / 2 || chars >= cap)
        return -ENOBUFS;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)data[i] << 16;
        if (left > 1)
            v |= (uint32_t)data[i + 1] << 8;
        if (left > 2)
            v |= data[i + 2];
        out[n++] = alphabet[v >> 18];
        out[n++] = alphabet[v >> 12 & 63];
        if (left > 1)
            out[n++] = alphabet[v >> 6 & 63];
        else if (pad)
            out[n++] = '=';
        if (left > 2)
            out[n++] = alphabet[v & 63];
        else if (pad)
            out[n++] = '=';
    }
    out[n] = '\0';
    return (int)n;
}

/* Value of a character, or -1. The two alphabets differ in their last two letters only. */
static int value_of(char c, const char *alphabet)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == alphabet[62])
        return 62;
    return c == alphabet[63] ? 63 : -1;
}

static int decode(const char *text, size_t len, uint8_t *out, size_t cap, const char *alphabet, bool must_pad)
{
    size_t chars = len;
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;

    while (chars > 0 && len - chars < 2 && text[chars - 1] == '=')
        chars--;
    if (chars % 4 == 1 || ((must_pad || chars != len) && len % 4 != 0))
        return -EINVAL;
    if (chars / 4 * 3 + chars % 4 * 3 / 4 > cap)
        return -ENOBUFS;
    for (size_t i = 0; i < chars; i++) {
        int v = value_of(text[i], alphabet);
        if (v < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    return bits ? -EINVAL : (int)n;
}

int base64_encode(const void *data, size_t len, char *out, size_t cap)
{
    return encode(data, len, out, cap, base64_alphabet, true);
}

int base64url_encode(const void *data, size_t len, char *out, size_t cap)
{
    return encode(data, len, out, cap, base64url_alphabet, false);
}

int base64_decode(const char *text, size_t len, void *out, size_t cap)
{
    return decode(text, len, out, cap, base64_alphabet, true);
}

int base64url_decode(const char *text, size_t len, void *out, size_t cap)
{
    return decode(text, len, out, cap, base64url_alphabet, false);
}

int hex_encode(const void *data, size_t len, char *out, size_t cap)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    if (len > INT_MAX / 2 || 2 * len >= cap)
        return -ENOBUFS;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
    return (int)(2 * len);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_decode(const char *text, size_t len, void *out, size_t cap)
{
    uint8_t *p = out;

    if (len % 2)
        return -EINVAL;
    if (len / 2 > cap)
        return -ENOBUFS;
    for (size_t i = 0; i < len / 2; i++) {
        int hi = hex_value(text[2 * i]), lo = hex_value(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -EINVAL;
        p[i] = (uint8_t)(hi << 4 | lo);
    }
    return (int)(len / 2);
}
