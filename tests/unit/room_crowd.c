/* Three thousand people join one room in a minute, and leave: what is told grows with the people, not with
 * their square, and in the end everybody knows everybody. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_host.h"

#define PEOPLE   3000
#define EVERY_US 20000 /* one joins: 3,000 in 60 s */

/* What one of them was told. */
struct one {
    unsigned messages, came, went;
};

static struct host *h;
static struct participant *people[PEOPLE];
static struct one told[PEOPLE];

static void on_update(void *arg, struct participant *const *list, size_t n)
{
    struct one *o = arg;
    o->messages++;
    for (size_t i = 0; i < n; i++) {
        bool gone = list[i]->state == PARTICIPANT_DISCONNECTED;
        o->went += gone;
        o->came += !gone && list[i]->version == 2; /* its first news: it joined */
    }
}

static const struct participant_ops ops = {.update = on_update};

static void join(unsigned i)
{
    char identity[16];
    (void)snprintf(identity, sizeof identity, "p%u", i);
    const struct participant_join j = {.room = "room",
        .identity = identity,
        .permission = {.can_subscribe = true, .can_publish = true, .can_publish_data = true},
        .may_create = true,
        .single_connection = true,
        .auto_subscribe = true,
        .protocol = 17,
        .ops = &ops,
        .arg = &told[i]};
    assert_int_equal(participant_join(h->rooms, &j, &people[i]), 0);
    participant_joined(people[i]);
}

static uint64_t messages(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < PEOPLE; i++)
        n += told[i].messages;
    return n;
}

static void three_thousand_join_and_leave(void **state)
{
    (void)state;
    h = host_new();
    h->cfg.room.audio_top_n = 3;
    h->cfg.rtc.connect_timeout_s = 1000; /* none of them has media here */
    for (unsigned i = 0; i < PEOPLE; i++) {
        join(i);
        host_run(h, EVERY_US);
    }
    host_run(h, S(5));
    /* as they join one collection takes up to 3.1 s: thirty or so for the first of them, not 3,000 */
    assert_true(messages() < (uint64_t)PEOPLE * 60);
    for (unsigned i = 0; i < PEOPLE; i += 97)
        assert_true(told[i].came >= PEOPLE - i - 1); /* those before were in its join response */
    assert_true(told[0].messages < 150);
    uint64_t joined = messages();
    for (unsigned i = 0; i < PEOPLE - 100; i++) {
        participant_leave(people[i], LEAVE_CLIENT_INITIATED);
        if (i % 100 == 99)
            host_run(h, EVERY_US);
    }
    host_run(h, S(5));
    assert_true(messages() - joined < (uint64_t)PEOPLE * 20);
    assert_int_equal(told[PEOPLE - 1].went, PEOPLE - 100);
    assert_int_equal(host_room(h)->participant_count, 100);
    for (unsigned i = PEOPLE - 100; i < PEOPLE; i++)
        participant_leave(people[i], LEAVE_CLIENT_INITIATED);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_thousand_join_and_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
