#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/rand.h"
#include "client_private.h"
#include "dial.h"
#include "net/clock.h"
#include "rtp/clock.h"
#include "rtp/rtcp.h"

#define BUFFER_BYTES (4 << 20) /* of the socket: a client may be kept from its processor for a while */
#define REPORT_US    1000000   /* between receiver or sender reports */
#define RTCP_SIZE    1200      /* bytes of a datagram of RTCP */

/* ---- reports ---- */

static void put_source_description(struct client *c, struct writer *w)
{
    char cname[16];
    snprintf(cname, sizeof cname, "%08x", c->offer.id);
    rtcp_sdes_write(w, c->ssrc, cname);
}

static void put_sender_reports(struct client *c, struct writer *w, int64_t now_us)
{
    uint64_t ntp = ntp_from_wall_us(clock_wall_us());
    for (unsigned i = 0; i < c->source_count; i++) {
        struct client_source *s = &c->sources[i];
        struct rtcp_sr sr;
        if (!s->stats.packets)
            continue;
        uint32_t ts = s->ts + (uint32_t)rtp_us_to_units(now_us - s->ts_us, s->rate);
        sender_stats_sr(&s->stats, ntp, ts, now_us, &sr);
        rtcp_sr_write(w, &sr, NULL, 0);
    }
}

/* RTCP_REPORTS_MAX streams a block. */
static void put_receiver_reports(struct client *c, struct writer *w, int64_t now_us)
{
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    size_t n = 0;
    for (struct client_stream *s = c->streams; s; s = s->hh.next) {
        n += receiver_stats_report(&s->rx, now_us, &reports[n]);
        if (n == RTCP_REPORTS_MAX || (n && !s->hh.next)) {
            rtcp_rr_write(w, c->ssrc, reports, n);
            n = 0;
        }
    }
}

static void send_reports(struct client *c, int64_t now_us)
{
    uint8_t buf[RTCP_SIZE];
    struct writer w = writer_of(buf, sizeof buf);
    put_sender_reports(c, &w, now_us);
    put_receiver_reports(c, &w, now_us);
    if (!w.len)
        return;
    put_source_description(c, &w);
    peer_send_rtcp(&c->peer, buf, w.len);
}

static void send_feedback(struct client *c, int64_t now_us)
{
    uint8_t buf[RTCP_SIZE];
    const struct client_stream *any = c->streams;
    while (c->recorder.pending) {
        struct writer w = writer_of(buf, sizeof buf);
        if (!twcc_recorder_write(&c->recorder, &w, c->ssrc, any ? any->ssrc : 0, now_us) || w.bad)
            break;
        peer_send_rtcp(&c->peer, buf, w.len);
    }
}

/* ---- time ---- */

void client_run(struct client *c, int64_t now_us)
{
    c->now_us = now_us;
    if (c->ended)
        return;
    peer_run(&c->peer, now_us);
    if (peer_connected(&c->peer)) {
        if (c->feedback && twcc_recorder_next_timeout(&c->recorder) <= now_us)
            send_feedback(c, now_us);
        if (c->report_us <= now_us) {
            send_reports(c, now_us);
            c->report_us = now_us + REPORT_US;
        }
    }
    if (c->ended)
        return;
    int64_t next = peer_next_timeout(&c->peer);
    if (peer_connected(&c->peer)) {
        int64_t feedback = c->feedback ? twcc_recorder_next_timeout(&c->recorder) : INT64_MAX;
        next = next < c->report_us ? next : c->report_us;
        next = next < feedback ? next : feedback;
    }
    if (next != INT64_MAX && (!wheel_is_set(&c->timer) || c->timer.due_us != next))
        wheel_set(loop_wheel(c->env->loop), &c->timer, next);
}

static void on_timer(struct wheel_timer *t, int64_t now_us)
{
    client_run(t->arg, now_us);
}

/* ---- packets of the peer ---- */

static void on_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    struct client *c = arg;
    struct udp_message m = {.path = *path, .data = data, .len = len};
    udp_send(&c->udp, &m, 1);
}

