/* One peer connection on its worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/huge.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "sfu/internal.h"

static struct sfu_peer *peer_find(struct sfu_worker *w, uint32_t id)
{
    struct sfu_peer *p;
    HASH_FIND_INT(w->peers, &id, p);
    return p;
}

/* ---- what the transport says ---- */

static void on_send(void *arg, const struct path *to, const uint8_t *data, size_t len)
{
    struct sfu_peer *p = arg;
    p->bytes_out += len;
    worker_send(p->worker, to, data, len);
}

static void on_state(void *arg, enum transport_state state, const char *text)
{
    static const enum sfu_peer_state states[] = {
        [TRANSPORT_CONNECTING] = SFU_PEER_CONNECTING,
        [TRANSPORT_CONNECTED] = SFU_PEER_CONNECTED,
        [TRANSPORT_DISCONNECTED] = SFU_PEER_DISCONNECTED,
        [TRANSPORT_FAILED] = SFU_PEER_FAILED,
        [TRANSPORT_CLOSED] = SFU_PEER_CLOSED,
    };
    struct sfu_peer *p = arg;
    const struct path *path = transport_path(p->transport);
    struct sfu_event e = {.type = SFU_EVENT_PEER_STATE, .peer = p->id};
    e.peer_state.state = states[state];
    if (path) {
        e.peer_state.remote = path->remote;
        e.peer_state.tcp = path->conn != 0;
    }
    text_copy(e.peer_state.reason, sizeof e.peer_state.reason, text);
    sfu_emit(p->worker, &e);
    if (state != TRANSPORT_CONNECTED)
        return;
    data_start(p);
    struct sfu_sub *s, *next;
    HASH_ITER(by_ssrc, p->subs, s, next)
    {
        sub_reset(s);
    }
}

static void on_rtp(void *arg, struct packet *pkt, int64_t now_us)
{
    ingest_rtp(arg, pkt, now_us);
}

static void on_sent_result(void *arg, const struct twcc_result *r)
{
    congestion_result(arg, r);
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len, int64_t now_us)
{
    rtcp_input(arg, data, len, now_us);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    data_input(arg, data, len);
}

static void on_path(void *arg, const struct path *path, bool added)
{
    worker_path_set(arg, path, added);
}

static void ufrag_free(struct ufrag_ref *u)
{
    HASH_DELETE(hh, u->peer->worker->ufrags, u);
    list_del(&u->of_peer);
    free(u);
}

static void on_ufrag_dropped(void *arg, const char *ufrag)
{
    struct sfu_peer *p = arg;
    struct ufrag_ref *u;
    HASH_FIND_STR(p->worker->ufrags, ufrag, u);
    if (u && u->peer == p)
        ufrag_free(u);
}

static const struct transport_ops callbacks = {
    .send = on_send,
    .state = on_state,
    .rtp = on_rtp,
    .sent_result = on_sent_result,
    .rtcp = on_rtcp,
    .data = on_data,
    .path = on_path,
    .ufrag_dropped = on_ufrag_dropped,
};

/* ---- timers ---- */

void peer_arm(struct sfu_peer *p, int64_t due_us)
{
    if (p->removed || due_us == INT64_MAX || (wheel_is_set(&p->timer) && p->timer.due_us <= due_us))
        return;
    wheel_set(loop_wheel(p->worker->loop), &p->timer, due_us);
}

static void on_timer(struct wheel_timer *t, int64_t now_us)
{
    struct sfu_peer *p = t->arg;
    p->worker->now_us = now_us;
    transport_timeout(p->transport, now_us);
    rtcp_nacks(p, now_us);
    congestion_timeout(p, now_us);
    if (now_us >= p->report_us)
        rtcp_reports(p, now_us);
    int64_t next = transport_next_timeout(p->transport);
    int64_t rtcp = rtcp_next_timeout(p);
    int64_t congestion = congestion_next_timeout(p);
    next = rtcp < next ? rtcp : next;
    peer_arm(p, congestion < next ? congestion : next);
}

/* ---- commands ---- */

void peer_ufrag_add(struct sfu_peer *p, const char *ufrag)
{
    struct ufrag_ref *u;
    HASH_FIND_STR(p->worker->ufrags, ufrag, u);
    if (u)
        return;
    u = calloc(1, sizeof *u);
    if (!u)
        return;
    text_copy(u->ufrag, sizeof u->ufrag, ufrag);
    u->peer = p;
    HASH_ADD_STR(p->worker->ufrags, ufrag, u);
    list_add_tail(&p->ufrags, &u->of_peer);
}

static struct ice_credentials local_of(const struct sfu_command *c)
{
    struct ice_credentials local;
    text_copy(local.ufrag, sizeof local.ufrag, c->remote.ice.local_ufrag);
    text_copy(local.pwd, sizeof local.pwd, c->remote.ice.local_pwd);
    return local;
}

