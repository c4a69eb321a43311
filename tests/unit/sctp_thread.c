/* The sctp thread in real time: associations that live on it, workers that post to it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "sctp/stack.h"
#include "sctp/thread.h"

/* A gate that another thread opens: waiting for it is all the time that these tests take. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    int count;
};

#define GATE                                                                                                 \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                               \
    }

static void gate_pass(void *arg)
{
    struct gate *g = arg;
    assert_int_equal(pthread_mutex_lock(&g->lock), 0);
    g->count++;
    assert_int_equal(pthread_cond_broadcast(&g->opened), 0);
    assert_int_equal(pthread_mutex_unlock(&g->lock), 0);
}

static void gate_wait(struct gate *g, int count)
{
    assert_int_equal(pthread_mutex_lock(&g->lock), 0);
    while (g->count < count)
        assert_int_equal(pthread_cond_wait(&g->opened, &g->lock), 0);
    assert_int_equal(pthread_mutex_unlock(&g->lock), 0);
}

/* ---- a peer: an association on the sctp thread, and a worker that carries its packets to the other ---- */

struct peer {
    struct sctp_association *association;
    struct peer *other;
    struct worker *worker;
    struct gate *done;
    bool client;
    uint16_t stream;
    uint32_t said, heard, want;
    struct sctp_call speak;
};

struct packet {
    struct list link;
    struct peer *to;
    size_t len;
    uint8_t data[SCTP_MTU];
};

/* Takes what associations put out and posts it as the other's input, as a worker does after DTLS. */
struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct list packets;
    bool stop;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        while (list_empty(&w->packets) && !w->stop)
            (void)pthread_cond_wait(&w->filled, &w->lock);
        if (list_empty(&w->packets))
            break;
        struct packet *p = list_entry(w->packets.next, struct packet, link);
        list_del(&p->link);
        (void)pthread_mutex_unlock(&w->lock);
        sctp_thread_input(p->to->association, p->data, p->len);
        free(p);
        (void)pthread_mutex_lock(&w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void worker_start(struct worker *w)
{
    memset(w, 0, sizeof *w);
    list_init(&w->packets);
    assert_int_equal(pthread_mutex_init(&w->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&w->filled, NULL), 0);
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
}

static void worker_stop(struct worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    while (!list_empty(&w->packets)) { /* whatever is still under way is lost */
        struct packet *p = list_entry(w->packets.next, struct packet, link);
        list_del(&p->link);
        free(p);
    }
    (void)pthread_cond_signal(&w->filled);
    (void)pthread_mutex_unlock(&w->lock);
    assert_int_equal(pthread_join(w->thread, NULL), 0);
}

static void worker_done(struct worker *w)
{
    while (!list_empty(&w->packets)) {
        struct packet *p = list_entry(w->packets.next, struct packet, link);
        list_del(&p->link);
        free(p);
    }
    (void)pthread_cond_destroy(&w->filled);
    (void)pthread_mutex_destroy(&w->lock);
}

static void on_output(void *arg, const uint8_t *data, size_t len)
{
    struct peer *p = arg;
    struct worker *w = p->worker;
    struct packet *packet = malloc(sizeof *packet);
    *packet = (struct packet){.to = p->other, .len = len};
    memcpy(packet->data, data, len);
    (void)pthread_mutex_lock(&w->lock);
    list_add_tail(&w->packets, &packet->link);
    (void)pthread_cond_signal(&w->filled);
    (void)pthread_mutex_unlock(&w->lock);
}

/* Says the numbers up to want, as fast as they are taken. */
static void speak(void *arg)
{
    struct peer *p = arg;
    while (p->said < p->want) {
        uint32_t message[250] = {p->said};
        if (sctp_association_send(p->association, p->stream, true, (uint8_t *)message, sizeof message) < 0)
            return;
        p->said++;
    }
}

static void on_up(void *arg)
{
    struct peer *p = arg;
    struct dcep_open open = {.ordered = true, .label_len = 1, .label = "x"};
    if (p->client && sctp_association_channel_open(p->association, &open, &p->stream) < 0)
        abort();
}

static void on_channel_open(void *arg, uint16_t stream, const struct dcep_open *open)
{
    struct peer *p = arg;
    (void)open;
    p->stream = stream;
    speak(p);
}

static void on_message(void *arg, uint16_t stream, bool binary, const uint8_t *data, size_t len)
{
    struct peer *p = arg;
    uint32_t number;
    memcpy(&number, data, sizeof number);
    if (stream != p->stream || !binary || len != 1000 || number != p->heard)
        abort();
    if (++p->heard == p->want)
        gate_pass(p->done);
}

static void on_channel_closed(void *arg, uint16_t stream)
{
    (void)arg;
    (void)stream;
}

static void on_closed(void *arg, enum sctp_close why)
{
    (void)arg;
    (void)why;
}

static const struct sctp_ops ops = {
    on_output, on_up, on_channel_open, on_message, on_channel_closed, speak, on_closed};

static void pair_open(struct sctp_thread *t, struct peer pair[2], struct worker *a, struct worker *b,
    struct gate *done, uint32_t want)
{
    for (int i = 0; i < 2; i++) {
        pair[i] = (struct peer){
            .other = &pair[!i], .worker = i ? b : a, .done = done, .client = i == 0, .want = want};
        assert_int_equal(sctp_association_new(t, &ops, &pair[i], 5000, &pair[i].association), 0);
    }
    for (int i = 0; i < 2; i++)
        sctp_thread_association_start(pair[i].association, i == 0);
}

/* ---- the tests ---- */

static void there_is_one_thread(void **state)
{
    struct sctp_thread *t = NULL, *second = NULL;
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sctp_thread_start(&t), 0);
        assert_int_equal(sctp_thread_start(&second), -EBUSY);
        assert_null(second);
        sctp_thread_stop(t);
    }
    sctp_thread_stop(NULL);
}

