#include "peer.h"

#include <errno.h>
#include <string.h>
#include "net/demux.h"

/* ---- DTLS ---- */

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    struct peer *p = arg;
    const struct path *path = peer_path(p);
    if (path)
        p->ops->send(p->arg, path, data, len);
}

static void fail(struct peer *p, const char *why)
{
    if (p->closed)
        return;
    p->closed = true;
    p->ops->closed(p->arg, why);
}

static void on_established(void *arg, const struct dtls_keys *keys)
{
    struct peer *p = arg;
    enum srtp_profile profile = (enum srtp_profile)keys->srtp_profile;
    if (srtp_rx_new(profile, keys->remote.key, keys->remote.salt, &p->rx) ||
        srtp_tx_new(profile, keys->local.key, keys->local.salt, &p->tx)) {
        fail(p, "no SRTP profile was agreed");
        return;
    }
    p->stats.connected_us = p->now_us;
    p->ops->connected(p->arg);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct peer *p = arg;
    if (p->ops->data)
        p->ops->data(p->arg, data, len);
}

static void on_closed(void *arg, enum dtls_close why, const char *text)
{
    (void)why;
    fail(arg, text);
}

static const struct dtls_ops dtls_callbacks = {
    .send = on_send, .established = on_established, .data = on_data, .closed = on_closed};

/* ---- life ---- */

void peer_init(struct peer *p, struct ice_stun *stun, struct dtls_context *context,
    const struct peer_ops *ops, void *arg, int64_t now_us)
{
    *p = (struct peer){.ops = ops, .arg = arg, .stun = stun, .context = context, .now_us = now_us};
    ice_control_init(&p->ice, now_us);
    rtp_extmap_init(&p->extmap);
}

void peer_done(struct peer *p)
{
    dtls_session_free(p->dtls);
    srtp_rx_free(p->rx);
    srtp_tx_free(p->tx);
    p->dtls = NULL;
    p->rx = NULL;
    p->tx = NULL;
    p->closed = true;
}

int peer_remote(struct peer *p, const char *ufrag, const char *pwd, const char *fingerprint, bool dtls_client,
    int64_t now_us)
{
    int err = ice_control_set_remote(&p->ice, ufrag, pwd);
    if (!err)
        err = dtls_session_new(
            p->context, dtls_client ? DTLS_CLIENT : DTLS_SERVER, &dtls_callbacks, p, &p->dtls);
    return err ? err : dtls_session_fingerprint_add(p->dtls, "sha-256", fingerprint, now_us);
}

int peer_add_path(struct peer *p, const struct path *path, int64_t now_us)
{
    return ice_control_add_path(&p->ice, path, now_us);
}

/* ---- input ---- */

static void stun_input(struct peer *p, const struct path *path, const uint8_t *data, size_t len)
{
    uint8_t buf[ICE_REPLY_MAX];
    struct writer reply = writer_of(buf, sizeof buf);
    if (!ice_control_input(&p->ice, p->stun, path, data, len, p->now_us, &reply)) {
        p->stats.refused++;
        p->stats.check_errors++;
    }
    if (reply.len && !reply.bad)
        p->ops->send(p->arg, path, buf, reply.len);
}

static void rtp_input(struct peer *p, uint8_t *data, size_t len)
{
    struct rtp_packet h;
    uint64_t index;
    int err = p->rx ? srtp_rx_rtp(p->rx, data, &len, &index) : -ENOTCONN;
    if (!err)
        err = rtp_parse(data, len, &p->extmap, &h);
    if (err) {
        p->stats.repeated += err == -EALREADY;
        p->stats.refused += err != -EALREADY;
        return;
    }
    p->stats.rtp++;
    p->ops->rtp(p->arg, data, len, &h);
}

static void rtcp_input(struct peer *p, uint8_t *data, size_t len)
{
    uint32_t index;
    if (!p->rx || srtp_rx_rtcp(p->rx, data, &len, &index)) {
        p->stats.refused++;
        return;
    }
    p->stats.rtcp++;
    p->ops->rtcp(p->arg, data, len);
}

