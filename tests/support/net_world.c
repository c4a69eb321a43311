#include "support/net_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/rand.h"
#include "sfu/internal.h"
#include "support/virtual_sfu.h"

#define CLIENT_PORT     20000
#define CONNECT_US      5000000
#define CONNECT_STEP_US 1000

extern int64_t virtual_now_us;

static void text_addr(const char *ip, unsigned port, struct addr *ret)
{
    assert_int_equal(addr_parse(ip, (uint16_t)port, ret), 0);
}

/* ---- what the server sends and hears ---- */

static void peer_input(struct net_peer *p, const uint8_t *data, size_t len, int64_t now_us)
{
    rtc_client_input(&p->client, &p->path, data, len, now_us);
}

static void datagram_send(struct net_peer *p, const uint8_t *data, size_t len)
{
    uint64_t dropped = p->down ? p->down->link.counts.dropped : 0;
    if (p->down)
        link_send(&p->down->link, p->index, data, len, virtual_now_us);
    if (p->ops && p->ops->sent)
        p->ops->sent(p->arg, data, len, p->down && p->down->link.counts.dropped > dropped);
    if (p->down)
        return;
    p->sent_us = virtual_now_us;
    p->queue_us = 0;
    p->wire_bytes = len + NET_OVERHEAD;
    peer_input(p, data, len, virtual_now_us);
}

static void on_server_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    struct net_world *w = arg;
    size_t index = (size_t)path->remote.port - CLIENT_PORT;
    if (index < w->peer_count)
        datagram_send(w->peers[index], data, len);
}

static void server_input(struct net_peer *p, const uint8_t *data, size_t len)
{
    struct path path = {.remote = p->path.local, .local = p->path.remote};
    virtual_sfu_input(p->world->sfu, p->worker, &path, data, len);
}

/* ---- clients ---- */

static void on_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    struct net_peer *p = arg;
    (void)path;
    if (p->up)
        link_send(&p->up->link, p->index, data, len, virtual_now_us);
    else
        server_input(p, data, len);
}

static void on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct net_peer *p = arg;
    if (p->ops && p->ops->rtp)
        p->ops->rtp(p->arg, data, len, h);
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct net_peer *p = arg;
    if (p->ops && p->ops->rtcp)
        p->ops->rtcp(p->arg, data, len);
}

static const struct rtc_client_ops client_ops = {.send = on_send, .rtp = on_rtp, .rtcp = on_rtcp};

static void command_text(struct sfu_command *c, const struct net_peer *p)
{
    struct sfu_ice_credentials *ice = &c->remote.ice;
    (void)snprintf(ice->local_ufrag, sizeof ice->local_ufrag, "%s", p->remote.ufrag);
    (void)snprintf(ice->local_pwd, sizeof ice->local_pwd, "%s", p->remote.pwd);
    (void)snprintf(ice->remote_ufrag, sizeof ice->remote_ufrag, "%s", p->client.ice.local.ufrag);
    (void)snprintf(c->remote.fingerprint, sizeof c->remote.fingerprint, "sha-256 %s",
        dtls_context_fingerprint(p->world->client_dtls));
}

struct net_peer *net_peer_add(struct net_world *w, unsigned worker, const struct net_peer_ops *ops, void *arg)
{
    struct net_peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_true(w->peer_count < NET_PEERS_MAX && worker < w->workers);
    p->world = w;
    p->index = (int)w->peer_count;
    w->peers[w->peer_count++] = p;
    p->id = net_id(w);
    p->worker = (uint8_t)worker;
    p->ops = ops;
    p->arg = arg;
    text_addr("198.51.100.7", CLIENT_PORT + (unsigned)p->index, &p->path.local);
    text_addr("203.0.113.1", VIRTUAL_SFU_PORT + worker, &p->path.remote);
    ice_credentials_make(&p->remote);
    p->remote.ufrag[0] = (char)('A' + worker);
    rtc_client_init(&p->client, w->client_dtls, DTLS_CLIENT, &client_ops, p, virtual_now_us);
    struct sfu_command c = {.type = SFU_PEER_ADD, .worker = p->worker, .peer = p->id};
    command_text(&c, p);
    net_post(w, &c);
    rtc_client_remote(
        &p->client, p->remote.ufrag, p->remote.pwd, dtls_context_fingerprint(w->server_dtls), virtual_now_us);
    assert_int_equal(ice_control_add_path(&p->client.ice, &p->path, virtual_now_us), 0);
    return p;
}

