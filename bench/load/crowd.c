#include "crowd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/ssl.h>
#include <linux/sock_diag.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dtls/session_private.h"
#include "link.h"
#include "net/clock.h"
#include "report.h"
#include "source.h"
#include "srtp/srtp.h"
#include "tls/cert.h"

#define EVENTS           128
#define MANY_LINKS       32 /* with more, sockets are read in one turn of READ_TURNS: several packets a call */
#define READ_TURNS       4
#define CROWD_LINKS      200
#define CROWD_TURNS      8
#define SAMPLES_PER_S    10000   /* packets of links that are decrypted throughout, about */
#define PACKET_BITS      8600    /* of a video packet, for guessing how many there will be */
#define DRAIN_QUIET_US   1500000 /* without a packet: what has not come yet is lost */
#define DRAIN_MAX_US     10000000
#define DRAIN_NUMBERS_US 500000
#define DRAIN_CHECK_US   50000
#define LEAVE_US         1500000
#define CHECK_US         500000
#define SILENCE_US       3000000 /* nothing comes although much is sent: the server is gone */
#define DISPLAY_US       500000

/* ---- failures ---- */

void load_failed(struct load *g, enum load_failure why, const char *text)
{
    if (g->stopping)
        return;
    if (!load_failure_count(g)) {
        g->first = why;
        snprintf(g->why, sizeof g->why, "%s", text);
    }
    g->failures[why]++;
}

unsigned load_failure_count(const struct load *g)
{
    unsigned n = 0;
    for (int i = 0; i < LOAD_FAILURE_COUNT; i++)
        n += g->failures[i];
    return n;
}

/* ---- opening ---- */

/* The profiles that our ClientHellos offer. */
static int choose_srtp(struct load *g)
{
    static const char *const profiles[] = {
        [LOAD_SRTP_GCM] = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM",
        [LOAD_SRTP_CM] = "SRTP_AES128_CM_SHA1_80",
    };
    if (g->opt.srtp == LOAD_SRTP_ANY)
        return 0;
    SSL *ssl = dtls_context_ssl(g->dtls);
    if (!ssl)
        return -ENOMEM;
    int failed = SSL_CTX_set_tlsext_use_srtp(SSL_get_SSL_CTX(ssl), profiles[g->opt.srtp]);
    SSL_free(ssl);
    return failed ? -ENOTSUP : 0;
}

static unsigned receivers(const struct options *o)
{
    return o->subscribers + (o->meeting ? o->publishers : 0);
}

static unsigned subscriber_links(const struct options *o)
{
    unsigned links = o->target->one_publisher ? o->publishers : 1;
    unsigned members = o->subscribers + (o->meeting && !o->target->both_ways ? o->publishers : 0);
    return members * links;
}

/* One link in so many has its packets' arrival timed. */
static unsigned sample_every(const struct options *o)
{
    unsigned heard = o->speakers ? o->speakers : o->publishers;
    double each = heard * (o->audio * 50.0 + o->video_kbps * 1000.0 / PACKET_BITS);
    double all = each * receivers(o) * o->rooms;
    return all > SAMPLES_PER_S ? (unsigned)(all / SAMPLES_PER_S) + 1 : 1;
}

static int add_link(struct load *g, struct link_spec *spec)
{
    spec->number = g->link_count;
    struct link *l = link_new(g, spec);
    if (!l)
        return -errno;
    g->links[g->link_count++] = l;
    return 0;
}

/* Audio streams that a member receives, if all publish. */
static unsigned voices(const struct options *o, unsigned member)
{
    unsigned n = o->speakers ? o->speakers : o->publishers;
    return o->audio ? n - (member < n) : 0;
}

static int add_publishers(struct load *g)
{
    const struct options *o = &g->opt;
    bool both = o->meeting && o->target->both_ways;
    unsigned others = both ? o->publishers - 1 : 0;
    for (unsigned m = 0; m < o->publishers; m++)
        for (unsigned r = 0; r < o->rooms; r++) {
            struct link_spec spec = {.room = r,
                .member = m,
                .publishes = true,
                .subscribes = both,
                .expected_audio = both ? voices(o, m) : 0,
                .expected_video = o->video_kbps ? others : 0};
            int err = add_link(g, &spec);
            if (err)
                return err;
        }
    return 0;
}

