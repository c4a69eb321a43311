#include "transport/transport.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/huge.h"
#include "base/log.h"
#include "base/prefetch.h"
#include "base/rand.h"

#define TWCC_SLOTS_MIN 256  /* packets remembered at first: over a second of a camera; a power of two */
#define TWCC_SLOTS_MAX 2048 /* at most: a second of 20 Mbit/s */

/* A client that answers our offer checks at once and then begins its handshake, while its answer is still on
 * the way through signalling. */
struct early {
    struct path path;
    uint16_t len;
    uint8_t data[];
};

struct transport {
    const struct transport_ops *ops;
    void *arg;
    struct ice_stun *stun;
    struct dtls_context *dtls_context;
    struct ice_lite ice;
    struct dtls_session *dtls;
    struct srtp_rx *rx;
    struct srtp_tx *tx;
    struct rtp_extmap extmap;
    enum transport_state state;
    bool established, dtls_failed, remote_known, dtls_client, dtls_started;
    struct early *early[DTLS_EARLY_MAX]; /* what came before transport_remote, oldest first */
    const struct path *reply_path;       /* during transport_dtls: where the record came from */
    uint64_t record_highest;             /* epoch and number of the newest DTLS application record */
    bool record_heard;                   /* during transport_dtls: there was one */
    int64_t now_us;
    uint32_t ssrc, media_ssrc;
    struct twcc_recorder *recorder; /* allocated when the first numbered packet comes */
    struct twcc_sender sender;
    struct twcc_sent *sent; /* allocated when the first number is given */
    struct transport_stats stats;
};

static void set_state(struct transport *t, enum transport_state s, const char *text)
{
    if (t->state == s)
        return;
    t->state = s;
    t->ops->state(t->arg, s, text);
}

static void update_state(struct transport *t)
{
    if (t->dtls_failed || t->state == TRANSPORT_CLOSED)
        return;
    switch (t->ice.state) {
    case ICE_NEW:
        break;
    case ICE_CONNECTED:
        if (t->established)
            set_state(t, TRANSPORT_CONNECTED,
                srtp_profile_name(t->tx ? srtp_tx_profile(t->tx) : SRTP_PROFILE_NONE));
        break;
    case ICE_DISCONNECTED:
        if (t->established)
            set_state(t, TRANSPORT_DISCONNECTED, "no checks and no media");
        break;
    case ICE_FAILED:
        set_state(t, TRANSPORT_FAILED, "consent expired");
        break;
    }
}

/* ---- DTLS ---- */

static void dtls_send(void *arg, const uint8_t *data, size_t len)
{
    struct transport *t = arg;
    const struct path *to = ice_lite_selected(&t->ice);
    if (!to)
        to = t->reply_path;
    if (to)
        t->ops->send(t->arg, to, data, len);
}

static void dtls_established(void *arg, const struct dtls_keys *keys)
{
    struct transport *t = arg;
    enum srtp_profile profile = (enum srtp_profile)keys->srtp_profile;
    bool media = profile != SRTP_PROFILE_NONE; /* a client of data channels alone offers no profile */
    int err = 0;
    if (media)
        err = srtp_rx_new(profile, keys->remote.key, keys->remote.salt, &t->rx);
    if (media && !err)
        err = srtp_tx_new(profile, keys->local.key, keys->local.salt, &t->tx);
    if (err) {
        t->dtls_failed = true;
        set_state(t, TRANSPORT_FAILED, "the SRTP keys cannot be used");
        return;
    }
    t->established = true;
    update_state(t);
}

static void dtls_data(void *arg, const uint8_t *data, size_t len)
{
    struct transport *t = arg;
    t->record_heard = true;
    t->ops->data(t->arg, data, len);
}

static void dtls_closed(void *arg, enum dtls_close why, const char *text)
{
    struct transport *t = arg;
    if (why == DTLS_CLOSED_LOCAL)
        return;
    if (why == DTLS_CLOSED_PEER) {
        set_state(t, TRANSPORT_CLOSED, text);
        return;
    }
    t->dtls_failed = true;
    set_state(t, TRANSPORT_FAILED, text && *text ? text : dtls_close_text(why));
}

