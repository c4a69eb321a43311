/* Data channels: SCTP lives on the sctp thread; DTLS records go to it and packets come back as mail. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "sfu/internal.h"

static const struct dcep_open own_channels[SFU_CHANNEL_COUNT] = {
    [SFU_CHANNEL_RELIABLE] = {.ordered = true, .label = "_reliable", .label_len = 9},
    [SFU_CHANNEL_LOSSY] = {.ordered = false,
        .reliability = DCEP_MAX_RETRANSMITS,
        .label = "_lossy",
        .label_len = 6},
    [SFU_CHANNEL_DATA_TRACK] = {.ordered = false,
        .reliability = DCEP_MAX_RETRANSMITS,
        .label = "_data_track",
        .label_len = 11},
};

/* ---- on the sctp thread ---- */

static void on_output(void *arg, const uint8_t *packet, size_t len)
{
    struct sfu_data *d = arg;
    if (atomic_load_explicit(&d->sfu->stopping, memory_order_acquire))
        return;
    struct worker_mail *m = sfu_mail_new(MAIL_SCTP_OUT, len);
    if (!m)
        return; /* lost, as on a network */
    m->peer = d->peer;
    memcpy(m->bytes, packet, len);
    sfu_mail(d->sfu, d->worker, m);
}

static void on_up(void *arg)
{
    struct sfu_data *d = arg;
    for (int i = 0; d->open_channels && i < SFU_CHANNEL_COUNT; i++) {
        uint16_t stream;
        sctp_association_channel_open(d->association, &own_channels[i], &stream);
    }
}

/* Which of our channels has this label? -1: none. */
static int channel_of(const struct dcep_open *open)
{
    for (int i = 0; open && i < SFU_CHANNEL_COUNT; i++)
        if (strcmp(open->label, own_channels[i].label) == 0)
            return i;
    return -1;
}

/* Where two channels of a label are open, both are heard and the first is sent on. */
static void on_channel_open(void *arg, uint16_t stream, const struct dcep_open *open)
{
    struct sfu_data *d = arg;
    const struct sfu_config *c = &d->sfu->config;
    int channel = channel_of(open);
    if (channel >= 0 && d->streams[channel] < 0)
        d->streams[channel] = stream;
    bool both = d->streams[SFU_CHANNEL_RELIABLE] >= 0 && d->streams[SFU_CHANNEL_LOSSY] >= 0;
    if (!both || d->told_open)
        return;
    d->told_open = true;
    if (c->data_ops && c->data_ops->open)
        c->data_ops->open(c->data_arg, d->peer);
}

static void on_message(void *arg, uint16_t stream, bool binary, const uint8_t *data, size_t len)
{
    struct sfu_data *d = arg;
    const struct sfu_config *c = &d->sfu->config;
    int channel = channel_of(sctp_association_channel(d->association, stream));
    (void)binary;
    if (channel >= 0 && c->data_ops && c->data_ops->message)
        c->data_ops->message(c->data_arg, d->peer, (enum sfu_channel)channel, data, len);
}

static void on_channel_closed(void *arg, uint16_t stream)
{
    struct sfu_data *d = arg;
    for (int i = 0; i < SFU_CHANNEL_COUNT; i++) {
        if (d->streams[i] != stream)
            continue;
        int other = sctp_association_channel_find(d->association, own_channels[i].label);
        d->streams[i] = other < 0 ? -1 : other;
    }
}

static void on_closed(void *arg, enum sctp_close why)
{
    struct sfu_data *d = arg;
    log_debug("data.closed", "peer=%u why=%d", d->peer, why);
    for (int i = 0; i < SFU_CHANNEL_COUNT; i++)
        d->streams[i] = -1;
}

static const struct sctp_ops callbacks = {
    .output = on_output,
    .up = on_up,
    .channel_open = on_channel_open,
    .message = on_message,
    .channel_closed = on_channel_closed,
    .closed = on_closed,
};

static struct sfu_data *data_find(struct sfu *s, uint32_t peer)
{
    struct sfu_data *d;
    HASH_FIND_INT(s->data, &peer, d);
    return d;
}

/* One for each peer: what is made beside it is freed again without having been heard of. */
static void enlist(void *arg)
{
    struct sfu_data *d = arg;
    if (!data_find(d->sfu, d->peer))
        HASH_ADD_INT(d->sfu->data, peer, d);
}

static void freed(void *arg)
{
    struct sfu_data *d = arg;
    const struct sfu_config *c = &d->sfu->config;
    if (data_find(d->sfu, d->peer) == d) {
        HASH_DELETE(hh, d->sfu->data, d);
        if (c->data_ops && c->data_ops->closed)
            c->data_ops->closed(c->data_arg, d->peer);
    }
    free(d);
}

int sfu_data_send(struct sfu *s, uint32_t peer, enum sfu_channel channel, const uint8_t *data, size_t len)
{
    struct sfu_data *d = data_find(s, peer);
    if (!d || d->streams[channel] < 0)
        return -ENOENT;
    if (d->message_max && len > d->message_max)
        return -EMSGSIZE;
    return sctp_association_send(d->association, (uint16_t)d->streams[channel], true, data, len);
}

int sfu_data_call(struct sfu *s, void (*fn)(void *arg), void *arg)
{
    return sctp_thread_call(s->sctp, fn, arg);
}

/* ---- on control and workers ---- */

int data_new(struct sfu *s, const struct sfu_command *c, struct sfu_data **ret)
{
    struct sfu_data *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->sfu = s;
    d->peer = c->peer;
    d->worker = c->worker;
    d->open_channels = c->data.open_channels;
    d->message_max = c->data.max_message_size;
    for (int i = 0; i < SFU_CHANNEL_COUNT; i++)
        d->streams[i] = -1;
    int err = sctp_association_new(s->sctp, &callbacks, d, c->data.port, &d->association);
    if (!err)
        err = sctp_thread_call(s->sctp, enlist, d);
    if (err) {
        if (d->association)
            sctp_thread_association_free(d->association, NULL, NULL);
        free(d);
        return err;
    }
    *ret = d;
    return 0;
}

void data_start(struct sfu_peer *p)
{
    if (!p->data || p->data_started || transport_state(p->transport) != TRANSPORT_CONNECTED)
        return;
    p->data_started = true;
    sctp_thread_association_start(p->data->association, transport_is_dtls_client(p->transport));
}

void data_input(struct sfu_peer *p, const uint8_t *data, size_t len)
{
    if (p->data)
        sctp_thread_input(p->data->association, data, len);
}

void data_stop(struct sfu_data *d)
{
    sctp_thread_association_free(d->association, freed, d);
}