/* The subscribing links of one member. */
static int add_subscriber(struct load *g, unsigned room, unsigned member)
{
    const struct options *o = &g->opt;
    bool apart = o->target->one_publisher;
    unsigned heard = o->publishers - (member < o->publishers);
    char name[32];
    for (unsigned p = 0; p < (apart ? o->publishers : 1); p++) {
        if (apart && p == member)
            continue;
        snprintf(name, sizeof name, "load-%u", p);
        struct link_spec spec = {.room = room,
            .member = member,
            .subscribes = true,
            .expected_audio = o->audio && apart ? 1 : voices(o, member),
            .expected_video = o->video_kbps ? (apart ? 1 : heard) : 0,
            .publisher = apart ? name : NULL};
        int err = add_link(g, &spec);
        if (err)
            return err;
    }
    return 0;
}

static int add_links(struct load *g)
{
    const struct options *o = &g->opt;
    size_t most = (size_t)o->rooms * (o->publishers + subscriber_links(o));
    g->links = calloc(most, sizeof *g->links);
    g->sources = calloc((size_t)o->rooms * o->publishers * 2, sizeof *g->sources);
    int err = g->links && g->sources ? add_publishers(g) : -ENOMEM;
    g->publishing = g->link_count;
    unsigned first = o->meeting && !o->target->both_ways ? 0 : o->publishers;
    for (unsigned m = first; !err && m < o->publishers + o->subscribers; m++)
        for (unsigned r = 0; !err && r < o->rooms; r++)
            err = add_subscriber(g, r, m);
    unsigned every = sample_every(o), n = 0;
    for (unsigned i = 0; i < g->link_count; i++)
        if (g->links[i]->subscribes)
            g->links[i]->sampled = n++ % every == every / 2;
    return err;
}

