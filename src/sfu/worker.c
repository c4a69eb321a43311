/* One worker: its socket, its demultiplexing, its rounds. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/huge.h"
#include "base/log.h"
#include "net/clock.h"
#include "net/demux.h"
#include "sfu/internal.h"

/* ---- remote address -> peer ---- */

static struct path_key key_of(const struct addr *remote, uint32_t conn)
{
    struct path_key k = {.scope = remote->scope, .conn = conn, .port = remote->port};
    memcpy(k.ip, remote->ip, sizeof k.ip);
    return k;
}

static struct path_ref *path_find(struct sfu_worker *w, const struct path *path)
{
    struct path_key k = key_of(&path->remote, path->conn);
    struct path_ref *r;
    HASH_FIND(hh, w->paths, &k, sizeof k, r);
    return r;
}

static void path_ref_free(struct sfu_worker *w, struct path_ref *r)
{
    HASH_DELETE(hh, w->paths, r);
    list_del(&r->of_peer);
    huge_free(r, sizeof *r);
}

static struct tcp_ref *conn_find(struct sfu_worker *w, uint32_t number)
{
    struct tcp_ref *c;
    HASH_FIND_INT(w->conns, &number, c);
    return c;
}

static void conn_free(struct tcp_ref *ref)
{
    wheel_cancel(&ref->lone);
    tcp_conn_free(ref->conn);
    free(ref);
}

static void conn_drop(struct sfu_worker *w, uint32_t number)
{
    struct tcp_ref *ref = conn_find(w, number);
    if (!ref)
        return;
    HASH_DELETE(hh, w->conns, ref);
    conn_free(ref);
}

void worker_path_forget(struct sfu_worker *w, struct path_ref *r)
{
    uint32_t conn = r->key.conn;
    path_ref_free(w, r);
    if (conn)
        conn_drop(w, conn);
}

/* An address belongs to the peer that proved it last; a connection lives as long as a peer has it. */
void worker_path_set(struct sfu_peer *p, const struct path *path, bool added)
{
    struct sfu_worker *w = p->worker;
    struct path_ref *r = path_find(w, path);
    if (!added) {
        if (r && r->peer == p)
            worker_path_forget(w, r);
        return;
    }
    if (r && r->peer == p)
        return;
    if (r)
        path_ref_free(w, r);
    r = huge_alloc(sizeof *r);
    if (!r)
        return;
    r->key = key_of(&path->remote, path->conn);
    r->peer = p;
    HASH_ADD(hh, w->paths, key, sizeof r->key, r);
    list_add_tail(&p->paths, &r->of_peer);
}

/* ---- output of single datagrams ---- */

void worker_send(struct sfu_worker *w, const struct path *to, const uint8_t *data, size_t len)
{
    if (to->conn) {
        struct tcp_ref *c = conn_find(w, to->conn);
        if (c && tcp_conn_send(c->conn, data, len) == -ENOBUFS)
            w->tcp_dropped++;
    } else {
        struct udp_message m = {.path = *to, .data = data, .len = len};
        udp_send(&w->udp, &m, 1);
    }
    w->stats.datagrams_out++;
    w->stats.bytes_out += len;
}

/* ---- input ---- */

static void refuse(struct sfu_worker *w, struct packet *p)
{
    uint8_t buf[ICE_REPLY_MAX];
    struct writer reply = writer_of(buf, sizeof buf);
    w->stats.stun_unknown_user++;
    if (ice_stun_refuse(w->stun, p->data, p->len, &reply))
        worker_send(w, &p->path, buf, reply.len);
}

static void stun_input(struct sfu_worker *w, struct packet *p)
{
    char ufrag[ICE_UFRAG_MAX + 1];
    struct sfu_peer *peer = NULL;
    if (ice_stun_ufrag(p->data, p->len, ufrag) == 0) {
        struct ufrag_ref *u;
        HASH_FIND_STR(w->ufrags, ufrag, u);
        if (!u) {
            refuse(w, p);
            return;
        }
        peer = u->peer;
    } else {
        struct path_ref *r = path_find(w, &p->path);
        peer = r ? r->peer : NULL;
    }
    if (!peer) {
        w->stats.junk++;
        return;
    }
    if (transport_stun(peer->transport, &p->path, p->data, p->len, w->now_us) == ICE_ACCEPTED)
        worker_path_set(peer, &p->path, true); /* another peer may have proved this address meanwhile */
    peer_arm(peer, transport_next_timeout(peer->transport));
}