static pthread_t seen_thread;

static void note_thread(void *arg)
{
    seen_thread = pthread_self();
    gate_pass(arg);
}

static void posted_functions_run_on_it(void **state)
{
    struct sctp_thread *t = NULL;
    struct gate g = GATE;
    struct sctp_call call = {.fn = note_thread, .arg = &g};
    (void)state;
    assert_int_equal(sctp_thread_start(&t), 0);
    sctp_thread_post(t, &call);
    gate_wait(&g, 1);
    assert_false(pthread_equal(seen_thread, pthread_self()));
    for (int i = 0; i < 100; i++)
        assert_int_equal(sctp_thread_call(t, gate_pass, &g), 0);
    sctp_thread_stop(t); /* runs what was posted */
    assert_int_equal(g.count, 101);
}

static void associations_talk_through_workers(void **state)
{
    enum { PAIRS = 8, MESSAGES = 200 };
    static struct peer pairs[PAIRS][2];
    struct worker workers[2];
    struct sctp_thread *t = NULL;
    struct gate done = GATE, freed = GATE;
    (void)state;
    assert_int_equal(sctp_thread_start(&t), 0);
    worker_start(&workers[0]);
    worker_start(&workers[1]);
    for (int i = 0; i < PAIRS; i++)
        pair_open(t, pairs[i], &workers[0], &workers[1], &done, MESSAGES);
    gate_wait(&done, 2 * PAIRS);
    worker_stop(&workers[0]);
    worker_stop(&workers[1]);
    for (int i = 0; i < PAIRS; i++) {
        for (int k = 0; k < 2; k++)
            sctp_thread_association_free(pairs[i][k].association, gate_pass, &freed);
    }
    gate_wait(&freed, 2 * PAIRS);
    sctp_thread_stop(t);
    worker_done(&workers[0]);
    worker_done(&workers[1]);
}

/* The order in which a room falls apart: workers stop posting, then associations go, in whatever state. */
static void teardown_in_full_flight_is_safe(void **state)
{
    enum { PAIRS = 30, ROUNDS = 4 };
    static struct peer pairs[PAIRS][2];
    struct worker workers[2];
    struct sctp_thread *t = NULL;
    struct gate done = GATE, freed = GATE;
    (void)state;
    assert_int_equal(sctp_thread_start(&t), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        worker_start(&workers[0]);
        worker_start(&workers[1]);
        for (int i = 0; i < PAIRS; i++)
            pair_open(t, pairs[i], &workers[0], &workers[1], &done, round == 1 ? 1 : 20);
        gate_wait(&done, (round - 1) * PAIRS + 1); /* some talk, others are still coming up */
        worker_stop(&workers[0]);
        worker_stop(&workers[1]);
        for (int i = 0; i < PAIRS; i++) {
            for (int k = 0; k < 2; k++)
                sctp_thread_association_free(pairs[i][k].association, gate_pass, &freed);
        }
        gate_wait(&freed, round * 2 * PAIRS);
        worker_done(&workers[0]);
        worker_done(&workers[1]);
        done.count = round * PAIRS;
    }
    sctp_thread_stop(t);
}

static void hold(void *arg)
{
    gate_wait(arg, 1);
}

static void input_beyond_the_bound_is_dropped(void **state)
{
    struct sctp_thread *t = NULL;
    struct gate held = GATE, freed = GATE;
    struct worker w;
    struct sctp_stats stats;
    uint8_t packet[100] = {0};
    struct peer p = {.worker = &w, .other = &p};
    (void)state;
    worker_start(&w);
    worker_stop(&w);
    assert_int_equal(sctp_thread_start(&t), 0);
    assert_int_equal(sctp_association_new(t, &ops, &p, 5000, &p.association), 0);
    assert_int_equal(sctp_thread_call(t, hold, &held), 0);
    for (int i = 0; i < SCTP_INPUT_QUEUE + 10; i++)
        sctp_thread_input(p.association, packet, sizeof packet);
    sctp_association_stats(p.association, &stats); /* the thread is held: nobody else touches it */
    assert_int_equal(stats.packets_dropped, 10);
    gate_pass(&held);
    sctp_thread_association_free(p.association, gate_pass, &freed);
    gate_wait(&freed, 1);
    sctp_thread_stop(t);
    worker_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_one_thread),
        cmocka_unit_test(posted_functions_run_on_it),
        cmocka_unit_test(associations_talk_through_workers),
        cmocka_unit_test(teardown_in_full_flight_is_safe),
        cmocka_unit_test(input_beyond_the_bound_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