static void on_event(void *arg, const struct sfu_event *e)
{
    struct net_world *w = arg;
    for (size_t i = 0; i < w->peer_count; i++) {
        struct net_peer *p = w->peers[i];
        if (p->id != e->peer)
            continue;
        if (e->type == SFU_EVENT_PEER_STATE)
            p->connected = e->peer_state.state == SFU_PEER_CONNECTED;
        if (p->ops && p->ops->event)
            p->ops->event(p->arg, e);
    }
}

/* ---- time ---- */

static void server_run(struct net_world *w)
{
    virtual_sfu_run(w->sfu);
    sfu_take_events(w->sfu, on_event, w);
}

static void links_take(struct net_world *w)
{
    for (size_t i = 0; i < w->link_count; i++) {
        struct net_link *l = w->links[i];
        struct link_datagram *d;
        if (link_next_us(&l->link) > virtual_now_us)
            continue;
        while ((d = link_take(&l->link, virtual_now_us))) {
            if (l->tap)
                l->tap(l->arg, d, virtual_now_us);
            struct net_peer *p = d->tag >= 0 ? w->peers[d->tag] : NULL;
            if (!p) {
                if (l->other)
                    l->other(l->arg, d, virtual_now_us);
            } else if (p->up == l) {
                server_input(p, d->data, d->len);
            } else {
                p->sent_us = d->sent_us;
                p->queue_us = d->queue_us;
                p->wire_bytes = d->len + NET_OVERHEAD;
                peer_input(p, d->data, d->len, virtual_now_us);
            }
            free(d);
        }
    }
}

static void peers_run(struct net_world *w)
{
    for (size_t i = 0; i < w->peer_count; i++) {
        struct net_peer *p = w->peers[i];
        if (rtc_client_next_timeout(&p->client) <= virtual_now_us)
            rtc_client_run(&p->client, virtual_now_us);
        if (p->ops && p->ops->next_us && p->ops->next_us(p->arg) <= virtual_now_us)
            p->ops->run(p->arg, virtual_now_us);
    }
    if (w->next_us && w->next_us(w->arg) <= virtual_now_us)
        w->run(w->arg, virtual_now_us);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_time(struct net_world *w)
{
    int64_t next = virtual_sfu_next_us(w->sfu);
    for (size_t i = 0; i < w->link_count; i++)
        next = earlier(next, link_next_us(&w->links[i]->link));
    for (size_t i = 0; i < w->peer_count; i++) {
        const struct net_peer *p = w->peers[i];
        next = earlier(next, rtc_client_next_timeout(&p->client));
        if (p->ops && p->ops->next_us)
            next = earlier(next, p->ops->next_us(p->arg));
    }
    if (w->next_us)
        next = earlier(next, w->next_us(w->arg));
    return next > virtual_now_us ? next : virtual_now_us;
}

static void run_until(struct net_world *w, int64_t until_us)
{
    unsigned still = 0;
    for (int64_t next; (next = next_time(w)) <= until_us;) {
        still = next == virtual_now_us ? still + 1 : 0;
        assert_true(still < 10000); /* else something is due that never gets done */
        virtual_now_us = next;
        links_take(w);
        server_run(w);
        peers_run(w);
    }
    virtual_now_us = until_us;
}

void net_run(struct net_world *w, double until_s)
{
    run_until(w, w->zero_us + (int64_t)(until_s * 1e6));
}

int64_t net_now_us(const struct net_world *w)
{
    return virtual_now_us - w->zero_us;
}

double net_now_s(const struct net_world *w)
{
    return (double)net_now_us(w) / 1e6;
}

/* ---- life ---- */

static void random_fill(void *arg, void *buf, size_t len)
{
    uint8_t *p = buf;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)seeded_u64(arg);
}

