#include "support/sfu_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"
#include "net/clock.h"
#include "support/nonce_watch.h"
#include "support/sfu_rig_net.h"
#include "support/virtual_sfu.h"

#define CLIENT_SSRC 77 /* of a client's RTCP */

int sfu_rig_begin(void **state)
{
    (void)state;
    (void)log_open(LOG_LEVEL_WARN, NULL);
    nonce_watch_start();
    return 0;
}

int sfu_rig_end(void **state)
{
    (void)state;
    nonce_watch_stop();
    return 0;
}

static struct sfu_rig *open_rig;

int sfu_rig_teardown(void **state)
{
    (void)state;
    if (!open_rig)
        return 0;
    struct sfu_stats stats;
    sfu_stats(open_rig->sfu, &stats);
#define PRINT_COUNTER(name, text) print_error("%s=%llu ", #name, (unsigned long long)stats.name);
    SFU_COUNTERS(PRINT_COUNTER)
    print_error("\n");
    sfu_rig_stop(open_rig); /* what the clients hold is lost */
    sfu_free(open_rig->sfu);
    open_rig = NULL;
    return 0;
}

/* ---- the media side ---- */

void sfu_rig_open(struct sfu_rig *r, unsigned workers, const struct sfu_data_ops *data_ops, void *data_arg)
{
    *r = (struct sfu_rig){.next_id = 1};
    r->cfg.rtc.buffer_bytes = 1 << 20;
    r->cfg.rtc.loopback = CONFIG_ON;
    r->server_dtls = virtual_sfu_dtls();
    r->client_dtls = virtual_sfu_dtls();
    struct sfu_config config = {.cfg = &r->cfg,
        .dtls = r->server_dtls,
        .workers = workers,
        .data_ops = data_ops,
        .data_arg = data_arg};
    rig_net_open(r, &config);
    assert_int_equal(sfu_workers(r->sfu), workers);
    open_rig = r;
}

static void peer_free(struct sfu_rig_peer *p)
{
    for (size_t i = 0; i < p->stream_count; i++)
        free(p->streams[i].packets);
    rtc_client_done(&p->client);
    rig_net_detach(p);
    free(p);
}

void sfu_rig_stop(struct sfu_rig *r)
{
    if (!r->stopped)
        rig_net_stop(r);
}

void sfu_rig_close(struct sfu_rig *r)
{
    open_rig = NULL;
    sfu_rig_stop(r);
    assert_int_equal(sfu_post(r->sfu, &(struct sfu_command){.type = SFU_PEER_REMOVE}), -ESHUTDOWN);
    sfu_free(r->sfu);
    while (r->peer_count)
        peer_free(r->peers[--r->peer_count]);
    dtls_context_free(r->server_dtls);
    dtls_context_free(r->client_dtls);
    free(r->events);
    rand_source_set(NULL, NULL);
}

void sfu_rig_post(struct sfu_rig *r, const struct sfu_command *c)
{
    assert_int_equal(sfu_post(r->sfu, c), 0);
}

uint32_t sfu_rig_id(struct sfu_rig *r)
{
    return r->next_id++;
}

/* ---- what a client hears ---- */

struct heard_stream *sfu_rig_stream(struct sfu_rig_peer *p, uint32_t ssrc)
{
    for (size_t i = 0; i < p->stream_count; i++)
        if (p->streams[i].ssrc == ssrc)
            return &p->streams[i];
    assert_true(p->stream_count < SFU_RIG_STREAMS_MAX);
    struct heard_stream *s = &p->streams[p->stream_count++];
    s->ssrc = ssrc;
    return s;
}

static void on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct sfu_rig_peer *p = arg;
    struct heard_stream *s = sfu_rig_stream(p, h->ssrc);
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->packets = realloc(s->packets, s->cap * sizeof *s->packets);
        assert_non_null(s->packets);
    }
    struct heard *heard = &s->packets[s->count++];
    *heard = (struct heard){.h = *h, .hash = hash_bytes(data, len), .at_us = clock_now_us()};
    rtp_ext_text(h, data, RTP_EXT_MID, heard->mid);
    memcpy(heard->head, data + h->payload_off, h->payload_len < SFU_RIG_HEAD ? h->payload_len : SFU_RIG_HEAD);
    if (h->payload_len)
        (void)payload_parse(PAYLOAD_VP8, data + h->payload_off, h->payload_len, &heard->payload);
}

static void on_nack(void *arg, uint32_t media, uint16_t seq)
{
    struct heard_stream *s = sfu_rig_stream(arg, media);
    s->nacked[s->nacks++ % 1024] = seq;
}

static void on_fir(void *arg, uint32_t media, uint8_t command)
{
    (void)command;
    sfu_rig_stream(arg, media)->firs++;
}