static void media_input(struct sfu_worker *w, struct packet *p, enum demux_kind kind)
{
    struct path_ref *r = path_find(w, &p->path);
    if (!r) {
        w->stats.unknown_sender++;
        return;
    }
    struct sfu_peer *peer = r->peer;
    peer->bytes_in += p->len;
    if (kind == DEMUX_DTLS && handshake_input(peer, p))
        return;
    if (kind == DEMUX_DTLS)
        transport_dtls(peer->transport, &p->path, p->data, p->len, w->now_us);
    else if (kind == DEMUX_RTP)
        transport_rtp(peer->transport, p, w->now_us);
    else
        transport_rtcp(peer->transport, p, w->now_us);
    if (!peer->removed)
        peer_arm(peer, transport_next_timeout(peer->transport));
}

static void datagram_input(struct sfu_worker *w, struct packet *p)
{
    w->stats.datagrams_in++;
    w->stats.bytes_in += p->len;
    enum demux_kind kind = demux_classify(p->data, p->len);
    switch (kind) {
    case DEMUX_STUN:
        stun_input(w, p);
        return;
    case DEMUX_DTLS:
    case DEMUX_RTP:
    case DEMUX_RTCP:
        media_input(w, p, kind);
        return;
    case DEMUX_JUNK:
        w->stats.junk++;
        return;
    }
}

static void mail_ready(void *arg, uint32_t events, int64_t now_us);

size_t worker_receive(struct sfu_worker *w, struct udp_socket *s, int64_t now_us)
{
    w->now_us = now_us;
    struct packet *batch[UDP_BATCH_MAX];
    size_t total = 0;
    while (total < SFU_RECV_MAX) {
        int n = udp_recv(s, w->pool, batch, UDP_BATCH_MAX, now_us);
        if (n == -ENOBUFS)
            w->stats.pool_empty++;
        if (n <= 0)
            break;
        /* A client checks as soon as it has our answer: the mail that makes its peer known was posted before,
         * but may be noticed after the check. Some clients take a refusal as final. */
        if (mailbox_waits(&w->mail))
            mail_ready(w, 0, now_us);
        for (int i = 0; i < n; i++) {
            datagram_input(w, batch[i]);
            packet_unref(batch[i]);
        }
        total += (size_t)n;
        if (n < UDP_BATCH_MAX)
            break;
        w->now_us = now_us = clock_now_us();
    }
    return total;
}

static void udp_ready(void *arg, uint32_t events, int64_t now_us)
{
    struct sfu_worker *w = arg;
    (void)events;
    worker_receive(w, &w->udp, now_us);
    feedback_round(w, w->now_us);
}

/* ---- frames of ICE-TCP ---- */

static struct path path_of(const struct tcp_ref *ref)
{
    return (struct path){.remote = ref->remote, .local = ref->local, .conn = ref->number};
}

static void tcp_frame(void *arg, struct tcp_conn *c, const uint8_t *frame, size_t len, int64_t now_us)
{
    struct tcp_ref *ref = arg;
    struct sfu_worker *w = ref->worker;
    (void)c;
    struct packet *p = packet_get(w->pool);
    if (!p) {
        w->stats.pool_empty++;
        return;
    }
    w->now_us = now_us;
    memcpy(p->data, frame, len);
    p->len = (uint16_t)len;
    p->recv_us = now_us;
    p->path = path_of(ref);
    datagram_input(w, p);
    packet_unref(p);
}

static void tcp_closed(void *arg, struct tcp_conn *c)
{
    struct tcp_ref *ref = arg;
    struct sfu_worker *w = ref->worker;
    (void)c;
    struct path path = path_of(ref);
    struct path_ref *r = path_find(w, &path);
    HASH_DELETE(hh, w->conns, ref);
    if (r) {
        struct sfu_peer *peer = r->peer;
        transport_conn_closed(peer->transport, ref->number, w->now_us);
        peer_arm(peer, transport_next_timeout(peer->transport));
    }
    conn_free(ref);
}

