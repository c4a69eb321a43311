/* Rooms and the media side on the control thread: room timers run, goodbyes are said, busy ports are refused.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "control/hub.h"
#include "dtls/session.h"
#include "net/udp.h"
#include "tls/cert.h"

struct fixture {
    struct config *cfg;
    struct cert *cert;
    struct dtls_context *dtls;
    struct control *control;
    struct hub *hub;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int finished, left;
    enum leave_reason reason;
    enum leave_action action;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char *const argv[] = {(char *)"fanlight", (char *)"--dev", (char *)"--set", (char *)"rtc.workers=2"};
    enum config_action action;
    char error[CONFIG_ERROR_MAX];
    const struct cert_subject anybody = {.days = 30};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_int_equal(config_load(4, argv, &f->cfg, &action, error), 0);
    f->cfg->rtc.udp_port = f->cfg->rtc.tcp_port = 0; /* any */
    f->cfg->room.empty_timeout_s = 0;
    assert_int_equal(cert_make(&anybody, &f->cert, NULL), 0);
    assert_int_equal(dtls_context_new(f->cert, &f->dtls), 0);
    f->control = control_new();
    assert_non_null(f->control);
    *state = f;
    return 0;
}

static int open_hub(struct fixture *f, char *error, size_t size)
{
    const struct hub_config c = {
        .cfg = f->cfg, .control = f->control, .dtls = f->dtls, .fingerprint = cert_fingerprint(f->cert)};
    return hub_new(&c, &f->hub, error, size);
}

static void start(struct fixture *f)
{
    char error[256] = "not written";
    assert_int_equal(open_hub(f, error, sizeof error), 0);
    assert_string_equal(error, "");
    assert_int_equal(hub_start(f->hub), 0);
    assert_int_equal(control_start(f->control), 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    control_stop(f->control);
    if (f->hub)
        hub_stop(f->hub);
    hub_free(f->hub);
    control_free(f->control);
    dtls_context_free(f->dtls);
    cert_free(f->cert);
    config_free(f->cfg);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void wait_for(struct fixture *f, const int *counter)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&f->lock);
    while (!*counter)
        if (pthread_cond_timedwait(&f->changed, &f->lock, &until) == ETIMEDOUT)
            break;
    int got = *counter;
    pthread_mutex_unlock(&f->lock);
    assert_int_equal(got, 1);
}

static void count(struct fixture *f, int *counter)
{
    pthread_mutex_lock(&f->lock);
    ++*counter;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void on_finished(void *arg, struct room *r)
{
    struct fixture *f = arg;
    assert_string_equal(r->name, "short");
    count(f, &f->finished);
}

static void make_room(void *arg)
{
    struct fixture *f = arg;
    const struct room_watch watch = {.arg = f, .room_finished = on_finished};
    struct room_options o = {0};
    struct room *r;
    room_server_watch(hub_rooms(f->hub), &watch);
    assert_int_equal(room_create(hub_rooms(f->hub), "short", &o, &r), 0);
}

static void rooms_are_called_when_they_asked_to_be(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(control_call_wait(f->control, make_room, f), 0);
    wait_for(f, &f->finished); /* it may live for no time at all, so the next look at it ends it */
}

static void on_leave(void *arg, enum leave_reason reason, enum leave_action action)
{
    struct fixture *f = arg;
    f->reason = reason;
    f->action = action;
    count(f, &f->left);
}

static void join(void *arg)
{
    static const struct participant_ops ops = {.leave = on_leave};
    struct fixture *f = arg;
    struct participant_join j = {
        .room = "stay",
        .identity = "ada",
        .name = "Ada",
        .metadata = "",
        .permission = {.can_publish = true, .can_subscribe = true},
        .may_create = true,
        .single_connection = true,
        .auto_subscribe = true,
        .ops = &ops,
        .arg = f,
    };
    struct participant *p;
    assert_int_equal(participant_join(hub_rooms(f->hub), &j, &p), 0);
    participant_joined(p);
}

static void say_goodbye(void *arg)
{
    struct fixture *f = arg;
    size_t rooms, participants;
    hub_goodbye(f->hub);
    room_server_counts(hub_rooms(f->hub), &rooms, &participants);
    assert_int_equal(rooms, 0);
    assert_int_equal(participants, 0);
}

static void goodbye_is_said_to_everybody_once(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(control_call_wait(f->control, join, f), 0);
    assert_int_equal(f->left, 0);
    assert_int_equal(control_call_wait(f->control, say_goodbye, f), 0);
    assert_int_equal(control_call_wait(f->control, say_goodbye, f), 0);
    assert_int_equal(f->left, 1);
    assert_int_equal(f->reason, LEAVE_SERVER_SHUTDOWN);
    assert_int_equal(f->action, LEAVE_DISCONNECT);
}

static void the_end_may_come_with_people_inside(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(control_call_wait(f->control, join, f), 0);
}

static void a_hub_that_never_started_is_freed(void **state)
{
    struct fixture *f = *state;
    char error[256];
    assert_int_equal(open_hub(f, error, sizeof error), 0);
    assert_int_equal(sfu_workers(hub_sfu(f->hub)), 2);
}

static void a_busy_port_is_named(void **state)
{
    struct fixture *f = *state;
    struct udp_socket busy;
    char error[256] = "", port[16];
    assert_int_equal(udp_open(&busy, 0, 65536), 0);
    f->cfg->rtc.udp_port = busy.port;
    assert_int_equal(open_hub(f, error, sizeof error), -EADDRINUSE);
    assert_null(f->hub);
    snprintf(port, sizeof port, "%u", busy.port);
    assert_non_null(strstr(error, port));
    assert_non_null(strstr(error, "in use"));
    udp_close(&busy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rooms_are_called_when_they_asked_to_be, setup, teardown),
        cmocka_unit_test_setup_teardown(goodbye_is_said_to_everybody_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_may_come_with_people_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hub_that_never_started_is_freed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_port_is_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