struct net_world *net_open(uint64_t seed, unsigned workers)
{
    struct net_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)log_open(LOG_LEVEL_WARN, NULL);
    w->seed = seed;
    w->random = seeded_of(seed);
    w->workers = workers;
    w->next_id = 1;
    rand_source_set(random_fill, &w->random);
    w->cfg.rtc.udp_port = VIRTUAL_SFU_PORT;
    w->cfg.rtc.loopback = CONFIG_ON;
    w->server_dtls = virtual_sfu_dtls();
    w->client_dtls = virtual_sfu_dtls();
    struct sfu_config config = {.cfg = &w->cfg, .dtls = w->server_dtls, .workers = workers};
    w->sfu = virtual_sfu_new(&config, on_server_send, w);
    return w;
}

void net_close(struct net_world *w)
{
    w->run = NULL;
    w->next_us = NULL;
    virtual_sfu_stop(w->sfu);
    sfu_take_events(w->sfu, on_event, w);
    sfu_free(w->sfu);
    while (w->peer_count) {
        struct net_peer *p = w->peers[--w->peer_count];
        rtc_client_done(&p->client);
        free(p);
    }
    while (w->link_count) {
        struct net_link *l = w->links[--w->link_count];
        link_done(&l->link);
        free(l);
    }
    dtls_context_free(w->server_dtls);
    dtls_context_free(w->client_dtls);
    rand_source_set(NULL, NULL);
    free(w);
}

static bool all_connected(const struct net_world *w)
{
    for (size_t i = 0; i < w->peer_count; i++)
        if (!w->peers[i]->connected || !w->peers[i]->client.established)
            return false;
    return true;
}

void net_connect(struct net_world *w)
{
    for (int64_t until_us = virtual_now_us + CONNECT_US; !all_connected(w);) {
        if (virtual_now_us >= until_us)
            fail_msg("not all peers are connected");
        run_until(w, virtual_now_us + CONNECT_STEP_US);
    }
}

struct net_link *net_link_add(struct net_world *w, const char *script)
{
    struct net_link *l = calloc(1, sizeof *l);
    char text[512];
    int line = 0;
    assert_non_null(l);
    assert_true(w->link_count < NET_LINKS_MAX);
    /* each link has its own luck, whatever others there are */
    assert_int_equal(link_init(&l->link, w->seed * 1000 + w->link_count, virtual_now_us), 0);
    const char *rest = strncmp(script, "0 ", 2) ? NULL : script + 2;
    if (!rest || snprintf(text, sizeof text, "0 overhead=%d %s", NET_OVERHEAD, rest) >= (int)sizeof text)
        fail_msg("a script begins with \"0 \": %s", script);
    if (link_script_parse(&l->link, text, &line))
        fail_msg("line %d of: %s", line, script);
    w->links[w->link_count++] = l;
    return l;
}

void net_begin(struct net_world *w)
{
    w->zero_us = virtual_now_us;
    for (size_t i = 0; i < w->link_count; i++)
        w->links[i]->link.start_us = w->links[i]->link.at_us = virtual_now_us;
}

void net_post(struct net_world *w, const struct sfu_command *c)
{
    assert_int_equal(sfu_post(w->sfu, c), 0);
}

uint32_t net_id(struct net_world *w)
{
    return w->next_id++;
}

struct sfu_stats net_stats(struct net_world *w)
{
    struct sfu_stats s;
    run_until(w, virtual_now_us + SFU_TICK_US + 1000); /* a tick publishes them */
    sfu_stats(w->sfu, &s);
    return s;
}

struct sfu_peer *net_sfu_peer(const struct net_peer *p)
{
    struct sfu_peer *found;
    HASH_FIND_INT(p->world->sfu->workers[p->worker]->peers, &p->id, found);
    return found;
}
