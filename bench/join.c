// link: net rtp cc sdp tls ice dtls srtp proto auth
/* How long a participant waits from opening the WebSocket to the first media packet, over loopback, while
 * somebody publishes a microphone and a camera. One joins at a time; the server is not pinned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "client/client.h"
#include "client/stream.h"
#include "measure/rows.h"
#include "measure/series.h"
#include "measure/server.h"
#include "net/clock.h"

#define JOINS   50
#define JOIN_US 5000000 /* longer is a failure */

/* Between joins: the server asks for a key frame twice a second at most, and a join is not to wait for the
 * one before it. The random part keeps joins out of step with the publisher's packets. */
#define PAUSE_US        500000
#define PAUSE_RANDOM_US 40000

static const struct stream_shape microphone = {.packets_per_s = 50, .frames_per_s = 50, .packet_size = 120};
static const struct stream_shape camera = {.packets_per_s = 180, .frames_per_s = 30, .packet_size = 1000};

static struct client_env env;
static struct client *publisher;
static struct stream streams[2];

static void on_rtp(void *arg, struct client *c, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    (void)arg, (void)c, (void)data, (void)len, (void)h;
}

static void on_key_frame(void *arg, struct client *c, uint32_t ssrc)
{
    (void)arg, (void)c;
    for (int i = 0; i < 2; i++)
        stream_key_frame(&streams[i], ssrc);
}

static void on_ended(void *arg, struct client *c, const char *why)
{
    const char *name = arg;
    if (!c->left)
        bench_fail("%s: %s", name, why);
}

static const struct client_ops ops = {.rtp = on_rtp, .key_frame = on_key_frame, .ended = on_ended};

static void run_for(int64_t us)
{
    for (int64_t until_us = clock_now_us() + us; clock_now_us() < until_us;)
        loop_run_once(env.loop, 1);
}

static void publish(void)
{
    static char name[] = "publisher";
    const struct client_join join = {.room = "join", .identity = name, .audio = 1, .video = 1};
    if (client_open(&env, &join, &ops, name, &publisher))
        bench_fail("the publisher cannot connect");
    int64_t until_us = clock_now_us() + JOIN_US;
    while (!client_may_send(publisher, 0) || !client_may_send(publisher, 1)) {
        loop_run_once(env.loop, 10);
        if (clock_now_us() > until_us)
            bench_fail("the publisher may not send");
    }
    stream_init(&streams[0], publisher, 0, &microphone);
    stream_init(&streams[1], publisher, 1, &camera);
    stream_start(&streams[0]);
    stream_start(&streams[1]);
    run_for(500000);
}

/* The steps of a join, each with the series of its times since the WebSocket was opened. */
enum step { JOINED, ANSWERED, ICE_UP, CONNECTED, ASKED, BOUND, MEDIA, VIDEO, STEPS };
static const char *const step_names[STEPS] = {"join response", "answer", "ICE", "DTLS",
    "asked to offer again", "answer with the tracks", "first media packet", "first packet of the key frame"};
static struct series steps[STEPS];
static unsigned late; /* joins whose first check came before the server knew them: half a second lost */

static void note(const struct client_times *t)
{
    int64_t media = t->audio_us && t->audio_us < t->video_us ? t->audio_us : t->video_us;
    const int64_t at[STEPS] = {t->joined_us, t->answered_us, t->ice_us, t->connected_us, t->asked_us,
        t->bound_us, media, t->video_us};
    for (int i = 0; i < STEPS; i++)
        if (at[i])
            series_add(&steps[i], (double)(at[i] - t->open_us) / 1000);
}

static void join_once(int number)
{
    char identity[32];
    struct client *c;
    snprintf(identity, sizeof identity, "guest-%d", number);
    const struct client_join join = {
        .room = "join", .identity = identity, .receive_audio = 1, .receive_video = 1};
    if (client_open(&env, &join, &ops, identity, &c))
        bench_fail("%s cannot connect", identity);
    int64_t until_us = clock_now_us() + JOIN_US;
    while (!c->times.audio_us || !c->times.video_us) {
        loop_run_once(env.loop, 10);
        if (clock_now_us() > until_us)
            bench_fail("%s: no %s within 5 s", identity, c->times.audio_us ? "video" : "audio");
    }
    note(&c->times);
    late += c->peer.stats.check_errors > 0;
    client_leave(c);
    for (until_us = clock_now_us() + JOIN_US; !c->ended;) {
        loop_run_once(env.loop, 10);
        if (clock_now_us() > until_us)
            bench_fail("%s: the server did not close the socket", identity);
    }
    client_free(c);
    run_for(PAUSE_US + rand_u32() % PAUSE_RANDOM_US);
}

int main(void)
{
    struct server s;
    struct addr at;
    server_start(&s, -1, NULL);
    server_wait(&s);
    if (addr_parse("127.0.0.1", s.port, &at) || client_env_init(&env, &at, SERVER_KEY, SERVER_SECRET))
        bench_fail("no memory");
    publish();
    for (int i = 0; i < JOINS; i++)
        join_once(i);
    stream_stop(&streams[0]);
    stream_stop(&streams[1]);
    client_leave(publisher);
    run_for(100000);
    client_free(publisher);
    client_env_done(&env);
    server_stop(&s);
    rows_heading("Join over loopback, from opening the WebSocket; 50 joins, one at a time");
    for (int i = 0; i < STEPS; i++)
        if (i != MEDIA && steps[i].count)
            rows_note("%-40s p50 %7.1f  p90 %7.1f  max %7.1f ms", step_names[i], series_at(&steps[i], 0.5),
                series_at(&steps[i], 0.9), series_at(&steps[i], 1));
    if (late)
        rows_note("the first check of %u joins was refused", late);
    rows_below("join to first media packet, p50", series_at(&steps[MEDIA], 0.5), "ms", 150);
    rows_plain("join to first media packet, p90", series_at(&steps[MEDIA], 0.9), "ms");
    rows_plain("join to first media packet, max", series_at(&steps[MEDIA], 1), "ms");
    return EXIT_SUCCESS;
}