/* Time enough for a check that proves whose connection this is. */
static void tcp_lone(struct wheel_timer *t, int64_t now_us)
{
    struct tcp_ref *ref = t->arg;
    struct path path = path_of(ref);
    (void)now_us;
    if (!path_find(ref->worker, &path))
        conn_drop(ref->worker, ref->number);
}

void tcp_take(struct sfu_worker *w, struct worker_mail *m)
{
    struct tcp_ref *ref = calloc(1, sizeof *ref);
    if (!ref) {
        close(m->tcp.fd);
        return;
    }
    ref->worker = w;
    ref->number = ++w->next_conn;
    ref->remote = m->tcp.remote;
    ref->local = m->tcp.local;
    ref->conn = tcp_conn_new(w->loop, m->tcp.fd, tcp_frame, tcp_closed, ref);
    if (!ref->conn) {
        free(ref);
        return;
    }
    HASH_ADD_INT(w->conns, number, ref);
    wheel_timer_init(&ref->lone, tcp_lone, ref);
    wheel_set(loop_wheel(w->loop), &ref->lone, w->now_us + TCP_FIRST_FRAME_US);
    tcp_frame(ref, ref->conn, m->bytes, m->len, w->now_us);
}

void tcp_drop_all(struct sfu_worker *w)
{
    while (w->conns)
        conn_drop(w, w->conns->number);
}

/* ---- between workers ---- */

void worker_ring_push(struct sfu_worker *w, unsigned to, struct packet *p)
{
    if (!ring_push(w->sfu->workers[to]->in[w->index], packet_ref(p))) {
        packet_unref(p);
        w->stats.ring_full++;
        return;
    }
    w->ring_dirty[to] = true;
}

/* One wake-up for all that was pushed in this round. */
void worker_flush_rings(struct sfu_worker *w)
{
    for (unsigned i = 0; i < w->sfu->worker_count; i++) {
        if (!w->ring_dirty[i])
            continue;
        w->ring_dirty[i] = false;
        struct sfu_worker *to = w->sfu->workers[i];
        if (atomic_exchange_explicit(&to->ring_pending, true, memory_order_acq_rel))
            continue;
        struct worker_mail *m = sfu_mail_new(MAIL_RING, 0);
        if (m)
            sfu_mail(w->sfu, i, m);
        else
            atomic_store_explicit(&to->ring_pending, false, memory_order_release);
    }
}

static void rings_take(struct sfu_worker *w)
{
    /* An exchange, not a store: whoever finds the flag still set has pushed what is then seen here. */
    (void)atomic_exchange_explicit(&w->ring_pending, false, memory_order_acq_rel);
    for (unsigned i = 0; i < w->sfu->worker_count; i++) {
        struct packet *p;
        for (int n = 0; n < SFU_RING_SIZE && w->in[i] && (p = ring_pop(w->in[i])); n++) {
            ingest_image(w, p, w->now_us);
            packet_unref(p);
        }
    }
}

/* ---- rounds ---- */

static void mail_ready(void *arg, uint32_t events, int64_t now_us)
{
    struct sfu_worker *w = arg;
    (void)events;
    w->now_us = now_us;
    struct mail *next;
    bool rings = false, released = false;
    for (struct mail *m = mailbox_take(&w->mail); m; m = next) {
        next = m->next;
        struct worker_mail *wm = (struct worker_mail *)m;
        if (wm->kind == MAIL_RING) {
            rings = true;
        } else {
            if (!released)
                release_all(w); /* a command may end what is queued */
            released = true;
            mail_handle(w, wm);
        }
        free(wm);
    }
    if (rings)
        rings_take(w);
}

static void after_round(void *arg)
{
    struct sfu_worker *w = arg;
    w->stats.wakeups++;
    worker_flush_rings(w);
    allocation_run(w); /* before packets of this round go where they no longer should */
    release_run(w);
    choices_run(w);
    if (w->events_due)
        sfu_flush_events(w);
    handshakes_run(w);
}

