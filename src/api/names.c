#include "api/names.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base/limits.h"
#include "base/rand.h"
#include "base/strbuf.h"

#define CODE_LETTERS   "abcdefghjkmnpqrstuvwxyz"
#define SUFFIX_LETTERS "23456789abcdefghjkmnpqrstuvwxyz"
#define SUFFIX_LEN     4

/* ---- names ---- */

struct range {
    uint32_t from, to;
};

/* White space of Unicode, and what shows nothing at either end of a name. */
static const struct range spaces[] = {
    {0x0009, 0x000d},
    {0x0020, 0x0020},
    {0x0085, 0x0085},
    {0x00a0, 0x00a0},
    {0x1680, 0x1680},
    {0x2000, 0x200b},
    {0x2028, 0x2029},
    {0x202f, 0x202f},
    {0x205f, 0x2060},
    {0x3000, 0x3000},
    {0xfeff, 0xfeff},
};

/* C0 and C1, line and paragraph separators, embeddings and overrides of direction. */
static const struct range controls[] = {
    {0x0000, 0x001f},
    {0x007f, 0x009f},
    {0x2028, 0x202e},
};

static bool within(const struct range *list, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= list[i].from && c <= list[i].to)
            return true;
    return false;
}

static bool is_space(uint32_t c)
{
    return within(spaces, sizeof spaces / sizeof spaces[0], c);
}

static bool is_control(uint32_t c)
{
    return within(controls, sizeof controls / sizeof controls[0], c);
}

/* The character that begins at text[*at], of valid UTF-8; *at moves behind it. */
static uint32_t next_char(const char *text, size_t len, size_t *at)
{
    uint8_t first = (uint8_t)text[(*at)++];
    if (first < 0xc0)
        return first;
    uint32_t c = first < 0xe0 ? first & 0x1f : first < 0xf0 ? first & 0x0f : first & 0x07;
    while (*at < len && ((uint8_t)text[*at] & 0xc0) == 0x80)
        c = c << 6 | ((uint8_t)text[(*at)++] & 0x3f);
    return c;
}

enum names_fault names_check(const char *text, size_t len, size_t *ret_from, size_t *ret_len)
{
    if (!text_is_utf8(text, len))
        return NAMES_UTF8;
    size_t from = 0, to = 0;
    bool begun = false;
    for (size_t at = 0; at < len;) {
        size_t start = at;
        if (is_space(next_char(text, len, &at)))
            continue;
        if (!begun)
            from = start;
        begun = true;
        to = at;
    }
    if (!begun)
        return NAMES_EMPTY;
    size_t chars = 0;
    for (size_t at = from; at < to; chars++)
        if (is_control(next_char(text, to, &at)))
            return NAMES_CONTROL;
    if (chars > API_NAME_CHARS)
        return NAMES_LONG;
    *ret_from = from;
    *ret_len = to - from;
    return NAMES_OK;
}

#define TEXT_OF(x) #x
#define NUMBER(x)  TEXT_OF(x)

const char *names_fault_text(enum names_fault fault)
{
    static const char *const texts[] = {
        [NAMES_OK] = "The name is good.",
        [NAMES_EMPTY] = "The name is empty.",
        [NAMES_LONG] = "The name has more than " NUMBER(API_NAME_CHARS) " characters.",
        [NAMES_CONTROL] = "The name contains a control character.",
        [NAMES_UTF8] = "The name is not UTF-8.",
    };
    return texts[fault];
}

/* ---- identities and codes ---- */

static char slug_char(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
}

char *names_identity(char out[NAMES_IDENTITY_SIZE], const char *name)
{
    const size_t max = NAMES_IDENTITY_SIZE - SUFFIX_LEN - 2;
    size_t n = 0;
    for (; *name && n < max; name++) {
        char c = slug_char(*name);
        if (c != '-' || (n > 0 && out[n - 1] != '-'))
            out[n++] = c;
    }
    while (n > 0 && out[n - 1] == '-')
        n--;
    if (n == 0) {
        n = strlen("guest");
        memcpy(out, "guest", n);
    }
    out[n++] = '-';
    rand_text(out + n, SUFFIX_LEN, SUFFIX_LETTERS);
    return out;
}

char *names_code(char out[NAMES_CODE_SIZE])
{
    rand_text(out, NAMES_CODE_SIZE - 1, CODE_LETTERS);
    out[3] = out[8] = '-';
    return out;
}
