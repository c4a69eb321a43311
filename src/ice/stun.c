#include "ice/stun.h"

#include <errno.h>
#include <string.h>

#include "base/rand.h"
#include "ice/message.h"

#define UFRAG_LEN 8
#define PWD_LEN   24

void ice_credentials_make(struct ice_credentials *ret)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    memset(ret, 0, sizeof *ret);
    rand_text(ret->ufrag, UFRAG_LEN, alphabet);
    rand_text(ret->pwd, PWD_LEN, alphabet);
}

static bool ice_chars(const char *s, size_t min, size_t max)
{
    size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    return s[len] == 0 && len >= min && len <= max;
}

bool ice_ufrag_valid(const char *s)
{
    return ice_chars(s, 4, ICE_UFRAG_MAX);
}

bool ice_pwd_valid(const char *s)
{
    return ice_chars(s, 22, ICE_PWD_MAX);
}

int ice_stun_ufrag(const uint8_t *data, size_t len, char out[ICE_UFRAG_MAX + 1])
{
    struct stun_view v;
    if (stun_view_read(data, len, &v) < 0 || v.class != STUN_REQUEST || !v.binding)
        return -EINVAL;
    struct cursor receiver, sender;
    if (!stun_view_names(&v, &receiver, &sender))
        return -ENOENT;
    size_t n = cursor_left(&receiver);
    if (n == 0 || n > ICE_UFRAG_MAX || memchr(receiver.p, 0, n))
        return -ENOENT;
    memcpy(out, receiver.p, n);
    out[n] = 0;
    return 0;
}

bool ice_stun_refuse(struct ice_stun *s, const uint8_t *data, size_t len, struct writer *reply)
{
    struct stun_view v;
    StunMessage msg;
    if (stun_view_read(data, len, &v) < 0 || v.class != STUN_REQUEST || !v.binding || !v.has_fingerprint)
        return false;
    switch (stun_request_check(s, data, len, NULL, &msg)) {
    case STUN_AUTH_INCOMPLETE:
        return stun_reply_error(s, &msg, STUN_ERROR_BAD_REQUEST, len, reply);
    case STUN_AUTH_WRONG:
        return stun_reply_error(s, &msg, STUN_ERROR_UNAUTHORIZED, len, reply);
    default:
        return false;
    }
}