static const struct dtls_ops dtls_callbacks = {
    .send = dtls_send, .established = dtls_established, .data = dtls_data, .closed = dtls_closed};

/* The handshake's clock starts when there is a way to the peer; a client begins it. */
static void start_dtls(struct transport *t, int64_t now_us)
{
    if (t->dtls_started || !t->dtls || !ice_lite_selected(&t->ice))
        return;
    t->dtls_started = true;
    dtls_session_start(t->dtls, now_us);
}

/* ---- life ---- */

int transport_new(struct ice_stun *stun, struct dtls_context *dtls, const struct ice_credentials *local,
    const char *remote_ufrag, const struct transport_ops *ops, void *arg, int64_t now_us,
    struct transport **ret)
{
    struct transport *t = huge_alloc(sizeof *t);
    if (!t)
        return -ENOMEM;
    t->ops = ops;
    t->arg = arg;
    t->stun = stun;
    t->dtls_context = dtls;
    t->now_us = now_us;
    t->ssrc = rand_u32() | 1;
    ice_lite_init(&t->ice, local, remote_ufrag, now_us);
    rtp_extmap_init(&t->extmap);
    *ret = t;
    return 0;
}

static void early_free(struct transport *t)
{
    for (int i = 0; i < DTLS_EARLY_MAX; i++) {
        free(t->early[i]); /* lint: malloc: once a handshake */
        t->early[i] = NULL;
    }
}

static void sent_free(struct transport *t)
{
    if (t->sent)
        huge_free(t->sent, ((size_t)t->sender.mask + 1) * sizeof *t->sent);
}

void transport_free(struct transport *t)
{
    if (!t)
        return;
    early_free(t);
    dtls_session_free(t->dtls);
    srtp_rx_free(t->rx);
    srtp_tx_free(t->tx);
    free(t->recorder);
    sent_free(t);
    huge_free(t, sizeof *t);
}

static int add_fingerprint(struct dtls_session *dtls, const char *fingerprint, int64_t now_us)
{
    char algorithm[16];
    const char *space = strchr(fingerprint, ' ');
    if (!space || (size_t)(space - fingerprint) >= sizeof algorithm)
        return -EINVAL;
    memcpy(algorithm, fingerprint, (size_t)(space - fingerprint));
    algorithm[space - fingerprint] = 0;
    return dtls_session_fingerprint_add(dtls, algorithm, space + 1, now_us);
}

static void early_keep(struct transport *t, const struct path *path, const uint8_t *data, size_t len)
{
    int i = 0;
    while (i < DTLS_EARLY_MAX && t->early[i])
        i++;
    if (i == DTLS_EARLY_MAX || len > DTLS_RECORD_MAX)
        return;
    struct early *e = malloc(sizeof *e + len); /* lint: malloc: once a handshake */
    if (!e)
        return;
    e->path = *path;
    e->len = (uint16_t)len;
    memcpy(e->data, data, len);
    t->early[i] = e;
}

static void early_replay(struct transport *t, int64_t now_us)
{
    for (int i = 0; i < DTLS_EARLY_MAX && t->early[i]; i++)
        transport_dtls(t, &t->early[i]->path, t->early[i]->data, t->early[i]->len, now_us);
    early_free(t);
}

int transport_remote(
    struct transport *t, const char *remote_ufrag, const char *fingerprint, bool dtls_client, int64_t now_us)
{
    struct dtls_session *dtls;
    if (t->remote_known)
        return -EALREADY;
    if (!ice_ufrag_valid(remote_ufrag))
        return -EINVAL;
    int err =
        dtls_session_new(t->dtls_context, dtls_client ? DTLS_CLIENT : DTLS_SERVER, &dtls_callbacks, t, &dtls);
    if (err)
        return err;
    err = add_fingerprint(dtls, fingerprint, now_us);
    if (err) {
        dtls_session_free(dtls);
        return err;
    }
    (void)ice_lite_set_remote(&t->ice, remote_ufrag);
    t->dtls = dtls;
    t->remote_known = true;
    t->dtls_client = dtls_client;
    early_replay(t, now_us);
    start_dtls(t, now_us);
    return 0;
}