static int raise_files(const struct load *g, char *why, size_t why_size)
{
    struct rlimit limit;
    size_t wanted = (size_t)g->opt.rooms * (g->opt.publishers + subscriber_links(&g->opt)) * 2 + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return 0;
    struct rlimit more = {.rlim_cur = wanted, .rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        return 0;
    snprintf(why, why_size, "%zu files are wanted, and the limit is %llu: ulimit -n", wanted,
        (unsigned long long)limit.rlim_max);
    return -EMFILE;
}

static int open_parts(struct load *g, char *why, size_t why_size)
{
    const struct options *o = &g->opt;
    const struct cert_subject anybody = {.days = 30};
    int err = o->media ? media_open(o->media, &g->media, why, why_size) : 0;
    if (err)
        return err;
    g->loop = loop_new();
    g->stun = ice_stun_new();
    g->epoll = epoll_create1(EPOLL_CLOEXEC);
    err = g->loop && g->stun && g->epoll >= 0 ? cert_make(&anybody, &g->cert, NULL) : -ENOMEM;
    if (!err)
        err = dtls_context_new(g->cert, &g->dtls);
    if (!err)
        err = choose_srtp(g);
    snprintf(why, why_size, "%s", strerror(-err));
    if (err)
        return err;
    srtp_prepare();
    const struct target_config config = {
        .loop = g->loop, .url = o->url, .key = o->key, .secret = o->secret, .publishers = o->publishers};
    return o->target->open(&config, &g->target, why, why_size);
}

int crowd_open(struct crowd *c, const struct options *o, char *why, size_t why_size)
{
    struct load *g = &c->load;
    *c = (struct crowd){.load = {.opt = *o, .epoll = -1}};
    g->now_us = clock_now_us();
    int err = raise_files(g, why, why_size);
    if (!err)
        err = open_parts(g, why, why_size);
    if (!err) {
        err = add_links(g);
        snprintf(why, why_size, "%s", strerror(-err));
    }
    c->result.links = g->link_count;
    if (err)
        crowd_close(c);
    return err;
}

void crowd_close(struct crowd *c)
{
    struct load *g = &c->load;
    for (unsigned i = 0; i < g->link_count; i++)
        link_free(g->links[i]);
    free(g->links);
    free(g->sources);
    if (g->target)
        g->opt.target->close(g->target);
    dtls_context_free(g->dtls);
    cert_free(g->cert);
    ice_stun_free(g->stun);
    loop_free(g->loop);
    if (g->epoll >= 0)
        close(g->epoll);
    media_done(&g->media);
    *c = (struct crowd){.load = {.epoll = -1}};
}

/* ---- phases ---- */

static void enter(struct crowd *c, enum crowd_phase phase)
{
    c->phase = phase;
    c->phase_us = c->load.now_us;
    if (phase <= CROWD_DRAIN && phase > c->result.reached)
        c->result.reached = phase;
    if (phase <= CROWD_DRAIN)
        report_phase(c);
}

static void begin_joins(struct crowd *c, unsigned upto)
{
    struct load *g = &c->load;
    double room = g->opt.join_rate * (double)(g->now_us - c->token_us) / 1e6;
    c->token_us = g->now_us;
    c->tokens = c->begun == upto ? 1 : c->tokens + room > 20 ? 20 : c->tokens + room;
    for (; c->tokens >= 1 && c->begun < upto; c->tokens--)
        link_join(g->links[c->begun++]);
}

static void server_use(struct crowd *c, struct process_use *ret)
{
    const struct options *o = &c->load.opt;
    if (o->server_pid && process_read(o->server_pid, ret) == 0)
        c->result.has_server = true;
}

static int64_t resident_kib(struct crowd *c)
{
    struct process_use use = {0};
    server_use(c, &use);
    return use.resident_kib;
}

/* How far are the first links? In a meeting everybody may have to wait for all others. */
static bool publishers_ready(const struct load *g)
{
    for (unsigned i = 0; i < g->publishing; i++)
        if (g->links[i]->state != LINK_ENDED && g->links[i]->state < LINK_CONNECTED)
            return false;
    return true;
}

static bool all_flow(struct crowd *c)
{
    struct load *g = &c->load;
    for (unsigned i = 0; i < g->link_count; i++) {
        struct link *l = g->links[i];
        int64_t since_us = l->connected_us > c->phase_us ? l->connected_us : c->phase_us;
        if (l->state == LINK_JOINING || l->state == LINK_WAITING)
            return false;
        if (l->state != LINK_CONNECTED || l->no_media)
            continue;
        if (g->now_us - since_us < LOAD_JOIN_US)
            return false;
        char why[LOAD_WHY_SIZE];
        snprintf(why, sizeof why, "%u of %u streams came within 15 s", l->seen_streams, l->expected_streams);
        l->no_media = true;
        load_failed(g, LOAD_NO_MEDIA, why);
    }
    return true;
}

static void begin_measure(struct crowd *c)
{
    struct load *g = &c->load;
    c->result.rss_full_kib = resident_kib(c);
    c->result.joined = g->joined;
    c->result.flowing = g->flowing;
    g->counts = (struct load_counts){0};
    g->latency = (struct histogram){0};
    for (unsigned i = 0; i < g->link_count; i++)
        receive_reset(g->links[i]);
    for (unsigned i = 0; i < g->source_count; i++)
        source_reset(g->sources[i]);
    g->measuring = true;
    server_use(c, &c->result.server_start);
    process_self(&c->result.self_start);
    enter(c, CROWD_MEASURE);
}

static void end_measure(struct crowd *c)
{
    struct load *g = &c->load;
    c->result.at_end = g->counts;
    c->result.seconds = (double)(g->now_us - c->phase_us) / 1e6;
    c->result.server_end = c->result.server_start;
    server_use(c, &c->result.server_end);
    process_self(&c->result.self_end);
    g->paused = true;
    c->quiet_us = g->now_us;
    enter(c, CROWD_DRAIN);
}

/* Packets that a link should have had: all that publishers in its room sent, but its own. Of simulcast the
 * server takes one layer; there the numbers of what came tell. */
static void count_expected(struct crowd *c)
{
    struct load *g = &c->load;
    uint64_t by_numbers = 0, none = 0;
    c->result.expected = c->result.received = 0;
    for (unsigned i = 0; i < g->link_count; i++) {
        const struct link *l = g->links[i];
        if (!l->subscribes || !l->connected_us)
            continue;
        c->result.received += l->received;
        if (g->opt.simulcast)
            receive_counts(l, true, &by_numbers, &none);
        for (unsigned s = 0; s < g->source_count; s++) {
            const struct source *from = g->sources[s];
            bool own = from->link == l || from->link->member == l->member;
            bool other = l->publisher[0] && strcmp(from->link->identity, l->publisher) != 0;
            if (from->room == l->room && !own && !other && !(from->video && g->opt.simulcast))
                c->result.expected += source_window(from);
        }
    }
    c->result.expected += by_numbers;
    c->result.expected_by_numbers = c->result.expected ? (double)by_numbers / (double)c->result.expected : 0;
}

/* Is anything still waiting for its turn in the pace? */
static bool unsent(const struct load *g)
{
    for (unsigned i = 0; i < g->source_count; i++)
        if (source_waits(g->sources[i]))
            return true;
    return false;
}

static void count_drops(struct crowd *c)
{
    uint32_t info[SK_MEMINFO_VARS];
    for (unsigned i = 0; i < c->load.link_count; i++) {
        socklen_t len = sizeof info;
        int fd = c->load.links[i]->fd;
        if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 && len == sizeof info)
            c->result.socket_drops += info[SK_MEMINFO_DROPS];
    }
}

