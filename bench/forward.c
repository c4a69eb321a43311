// link: net rtp cc sdp tls ice dtls srtp proto auth
/* What the server pays to forward a packet: one camera of 1,000-byte packets to many subscribers over
 * loopback, AES-128-GCM, the server on one processor and all clients on another. The figure is user and
 * system time of the whole process, feedback of the clients and delivery to their sockets included, for each
 * packet that a subscriber received and decrypted: the median of several stretches. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "client/client.h"
#include "client/stream.h"
#include "measure/floor.h"
#include "measure/rows.h"
#include "measure/series.h"
#include "measure/server.h"
#include "net/clock.h"
#include "srtp/srtp.h"

#define SUBSCRIBERS_MAX 64
#define PACKET_SIZE     1000 /* bytes of RTP */
#define FRAMES_PER_S    25
#define SETTLE_US       1000000
#define QUIET_US        3000000 /* without a packet: what has not come yet is lost */
#define TURN_NS         1000000 /* between two looks of the clients at their sockets */
#define STRETCHES       5
#define STRETCH_US      2000000
#define LIMIT_US        30000000 /* for everybody to be connected, or gone */
#define SERVER_CPU      0
#define CLIENT_CPU      1
#define CPU_TARGET_US   6

struct crowd {
    struct client_env env;
    struct server server;
    struct client *publisher;
    struct client *subscribers[SUBSCRIBERS_MAX];
    unsigned count;
    uint64_t newest[SUBSCRIBERS_MAX]; /* index of the newest packet that each received */
    unsigned gone;
    struct stream camera;
    uint64_t received;
    bool leaving;
};

/* ---- clients ---- */

static void on_rtp(void *arg, struct client *c, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct crowd *crowd = arg;
    uint64_t index;
    (void)len;
    crowd->received++;
    if (!stream_read_index(data, h, &index))
        bench_fail("a packet is not the one that was sent");
    for (unsigned i = 0; i < crowd->count; i++)
        if (crowd->subscribers[i] == c && index > crowd->newest[i])
            crowd->newest[i] = index;
}

static void on_key_frame(void *arg, struct client *c, uint32_t ssrc)
{
    struct crowd *crowd = arg;
    (void)c;
    if (crowd->camera.client)
        stream_key_frame(&crowd->camera, ssrc);
}

static void on_ended(void *arg, struct client *c, const char *why)
{
    struct crowd *crowd = arg;
    (void)c;
    crowd->gone++;
    if (!crowd->leaving)
        bench_fail("a client was dropped: %s", why);
}

static const struct client_ops ops = {.rtp = on_rtp, .key_frame = on_key_frame, .ended = on_ended};

static struct client *enter(struct crowd *crowd, const char *identity, unsigned video, unsigned receive_video)
{
    const struct client_join join = {
        .room = "forward", .identity = identity, .video = video, .receive_video = receive_video};
    struct client *c;
    if (client_open(&crowd->env, &join, &ops, crowd, &c))
        bench_fail("%s cannot connect", identity);
    return c;
}

typedef bool (*reached_fn)(const struct crowd *crowd);

static void run_until(struct crowd *crowd, reached_fn reached, const char *what)
{
    for (int64_t until_us = clock_now_us() + LIMIT_US; !reached(crowd);) {
        loop_run_once(crowd->env.loop, 10);
        if (clock_now_us() > until_us)
            bench_fail("not within 30 s: %s", what);
    }
}

/* Sockets are read once a millisecond. A client that sleeps until a datagram comes is woken by every single
 * one, and over loopback the server would pay for that: a microsecond that no server pays for receivers on
 * other machines. */
static void turn(struct crowd *crowd)
{
    const struct timespec t = {.tv_nsec = TURN_NS};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    loop_run_once(crowd->env.loop, 0);
}

static void run_for(struct crowd *crowd, int64_t us)
{
    for (int64_t until_us = clock_now_us() + us; clock_now_us() < until_us;)
        turn(crowd);
}

static bool may_send(const struct crowd *crowd)
{
    return client_may_send(crowd->publisher, 0);
}

static bool all_receive(const struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->count; i++)
        if (!crowd->subscribers[i]->times.video_us)
            return false;
    return true;
}