int transport_set_remote_ufrag(struct transport *t, const char *remote_ufrag)
{
    return ice_lite_set_remote(&t->ice, remote_ufrag);
}

static void handle_ice(struct transport *t, uint32_t events, const struct path *path)
{
    struct path gone;
    if (events & ICE_EVENT_PATH_ADDED)
        t->ops->path(t->arg, path, true);
    if (events & ICE_EVENT_PATH_REMOVED)
        while (ice_lite_take_removed(&t->ice, &gone))
            if (!ice_lite_has_remote(&t->ice, &gone.remote, gone.conn))
                t->ops->path(t->arg, &gone, false);
    if (events & ICE_EVENT_UFRAG_DROPPED)
        t->ops->ufrag_dropped(t->arg, t->ice.dropped_ufrag);
    if (events & ICE_EVENT_SELECTED)
        start_dtls(t, t->now_us);
    if (events & (ICE_EVENT_STATE | ICE_EVENT_SELECTED))
        update_state(t);
}

void transport_restart(
    struct transport *t, const struct ice_credentials *local, const char *remote_ufrag, int64_t now_us)
{
    t->now_us = now_us;
    handle_ice(t, ice_lite_restart(&t->ice, local, remote_ufrag, now_us), NULL);
}

void transport_close(struct transport *t)
{
    if (t->dtls)
        dtls_session_close(t->dtls);
}

void transport_extmap_add(struct transport *t, const struct rtp_extmap *m)
{
    for (int e = 0; e < RTP_EXT_COUNT; e++)
        if (m->id_of[e])
            rtp_extmap_set(&t->extmap, m->id_of[e], (enum rtp_ext)e);
}

/* ---- input ---- */

enum ice_verdict transport_stun(
    struct transport *t, const struct path *path, const uint8_t *data, size_t len, int64_t now_us)
{
    uint8_t buf[ICE_REPLY_MAX];
    struct writer reply = writer_of(buf, sizeof buf);
    uint32_t events = 0;
    t->now_us = now_us;
    enum ice_verdict v = ice_lite_input(&t->ice, t->stun, path, data, len, now_us, &reply, &events);
    t->stats.ice[v]++;
    if (reply.len && !reply.bad)
        t->ops->send(t->arg, path, reply.buf, reply.len);
    handle_ice(t, events, path);
    return v;
}

/* The packet that moves a stream forward selects its path; a late one of a path that was left does not. */
static void heard(struct transport *t, const struct path *path, bool newest, int64_t now_us)
{
    uint32_t events = ice_lite_media(&t->ice, path, newest, now_us);
    if (events)
        handle_ice(t, events, path);
}

/* Epoch and number of a datagram that is one record (RFC 6347, section 4.1); 0 otherwise: numbers beside the
 * record that proved genuine may be anybody's. */
static uint64_t record_number(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    cursor_skip(&c, 3);
    uint64_t number = cursor_u64(&c);
    return cursor_u16(&c) == cursor_left(&c) && !c.bad ? number : 0;
}

void transport_dtls(
    struct transport *t, const struct path *path, const uint8_t *data, size_t len, int64_t now_us)
{
    t->now_us = now_us;
    if (!ice_lite_knows(&t->ice, path)) {
        t->stats.unknown_path++;
        return;
    }
    if (!t->dtls) {
        t->stats.before_keys++;
        early_keep(t, path, data, len);
        return;
    }
    t->reply_path = path;
    t->dtls_started = true; /* the first record starts a server by itself */
    t->record_heard = false;
    dtls_session_input(t->dtls, data, len, now_us);
    t->reply_path = NULL;
    if (!t->record_heard)
        return;
    uint64_t number = record_number(data, len);
    bool newest = number > t->record_highest;
    if (newest)
        t->record_highest = number;
    heard(t, path, newest, now_us);
}

static bool may_receive(struct transport *t, const struct path *path)
{
    if (!t->rx) {
        t->stats.before_keys++;
        return false;
    }
    const struct path *selected = ice_lite_selected(&t->ice);
    if ((selected && path_equal(selected, path)) || ice_lite_knows(&t->ice, path))
        return true;
    t->stats.unknown_path++;
    return false;
}