void peer_input(struct peer *p, const struct path *path, uint8_t *data, size_t len, int64_t now_us)
{
    p->now_us = now_us;
    if (p->closed)
        return;
    switch (demux_classify(data, len)) {
    case DEMUX_STUN:
        stun_input(p, path, data, len);
        return;
    case DEMUX_DTLS:
        if (p->dtls)
            dtls_session_input(p->dtls, data, len, now_us);
        return;
    case DEMUX_RTP:
        rtp_input(p, data, len);
        return;
    case DEMUX_RTCP:
        rtcp_input(p, data, len);
        return;
    case DEMUX_JUNK:
        p->stats.refused++;
        return;
    }
}

/* ---- time ---- */

void peer_run(struct peer *p, int64_t now_us)
{
    struct path path;
    uint8_t buf[ICE_REQUEST_MAX];
    p->now_us = now_us;
    while (!p->closed) {
        struct writer w = writer_of(buf, sizeof buf);
        if (!ice_control_poll(&p->ice, p->stun, now_us, &path, &w))
            break;
        p->ops->send(p->arg, &path, buf, w.len);
    }
    if (p->closed || !p->dtls)
        return;
    if (p->ice.state == ICE_CONTROL_FAILED) {
        fail(p, "ICE failed");
        return;
    }
    if (!p->started && peer_path(p)) {
        p->started = true;
        p->stats.ice_us = now_us;
        dtls_session_start(p->dtls, now_us);
    }
    if (dtls_session_next_timeout_us(p->dtls) <= now_us)
        dtls_session_timeout(p->dtls, now_us);
}

int64_t peer_next_timeout(const struct peer *p)
{
    if (p->closed)
        return INT64_MAX;
    int64_t ice = ice_control_next_timeout(&p->ice);
    int64_t dtls = p->dtls ? dtls_session_next_timeout_us(p->dtls) : INT64_MAX;
    return ice < dtls ? ice : dtls;
}

/* ---- output ---- */

const struct path *peer_path(const struct peer *p)
{
    const struct path *selected = ice_control_selected(&p->ice);
    for (uint32_t i = 0; !selected && p->ice.state == ICE_CONTROL_CHECKING && i < p->ice.check_count; i++)
        if (p->ice.checks[i].state == ICE_CHECK_SUCCEEDED)
            selected = &p->ice.checks[i].path;
    return selected;
}

bool peer_connected(const struct peer *p)
{
    return p->tx && !p->closed && peer_path(p);
}

int peer_send_rtp(struct peer *p, const struct rtp_fields *f, uint64_t index, const struct rtp_ext_out *exts,
    size_t ext_count, const uint8_t *payload, size_t len)
{
    uint8_t header[RTP_HEADER_MAX], out[PACKET_SIZE_MAX];
    if (!peer_connected(p))
        return -ENOTCONN;
    int n = rtp_write_header(header, sizeof header, f, &p->extmap, exts, ext_count);
    if (n < 0)
        return n;
    struct srtp_tx_job job = {
        .tx = p->tx,
        .index = index,
        .header = header,
        .payload = payload,
        .out = out,
        .out_cap = sizeof out,
        .ssrc = f->ssrc,
        .header_len = (uint16_t)n,
        .payload_len = (uint16_t)len,
    };
    if (srtp_tx_run(&job, 1) != 1)
        return job.ret_err;
    p->ops->send(p->arg, peer_path(p), out, job.ret_len);
    return 0;
}

int peer_send_rtcp(struct peer *p, const uint8_t *data, size_t len)
{
    uint8_t out[PACKET_SIZE_MAX];
    if (!peer_connected(p))
        return -ENOTCONN;
    if (len > sizeof out)
        return -EMSGSIZE;
    memcpy(out, data, len);
    int err = srtp_tx_rtcp(p->tx, out, &len, sizeof out);
    if (!err)
        p->ops->send(p->arg, peer_path(p), out, len);
    return err;
}
