#include "support/transport_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "support/nonce_watch.h"
#include "tls/cert.h"

#define TURNS_MAX 2000000 /* of one run: more is a time that does not pass */
#define INSIST_US 250000

enum { TO_SERVER, TO_CLIENT };

extern int64_t virtual_now_us; /* support/virtual_time.h */

struct dtls_context *rig_server_dtls, *rig_client_dtls, *rig_other_dtls;
static struct seeded randomness;
static uint64_t open_seed;
static bool open_run;

static void on_random(void *arg, void *buf, size_t len)
{
    uint8_t *p = buf;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)seeded_u64(arg);
}

/* ---- fixtures ---- */

static int context_make(struct dtls_context **ret)
{
    struct cert *cert = NULL;
    int err = cert_make(&(struct cert_subject){.days = 30}, &cert, NULL);
    if (!err)
        err = dtls_context_new(cert, ret);
    cert_free(cert);
    return err;
}

int transport_rig_begin(void **state)
{
    (void)state;
    nonce_watch_start();
    return context_make(&rig_server_dtls) || context_make(&rig_client_dtls) || context_make(&rig_other_dtls);
}

int transport_rig_end(void **state)
{
    (void)state;
    dtls_context_free(rig_server_dtls);
    dtls_context_free(rig_client_dtls);
    dtls_context_free(rig_other_dtls);
    nonce_watch_stop();
    return 0;
}

int transport_rig_teardown(void **state)
{
    (void)state;
    if (open_run)
        print_error("the run with seed %llu did not end well\n", (unsigned long long)open_seed);
    open_run = false;
    rand_source_set(NULL, NULL);
    return 0;
}

/* ---- paths ---- */

struct path rig_client_path(unsigned n, uint32_t conn)
{
    struct path p = {.conn = conn};
    char ip[32];
    (void)snprintf(ip, sizeof ip, "198.51.100.%u", n + 1);
    assert_int_equal(addr_parse(ip, (uint16_t)(50000 + n), &p.local), 0);
    assert_int_equal(addr_parse("192.0.2.1", 7882, &p.remote), 0);
    return p;
}

struct path rig_server_path(unsigned n, uint32_t conn)
{
    struct path p = rig_client_path(n, conn);
    return (struct path){.remote = p.local, .local = p.remote, .conn = conn};
}

static struct path turned(const struct path *p)
{
    return (struct path){.remote = p->local, .local = p->remote, .conn = p->conn};
}

static bool is_down(const struct transport_rig *r, const struct addr *client)
{
    return r->down >> (client->ip[15] - 1) & 1;
}

/* ---- what the two say ---- */

static void on_send(void *arg, const struct path *to, const uint8_t *data, size_t len)
{
    struct transport_rig *r = arg;
    struct path path = turned(to);
    assert_in_range(len, 8, 1400);
    if (r->tap)
        r->tap(r->arg, false, data, len);
    if (!is_down(r, &to->remote))
        bad_link_send(&r->link, TO_CLIENT, &path, data, len, virtual_now_us);
}

static void on_client_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    struct transport_rig *r = arg;
    struct path at_server = turned(path);
    if (r->tap)
        r->tap(r->arg, true, data, len);
    if (!is_down(r, &path->local))
        bad_link_send(&r->link, TO_SERVER, &at_server, data, len, virtual_now_us);
}

static void on_state(void *arg, enum transport_state s, const char *text)
{
    struct transport_rig *r = arg;
    assert_true(r->state_count < RIG_STATES_MAX);
    assert_non_null(text);
    assert_true(r->state_count == 0 || r->states[r->state_count - 1].state != s);
    assert_true(r->state_count == 0 || r->states[r->state_count - 1].state != TRANSPORT_CLOSED);
    assert_int_equal(transport_state(r->server), s);
    r->states[r->state_count].state = s;
    r->states[r->state_count].at_us = virtual_now_us;
    (void)snprintf(r->states[r->state_count].text, sizeof r->states[0].text, "%s", text);
    r->state_count++;
}

static int path_find(const struct transport_rig *r, const struct path *p)
{
    for (int i = 0; i < r->path_count; i++)
        if (addr_equal(&r->paths[i].remote, &p->remote) && r->paths[i].conn == p->conn)
            return i;
    return -1;
}

static void on_path(void *arg, const struct path *p, bool added)
{
    struct transport_rig *r = arg;
    int i = path_find(r, p);
    if (added) {
        if (i < 0) {
            assert_true(r->path_count < RIG_PATHS_MAX);
            r->paths[r->path_count++] = *p;
        }
        return;
    }
    assert_true(i >= 0);
    r->paths[i] = r->paths[--r->path_count];
}