static bool all_gone(const struct crowd *crowd)
{
    return crowd->gone == crowd->count + 1;
}

/* ---- a run ---- */

static void gather(struct crowd *crowd, unsigned count, unsigned packets_per_s, const char *set)
{
    const struct stream_shape shape = {
        .packets_per_s = packets_per_s, .frames_per_s = FRAMES_PER_S, .packet_size = PACKET_SIZE};
    struct addr at;
    char identity[32];
    bool apart = processors() > 1;
    server_start(&crowd->server, apart ? SERVER_CPU : -1, set);
    server_wait(&crowd->server);
    if (apart)
        pin_to(CLIENT_CPU);
    if (addr_parse("127.0.0.1", crowd->server.port, &at) ||
        client_env_init(&crowd->env, &at, SERVER_KEY, SERVER_SECRET))
        bench_fail("no memory");
    crowd->publisher = enter(crowd, "publisher", 1, 0);
    run_until(crowd, may_send, "the publisher may send");
    stream_init(&crowd->camera, crowd->publisher, 0, &shape);
    stream_start(&crowd->camera);
    for (crowd->count = 0; crowd->count < count; crowd->count++) {
        snprintf(identity, sizeof identity, "guest-%u", crowd->count);
        crowd->subscribers[crowd->count] = enter(crowd, identity, 0, 1);
    }
    run_until(crowd, all_receive, "every subscriber receives");
}

static void part(struct crowd *crowd)
{
    crowd->leaving = true;
    client_leave(crowd->publisher);
    for (unsigned i = 0; i < crowd->count; i++)
        client_leave(crowd->subscribers[i]);
    run_until(crowd, all_gone, "every client has left");
    client_free(crowd->publisher);
    for (unsigned i = 0; i < crowd->count; i++)
        client_free(crowd->subscribers[i]);
    client_env_done(&crowd->env);
    server_stop(&crowd->server);
}

struct outcome {
    struct series cpu_us; /* for each packet */
    uint64_t sent, received;
    int64_t user_us, system_us;
    uint64_t overflows; /* datagrams that found a client's buffer full */
    uint64_t blocked;   /* datagrams of the publisher that found its own buffer full */
    uint64_t refused;   /* SRTP packets that clients could not use */
    uint64_t late;      /* clients whose first check came before the server knew them: half a second lost */
    struct series each; /* packets received, by subscriber */
};

static bool all_have_the_last(const struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->count; i++)
        if (crowd->newest[i] + 1 != crowd->camera.index)
            return false;
    return true;
}

/* Sends for a while, and waits until everybody has the last packet; or until nothing came for QUIET_US, and
 * it was lost. A busy machine may keep a process waiting for long; what is counted here is complete all the
 * same. */
static void send_for(struct crowd *crowd, int64_t us)
{
    stream_start(&crowd->camera);
    run_for(crowd, us);
    stream_stop(&crowd->camera);
    uint64_t received = crowd->received;
    int64_t quiet_us = clock_now_us();
    while (!all_have_the_last(crowd) && clock_now_us() - quiet_us < QUIET_US) {
        turn(crowd);
        if (crowd->received != received)
            quiet_us = clock_now_us();
        received = crowd->received;
    }
}

static void stretch(struct crowd *crowd, struct outcome *o)
{
    int64_t user_us, system_us, user_end_us, system_end_us;
    uint64_t sent = crowd->camera.sent, received = crowd->received;
    int64_t cpu_us = server_cpu_us(&crowd->server, &user_us, &system_us);
    send_for(crowd, STRETCH_US);
    cpu_us = server_cpu_us(&crowd->server, &user_end_us, &system_end_us) - cpu_us;
    received = crowd->received - received;
    if (!received)
        bench_fail("nothing was forwarded");
    series_add(&o->cpu_us, (double)cpu_us / (double)received);
    o->sent += crowd->camera.sent - sent;
    o->received += received;
    o->user_us += user_end_us - user_us;
    o->system_us += system_end_us - system_us;
}

