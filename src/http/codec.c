#include "http/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/cursor.h"

enum {
    ASSEMBLY_MIN = 1024, /* bytes first set aside for a message */
};

struct codec {
    wslay_event_context_ptr wslay;
    const struct codec_ops *ops;
    void *arg;
    size_t max;
    struct cursor input; /* what codec_input was given and wslay has not read */
    uint8_t *message;    /* the message under way */
    size_t len, cap;
    bool control; /* the frame under way is a control frame */
    bool muted;   /* a close frame went out: messages are dropped */
    bool no_memory;
    bool failed;         /* codec_input returned an error */
    uint16_t close_code; /* of the first close frame; 0 before */
};

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
    struct codec *c = arg;
    (void)flags;
    size_t left = cursor_left(&c->input);
    if (left == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = left < len ? left : len;
    memcpy(buf, cursor_bytes(&c->input, n), n);
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
    struct codec *c = arg;
    (void)ctx;
    (void)flags;
    c->ops->on_output(c->arg, data, len);
    return (ssize_t)len;
}

/* Puts out what wslay has queued. */
static int flush(struct codec *c)
{
    return wslay_event_send(c->wslay) == 0 ? 0 : -ENOMEM;
}

static int close_with(struct codec *c, uint16_t code, const char *reason, size_t len)
{
    c->muted = true;
    if (c->close_code == 0)
        c->close_code = code;
    int err = wslay_event_queue_close(c->wslay, code, (const uint8_t *)reason, len);
    if (err == WSLAY_ERR_NO_MORE_MSG)
        return 0; /* one is on its way already */
    return err ? -ENOMEM : flush(c);
}

/* Ends reading with a close frame of our own; for use inside wslay's callbacks. */
static void refuse(struct codec *c, uint16_t code)
{
    if (close_with(c, code, NULL, 0) != 0)
        c->no_memory = true;
    c->failed = true;
    wslay_event_shutdown_read(c->wslay);
}

/* The length of the whole message is checked here: without buffering wslay looks at each frame alone. It also
 * takes half a code for none (RFC 6455, section 5.5.1). */
static void on_frame_start(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
    struct codec *c = arg;
    (void)ctx;
    c->control = wslay_is_ctrl_frame(frame->opcode);
    if (!c->control && !c->muted && frame->payload_length > c->max - c->len)
        refuse(c, WSLAY_CODE_MESSAGE_TOO_BIG);
    if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1)
        refuse(c, WSLAY_CODE_PROTOCOL_ERROR);
}

/* Grows with what arrived, not with what a header promised. */
static bool reserve(struct codec *c, size_t need)
{
    if (need <= c->cap)
        return true;
    size_t cap = c->cap ? c->cap : ASSEMBLY_MIN;
    while (cap < need)
        cap *= 2;
    uint8_t *grown = realloc(c->message, cap);
    if (!grown)
        return false;
    c->message = grown;
    c->cap = cap;
    return true;
}

static void on_frame_chunk(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
    struct codec *c = arg;
    (void)ctx;
    if (c->control || c->muted || chunk->data_length == 0)
        return;
    if (!reserve(c, c->len + chunk->data_length)) {
        c->no_memory = true;
        refuse(c, WSLAY_CODE_INTERNAL_SERVER_ERROR);
        return;
    }
    memcpy(c->message + c->len, chunk->data, chunk->data_length);
    c->len += chunk->data_length;
}

static void message_reset(struct codec *c)
{
    free(c->message);
    c->message = NULL;
    c->len = c->cap = 0;
}

static void on_msg(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
    struct codec *c = arg;
    (void)ctx;
    if (msg->opcode == WSLAY_CONNECTION_CLOSE) {
        c->muted = true;
        if (c->close_code == 0)
            c->close_code = msg->status_code ? msg->status_code : WSLAY_CODE_NO_STATUS_RCVD;
    } else if (msg->opcode == WSLAY_PING) {
        if (flush(c) != 0) /* the pong, before what later messages cause */
            c->no_memory = true;
    } else if (!wslay_is_ctrl_frame(msg->opcode)) {
        if (!c->muted)
            c->ops->on_message(c->arg, msg->opcode == WSLAY_TEXT_FRAME, c->message, c->len);
        message_reset(c);
    }
}

struct codec *codec_new(size_t max, const struct codec_ops *ops, void *arg)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_frame_chunk,
        .on_msg_recv_callback = on_msg,
    };
    struct codec *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->ops = ops;
    c->arg = arg;
    c->max = max;
    if (wslay_event_context_server_init(&c->wslay, &callbacks, c) != 0) {
        free(c);
        return NULL;
    }
    wslay_event_config_set_no_buffering(c->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(c->wslay, max);
    return c;
}

void codec_free(struct codec *c)
{
    if (!c)
        return;
    wslay_event_context_free(c->wslay);
    free(c->message);
    free(c);
}

/* What wslay ended by itself: malformed frames it reports as a failed read with an empty close frame queued,
 * the rest as a queued close frame with the code. */
static int finish(struct codec *c, int err)
{
    if (err == WSLAY_ERR_NOMEM || c->no_memory) {
        c->failed = true;
        return -ENOMEM;
    }
    if (err != 0 && !codec_close_sent(c)) {
        static const uint8_t frame[] = {
            0x88, 2, WSLAY_CODE_PROTOCOL_ERROR >> 8, WSLAY_CODE_PROTOCOL_ERROR & 0xff};
        c->ops->on_output(c->arg, frame, sizeof frame);
        wslay_event_shutdown_write(c->wslay);
        c->close_code = WSLAY_CODE_PROTOCOL_ERROR;
        c->failed = true;
    }
    if (flush(c) != 0)
        return -ENOMEM;
    if (!wslay_event_get_read_enabled(c->wslay) && !codec_close_received(c))
        c->failed = true;
    if (c->failed && c->close_code == 0)
        c->close_code = wslay_event_get_status_code_sent(c->wslay);
    c->muted |= c->failed;
    return c->failed ? -EPROTO : 0;
}

int codec_input(struct codec *c, const uint8_t *data, size_t len)
{
    if (c->failed || codec_close_received(c))
        return 0;
    c->input = cursor_of(data, len);
    int err = wslay_event_recv(c->wslay);
    return finish(c, err);
}

int codec_ping(struct codec *c)
{
    static const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    int err = wslay_event_queue_msg(c->wslay, &ping);
    if (err == WSLAY_ERR_NO_MORE_MSG)
        return 0;
    return err ? -ENOMEM : flush(c);
}

int codec_close(struct codec *c, uint16_t code, const char *reason, size_t reason_len)
{
    return close_with(c, code, reason, reason_len);
}

bool codec_close_sent(const struct codec *c)
{
    return wslay_event_get_close_sent(c->wslay);
}

bool codec_close_received(const struct codec *c)
{
    return wslay_event_get_close_received(c->wslay);
}

uint16_t codec_close_code(const struct codec *c)
{
    return c->close_code ? c->close_code : WSLAY_CODE_ABNORMAL_CLOSURE;
}

size_t codec_header(bool text, uint64_t len, uint8_t out[CODEC_HEADER_MAX])
{
    struct writer w = writer_of(out, CODEC_HEADER_MAX);
    writer_u8(&w, 0x80 | (text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME));
    if (len < 126) {
        writer_u8(&w, (uint8_t)len);
    } else if (len <= UINT16_MAX) {
        writer_u8(&w, 126);
        writer_u16(&w, (uint16_t)len);
    } else {
        writer_u8(&w, 127);
        writer_u64(&w, len);
    }
    return w.len;
}
