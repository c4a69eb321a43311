/* Data channels: opening, closing, messages (RFC 8831, RFC 8832). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sctp/private.h"

#define OPEN_MAX (12 + 2 * DCEP_LABEL_MAX) /* bytes of an OPEN */

/* Reliable messages leave this much of usrsctp's buffer to the others. */
#define PASS_BELOW (SCTP_LOSSY_BUFFER / 2)

static struct channel *channel_of(const struct sctp_association *a, uint16_t stream)
{
    return stream < SCTP_STREAMS ? a->channels[stream] : NULL;
}

static struct channel *open_channel_of(const struct sctp_association *a, uint16_t stream)
{
    struct channel *ch = channel_of(a, stream);
    return ch && ch->is_open && !ch->closing ? ch : NULL;
}

/* ---- life ---- */

static struct channel *channel_new(struct sctp_association *a, uint16_t stream, const struct dcep_open *open)
{
    struct channel *ch = calloc(1, sizeof *ch);
    if (!ch)
        return NULL;
    ch->open = *open;
    ch->open.label[open->label_len] = '\0';
    ch->open.protocol[open->protocol_len] = '\0';
    a->channels[stream] = ch;
    return ch;
}

static void queue_drop(struct sctp_association *a, uint16_t stream, bool all)
{
    struct queued **at = &a->queue_head;
    while (*at) {
        struct queued *q = *at;
        if (!all && q->stream != stream) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        a->queue_bytes -= q->len;
        free(q);
    }
    a->queue_tail = at;
}

void channel_free_all(struct sctp_association *a)
{
    queue_drop(a, 0, true);
    for (size_t i = 0; i < SCTP_STREAMS; i++) {
        free(a->channels[i]);
        a->channels[i] = NULL;
    }
    a->stats.channels = 0;
}

/* The channel is gone, and says so if anybody knew of it. */
static void channel_end(struct sctp_association *a, uint16_t stream)
{
    struct channel *ch = a->channels[stream];
    bool was_open = ch->is_open;

    queue_drop(a, stream, false);
    a->channels[stream] = NULL;
    free(ch);
    if (was_open)
        a->stats.channels--;
    a->ops->channel_closed(a->arg, stream);
}

static void channel_report_open(struct sctp_association *a, uint16_t stream)
{
    struct channel *ch = a->channels[stream];
    if (ch->is_open || ch->closing)
        return;
    ch->is_open = true;
    a->stats.channels++;
    a->ops->channel_open(a->arg, stream, &ch->open);
}

int sctp_association_channel_open(
    struct sctp_association *a, const struct dcep_open *open, uint16_t *ret_stream)
{
    if (open->label_len > DCEP_LABEL_MAX || open->protocol_len > DCEP_LABEL_MAX ||
        open->reliability > DCEP_MAX_LIFETIME)
        return -EINVAL;
    if (a->state != ASSOCIATION_CONNECTING && a->state != ASSOCIATION_UP)
        return -ENOTCONN;
    for (uint16_t stream = a->dtls_client ? 0 : 1; stream < a->streams_out; stream += 2) {
        if (a->channels[stream])
            continue;
        struct channel *ch = channel_new(a, stream, open);
        if (!ch)
            return -ENOMEM;
        ch->send_open = true;
        stack_mark(a);
        *ret_stream = stream;
        return 0;
    }
    return -ENOSPC;
}

int sctp_association_channel_close(struct sctp_association *a, uint16_t stream)
{
    struct channel *ch = channel_of(a, stream);
    if (!ch || ch->closing)
        return -ENOENT;
    ch->closing = true;
    ch->send_reset = true;
    stack_mark(a);
    return 0;
}

const struct dcep_open *sctp_association_channel(const struct sctp_association *a, uint16_t stream)
{
    const struct channel *ch = open_channel_of(a, stream);
    return ch ? &ch->open : NULL;
}

int sctp_association_channel_find(const struct sctp_association *a, const char *label)
{
    for (uint16_t stream = 0; stream < SCTP_STREAMS; stream++) {
        const struct dcep_open *open = sctp_association_channel(a, stream);
        if (open && strcmp(open->label, label) == 0)
            return stream;
    }
    return -ENOENT;
}