static void peer_failed(struct sfu_worker *w, uint32_t id, const char *reason)
{
    struct sfu_event e = {.type = SFU_EVENT_PEER_STATE, .peer = id};
    e.peer_state.state = SFU_PEER_FAILED;
    text_copy(e.peer_state.reason, sizeof e.peer_state.reason, reason);
    sfu_emit(w, &e);
}

static void set_remote(struct sfu_peer *p, const struct sfu_command *c)
{
    struct sfu_worker *w = p->worker;
    if (transport_has_remote(p->transport)) {
        transport_set_remote_ufrag(p->transport, c->remote.ice.remote_ufrag);
        return;
    }
    int err = transport_remote(
        p->transport, c->remote.ice.remote_ufrag, c->remote.fingerprint, c->remote.dtls_client, w->now_us);
    if (err)
        peer_failed(
            w, p->id, err == -EOPNOTSUPP ? "fingerprint algorithm is too weak" : "bad remote credentials");
}

static void peer_add(struct sfu_worker *w, const struct sfu_command *c)
{
    struct sfu_peer *p = huge_alloc(sizeof *p);
    struct ice_credentials local = local_of(c);
    if (!p || transport_new(w->stun, w->sfu->config.dtls, &local, c->remote.ice.remote_ufrag, &callbacks, p,
                  w->now_us, &p->transport)) {
        huge_free(p, sizeof *p);
        peer_failed(w, c->peer, "out of memory");
        return;
    }
    p->id = c->peer;
    p->worker = w;
    list_init(&p->paths);
    list_init(&p->ufrags);
    list_init(&p->tracks);
    list_init(&p->ready);
    list_init(&p->paced);
    pacer_init(&p->pacer, w->now_us);
    wheel_timer_init(&p->timer, on_timer, p);
    p->report_us = w->now_us + SFU_REPORT_US;
    p->quality_us = w->now_us + SFU_QUALITY_US;
    HASH_ADD_INT(w->peers, id, p);
    peer_ufrag_add(p, local.ufrag);
    if (c->remote.fingerprint[0])
        set_remote(p, c);
    peer_arm(p, p->report_us);
}

void peer_remove(struct sfu_peer *p, bool say_goodbye)
{
    struct sfu_worker *w = p->worker;
    if (say_goodbye)
        transport_close(p->transport);
    p->removed = true;
    struct sfu_sub *s, *next_sub;
    HASH_ITER(by_ssrc, p->subs, s, next_sub)
    {
        sub_remove(s);
    }
    while (!list_empty(&p->tracks))
        track_remove(list_entry(p->tracks.next, struct sfu_track, of_peer));
    while (!list_empty(&p->paths))
        worker_path_forget(w, list_entry(p->paths.next, struct path_ref, of_peer));
    while (!list_empty(&p->ufrags))
        ufrag_free(list_entry(p->ufrags.next, struct ufrag_ref, of_peer));
    if (p->data)
        data_stop(p->data);
    release_forget_peer(p);
    wheel_cancel(&p->timer);
    HASH_DELETE(hh, w->peers, p);
    struct sfu_event e = {.type = SFU_EVENT_PEER_REMOVED, .peer = p->id};
    sfu_emit(w, &e);
    transport_free(p->transport);
    congestion_forget(p);
    huge_free(p, sizeof *p);
}

static void peer_restart(struct sfu_peer *p, const struct sfu_command *c)
{
    struct ice_credentials local = local_of(c);
    peer_ufrag_add(p, local.ufrag);
    transport_restart(p->transport, &local, c->remote.ice.remote_ufrag, p->worker->now_us);
    peer_arm(p, transport_next_timeout(p->transport));
}

void peer_command(struct sfu_worker *w, const struct sfu_command *c, struct sfu_data *data)
{
    if (c->type == SFU_PEER_ADD) {
        peer_add(w, c);
        return;
    }
    struct sfu_peer *p = peer_find(w, c->peer);
    if (!p) {
        if (data)
            data_stop(data);
        return;
    }
    switch (c->type) {
    case SFU_PEER_REMOTE:
        set_remote(p, c);
        break;
    case SFU_PEER_RESTART:
        peer_restart(p, c);
        break;
    case SFU_PEER_REMOVE:
        peer_remove(p, true);
        return;
    case SFU_PEER_SET:
        allocation_peer_set(p, c);
        break;
    case SFU_PEER_DATA:
        if (p->data) {
            data_stop(data);
            break;
        }
        p->data = data;
        data_start(p);
        break;
    default:
        break;
    }
    peer_arm(p, transport_next_timeout(p->transport));
}