static void on_ufrag_dropped(void *arg, const char *ufrag)
{
    struct transport_rig *r = arg;
    assert_true(r->dropped_count < 8);
    (void)snprintf(r->dropped_ufrags[r->dropped_count++], sizeof r->dropped_ufrags[0], "%s", ufrag);
}

static void on_rtp(void *arg, struct packet *p, int64_t now_us)
{
    struct transport_rig *r = arg;
    assert_int_equal(now_us, virtual_now_us);
    assert_true(path_find(r, &p->path) >= 0);
    if (r->on_rtp)
        r->on_rtp(r->arg, p);
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len, int64_t now_us)
{
    struct transport_rig *r = arg;
    assert_int_equal(now_us, virtual_now_us);
    if (r->on_rtcp)
        r->on_rtcp(r->arg, data, len);
}

static void on_sent_result(void *arg, const struct twcc_result *result)
{
    struct transport_rig *r = arg;
    if (r->on_sent_result)
        r->on_sent_result(r->arg, result);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct transport_rig *r = arg;
    if (r->on_data)
        r->on_data(r->arg, data, len);
}

static const struct transport_ops server_ops = {
    .send = on_send,
    .state = on_state,
    .rtp = on_rtp,
    .sent_result = on_sent_result,
    .rtcp = on_rtcp,
    .data = on_data,
    .path = on_path,
    .ufrag_dropped = on_ufrag_dropped,
};

static void on_client_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct transport_rig *r = arg;
    if (r->on_client_rtp)
        r->on_client_rtp(r->arg, data, len, h);
}

static void on_client_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct transport_rig *r = arg;
    if (r->on_client_rtcp)
        r->on_client_rtcp(r->arg, data, len);
}

static void on_client_data(void *arg, const uint8_t *data, size_t len)
{
    struct transport_rig *r = arg;
    if (r->on_client_data)
        r->on_client_data(r->arg, data, len);
}

static const struct rtc_client_ops client_ops = {
    .send = on_client_send, .rtp = on_client_rtp, .rtcp = on_client_rtcp, .data = on_client_data};

/* ---- life ---- */

void rig_init(struct transport_rig *r, uint64_t seed, enum dtls_role server_role, bool late)
{
    *r = (struct transport_rig){.seed = seed, .patient = true};
    open_seed = seed;
    open_run = true;
    randomness = seeded_of(~seed);
    rand_source_set(on_random, &randomness);
    bad_link_init(&r->link, seed);
    r->link.delay_us = 10000;
    r->stun = ice_stun_new();
    r->pool = packet_pool_new(64);
    assert_non_null(r->stun);
    assert_non_null(r->pool);
    ice_credentials_make(&r->local);
    enum dtls_role client_role = server_role == DTLS_SERVER ? DTLS_CLIENT : DTLS_SERVER;
    rtc_client_init(&r->client, rig_client_dtls, client_role, &client_ops, r, virtual_now_us);
    assert_int_equal(
        transport_new(r->stun, rig_server_dtls, &r->local, "", &server_ops, r, virtual_now_us, &r->server),
        0);
    if (!late)
        rig_introduce(r, server_role);
    rtc_client_remote(
        &r->client, r->local.ufrag, r->local.pwd, dtls_context_fingerprint(rig_server_dtls), virtual_now_us);
    struct path path = rig_client_path(0, 0);
    assert_int_equal(ice_control_add_path(&r->client.ice, &path, virtual_now_us), 0);
}

void rig_done(struct transport_rig *r)
{
    transport_free(r->server);
    rtc_client_done(&r->client);
    bad_link_done(&r->link);
    ice_stun_free(r->stun);
    assert_int_equal(packet_pool_used(r->pool), 0);
    packet_pool_free(r->pool);
    open_run = false;
}

void rig_introduce(struct transport_rig *r, enum dtls_role server_role)
{
    char fingerprint[160];
    (void)snprintf(fingerprint, sizeof fingerprint, "sha-256 %s", dtls_context_fingerprint(rig_client_dtls));
    assert_int_equal(transport_remote(r->server, r->client.ice.local.ufrag, fingerprint,
                         server_role == DTLS_CLIENT, virtual_now_us),
        0);
}

void rig_restart(struct transport_rig *r)
{
    ice_credentials_make(&r->local);
    rtc_client_restart(&r->client, r->local.ufrag, r->local.pwd, virtual_now_us);
    transport_restart(r->server, &r->local, r->client.ice.local.ufrag, virtual_now_us);
}

