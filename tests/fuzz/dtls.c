// link: dtls
/* A session under hostile datagrams. The first byte says which of two plays is given:
 *   0-127: a server alone gets the datagrams of the input, each a 16-bit length and its bytes;
 *   128-255: a client and a server talk, and the input, an instruction for each datagram, loses, repeats,
 * holds back, cuts, changes or replaces what they send. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "dtls/session.h"
#include "support/fuzz.h"

#define QUEUE_MAX     64
#define DATAGRAMS_MAX 200

struct datagram {
    int to;
    size_t len;
    uint8_t data[DTLS_MTU];
};

struct play {
    struct dtls_session *sessions[2];
    struct datagram queue[QUEUE_MAX];
    size_t count;
    bool over[2];
};

struct side {
    struct play *play;
    int me;
};

static struct dtls_context *context;

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    struct side *s = arg;
    if (len > DTLS_MTU)
        abort();
    if (s->play->count == QUEUE_MAX)
        return;
    struct datagram *d = &s->play->queue[s->play->count++];
    d->to = !s->me;
    d->len = len;
    memcpy(d->data, data, len);
}

static void on_established(void *arg, const struct dtls_keys *keys)
{
    struct side *s = arg;
    if (s->play->over[s->me] || keys->key_len > sizeof keys->local.key)
        abort();
    (void)dtls_session_write(s->play->sessions[s->me], (const uint8_t *)"hello", 5);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct side *s = arg;
    /* Only what the other side wrote gets through, whatever happened on the way. */
    if (s->play->over[s->me] || len != 5 || memcmp(data, "hello", 5) != 0)
        abort();
}

static void on_closed(void *arg, enum dtls_close why, const char *text)
{
    struct side *s = arg;
    if (s->play->over[s->me] || why < DTLS_CLOSED_LOCAL || why > DTLS_FAILED_PROTOCOL || !*text)
        abort();
    s->play->over[s->me] = true;
}

static const struct dtls_ops ops = {on_send, on_established, on_data, on_closed};

static void open_context(void)
{
    struct cert *cert = NULL;
    if (cert_make(&(struct cert_subject){.days = 30}, &cert, NULL) < 0 ||
        dtls_context_new(cert, &context) < 0)
        abort();
    cert_free(cert);
}

static void play_server(struct play *p, struct cursor *c)
{
    int64_t now_us = 0;
    while (cursor_left(c) > 2) {
        size_t len = cursor_u16(c);
        if (len > cursor_left(c))
            len = cursor_left(c);
        const uint8_t *data = cursor_bytes(c, len);
        now_us += 1000;
        dtls_session_input(p->sessions[1], data, len, now_us);
        p->count = 0;
    }
}

static void deliver(struct play *p, struct datagram *d, struct cursor *c, int64_t now_us)
{
    uint8_t op = cursor_left(c) ? cursor_u8(c) : 0;
    size_t at = (size_t)cursor_u8(c) * 5 % (d->len ? d->len : 1);
    uint8_t value = cursor_u8(c);

    switch (op % 8) {
    case 1: /* lost */
        return;
    case 2: /* repeated */
        dtls_session_input(p->sessions[d->to], d->data, d->len, now_us);
        break;
    case 3: /* held back */
        if (p->count < QUEUE_MAX)
            p->queue[p->count++] = *d;
        return;
    case 4:
        d->len = at;
        break;
    case 5:
        d->data[at] ^= value;
        break;
    case 6:
        d->to = !d->to; /* to its own sender */
        break;
    case 7: { /* replaced by bytes of the input */
        const uint8_t *bytes = cursor_bytes(c, value);
        if (bytes)
            dtls_session_input(p->sessions[d->to], bytes, value, now_us);
        break;
    }
    default:
        break;
    }
    dtls_session_input(p->sessions[d->to], d->data, d->len, now_us);
}

static void play_both(struct play *p, struct cursor *c)
{
    int64_t now_us = 0;
    dtls_session_start(p->sessions[0], now_us);
    for (int i = 0; i < DATAGRAMS_MAX && p->count > 0; i++) {
        struct datagram d = p->queue[0];
        memmove(p->queue, p->queue + 1, --p->count * sizeof p->queue[0]);
        now_us += 1000;
        deliver(p, &d, c, now_us);
    }
    for (int i = 0; i < 2; i++)
        dtls_session_close(p->sessions[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(data, size);
    struct play *p = calloc(1, sizeof *p);
    struct side sides[2] = {{p, 0}, {p, 1}};

    if (!context)
        open_context();
    for (int i = 0; i < 2; i++) {
        if (dtls_session_new(context, i ? DTLS_SERVER : DTLS_CLIENT, &ops, &sides[i], &p->sessions[i]) < 0 ||
            dtls_session_fingerprint_add(p->sessions[i], "sha-256", dtls_context_fingerprint(context), 0) < 0)
            abort();
    }
    if (cursor_u8(&c) < 128)
        play_server(p, &c);
    else
        play_both(p, &c);
    for (int i = 0; i < 2; i++)
        dtls_session_free(p->sessions[i]);
    free(p);
    return 0;
}
