#include "support/sfu_rig_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/rand.h"
#include "net/clock.h"
#include "support/virtual_sfu.h"

#define TCP_PORT_FIRST 21800
#define TCP_PORTS      100
#define CLIENT_PORT    20000 /* in virtual time: each socket has the next one */
#define SEED           1
#define STILL_MAX      10000 /* steps without time passing: more means that something due never gets done */

extern int64_t virtual_now_us __attribute__((weak));

int64_t sfu_rig_now_us(void)
{
    return clock_now_us();
}

int64_t sfu_rig_patience_us(void)
{
    const char *sanitizers = getenv("SANITIZE");
    return sanitizers && *sanitizers ? 60000000 : 20000000;
}

/* ---- in virtual time ---- */

static void random_fill(void *arg, void *buf, size_t len)
{
    uint8_t *p = buf;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)seeded_u64(arg);
}

/* What the server sends is there at once. */
static void on_server_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    struct sfu_rig *r = arg;
    for (size_t i = 0; i < r->peer_count; i++) {
        struct sfu_rig_peer *p = r->peers[i];
        if (p->path.local.port == path->remote.port && (!p->loses || !p->loses(p, data, len)))
            rtc_client_input(&p->client, &p->path, data, len, virtual_now_us);
    }
}

static void virtual_open(struct sfu_rig *r, struct sfu_config *c)
{
    r->is_virtual = true;
    r->random = seeded_of(SEED);
    r->next_port = CLIENT_PORT;
    rand_source_set(random_fill, &r->random);
    r->cfg.rtc.udp_port = VIRTUAL_SFU_PORT;
    r->sfu = virtual_sfu_new(c, on_server_send, r);
    for (unsigned w = 0; w < c->workers; w++)
        r->udp_ports[w] = (uint16_t)(VIRTUAL_SFU_PORT + w);
}

static void virtual_attach(struct sfu_rig_peer *p)
{
    assert_false(p->tcp); /* that takes sockets, and real time */
    p->fd = -1;
    assert_int_equal(addr_parse("198.51.100.7", p->rig->next_port++, &p->path.local), 0);
    assert_int_equal(addr_parse("203.0.113.1", p->rig->udp_ports[p->worker], &p->path.remote), 0);
}

static void virtual_send(struct sfu_rig_peer *p, const uint8_t *data, size_t len)
{
    struct path path = {.remote = p->path.local, .local = p->path.remote};
    if (!p->rig->stopped)
        virtual_sfu_input(p->rig->sfu, p->worker, &path, data, len);
}

/* What is due now; returns when something is the next time. */
static int64_t virtual_step(struct sfu_rig *r)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < r->peer_count; i++)
        rtc_client_run(&r->peers[i]->client, virtual_now_us);
    if (!r->stopped) {
        virtual_sfu_run(r->sfu);
        next = virtual_sfu_next_us(r->sfu);
    }
    rig_take_events(r);
    for (size_t i = 0; i < r->peer_count; i++) {
        int64_t due_us = rtc_client_next_timeout(&r->peers[i]->client);
        next = due_us < next ? due_us : next;
    }
    return next;
}

static void virtual_pump(struct sfu_rig *r, int ms)
{
    int64_t until_us = virtual_now_us + (int64_t)ms * 1000, next;
    unsigned still = 0;
    while ((next = virtual_step(r)) <= until_us) {
        still = next <= virtual_now_us ? still + 1 : 0;
        assert_true(still < STILL_MAX);
        virtual_now_us = next > virtual_now_us ? next : virtual_now_us;
    }
    virtual_now_us = until_us;
}

/* ---- in real time ---- */

static void real_open(struct sfu_rig *r, struct sfu_config *c)
{
    char error[256];
    int err = -EADDRINUSE;
    for (int i = 0; err == -EADDRINUSE && i < TCP_PORTS; i++) { /* another test may run beside this one */
        r->cfg.rtc.tcp_port = TCP_PORT_FIRST + ((int)getpid() + i) % TCP_PORTS;
        err = sfu_new(c, &r->sfu, error, sizeof error);
    }
    if (err)
        fail_msg("sfu_new: %s", error);
    for (unsigned w = 0; w < c->workers; w++) {
        size_t n;
        const struct sfu_candidate *candidates = sfu_candidates(r->sfu, w, &n);
        assert_true(n >= 2);
        assert_true(!candidates[0].tcp && candidates[n - 1].tcp);
        r->udp_ports[w] = candidates[0].addr.port;
        r->tcp_port = candidates[n - 1].addr.port;
    }
    assert_int_equal(sfu_start(r->sfu), 0);
}