static void on_connected(void *arg)
{
    struct client *c = arg;
    c->times.ice_us = c->peer.stats.ice_us;
    c->times.connected_us = c->now_us;
    c->report_us = c->now_us + (int64_t)(rand_u32() % REPORT_US); /* not all clients at once */
}

static struct client_stream *stream_of(struct client *c, const struct rtp_packet *h)
{
    struct client_stream *s;
    HASH_FIND(hh, c->streams, &h->ssrc, sizeof h->ssrc, s);
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->ssrc = h->ssrc;
    receiver_stats_init(&s->rx, h->ssrc, h->pt == OFFER_PT_OPUS ? 48000 : 90000);
    HASH_ADD(hh, c->streams, ssrc, sizeof s->ssrc, s);
    return s;
}

static void on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct client *c = arg;
    int64_t *first = h->pt == OFFER_PT_OPUS ? &c->times.audio_us : &c->times.video_us;
    if (!*first)
        *first = clock_now_us();
    c->received_bytes += len;
    if (rtp_has(h, RTP_EXT_TWCC))
        twcc_recorder_input(&c->recorder, h->twcc, c->now_us);
    struct client_stream *s = stream_of(c, h);
    if (s)
        receiver_stats_packet(&s->rx, h->seq, h->ts, h->payload_len, c->now_us);
    c->ops->rtp(c->arg, c, data, len, h);
}

/* ---- RTCP of the server ---- */

static void reports_input(struct client *c, struct cursor *reports)
{
    struct rtcp_report r;
    while (rtcp_report_next(reports, &r))
        for (unsigned i = 0; i < c->source_count; i++)
            if (c->sources[i].ssrc == r.ssrc)
                sender_stats_report(&c->sources[i].stats, &r, c->now_us);
}

static void fir_input(void *arg, uint32_t media_ssrc, uint8_t command)
{
    struct client *c = arg;
    (void)command;
    c->ops->key_frame(c->arg, c, media_ssrc);
}

static void block_input(struct client *c, const struct rtcp_block *b)
{
    struct cursor reports;
    struct rtcp_sr sr;
    uint32_t sender, media;
    if (b->type == RTCP_SR && rtcp_sr_parse(b, &sr, &reports) == 0) {
        struct client_stream *s;
        HASH_FIND(hh, c->streams, &sr.ssrc, sizeof sr.ssrc, s);
        if (s)
            receiver_stats_sr(&s->rx, &sr, c->now_us);
        reports_input(c, &reports);
    } else if (b->type == RTCP_RR && rtcp_rr_parse(b, &sender, &reports) == 0) {
        reports_input(c, &reports);
    } else if (rtcp_is_feedback(b, RTCP_PSFB, RTCP_FMT_PLI) && rtcp_pli_parse(b, &sender, &media) == 0) {
        c->ops->key_frame(c->arg, c, media);
    } else if (rtcp_is_feedback(b, RTCP_PSFB, RTCP_FMT_FIR)) {
        (void)rtcp_fir_parse(b, fir_input, c);
    }
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct cursor cursor = cursor_of(data, len);
    struct rtcp_block b;
    while (rtcp_next(&cursor, &b) == 1)
        block_input(arg, &b);
}

static void on_closed(void *arg, const char *why)
{
    struct client *c = arg;
    if (!c->left) /* otherwise the WebSocket's end is the end */
        client_end(c, why);
}

static const struct peer_ops peer_callbacks = {
    .send = on_send, .connected = on_connected, .rtp = on_rtp, .rtcp = on_rtcp, .closed = on_closed};

/* ---- the socket ---- */

static void readable(void *arg, uint32_t events, int64_t now_us)
{
    struct client *c = arg;
    struct packet *batch[UDP_BATCH_MAX];
    int n;
    (void)events;
    c->now_us = now_us;
    do {
        n = udp_recv(&c->udp, c->env->pool, batch, UDP_BATCH_MAX, now_us);
        for (int i = 0; i < n; i++) {
            peer_input(&c->peer, &batch[i]->path, batch[i]->data, batch[i]->len, now_us);
            packet_unref(batch[i]);
        }
    } while (n == UDP_BATCH_MAX);
    client_run(c, now_us);
}