static void begin_leave(struct crowd *c)
{
    struct load *g = &c->load;
    if (c->phase == CROWD_DRAIN) {
        count_expected(c);
        count_drops(c);
        c->result.drained = g->counts;
    }
    g->measuring = false;
    g->stopping = true;
    for (unsigned i = 0; i < g->link_count; i++)
        link_leave(g->links[i]);
    enter(c, CROWD_LEAVE);
}

/* Until everything is there, or nothing comes any more. */
static void drain(struct crowd *c, int64_t for_us)
{
    struct load *g = &c->load;
    if (g->now_us < c->check_us)
        return;
    c->check_us = g->now_us + DRAIN_CHECK_US;
    if (c->quiet_packets != g->total_packets) {
        c->quiet_packets = g->total_packets;
        c->quiet_us = g->now_us;
    }
    count_expected(c);
    int64_t quiet_us =
        g->opt.simulcast ? DRAIN_NUMBERS_US : 0; /* numbers do not tell what is still to come */
    bool all = c->result.received >= c->result.expected && g->now_us - c->quiet_us >= quiet_us;
    if ((all && !unsent(g)) || g->now_us - c->quiet_us >= DRAIN_QUIET_US || for_us >= DRAIN_MAX_US)
        begin_leave(c);
}

static void step(struct crowd *c)
{
    struct load *g = &c->load;
    int64_t for_us = g->now_us - c->phase_us;
    switch (c->phase) {
    case CROWD_PUBLISHERS:
        begin_joins(c, g->publishing);
        if (c->begun < g->publishing || !publishers_ready(g))
            return;
        if (g->publishing < g->link_count)
            c->result.rss_empty_kib = resident_kib(c);
        enter(c, CROWD_SUBSCRIBERS);
        return;
    case CROWD_SUBSCRIBERS:
        begin_joins(c, g->link_count);
        if (c->begun == g->link_count && all_flow(c))
            begin_measure(c);
        return;
    case CROWD_MEASURE:
        if ((double)for_us >= g->opt.duration_s * 1e6)
            end_measure(c);
        return;
    case CROWD_DRAIN:
        drain(c, for_us);
        return;
    case CROWD_LEAVE:
        if (for_us >= LEAVE_US || g->ended == c->begun)
            enter(c, CROWD_OVER);
        return;
    case CROWD_OVER:
        return;
    }
}

/* ---- the server dies ---- */

static void give_up(struct crowd *c, const char *why)
{
    struct load *g = &c->load;
    if (!load_failure_count(g))
        load_failed(g, LOAD_DROPPED, why);
    for (unsigned i = 0; i < g->link_count; i++)
        c->result.died |= g->links[i]->connected_us != 0;
    if (c->phase == CROWD_MEASURE)
        end_measure(c);
    if (c->phase < CROWD_MEASURE) {
        c->result.joined = g->joined;
        c->result.flowing = g->flowing;
    }
    begin_leave(c);
}

