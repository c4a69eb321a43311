#include "support/rtc_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* ---- DTLS ---- */

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    struct rtc_client *c = arg;
    const struct path *path = rtc_client_path(c);
    if (path)
        c->ops->send(c->arg, path, data, len);
}

static void on_established(void *arg, const struct dtls_keys *keys)
{
    struct rtc_client *c = arg;
    enum srtp_profile profile = (enum srtp_profile)keys->srtp_profile;
    assert_true(srtp_profile_is_known(profile));
    assert_int_equal(srtp_rx_new(profile, keys->remote.key, keys->remote.salt, &c->rx), 0);
    assert_int_equal(srtp_tx_new(profile, keys->local.key, keys->local.salt, &c->tx), 0);
    c->established = true;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct rtc_client *c = arg;
    if (c->ops->data)
        c->ops->data(c->arg, data, len);
}

static void on_closed(void *arg, enum dtls_close why, const char *text)
{
    struct rtc_client *c = arg;
    c->closed = true;
    c->why = why;
    (void)snprintf(c->text, sizeof c->text, "%s", text);
}

static const struct dtls_ops dtls_callbacks = {
    .send = on_send, .established = on_established, .data = on_data, .closed = on_closed};

/* ---- life ---- */

void rtc_client_init(struct rtc_client *c, struct dtls_context *dtls, enum dtls_role role,
    const struct rtc_client_ops *ops, void *arg, int64_t now_us)
{
    *c = (struct rtc_client){.ops = ops, .arg = arg, .now_us = now_us};
    c->stun = ice_stun_new();
    assert_non_null(c->stun);
    ice_control_init(&c->ice, now_us);
    assert_int_equal(dtls_session_new(dtls, role, &dtls_callbacks, c, &c->dtls), 0);
    rtp_extmap_init(&c->extmap);
}

void rtc_client_done(struct rtc_client *c)
{
    dtls_session_free(c->dtls);
    srtp_rx_free(c->rx);
    srtp_tx_free(c->tx);
    ice_stun_free(c->stun);
    *c = (struct rtc_client){0};
}

void rtc_client_remote(
    struct rtc_client *c, const char *ufrag, const char *pwd, const char *fingerprint, int64_t now_us)
{
    assert_int_equal(ice_control_set_remote(&c->ice, ufrag, pwd), 0);
    assert_int_equal(dtls_session_fingerprint_add(c->dtls, "sha-256", fingerprint, now_us), 0);
    c->remote_known = true;
}

void rtc_client_restart(struct rtc_client *c, const char *ufrag, const char *pwd, int64_t now_us)
{
    ice_control_restart(&c->ice, now_us);
    assert_int_equal(ice_control_set_remote(&c->ice, ufrag, pwd), 0);
}

/* ---- input ---- */

static void media_input(struct rtc_client *c, uint8_t *data, size_t len, bool is_rtcp)
{
    uint64_t index;
    uint32_t rtcp_index;
    int err = !c->rx    ? -1
              : is_rtcp ? srtp_rx_rtcp(c->rx, data, &len, &rtcp_index)
                        : srtp_rx_rtp(c->rx, data, &len, &index);
    if (err) {
        c->refused++;
        return;
    }
    if (is_rtcp) {
        if (c->ops->rtcp)
            c->ops->rtcp(c->arg, data, len);
        return;
    }
    struct rtp_packet h;
    assert_int_equal(rtp_parse(data, len, &c->extmap, &h), 0);
    if (c->ops->rtp)
        c->ops->rtp(c->arg, data, len, &h);
}

/* By the first byte (RFC 7983); for RTP against RTCP by the second (RFC 5761). */
void rtc_client_input(
    struct rtc_client *c, const struct path *path, const uint8_t *data, size_t len, int64_t now_us)
{
    uint8_t copy[PACKET_SIZE_MAX], buf[ICE_REPLY_MAX];
    struct writer reply = writer_of(buf, sizeof buf);
    assert_true(len > 1 && len <= sizeof copy);
    memcpy(copy, data, len);
    c->now_us = now_us;
    if (data[0] <= 3) {
        (void)ice_control_input(&c->ice, c->stun, path, data, len, now_us, &reply);
        if (reply.len && !reply.bad)
            c->ops->send(c->arg, path, buf, reply.len);
    } else if (data[0] >= 20 && data[0] <= 63) {
        if (!c->data_paused)
            dtls_session_input(c->dtls, copy, len, now_us);
    } else if (data[0] >= 128 && data[0] <= 191) {
        media_input(c, copy, len, data[1] >= 192 && data[1] <= 223);
    }
}

