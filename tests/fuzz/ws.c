// link: http
/* WebSocket frames from a stranger, in pieces of any size. What comes out must be well-formed: whole frames,
 * text that is UTF-8, no message over the limit, nothing behind a close frame. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "http/codec.h"

enum { MAX = 2048 };

struct run {
    struct codec *codec;
    bool closed; /* a close frame went out */
    uint8_t out[1 << 16];
    size_t out_len;
    unsigned messages;
};

static bool is_utf8(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint8_t c = p[i];
        size_t n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
        if (n == 0 || i + n > len)
            return false;
        for (size_t k = 1; k < n; k++)
            if (p[i + k] >> 6 != 2)
                return false;
        i += n;
    }
    return true;
}

static void on_message(void *arg, bool text, const uint8_t *data, size_t len)
{
    struct run *r = arg;
    assert(len <= MAX);
    assert(!text || is_utf8(data, len));
    assert(!codec_close_sent(r->codec));
    if (++r->messages == 5)
        codec_close(r->codec, 1000, "five", 4);
}

static void on_output(void *arg, const uint8_t *data, size_t len)
{
    struct run *r = arg;
    if (r->out_len + len > sizeof r->out)
        return; /* more pongs than we keep; their form has been seen */
    for (size_t i = 0; i < len; i++)
        r->out[r->out_len++] = data[i];
}

/* Reads what went out as the peer would. */
static void check_output(struct run *r)
{
    struct cursor c = cursor_of(r->out, r->out_len);
    bool closed = false;
    while (cursor_left(&c) > 0 && r->out_len < sizeof r->out - 256) {
        uint8_t first = cursor_u8(&c), len = cursor_u8(&c);
        assert(!closed);
        assert(first == 0x8a || first == 0x88);
        assert(len <= 125);
        cursor_skip(&c, len);
        assert(!c.bad);
        closed = first == 0x88;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct codec_ops ops = {.on_message = on_message, .on_output = on_output};
    static struct run r;
    r = (struct run){0};
    r.codec = codec_new(MAX, &ops, &r);
    if (!r.codec)
        return 0;
    struct cursor c = cursor_of(data, size);
    int err = 0;
    while (cursor_left(&c) > 0) {
        size_t n = cursor_u8(&c); /* the size of the next piece */
        n = n < cursor_left(&c) ? n : cursor_left(&c);
        size_t before = r.out_len;
        const uint8_t *piece = cursor_bytes(&c, n);
        int now = codec_input(r.codec, piece, n);
        assert(err == 0 || (now == 0 && r.out_len == before));
        err = now ? now : err;
    }
    assert(err == 0 || codec_close_code(r.codec) != 1006);
    check_output(&r);
    codec_free(r.codec);
    return 0;
}
