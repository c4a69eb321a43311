/* Lists of participants as they go over the wire. In a room of thousands each of them is described thousands
 * of times: so its bytes are kept, and lists are put together from them. */
#include <stdlib.h>
#include <string.h>
#include "signal/internal.h"

const struct participant_wire *describe_wire(struct participant *p)
{
    struct participant_wire *w = &p->wire;
    if (w->bytes && w->version == p->version && w->state == p->state)
        return w;
    struct arena a = {0};
    uint8_t *bytes;
    size_t len;
    int err = proto_pack(&describe_participant(&a, p)->base, &bytes, &len);
    arena_done(&a);
    if (err)
        return NULL;
    free(w->bytes);
    *w = (struct participant_wire){.bytes = bytes, .len = len, .version = p->version, .state = p->state};
    return w;
}

static size_t varint_size(size_t v)
{
    size_t n = 1;
    while (v >>= 7)
        n++;
    return n;
}

/* The head of a field that has a length. */
static uint8_t *put_head(uint8_t *at, unsigned field, size_t len)
{
    *at++ = (uint8_t)(field << 3 | 2);
    for (; len >= 0x80; len >>= 7)
        *at++ = (uint8_t)(len | 0x80);
    *at++ = (uint8_t)len;
    return at;
}

struct ws_buffer *list_encode(
    unsigned outer, const ProtobufCMessage *inner, unsigned field, struct participant *const *list, size_t n)
{
    uint8_t *head;
    size_t head_len, len;
    if (proto_pack(inner, &head, &head_len))
        return NULL;
    len = head_len;
    for (size_t i = 0; i < n; i++) {
        const struct participant_wire *w = describe_wire(list[i]);
        if (w)
            len += 1 + varint_size(w->len) + w->len;
    }
    struct ws_buffer *b = ws_buffer_new(NULL, 1 + varint_size(len) + len);
    uint8_t *at = b ? put_head(b->data, outer, len) : NULL;
    if (b && head_len)
        memcpy(at, head, head_len);
    at = b ? at + head_len : NULL;
    for (size_t i = 0; b && i < n; i++) {
        const struct participant_wire *w = &list[i]->wire;
        if (!w->bytes || w->version != list[i]->version || w->state != list[i]->state)
            continue; /* its memory was not there above */
        at = put_head(at, field, w->len);
        memcpy(at, w->bytes, w->len);
        at += w->len;
    }
    free(head);
    return b;
}