static void on_cname(void *arg, uint32_t ssrc, const char *cname, size_t len)
{
    struct heard_stream *s = sfu_rig_stream(arg, ssrc);
    assert_true(len < sizeof s->cname);
    memcpy(s->cname, cname, len);
    s->cname[len] = 0;
}

static void reports_take(struct sfu_rig_peer *p, struct cursor *reports)
{
    struct rtcp_report report;
    while (rtcp_report_next(reports, &report)) {
        struct heard_stream *s = sfu_rig_stream(p, report.ssrc);
        s->report = report;
        s->reports++;
    }
}

static void block_take(struct sfu_rig_peer *p, const struct rtcp_block *b)
{
    struct cursor reports;
    struct rtcp_sr sr;
    uint32_t sender, media;
    if (b->type == RTCP_SR) {
        assert_int_equal(rtcp_sr_parse(b, &sr, &reports), 0);
        struct heard_stream *s = sfu_rig_stream(p, sr.ssrc);
        s->sr = sr;
        s->sr_us = clock_now_us();
        s->sender_reports++;
        reports_take(p, &reports);
    } else if (b->type == RTCP_RR) {
        assert_int_equal(rtcp_rr_parse(b, &sender, &reports), 0);
        reports_take(p, &reports);
    } else if (b->type == RTCP_XR) {
        struct cursor c = cursor_of(b->body, b->len);
        p->server_ssrc = cursor_u32(&c);
        cursor_skip(&c, 4 + 2); /* block header, upper half of the seconds */
        p->reference = cursor_u32(&c);
        p->references++;
        assert_int_equal(cursor_left(&c), 2);
    } else if (b->type == RTCP_SDES) {
        assert_int_equal(rtcp_sdes_parse(b, on_cname, p), 0);
    } else if (rtcp_is_feedback(b, RTCP_RTPFB, RTCP_FMT_NACK)) {
        assert_true(rtcp_nack_parse(b, on_nack, p) > 0);
    } else if (rtcp_is_feedback(b, RTCP_RTPFB, RTCP_FMT_TWCC)) {
        p->twcc_reports++;
    } else if (rtcp_is_feedback(b, RTCP_PSFB, RTCP_FMT_FIR)) {
        assert_true(rtcp_fir_parse(b, on_fir, p) > 0);
    } else if (rtcp_is_feedback(b, RTCP_PSFB, RTCP_FMT_PLI)) {
        assert_int_equal(rtcp_pli_parse(b, &sender, &media), 0);
        struct heard_stream *s = sfu_rig_stream(p, media);
        s->pli_us[s->plis++ % 256] = clock_now_us();
    } else {
        fail_msg("RTCP of type %u, %u", b->type, b->count);
    }
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    int more;
    while ((more = rtcp_next(&c, &b)) > 0)
        block_take(arg, &b);
    assert_int_equal(more, 0);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct sfu_rig_peer *p = arg;
    if (p->on_data)
        p->on_data(p, data, len);
}

/* ---- peers ---- */

static void on_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    (void)path;
    sfu_rig_send(arg, data, len);
}

static const struct rtc_client_ops client_ops = {
    .send = on_send, .rtp = on_rtp, .rtcp = on_rtcp, .data = on_data};

static struct sfu_command peer_command(const struct sfu_rig_peer *p, enum sfu_command_type type)
{
    struct sfu_command c = {.type = type, .worker = p->worker, .peer = p->id};
    (void)snprintf(c.remote.ice.local_ufrag, sizeof c.remote.ice.local_ufrag, "%s", p->remote.ufrag);
    (void)snprintf(c.remote.ice.local_pwd, sizeof c.remote.ice.local_pwd, "%s", p->remote.pwd);
    return c;
}

static void command_introduce(struct sfu_command *c, const struct sfu_rig_peer *p, const char *fingerprint)
{
    (void)snprintf(
        c->remote.ice.remote_ufrag, sizeof c->remote.ice.remote_ufrag, "%s", p->client.ice.local.ufrag);
    (void)snprintf(c->remote.fingerprint, sizeof c->remote.fingerprint, "sha-256 %s",
        fingerprint ? fingerprint : dtls_context_fingerprint(p->rig->client_dtls));
    c->remote.dtls_client = dtls_session_role(p->client.dtls) == DTLS_SERVER;
}

/* The server's credentials: the first letter names the worker. */
static void credentials_make(struct sfu_rig_peer *p)
{
    static const char letters[] = "ABCDEFGH";
    ice_credentials_make(&p->remote);
    p->remote.ufrag[0] = letters[p->worker];
}