static void check_server(struct crowd *c)
{
    struct load *g = &c->load;
    if (c->phase >= CROWD_DRAIN)
        return;
    if (c->begun && g->ended == c->begun) { /* nobody is left, or nobody came in: no need to try the others */
        give_up(c, "every connection has ended");
        return;
    }
    if (g->now_us < c->check_us)
        return;
    c->check_us = g->now_us + CHECK_US;
    struct process_use use;
    if (c->quiet_packets != g->total_packets || c->phase != CROWD_MEASURE) {
        c->quiet_packets = g->total_packets;
        c->quiet_us = g->now_us;
    }
    if (g->opt.server_pid && process_read(g->opt.server_pid, &use))
        give_up(c, "the server's process is gone");
    else if (g->failures[LOAD_DROPPED] && g->joined == 0)
        give_up(c, "every connection was dropped");
    else if (g->now_us - c->quiet_us > SILENCE_US)
        give_up(c, "nothing arrives any more, although publishers send");
}

/* ---- turns ---- */

static void run_sources(struct load *g)
{
    for (unsigned i = 0; i < g->source_count; i++)
        source_run(g->sources[i], g->now_us);
}

/* Publishers keep time however much there is to read. */
static void read_sockets(struct load *g)
{
    struct epoll_event events[EVENTS];
    int n;
    do {
        n = epoll_wait(g->epoll, events, EVENTS, 0);
        for (int i = 0; i < n; i++) {
            struct link *l = events[i].data.ptr;
            if (l->state != LINK_ENDED)
                link_read(l);
        }
        int64_t now_us = clock_now_us();
        if (now_us - g->now_us >= LOAD_TURN_US) {
            g->now_us = now_us;
            run_sources(g);
        }
    } while (n == EVENTS);
}

/* Timers of a link are looked at once in LOAD_SLOTS milliseconds. */
static void run_links(struct load *g)
{
    if (g->now_us - g->slot_us > LOAD_SLOTS * LOAD_TURN_US)
        g->slot_us = g->now_us - LOAD_SLOTS * LOAD_TURN_US;
    for (; g->slot_us < g->now_us; g->slot_us += LOAD_TURN_US, g->slot = (g->slot + 1) % LOAD_SLOTS)
        for (unsigned i = g->slot; i < g->link_count; i += LOAD_SLOTS)
            link_run(g->links[i], g->now_us);
}

static void turn(struct crowd *c, int64_t *next_us)
{
    struct load *g = &c->load;
    int64_t now_us = clock_now_us();
    if (now_us < *next_us) {
        struct timespec t = {.tv_sec = *next_us / 1000000, .tv_nsec = *next_us % 1000000 * 1000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        now_us = clock_now_us();
    }
    *next_us = now_us + LOAD_TURN_US;
    g->now_us = now_us;
    g->wall_off_us = clock_wall_us() - now_us;
    loop_run_once(g->loop, 0);
    run_sources(g);
    unsigned every = g->link_count > CROWD_LINKS ? CROWD_TURNS : g->link_count > MANY_LINKS ? READ_TURNS : 1;
    if (g->turn++ % every == 0)
        read_sockets(g);
    run_links(g);
    check_server(c);
    step(c);
}

void crowd_run(struct crowd *c, volatile sig_atomic_t *stop)
{
    struct load *g = &c->load;
    int64_t next_us = 0;
    g->now_us = clock_now_us();
    c->token_us = g->now_us;
    c->tokens = 1;
    c->result.rss_empty_kib = resident_kib(c);
    while (c->phase != CROWD_OVER) {
        turn(c, &next_us);
        if (g->now_us - c->shown_us >= DISPLAY_US)
            report_progress(c);
        if (!*stop || c->phase >= CROWD_DRAIN)
            continue;
        c->result.interrupted = true;
        if (c->phase == CROWD_MEASURE) {
            end_measure(c);
        } else {
            c->result.joined = g->joined;
            c->result.flowing = g->flowing;
            begin_leave(c);
        }
    }
    report_progress_end();
}