static int socket_open(struct sfu_rig_peer *p, uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, to = any;
    to.sin_port = htons(port);
    int fd = socket(AF_INET, p->tcp ? SOCK_STREAM : SOCK_DGRAM, 0), size = 1 << 22;
    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    socklen_t len = sizeof any;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    assert_int_equal(addr_from_sockaddr((struct sockaddr *)&any, &p->path.local), 0);
    assert_int_equal(addr_from_sockaddr((struct sockaddr *)&to, &p->path.remote), 0);
    return fd;
}

static void send_all(int fd, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* the server closed it */
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            (void)poll(&p, 1, 1000);
            continue;
        }
        assert_true(n > 0);
        data += n;
        len -= (size_t)n;
    }
}

static void frames_take(struct sfu_rig_peer *p)
{
    size_t at = 0;
    while (p->in_len - at >= 2) {
        size_t len = (size_t)p->in[at] << 8 | p->in[at + 1];
        if (p->in_len - at < 2 + len)
            break;
        rtc_client_input(&p->client, &p->path, p->in + at + 2, len, clock_now_us());
        at += 2 + len;
    }
    memmove(p->in, p->in + at, p->in_len - at);
    p->in_len -= at;
}

static void socket_read(struct sfu_rig_peer *p)
{
    for (;;) {
        size_t at = p->tcp ? p->in_len : 0;
        ssize_t n = recv(p->fd, p->in + at, sizeof p->in - at, MSG_DONTWAIT);
        if (n < 0 && (errno == ECONNREFUSED || errno == EINTR))
            continue;
        if (n <= 0) {
            p->hung_up |= p->tcp && (n == 0 || errno == ECONNRESET);
            return;
        }
        if (p->tcp) {
            p->in_len += (size_t)n;
            frames_take(p);
        } else if (!p->loses || !p->loses(p, p->in, (size_t)n)) {
            rtc_client_input(&p->client, &p->path, p->in, (size_t)n, clock_now_us());
        }
    }
}

static void real_pump(struct sfu_rig *r, int ms)
{
    struct pollfd fds[SFU_RIG_PEERS_MAX + 1];
    int64_t now_us = clock_now_us(), due_us = now_us + (int64_t)ms * 1000;
    for (size_t i = 0; i < r->peer_count; i++) {
        struct sfu_rig_peer *p = r->peers[i];
        rtc_client_run(&p->client, now_us);
        int64_t next = rtc_client_next_timeout(&p->client);
        due_us = next < due_us ? next : due_us;
        fds[i] = (struct pollfd){.fd = p->hung_up ? -1 : p->fd, .events = POLLIN};
    }
    fds[r->peer_count] = (struct pollfd){.fd = sfu_event_fd(r->sfu), .events = POLLIN};
    int wait_ms = due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0;
    if (poll(fds, r->peer_count + 1, wait_ms) <= 0)
        return;
    if (fds[r->peer_count].revents)
        rig_take_events(r);
    for (size_t i = 0; i < r->peer_count; i++) {
        struct sfu_rig_peer *p = r->peers[i];
        if (!fds[i].revents)
            continue;
        socket_read(p);
        rtc_client_run(&p->client, clock_now_us());
    }
}

/* ---- either ---- */

void rig_net_open(struct sfu_rig *r, struct sfu_config *c)
{
    if (virtual_sfu_is_linked())
        virtual_open(r, c);
    else
        real_open(r, c);
}

void rig_net_stop(struct sfu_rig *r)
{
    if (r->is_virtual)
        virtual_sfu_stop(r->sfu);
    else
        sfu_stop(r->sfu);
    r->stopped = true;
}

void rig_net_attach(struct sfu_rig_peer *p)
{
    if (p->rig->is_virtual)
        virtual_attach(p);
    else
        p->fd = socket_open(p, p->tcp ? p->rig->tcp_port : p->rig->udp_ports[p->worker]);
}

void rig_net_detach(struct sfu_rig_peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
}

void sfu_rig_send(struct sfu_rig_peer *p, const void *data, size_t len)
{
    if (p->rig->is_virtual) {
        virtual_send(p, data, len);
    } else if (!p->tcp) {
        (void)send(p->fd, data, len, 0); /* ECONNREFUSED once the server is gone */
    } else {
        uint8_t prefix[2] = {(uint8_t)(len >> 8), (uint8_t)len};
        send_all(p->fd, prefix, 2);
        send_all(p->fd, data, len);
    }
}

void sfu_rig_pump(struct sfu_rig *r, int ms)
{
    if (r->is_virtual)
        virtual_pump(r, ms);
    else
        real_pump(r, ms);
}

void sfu_rig_idle(struct sfu_rig *r, int ms)
{
    for (int64_t until_us = clock_now_us() + (int64_t)ms * 1000; clock_now_us() < until_us;)
        sfu_rig_pump(r, 2);
}