/* ---- the run ---- */

void rig_inject(struct transport_rig *r, const struct path *path, const uint8_t *data, size_t len)
{
    struct packet *p = packet_get(r->pool);
    assert_non_null(p);
    assert_true(len <= PACKET_SIZE_MAX);
    memcpy(p->data, data, len);
    p->len = (uint16_t)len;
    p->recv_us = virtual_now_us;
    p->path = *path;
    if (len > 0 && data[0] <= 3)
        (void)transport_stun(r->server, path, p->data, len, virtual_now_us);
    else if (len > 0 && data[0] >= 20 && data[0] <= 63)
        transport_dtls(r->server, path, p->data, len, virtual_now_us);
    else if (len > 1 && data[1] >= 192 && data[1] <= 223)
        transport_rtcp(r->server, p, virtual_now_us);
    else
        transport_rtp(r->server, p, virtual_now_us);
    packet_unref(p);
}

static void deliver(struct transport_rig *r)
{
    struct bad_datagram *d;
    while ((d = bad_link_take(&r->link, virtual_now_us))) {
        if (is_down(r, d->to == TO_SERVER ? &d->path.remote : &d->path.local)) {
            free(d);
            continue;
        }
        if (d->to == TO_SERVER)
            rig_inject(r, &d->path, d->data, d->len);
        else
            rtc_client_input(&r->client, &d->path, d->data, d->len, virtual_now_us);
        free(d);
    }
}

/* Browsers check several times a second until they are answered; ice/control.c would give up. */
static void client_insist(struct transport_rig *r)
{
    for (uint32_t i = 0; r->patient && i < r->client.ice.check_count; i++) {
        struct ice_check *k = &r->client.ice.checks[i];
        if (k->ask != ICE_ASK_CHECK && k->ask != ICE_ASK_NOMINATE)
            continue;
        if (k->sent == ICE_SENDS_MAX)
            k->sent--;
        if (k->due_us > virtual_now_us + INSIST_US)
            k->due_us = virtual_now_us + INSIST_US;
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool rig_run(struct transport_rig *r, int64_t us, bool (*done)(const struct transport_rig *r))
{
    int64_t end_us = virtual_now_us + us;
    for (int turns = 0;; turns++) {
        assert_true(turns < TURNS_MAX);
        rtc_client_run(&r->client, virtual_now_us);
        client_insist(r);
        if (done && done(r))
            return true;
        int64_t next = least(bad_link_next_us(&r->link), transport_next_timeout(r->server));
        next = least(next, rtc_client_next_timeout(&r->client));
        if (next > end_us) {
            virtual_now_us = end_us;
            return false;
        }
        if (next > virtual_now_us)
            virtual_now_us = next;
        deliver(r);
        if (transport_next_timeout(r->server) > virtual_now_us)
            continue;
        r->calls++;
        transport_timeout(r->server, virtual_now_us);
        assert_true(transport_next_timeout(r->server) > virtual_now_us); /* else a worker would spin */
    }
}

bool rig_connected(const struct transport_rig *r)
{
    return transport_state(r->server) == TRANSPORT_CONNECTED && r->client.established;
}

/* ---- for tests ---- */

void rig_server_rtp(struct transport_rig *r, const struct rtp_fields *f, uint64_t index,
    const struct rtp_ext_out *exts, size_t ext_count, const uint8_t *payload, size_t len)
{
    uint8_t header[RTP_HEADER_MAX], out[PACKET_SIZE_MAX];
    int n = rtp_write_header(header, sizeof header, f, &r->client.extmap, exts, ext_count);
    const struct path *to = transport_path(r->server);
    assert_true(n > 0);
    assert_non_null(to);
    assert_non_null(transport_tx(r->server));
    struct srtp_tx_job job = {
        .tx = transport_tx(r->server),
        .index = index,
        .header = header,
        .payload = payload,
        .out = out,
        .out_cap = sizeof out,
        .ssrc = f->ssrc,
        .header_len = (uint16_t)n,
        .payload_len = (uint16_t)len,
    };
    assert_int_equal(srtp_tx_run(&job, 1), 1);
    on_send(r, to, out, job.ret_len);
}

enum transport_state rig_last_state(const struct transport_rig *r)
{
    return r->state_count ? r->states[r->state_count - 1].state : TRANSPORT_CONNECTING;
}

struct transport_stats rig_stats(const struct transport_rig *r)
{
    struct transport_stats s;
    transport_stats(r->server, &s);
    return s;
}