/* ---- receiving ---- */

static void receive_open(struct sctp_association *a, uint16_t stream, const struct dcep_open *open)
{
    /* A stream in use cannot be opened once more. The parity of the number is the peer's own affair. */
    if (a->channels[stream]) {
        a->stats.strays++;
        return;
    }
    struct channel *ch = channel_new(a, stream, open);
    if (!ch)
        return;
    ch->acked = true;
    ch->send_ack = true;
    channel_report_open(a, stream);
}

static void receive_dcep(struct sctp_association *a, uint16_t stream, const uint8_t *data, size_t len)
{
    struct dcep_open open;
    struct channel *ch = a->channels[stream];

    switch (dcep_parse(data, len, &open)) {
    case DCEP_OPEN:
        receive_open(a, stream, &open);
        break;
    case DCEP_ACK:
        if (!ch || ch->send_open) {
            a->stats.strays++;
            break;
        }
        ch->acked = true;
        channel_report_open(a, stream);
        break;
    default:
        a->stats.strays++;
        break;
    }
}

void channel_receive(
    struct sctp_association *a, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len)
{
    bool binary = ppid == PPID_BINARY || ppid == PPID_BINARY_EMPTY;
    bool empty = ppid == PPID_STRING_EMPTY || ppid == PPID_BINARY_EMPTY;

    if (stream >= SCTP_STREAMS) {
        a->stats.strays++;
        return;
    }
    if (ppid == PPID_DCEP) {
        receive_dcep(a, stream, data, len);
        return;
    }
    struct channel *ch = a->channels[stream];
    if (!ch || ch->send_open || ch->in_closed || (!binary && ppid != PPID_STRING && !empty)) {
        a->stats.strays++;
        return;
    }
    /* Whoever sends on a channel has accepted it (RFC 8832, section 6), be its ACK lost or late. */
    if (!ch->closing && !ch->is_open) {
        ch->acked = true;
        channel_report_open(a, stream);
        ch = channel_of(a, stream);
    }
    if (!ch || !ch->is_open)
        return;
    a->stats.messages_in++;
    a->stats.bytes_in += empty ? 0 : len;
    a->ops->message(a->arg, stream, binary, data, empty ? 0 : len);
}

void channel_reset(struct sctp_association *a, uint16_t stream, bool incoming, bool outgoing, bool refused)
{
    struct channel *ch = channel_of(a, stream);

    if (!ch || a->state != ASSOCIATION_UP)
        return;
    if (incoming && !refused) {
        ch->in_closed = true;
        if (!ch->closing) { /* the peer began: our direction follows */
            ch->closing = true;
            ch->send_reset = true;
        }
    }
    /* A peer that refuses to hear of our reset will not hear of it later either. */
    if (outgoing || refused)
        ch->out_closed = true;
    if (ch->in_closed && ch->out_closed)
        channel_end(a, stream);
}

/* ---- sending ---- */

void channel_up(struct sctp_association *a)
{
    for (uint16_t stream = a->streams_out; stream < SCTP_STREAMS && a->state == ASSOCIATION_UP; stream++) {
        if (a->channels[stream])
            channel_end(a, stream);
    }
}

static bool queue_holds(const struct sctp_association *a, uint16_t stream)
{
    for (const struct queued *q = a->queue_head; q; q = q->next) {
        if (q->stream == stream)
            return true;
    }
    return false;
}

/* Asks for the reset of our direction. */
static void flush_reset(struct sctp_association *a, uint16_t stream, struct channel *ch)
{
    _Alignas(struct sctp_reset_streams)
        uint8_t option[sizeof(struct sctp_reset_streams) + sizeof stream] = {0};
    struct sctp_reset_streams *reset = (struct sctp_reset_streams *)(void *)option;

    if (queue_holds(a, stream))
        return;
    ch->send_reset = false;
    reset->srs_flags = SCTP_STREAM_RESET_OUTGOING;
    reset->srs_number_streams = 1;
    reset->srs_stream_list[0] = stream;
    if (usrsctp_setsockopt(a->socket, IPPROTO_SCTP, SCTP_RESET_STREAMS, option, sizeof option) < 0) {
        /* The peer knows no resets: there is nothing to wait for. */
        channel_end(a, stream);
    }
}