void client_add_path(struct client *c, const struct addr *remote)
{
    const struct addr *server = &c->env->server;
    struct path path = {.remote = *remote};
    if (addr_is_loopback(server) != addr_is_loopback(remote) || addr_is_v4(server) != addr_is_v4(remote))
        return;
    if (dial_local(remote, &path.local))
        return;
    path.local.port = c->udp.port;
    (void)peer_add_path(&c->peer, &path, c->now_us); /* the first ones are enough */
}

int client_media_open(struct client *c)
{
    wheel_timer_init(&c->timer, on_timer, c);
    peer_init(&c->peer, c->env->stun, c->env->dtls, &peer_callbacks, c, c->now_us);
    twcc_recorder_init(&c->recorder);
    c->udp.fd = -1;
    int err = udp_open(&c->udp, 0, BUFFER_BYTES);
    if (err)
        return err;
    c->watch = loop_fd_add(c->env->loop, c->udp.fd, EPOLLIN, readable, c);
    return c->watch ? 0 : -errno;
}

void client_media_done(struct client *c)
{
    struct client_stream *s, *next;
    HASH_ITER(hh, c->streams, s, next)
    {
        HASH_DEL(c->streams, s);
        free(s);
    }
    wheel_cancel(&c->timer);
    loop_fd_del(c->env->loop, c->watch);
    udp_close(&c->udp);
    peer_done(&c->peer);
}

/* ---- sending ---- */

bool client_may_send(const struct client *c, unsigned section)
{
    return !c->ended && !c->left && section < c->source_count && c->sources[section].agreed &&
           peer_connected(&c->peer);
}

/* Number and mid: every packet says where it belongs, as browsers do at a stream's start. */
static size_t header_exts(
    const struct client *c, unsigned section, char mid[4], uint8_t twcc[2], struct rtp_ext_out exts[2])
{
    size_t n = 0;
    if (rtp_extmap_id(&c->peer.extmap, RTP_EXT_TWCC)) {
        twcc[0] = (uint8_t)(c->twcc_next >> 8);
        twcc[1] = (uint8_t)c->twcc_next;
        exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_TWCC, .len = 2, .data = twcc};
    }
    if (rtp_extmap_id(&c->peer.extmap, RTP_EXT_MID)) {
        int len = snprintf(mid, 4, "%u", section % 1000);
        exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_MID, .len = (uint8_t)len, .data = (uint8_t *)mid};
    }
    return n;
}

size_t client_header_len(const struct client *c, unsigned section)
{
    char mid[4];
    uint8_t twcc[2], header[RTP_HEADER_MAX];
    struct rtp_ext_out exts[2];
    struct rtp_fields f = {.pt = OFFER_PT_VP8};
    size_t n = header_exts(c, section, mid, twcc, exts);
    int len = rtp_write_header(header, sizeof header, &f, &c->peer.extmap, exts, n);
    return len > 0 ? (size_t)len : RTP_HEADER_LEN;
}

int client_send(struct client *c, unsigned section, uint64_t index, uint32_t ts, bool marker,
    const uint8_t *payload, size_t len)
{
    if (!client_may_send(c, section))
        return -ENOTCONN;
    struct client_source *s = &c->sources[section];
    char mid[4];
    uint8_t twcc[2];
    struct rtp_ext_out exts[2];
    struct rtp_fields f = {.pt = s->pt, .marker = marker, .seq = (uint16_t)index, .ts = ts, .ssrc = s->ssrc};
    size_t n = header_exts(c, section, mid, twcc, exts);
    int err = peer_send_rtp(&c->peer, &f, index, exts, n, payload, len);
    if (err)
        return err;
    c->twcc_next++;
    s->ts = ts;
    s->ts_us = clock_now_us();
    sender_stats_packet(&s->stats, len);
    return 0;
}