static void publish_stats(struct sfu_worker *w)
{
    w->stats.peers = HASH_COUNT(w->peers);
    w->stats.subs = HASH_COUNT(w->subs);
    w->stats.packets_used = packet_pool_used(w->pool);
    w->stats.packets_waiting = w->items.used;
    uint64_t overflows = w->udp.overflows + w->feedback.udp.overflows;
    if (overflows > w->stats.recv_dropped && log_limit_pass(&w->overflow_limit, w->now_us))
        log_warn("udp.overflow", "worker=%u dropped=%llu buffer=%d", w->index, (unsigned long long)overflows,
            w->udp.rcvbuf);
    w->stats.recv_dropped = overflows;
    w->stats.udp_sends = w->udp.sends;
    w->stats.udp_runs = w->udp.runs;
    w->stats.udp_run_datagrams = w->udp.run_datagrams;
    w->stats.udp_runs_refused = w->udp.runs_refused;
    w->stats.send_dropped = w->udp.send_blocked + w->udp.send_errors + w->tcp_dropped;
    w->stats.tracks = 0;
    for (struct sfu_track *t = w->tracks; t; t = t->hh.next)
        w->stats.tracks += t->peer != NULL;
    pthread_mutex_lock(&w->stats_lock);
    w->published = w->stats;
    pthread_mutex_unlock(&w->stats_lock);
    if (w->stats.pool_empty && log_limit_pass(&w->limit, w->now_us))
        log_warn(
            "worker.pool_empty", "worker=%u dropped=%llu", w->index, (unsigned long long)w->stats.pool_empty);
}

static void tick(struct wheel_timer *t, int64_t now_us)
{
    struct sfu_worker *w = t->arg;
    w->now_us = now_us;
    struct sfu_track *track, *next;
    HASH_ITER(hh, w->tracks, track, next)
    {
        track_tick(track, now_us);
    }
    stages_tick(w, now_us);
    allocation_tick(w, now_us);
    release_tick(w);
    publish_stats(w);
    sfu_flush_events(w);
    wheel_set(loop_wheel(w->loop), &w->tick, now_us + SFU_TICK_US);
}

/* ---- life ---- */

static int open_socket(struct sfu_worker *w, char *error, size_t size)
{
    const struct config *cfg = w->sfu->config.cfg;
    uint16_t port = cfg->rtc.udp_port ? (uint16_t)(cfg->rtc.udp_port + w->index) : 0;
    int err = udp_open(&w->udp, port, cfg->rtc.buffer_bytes);
    if (err) {
        snprintf(error, size, "UDP port %u: %s", port, strerror(-err));
        return err;
    }
    if (w->index == 0 && w->udp.rcvbuf < cfg->rtc.buffer_bytes)
        log_warn("udp.small_buffer", "granted=%d asked=%d hint=\"raise net.core.rmem_max and wmem_max\"",
            w->udp.rcvbuf, cfg->rtc.buffer_bytes);
    return 0;
}

int worker_new(struct sfu *s, unsigned index, struct sfu_worker **ret, char *error, size_t size)
{
    struct sfu_worker *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->sfu = s;
    w->index = (uint8_t)index;
    w->udp.fd = w->feedback.udp.fd = w->mail.fd = -1;
    list_init(&w->due);
    list_init(&w->gather);
    list_init(&w->listeners);
    list_init(&w->ready);
    list_init(&w->paced);
    list_init(&w->serve);
    pthread_mutex_init(&w->stats_lock, NULL);
    w->now_us = clock_now_us();
    int err = open_socket(w, error, size);
    if (!err)
        err = mailbox_init(&w->mail);
    if (!err) {
        w->loop = loop_new();
        w->pool = packet_pool_new(POOL_PACKETS_MAX);
        w->stun = ice_stun_new();
        w->egress = huge_alloc(sizeof *w->egress);
        err = w->loop && w->pool && w->stun && w->egress ? 0 : -ENOMEM;
    }
    if (!err) {
        w->udp_fd = loop_fd_add(w->loop, w->udp.fd, EPOLLIN, udp_ready, w);
        w->mail_fd = loop_fd_add(w->loop, w->mail.fd, EPOLLIN, mail_ready, w);
        err = w->udp_fd && w->mail_fd ? 0 : -errno;
    }
    if (!err)
        err = feedback_init(w, s->config.cfg->rtc.buffer_bytes);
    if (err) {
        worker_free(w);
        return err;
    }
    loop_set_after(w->loop, after_round, w);
    release_init(w);
    allocation_init(w);
    wheel_timer_init(&w->tick, tick, w);
    wheel_set(loop_wheel(w->loop), &w->tick, w->now_us + SFU_TICK_US);
    *ret = w;
    return 0;
}