static void measure(struct crowd *crowd, struct outcome *o)
{
    uint64_t before[SUBSCRIBERS_MAX];
    stream_stop(&crowd->camera);
    send_for(crowd, SETTLE_US);
    for (unsigned i = 0; i < crowd->count; i++)
        before[i] = crowd->subscribers[i]->peer.stats.rtp;
    for (int i = 0; i < STRETCHES; i++)
        stretch(crowd, o);
    o->blocked = crowd->publisher->udp.send_blocked;
    for (unsigned i = 0; i < crowd->count; i++) {
        const struct client *c = crowd->subscribers[i];
        o->overflows += c->udp.overflows;
        o->refused += c->peer.stats.refused + c->peer.stats.repeated - c->peer.stats.check_errors;
        o->late += c->peer.stats.check_errors > 0;
        series_add(&o->each, (double)(c->peer.stats.rtp - before[i]));
    }
}

struct setting {
    unsigned subscribers, packets_per_s;
    const char *library; /* that encrypts, for people */
    const char *set;     /* the server's option for it; NULL: its default */
    enum srtp_library floor;
};

static void run(const struct setting *t)
{
    static struct crowd crowd;
    struct outcome o = {0};
    char what[64], name[96];
    snprintf(what, sizeof what, "%u x %u/s, %s", t->subscribers, t->packets_per_s, t->library);
    crowd = (struct crowd){0};
    gather(&crowd, t->subscribers, t->packets_per_s, t->set);
    measure(&crowd, &o);
    part(&crowd);
    double cpu_us = series_at(&o.cpu_us, 0.5);
    snprintf(name, sizeof name, "CPU per forwarded packet, %s", what);
    rows_below(name, cpu_us, "us", CPU_TARGET_US);
    rows_note("of 5 stretches of 2 s: least %.2f, greatest %.2f us; user %.0f %%, system %.0f %%",
        series_at(&o.cpu_us, 0), series_at(&o.cpu_us, 1),
        100.0 * (double)o.user_us / (double)(o.user_us + o.system_us + 1),
        100.0 * (double)o.system_us / (double)(o.user_us + o.system_us + 1));
    snprintf(name, sizeof name, "delivered, %s", what);
    rows_above(name, 100.0 * (double)o.received / ((double)o.sent * t->subscribers), "%", 99.9);
    if (o.received < o.sent * t->subscribers)
        rows_note("sent %llu; received by a subscriber: least %.0f, median %.0f, greatest %.0f",
            (unsigned long long)o.sent, series_at(&o.each, 0), series_at(&o.each, 0.5),
            series_at(&o.each, 1));
    if (o.overflows || o.blocked || o.refused)
        rows_note("the clients' own: %llu datagrams lost at full buffers, %llu never sent, %llu refused",
            (unsigned long long)o.overflows, (unsigned long long)o.blocked, (unsigned long long)o.refused);
    if (o.late)
        rows_note(
            "joining at once: the first check of %llu subscribers was refused", (unsigned long long)o.late);
    if (processors() > 1)
        pin_to(SERVER_CPU);
    if (srtp_use(t->floor))
        return;
    double floor_us = floor_cost_ns(FLOOR_BOTH) / 1000;
    snprintf(name, sizeof name, "floor of encryption and sendmmsg, %s", t->library);
    rows_plain(name, floor_us, "us");
    snprintf(name, sizeof name, "server over floor, %s", what);
    rows_plain(name, cpu_us / floor_us, "x");
}

int main(void)
{
    static const struct setting settings[] = {
        {40, 1000, "libsrtp2", "rtc.srtp_backend=libsrtp", SRTP_LIBRARY_LIBSRTP},
        {20, 500, "libsrtp2", "rtc.srtp_backend=libsrtp", SRTP_LIBRARY_LIBSRTP},
        {40, 1000, "default", NULL, SRTP_LIBRARY_AUTO},
    };
    rows_heading("Forwarding one camera of 1,000-byte packets; server on one processor, clients on another");
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        run(&settings[i]);
    rows_plain("floor of sendmmsg alone", floor_cost_ns(FLOOR_SEND) / 1000, "us");
    double segmented_ns = floor_cost_ns(FLOOR_SEND_RUNS);
    if (segmented_ns >= 0)
        rows_plain("floor of sending in segmented runs of 16", segmented_ns / 1000, "us");
    return EXIT_SUCCESS;
}