/* Most peers only receive, and 16 KB are not for them. */
static void record(struct transport *t, uint16_t seq, int64_t now_us)
{
    if (!t->recorder) {
        t->recorder = malloc(sizeof *t->recorder); /* lint: malloc: once a transport that receives media */
        if (!t->recorder)
            return;
        twcc_recorder_init(t->recorder);
    }
    twcc_recorder_input(t->recorder, seq, now_us);
}

void transport_rtp(struct transport *t, struct packet *p, int64_t now_us)
{
    t->now_us = now_us;
    if (!may_receive(t, &p->path))
        return;
    size_t len = p->len;
    uint64_t index, highest = 0;
    if (srtp_rx_rtp(t->rx, p->data, &len, &index))
        return; /* counted there */
    p->len = (uint16_t)len;
    struct rtp_packet *h = rtp_of(p);
    if (rtp_parse(p->data, len, &t->extmap, h)) {
        t->stats.rtp_malformed++;
        return;
    }
    t->stats.rtp_in++;
    t->stats.bytes_in += len;
    bool newest = srtp_rx_highest(t->rx, h->ssrc, &highest) == 0 && index >= highest;
    heard(t, &p->path, newest, now_us);
    if (rtp_has(h, RTP_EXT_TWCC)) {
        record(t, h->twcc, now_us);
        t->media_ssrc = h->ssrc;
    }
    t->ops->rtp(t->arg, p, now_us);
}

static void count_result(void *arg, const struct twcc_result *r)
{
    struct transport *t = arg;
    if (r->received)
        t->stats.sent_reported++;
    else
        t->stats.sent_lost++;
    if (t->ops->sent_result)
        t->ops->sent_result(t->arg, r);
}

static void take_feedback(struct transport *t, const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    int more, blocks = 0;
    while ((more = rtcp_next(&c, &b)) > 0) {
        if (!t->sent || !rtcp_is_feedback(&b, RTCP_RTPFB, RTCP_FMT_TWCC))
            continue;
        if (++blocks > TWCC_BLOCKS_MAX || twcc_sender_feedback(&t->sender, &b, count_result, t) < 0)
            t->stats.feedback_bad++;
    }
    if (more < 0)
        t->stats.rtcp_malformed++;
}

void transport_rtcp(struct transport *t, struct packet *p, int64_t now_us)
{
    t->now_us = now_us;
    if (!may_receive(t, &p->path))
        return;
    size_t len = p->len;
    uint32_t index, highest = 0;
    if (srtp_rx_rtcp(t->rx, p->data, &len, &index))
        return;
    p->len = (uint16_t)len;
    t->stats.rtcp_in++;
    t->stats.bytes_in += len;
    struct cursor c = cursor_of(p->data, len);
    cursor_skip(&c, 4);
    bool newest = srtp_rx_highest_rtcp(t->rx, cursor_u32(&c), &highest) == 0 && index >= highest;
    heard(t, &p->path, newest, now_us);
    take_feedback(t, p->data, len);
    t->ops->rtcp(t->arg, p->data, len, now_us);
}

void transport_conn_closed(struct transport *t, uint32_t conn, int64_t now_us)
{
    t->now_us = now_us;
    handle_ice(t, ice_lite_conn_closed(&t->ice, conn, now_us), NULL);
}

/* ---- time ---- */

static int64_t feedback_due(const struct transport *t)
{
    return t->recorder ? twcc_recorder_next_timeout(t->recorder) : INT64_MAX;
}

static void send_feedback(struct transport *t, int64_t now_us)
{
    do {
        uint8_t buf[1200];
        struct writer w = writer_of(buf, sizeof buf);
        if (!twcc_recorder_write(t->recorder, &w, t->ssrc, t->media_ssrc, now_us) || w.bad)
            return;
        transport_rtcp_send(t, buf, w.len);
    } while (t->recorder->pending);
}