/* Mail that nobody reads any more. */
static void mail_drop_all(struct sfu_worker *w)
{
    struct mail *next;
    for (struct mail *m = w->mail.fd >= 0 ? mailbox_take(&w->mail) : NULL; m; m = next) {
        struct worker_mail *wm = (struct worker_mail *)m;
        next = m->next;
        if (wm->kind == MAIL_TCP)
            close(wm->tcp.fd);
        if (wm->kind == MAIL_COMMAND && wm->data)
            data_stop(wm->data);
        free(m);
    }
}

void worker_free(struct sfu_worker *w)
{
    if (!w)
        return;
    mail_drop_all(w);
    for (int i = 0; i < SFU_WORKERS_MAX; i++) {
        if (w->in[i])
            ring_done(w->in[i]);
        free(w->in[i]);
    }
    if (w->mail.fd >= 0)
        mailbox_done(&w->mail);
    if (w->loop)
        loop_free(w->loop);
    feedback_done(w);
    if (w->udp.fd >= 0)
        udp_close(&w->udp);
    handshakes_done(w);
    release_done(w);
    ice_stun_free(w->stun);
    packet_pool_free(w->pool);
    pthread_mutex_destroy(&w->stats_lock);
    free(w->events);
    huge_free(w->egress, sizeof *w->egress);
    free(w);
}

static void *run(void *arg)
{
    struct sfu_worker *w = arg;
    char name[16];
    snprintf(name, sizeof name, "worker/%u", w->index);
    pthread_setname_np(pthread_self(), name);
    loop_run(w->loop);
    return NULL;
}

/* The n-th processor we may use is this worker's. */
static void pin(struct sfu_worker *w)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) || w->sfu->worker_count < 2 ||
        (unsigned)CPU_COUNT(&allowed) < w->sfu->worker_count)
        return;
    unsigned n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || n++ != w->index)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_setaffinity_np(w->thread, sizeof one, &one);
        return;
    }
}

int worker_start(struct sfu_worker *w)
{
    int err = pthread_create(&w->thread, NULL, run, w);
    if (err)
        return -err;
    w->running = true;
    pin(w);
    return 0;
}

static void say_goodbye(void *arg)
{
    struct sfu_worker *w = arg;
    struct sfu_peer *p, *next;
    release_all(w);
    HASH_ITER(hh, w->peers, p, next)
    {
        peer_remove(p, true);
    }
    stages_done(w);
    tcp_drop_all(w);
    loop_stop(w->loop);
}

static void tell_total(struct sfu_worker *w)
{
    publish_stats(w);
#define U(name) (unsigned long long)w->stats.name
    log_info("worker.stopped",
        "worker=%u received=%llu forwarded=%llu sends=%llu runs=%llu in_runs=%llu padded=%llu wakeups=%llu "
        "paced=%llu stale=%llu send_dropped=%llu recv_dropped=%llu handshakes_waited=%llu",
        w->index, U(datagrams_in), U(rtp_out), U(udp_sends), U(udp_runs), U(udp_run_datagrams), U(padded),
        U(wakeups), U(paced), U(stale_packets), U(send_dropped), U(recv_dropped), U(handshakes_waited));
#undef U
}

void worker_stop(struct sfu_worker *w)
{
    if (!w->running)
        return;
    if (loop_call(w->loop, say_goodbye, w))
        loop_stop(w->loop);
    pthread_join(w->thread, NULL);
    mail_drop_all(w); /* while the sctp thread still runs */
    w->running = false;
    tell_total(w);
}