static struct sfu_rig_peer *peer_make(
    struct sfu_rig *r, unsigned worker, bool tcp, enum dtls_role server_role)
{
    struct sfu_rig_peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_true(r->peer_count < SFU_RIG_PEERS_MAX);
    r->peers[r->peer_count++] = p;
    p->rig = r;
    p->id = sfu_rig_id(r);
    p->worker = (uint8_t)worker;
    p->tcp = tcp;
    rig_net_attach(p);
    credentials_make(p);
    enum dtls_role client_role = server_role == DTLS_SERVER ? DTLS_CLIENT : DTLS_SERVER;
    rtc_client_init(&p->client, r->client_dtls, client_role, &client_ops, p, clock_now_us());
    return p;
}

static void client_begin(struct sfu_rig_peer *p)
{
    int64_t now_us = clock_now_us();
    rtc_client_remote(
        &p->client, p->remote.ufrag, p->remote.pwd, dtls_context_fingerprint(p->rig->server_dtls), now_us);
    assert_int_equal(ice_control_add_path(&p->client.ice, &p->path, now_us), 0);
}

struct sfu_rig_peer *sfu_rig_peer_add(
    struct sfu_rig *r, unsigned worker, bool tcp, enum dtls_role server_role)
{
    struct sfu_rig_peer *p = peer_make(r, worker, tcp, server_role);
    struct sfu_command c = peer_command(p, SFU_PEER_ADD);
    command_introduce(&c, p, NULL);
    sfu_rig_post(r, &c);
    client_begin(p);
    return p;
}

struct sfu_rig_peer *sfu_rig_peer_add_late(struct sfu_rig *r, unsigned worker, bool tcp)
{
    struct sfu_rig_peer *p = peer_make(r, worker, tcp, DTLS_SERVER);
    struct sfu_command c = peer_command(p, SFU_PEER_ADD);
    sfu_rig_post(r, &c);
    client_begin(p);
    return p;
}

void sfu_rig_peer_introduce(struct sfu_rig_peer *p, const char *fingerprint)
{
    struct sfu_command c = peer_command(p, SFU_PEER_REMOTE);
    command_introduce(&c, p, fingerprint);
    sfu_rig_post(p->rig, &c);
}

void sfu_rig_peer_move(struct sfu_rig_peer *p, bool tcp)
{
    struct ice_control *ice = &p->client.ice;
    rig_net_detach(p);
    p->tcp = tcp;
    p->in_len = 0;
    p->hung_up = false;
    rig_net_attach(p);
    ice->check_count = 0;
    ice->selected = -1;
    ice->state = ICE_CONTROL_CHECKING;
    ice->first_success_us = INT64_MAX;
    assert_int_equal(ice_control_add_path(ice, &p->path, clock_now_us()), 0);
}

void sfu_rig_peer_restart(struct sfu_rig_peer *p)
{
    credentials_make(p);
    rtc_client_restart(&p->client, p->remote.ufrag, p->remote.pwd, clock_now_us());
    struct sfu_command c = peer_command(p, SFU_PEER_RESTART);
    command_introduce(&c, p, NULL);
    sfu_rig_post(p->rig, &c);
}

void sfu_rig_peer_remove(struct sfu_rig_peer *p)
{
    sfu_rig_post(p->rig, &(struct sfu_command){.type = SFU_PEER_REMOVE, .worker = p->worker, .peer = p->id});
    p->removed = true;
}

static bool all_connected(const struct sfu_rig *r)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sfu_rig_peer *p = r->peers[i];
        if (!p->removed && (p->state != SFU_PEER_CONNECTED || !p->client.established))
            return false;
    }
    return true;
}

void sfu_rig_connect(struct sfu_rig *r)
{
    SFU_RIG_UNTIL(r, all_connected(r), (void)0);
}

/* ---- events ---- */

static void on_event(void *arg, const struct sfu_event *e)
{
    struct sfu_rig *r = arg;
    if (r->event_count == r->event_cap) {
        r->event_cap = r->event_cap ? 2 * r->event_cap : 256;
        r->events = realloc(r->events, r->event_cap * sizeof *r->events);
        assert_non_null(r->events);
    }
    r->events[r->event_count++] = *e;
    for (size_t i = 0; i < r->peer_count; i++) {
        struct sfu_rig_peer *p = r->peers[i];
        if (p->id != e->peer)
            continue;
        assert_int_equal(e->worker, p->worker);
        if (e->type == SFU_EVENT_PEER_STATE) {
            assert_false(p->gone);
            p->state = e->peer_state.state;
            p->state_tcp = e->peer_state.tcp;
            memcpy(p->reason, e->peer_state.reason, sizeof p->reason);
        } else if (e->type == SFU_EVENT_PEER_QUALITY) {
            p->qualities++;
            p->quality = *e;
        } else if (e->type == SFU_EVENT_PEER_REMOVED) {
            p->gone = true;
        }
    }
}