void transport_timeout(struct transport *t, int64_t now_us)
{
    t->now_us = now_us;
    if (ice_lite_next_timeout(&t->ice) <= now_us)
        handle_ice(t, ice_lite_timeout(&t->ice, now_us), NULL);
    if (t->dtls && dtls_session_next_timeout_us(t->dtls) <= now_us)
        dtls_session_timeout(t->dtls, now_us);
    if (feedback_due(t) <= now_us)
        send_feedback(t, now_us);
}

int64_t transport_next_timeout(const struct transport *t)
{
    int64_t next = ice_lite_next_timeout(&t->ice);
    int64_t dtls = t->dtls ? dtls_session_next_timeout_us(t->dtls) : INT64_MAX;
    int64_t feedback = feedback_due(t);
    next = dtls < next ? dtls : next;
    return feedback < next ? feedback : next;
}

/* ---- output ---- */

const struct path *transport_path(const struct transport *t)
{
    return ice_lite_selected(&t->ice);
}

struct srtp_tx *transport_tx(struct transport *t)
{
    return t->tx;
}

/* Without memory the ring stays as it is: reports on what it has forgotten tell nothing. */
static void sent_grow(struct transport *t)
{
    size_t count = 2 * ((size_t)t->sender.mask + 1);
    struct twcc_sent *slots = count <= TWCC_SLOTS_MAX ? huge_alloc(count * sizeof *slots) : NULL;
    if (!slots || twcc_sender_grow(&t->sender, slots, count))
        return;
    huge_free(t->sent, count / 2 * sizeof *t->sent);
    t->sent = slots;
}

uint16_t transport_twcc_next(struct transport *t, size_t size, uint8_t tag, int64_t now_us)
{
    if (!t->sent) {
        t->sent = huge_alloc(TWCC_SLOTS_MIN * sizeof *t->sent);
        if (!t->sent)
            return 0;
        (void)twcc_sender_init(&t->sender, t->sent, TWCC_SLOTS_MIN);
    } else if (twcc_sender_is_short(&t->sender)) {
        sent_grow(t);
    }
    return twcc_sender_next(&t->sender, now_us, (uint16_t)size, tag);
}

void transport_prefetch(const struct transport *t)
{
    prefetch(&t->ice.selected, sizeof t->ice.selected + sizeof t->ice.state + 8);
    prefetch(&t->tx, sizeof t->tx);
    prefetch(&t->sender, sizeof t->sender + sizeof t->sent);
}

void transport_prefetch_more(const struct transport *t)
{
    if (t->ice.selected >= 0)
        prefetch(&t->ice.paths[t->ice.selected].path, sizeof(struct path));
    if (t->tx)
        srtp_tx_prefetch(t->tx);
    if (t->sent)
        prefetch(&t->sent[(uint64_t)t->sender.next & t->sender.mask], sizeof *t->sent);
}

int transport_rtcp_send(struct transport *t, const uint8_t *data, size_t len)
{
    uint8_t buf[PACKET_SIZE_MAX];
    const struct path *to = ice_lite_selected(&t->ice);
    if (!t->tx || !to)
        return -ENOTCONN;
    if (len + SRTP_RTCP_TRAILER_MAX > sizeof buf)
        return -EMSGSIZE;
    memcpy(buf, data, len);
    int err = srtp_tx_rtcp(t->tx, buf, &len, sizeof buf);
    if (!err)
        t->ops->send(t->arg, to, buf, len);
    return err;
}

int transport_write(struct transport *t, const uint8_t *data, size_t len)
{
    return t->dtls ? dtls_session_write(t->dtls, data, len) : -ENOTCONN;
}

uint32_t transport_ssrc(const struct transport *t)
{
    return t->ssrc;
}

enum transport_state transport_state(const struct transport *t)
{
    return t->state;
}

bool transport_has_remote(const struct transport *t)
{
    return t->remote_known;
}

bool transport_is_dtls_client(const struct transport *t)
{
    return t->dtls_client;
}

void transport_stats(const struct transport *t, struct transport_stats *ret)
{
    *ret = t->stats;
    if (t->rx)
        srtp_rx_stats(t->rx, &ret->rx);
}