/* ---- time ---- */

void rtc_client_run(struct rtc_client *c, int64_t now_us)
{
    struct path path;
    uint8_t buf[ICE_REQUEST_MAX];
    c->now_us = now_us;
    for (;;) {
        struct writer w = writer_of(buf, sizeof buf);
        if (!ice_control_poll(&c->ice, c->stun, now_us, &path, &w))
            break;
        c->ops->send(c->arg, &path, buf, w.len);
    }
    if (c->data_paused)
        return;
    if (!c->started && rtc_client_path(c)) {
        c->started = true;
        dtls_session_start(c->dtls, now_us);
    }
    if (dtls_session_next_timeout_us(c->dtls) <= now_us)
        dtls_session_timeout(c->dtls, now_us);
}

int64_t rtc_client_next_timeout(const struct rtc_client *c)
{
    int64_t ice = ice_control_next_timeout(&c->ice);
    int64_t dtls = c->data_paused ? INT64_MAX : dtls_session_next_timeout_us(c->dtls);
    return ice < dtls ? ice : dtls;
}

/* ---- output ---- */

const struct path *rtc_client_path(const struct rtc_client *c)
{
    const struct path *selected = ice_control_selected(&c->ice);
    for (uint32_t i = 0; !selected && c->ice.state == ICE_CONTROL_CHECKING && i < c->ice.check_count; i++)
        if (c->ice.checks[i].state == ICE_CHECK_SUCCEEDED)
            selected = &c->ice.checks[i].path;
    return selected;
}

size_t rtc_client_protect(struct rtc_client *c, const struct rtp_fields *f, uint64_t index,
    const struct rtp_ext_out *exts, size_t ext_count, const uint8_t *payload, size_t len, uint8_t *out)
{
    uint8_t header[RTP_HEADER_MAX];
    int n = rtp_write_header(header, sizeof header, f, &c->extmap, exts, ext_count);
    assert_true(n > 0);
    assert_non_null(c->tx);
    struct srtp_tx_job job = {
        .tx = c->tx,
        .index = index,
        .header = header,
        .payload = payload,
        .out = out,
        .out_cap = PACKET_SIZE_MAX,
        .ssrc = f->ssrc,
        .header_len = (uint16_t)n,
        .payload_len = (uint16_t)len,
    };
    assert_int_equal(srtp_tx_run(&job, 1), 1);
    return job.ret_len;
}

size_t rtc_client_protect_rtcp(struct rtc_client *c, const uint8_t *data, size_t len, uint8_t *out)
{
    assert_non_null(c->tx);
    memcpy(out, data, len);
    assert_int_equal(srtp_tx_rtcp(c->tx, out, &len, PACKET_SIZE_MAX), 0);
    return len;
}

void rtc_client_rtp(struct rtc_client *c, const struct rtp_fields *f, uint64_t index,
    const struct rtp_ext_out *exts, size_t ext_count, const uint8_t *payload, size_t len)
{
    uint8_t out[PACKET_SIZE_MAX];
    size_t n = rtc_client_protect(c, f, index, exts, ext_count, payload, len, out);
    assert_non_null(rtc_client_path(c));
    c->ops->send(c->arg, rtc_client_path(c), out, n);
}

void rtc_client_rtcp(struct rtc_client *c, const uint8_t *data, size_t len)
{
    uint8_t out[PACKET_SIZE_MAX];
    size_t n = rtc_client_protect_rtcp(c, data, len, out);
    assert_non_null(rtc_client_path(c));
    c->ops->send(c->arg, rtc_client_path(c), out, n);
}