static void flush_channel(struct sctp_association *a, uint16_t stream)
{
    uint8_t out[OPEN_MAX];
    struct channel *ch = a->channels[stream];

    if (ch->send_open) {
        int n = dcep_write_open(&ch->open, out, sizeof out);
        ch->send_open = n < 0 || association_pass(a, NULL, stream, PPID_DCEP, out, (size_t)n) < 0;
    }
    if (ch->send_ack) {
        int n = dcep_write_ack(out, sizeof out);
        ch->send_ack = association_pass(a, NULL, stream, PPID_DCEP, out, (size_t)n) < 0;
    }
    if (ch->send_reset && !ch->send_open && !ch->send_ack)
        flush_reset(a, stream, ch);
}

/* Bytes inside usrsctp. */
static size_t passed(const struct sctp_association *a)
{
    return sctp_association_buffered(a) - a->queue_bytes;
}

static void flush_queue(struct sctp_association *a)
{
    while (a->queue_head && passed(a) < PASS_BELOW) {
        struct queued *q = a->queue_head;
        const struct channel *ch = a->channels[q->stream];
        if (association_pass(a, ch, q->stream, (enum ppid)q->ppid, q->data, q->len) < 0)
            break;
        a->queue_head = q->next;
        if (!a->queue_head)
            a->queue_tail = &a->queue_head;
        a->queue_bytes -= q->len;
        free(q);
    }
}

void channel_flush(struct sctp_association *a)
{
    flush_queue(a);
    for (uint16_t stream = 0; stream < SCTP_STREAMS && a->state == ASSOCIATION_UP; stream++) {
        if (a->channels[stream])
            flush_channel(a, stream);
    }
    if (a->want_writable && a->state == ASSOCIATION_UP && sctp_association_buffered(a) < SCTP_SEND_LOW) {
        a->want_writable = false;
        if (a->ops->writable)
            a->ops->writable(a->arg);
    }
}

static int refuse(struct sctp_association *a, uint64_t *counter)
{
    (*counter)++;
    a->want_writable = true;
    return -EAGAIN;
}

static int enqueue(
    struct sctp_association *a, uint16_t stream, enum ppid ppid, const uint8_t *data, size_t len)
{
    if (a->queue_bytes + len > SCTP_SEND_BUFFER)
        return refuse(a, &a->stats.refused_reliable);
    struct queued *q = malloc(sizeof *q + len);
    if (!q)
        return -ENOMEM;
    q->next = NULL;
    q->stream = stream;
    q->ppid = (uint16_t)ppid;
    q->len = len;
    if (len)
        memcpy(q->data, data, len);
    *a->queue_tail = q;
    a->queue_tail = &q->next;
    a->queue_bytes += len;
    return 0;
}

int sctp_association_send(
    struct sctp_association *a, uint16_t stream, bool binary, const uint8_t *data, size_t len)
{
    const struct channel *ch = open_channel_of(a, stream);
    enum ppid ppid =
        binary ? (len ? PPID_BINARY : PPID_BINARY_EMPTY) : (len ? PPID_STRING : PPID_STRING_EMPTY);
    int r;

    if (!ch || a->state != ASSOCIATION_UP)
        return -ENOENT;
    if (len > SCTP_MESSAGE_MAX)
        return -EMSGSIZE;
    bool reliable = ch->open.reliability == DCEP_RELIABLE;
    if (reliable ? a->queue_head || passed(a) >= PASS_BELOW : passed(a) >= SCTP_LOSSY_BUFFER)
        r = -EAGAIN;
    else
        r = association_pass(a, ch, stream, ppid, data, len);
    if (r == -EAGAIN)
        r = reliable ? enqueue(a, stream, ppid, data, len) : refuse(a, &a->stats.refused_lossy);
    if (r == 0) {
        a->stats.messages_out++;
        a->stats.bytes_out += len;
    }
    return r;
}
