#include "frame.h"

#include <errno.h>
#include "base/cursor.h"

#define CONTROL_MAX 125

static bool opcode_known(uint8_t o)
{
    return o <= FRAME_BINARY || (o >= FRAME_CLOSE && o <= FRAME_PONG);
}

int frame_parse(const uint8_t *data, size_t len, size_t max, struct frame *ret)
{
    struct cursor c = cursor_of(data, len);
    uint8_t first = cursor_u8(&c), second = cursor_u8(&c);
    if (c.bad)
        return 0;
    uint8_t opcode = first & 0x0f;
    bool fin = first & 0x80;
    if (first & 0x70 || second & 0x80 || !opcode_known(opcode))
        return -EBADMSG;
    uint64_t size = second;
    if (second == 126)
        size = cursor_u16(&c);
    else if (second == 127)
        size = cursor_u64(&c);
    if (opcode >= FRAME_CLOSE && (second > CONTROL_MAX || !fin))
        return -EBADMSG;
    if (c.bad)
        return 0;
    if (size > max)
        return -EMSGSIZE;
    const uint8_t *payload = cursor_bytes(&c, (size_t)size);
    if (c.bad)
        return 0;
    *ret = (struct frame){.opcode = (enum frame_opcode)opcode,
        .fin = fin,
        .payload = payload,
        .len = (size_t)size,
        .size = len - cursor_left(&c)};
    return 1;
}

size_t frame_head(uint8_t out[FRAME_HEAD_MAX], enum frame_opcode opcode, size_t len, const uint8_t key[4])
{
    struct writer w = writer_of(out, FRAME_HEAD_MAX);
    writer_u8(&w, (uint8_t)(0x80 | opcode));
    if (len < 126) {
        writer_u8(&w, (uint8_t)(0x80 | len));
    } else if (len <= UINT16_MAX) {
        writer_u8(&w, 0x80 | 126);
        writer_u16(&w, (uint16_t)len);
    } else {
        writer_u8(&w, 0x80 | 127);
        writer_u64(&w, len);
    }
    writer_bytes(&w, key, 4);
    return w.len;
}

void frame_mask(uint8_t *payload, size_t len, const uint8_t key[4])
{
    for (size_t i = 0; i < len; i++)
        payload[i] ^= key[i % 4];
}
