#include "http/encoding.h"

#include <string.h>
#include <strings.h>

#include "base/cursor.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Takes what stands before the separator, or all, without blanks around it; the separator goes too. */
static struct cursor take_until(struct cursor *c, char separator)
{
    size_t left = cursor_left(c), n = 0, blank = 0;
    while (n < left && c->p[n] != (uint8_t)separator)
        n++;
    struct cursor part = cursor_sub(c, n);
    if (n < left)
        cursor_skip(c, 1);
    while (cursor_left(&part) > 0 && is_blank(part.p[0]))
        cursor_skip(&part, 1);
    size_t len = cursor_left(&part);
    while (blank < len && is_blank(part.p[len - blank - 1]))
        blank++;
    return cursor_sub(&part, len - blank);
}

static bool is_word(struct cursor c, const char *word)
{
    size_t len = strlen(word);
    return cursor_left(&c) == len && strncasecmp((const char *)cursor_bytes(&c, len), word, len) == 0;
}

/* Is it a weight (section 12.4.2) of more than 0? "0", "0.", "0.5", "1", "1.000": three digits at most. */
static bool is_weight(struct cursor c)
{
    size_t len = cursor_left(&c);
    if (len == 0 || len > 5)
        return false;
    uint8_t first = cursor_u8(&c);
    if ((first != '0' && first != '1') || (len > 1 && cursor_u8(&c) != '.'))
        return false;
    bool more = false;
    while (cursor_left(&c) > 0) {
        uint8_t digit = cursor_u8(&c);
        if (digit < '0' || digit > '9')
            return false;
        more |= digit != '0';
    }
    return (first == '1') != more; /* not 0, and not above 1 */
}

/* The parameters of a member: its weight, which is 1 when there is none. */
static bool weighs(struct cursor parameters)
{
    bool ok = true;
    while (cursor_left(&parameters) > 0) {
        struct cursor value = take_until(&parameters, ';');
        struct cursor name = take_until(&value, '=');
        ok = ok && is_word(name, "q") && is_weight(value);
    }
    return ok;
}

void encoding_read(struct encoding_taste *taste, const char *value, size_t len)
{
    struct cursor list = cursor_of(value, len);
    while (cursor_left(&list) > 0) {
        struct cursor member = take_until(&list, ',');
        struct cursor coding = take_until(&member, ';');
        if (is_word(coding, "gzip") || is_word(coding, "x-gzip")) {
            taste->gzip_ok = weighs(member) && (taste->gzip_ok || !taste->named);
            taste->named = true;
        } else if (is_word(coding, "*")) {
            taste->any_ok = weighs(member) && (taste->any_ok || !taste->any);
            taste->any = true;
        }
    }
}

bool encoding_takes_gzip(const struct encoding_taste *taste)
{
    return taste->named ? taste->gzip_ok : taste->any_ok;
}