void rig_take_events(struct sfu_rig *r)
{
    sfu_take_events(r->sfu, on_event, r);
}

static bool about(
    const struct sfu_event *e, enum sfu_event_type type, uint32_t peer, uint32_t track, uint32_t sub)
{
    return e->type == type && (!peer || e->peer == peer) && (!track || e->track == track) &&
           (!sub || e->sub == sub);
}

size_t sfu_rig_events(
    const struct sfu_rig *r, enum sfu_event_type type, uint32_t peer, uint32_t track, uint32_t sub)
{
    size_t n = 0;
    for (size_t i = 0; i < r->event_count; i++)
        n += about(&r->events[i], type, peer, track, sub);
    return n;
}

const struct sfu_event *sfu_rig_event(
    const struct sfu_rig *r, enum sfu_event_type type, uint32_t peer, uint32_t track, uint32_t sub)
{
    for (size_t i = r->event_count; i > 0; i--)
        if (about(&r->events[i - 1], type, peer, track, sub))
            return &r->events[i - 1];
    return NULL;
}

/* ---- RTCP of clients ---- */

void sfu_rig_nack(struct sfu_rig_peer *p, uint32_t media, const uint16_t *seqs, size_t n)
{
    uint8_t buf[1200];
    struct writer w = writer_of(buf, sizeof buf);
    assert_int_equal(rtcp_nack_write(&w, CLIENT_SSRC, media, seqs, n), n);
    rtc_client_rtcp(&p->client, buf, w.len);
}

void sfu_rig_pli(struct sfu_rig_peer *p, uint32_t media)
{
    uint8_t buf[64];
    struct writer w = writer_of(buf, sizeof buf);
    rtcp_pli_write(&w, CLIENT_SSRC, media);
    rtc_client_rtcp(&p->client, buf, w.len);
}

void sfu_rig_report(struct sfu_rig_peer *p, const struct rtcp_report *report)
{
    uint8_t buf[64];
    struct writer w = writer_of(buf, sizeof buf);
    rtcp_rr_write(&w, CLIENT_SSRC, report, 1);
    rtc_client_rtcp(&p->client, buf, w.len);
}

void sfu_rig_rtcp(struct sfu_rig_peer *p, const void *data, size_t len)
{
    rtc_client_rtcp(&p->client, data, len);
}

/* A peer made and removed on every worker: its end is told once the worker has come so far. What was sent
 * before is in the worker's socket by then, and read in the same round or the next. */
static void barrier(struct sfu_rig *r)
{
    uint32_t ids[SFU_WORKERS_MAX];
    for (unsigned w = 0; w < sfu_workers(r->sfu); w++) {
        struct sfu_command c = {.type = SFU_PEER_ADD, .worker = (uint8_t)w, .peer = ids[w] = sfu_rig_id(r)};
        struct ice_credentials local;
        ice_credentials_make(&local);
        (void)snprintf(c.remote.ice.local_ufrag, sizeof c.remote.ice.local_ufrag, "%s", local.ufrag);
        (void)snprintf(c.remote.ice.local_pwd, sizeof c.remote.ice.local_pwd, "%s", local.pwd);
        sfu_rig_post(r, &c);
        c.type = SFU_PEER_REMOVE;
        sfu_rig_post(r, &c);
    }
    for (unsigned w = 0; w < sfu_workers(r->sfu); w++)
        SFU_RIG_UNTIL(r, sfu_rig_event(r, SFU_EVENT_PEER_REMOVED, ids[w], 0, 0), (void)0);
}

/* One round for the sockets, one for what then goes to other workers, one for them. Before, the time is over
 * that RTCP may wait in its socket. */
void sfu_rig_sync(struct sfu_rig *r)
{
    sfu_rig_idle(r, FEEDBACK_GATHER_US / 1000 + 2);
    for (int i = 0; i < 3; i++)
        barrier(r);
    sfu_rig_pump(r, 0);
}

struct sfu_stats sfu_rig_stats(struct sfu_rig *r)
{
    struct sfu_stats s;
    sfu_rig_sync(r);
    sfu_rig_idle(r, SFU_TICK_US / 1000 + 20);
    sfu_rig_sync(r); /* the tick was due before: it has come */
    sfu_stats(r->sfu, &s);
    return s;
}

void sfu_rig_drain(struct sfu_rig *r)
{
    SFU_RIG_UNTIL(r, sfu_rig_stats(r).packets_waiting == 0, (void)0);
    sfu_rig_sync(r);
}
