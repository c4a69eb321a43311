/* The mailbox: order of each sender, nothing lost, no wake-up lost. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include "net/mailbox.h"

struct letter {
    struct mail mail;
    int sender, number;
};

static bool readable(struct mailbox *m, int timeout_ms)
{
    struct pollfd p = {.fd = m->fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

static void mail_comes_oldest_first_and_wakes_once(void **state)
{
    struct mailbox m;
    struct letter letters[3] = {0};
    (void)state;
    assert_int_equal(mailbox_init(&m), 0);
    assert_false(readable(&m, 0));
    assert_null(mailbox_take(&m));
    for (int i = 0; i < 3; i++)
        mailbox_post(&m, &letters[i].mail);
    assert_true(readable(&m, 0));
    struct mail *mail = mailbox_take(&m);
    for (int i = 0; i < 3; i++, mail = mail->next)
        assert_ptr_equal(mail, &letters[i].mail);
    assert_null(mail);
    assert_false(readable(&m, 0));
    assert_null(mailbox_take(&m));
    mailbox_wake(&m);
    assert_true(readable(&m, 0));
    assert_null(mailbox_take(&m));
    assert_false(readable(&m, 0));
    mailbox_done(&m);
}

#define SENDERS 4
#define LETTERS 20000

static struct mailbox box;

static void *sender(void *arg)
{
    int me = *(int *)arg;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *l = malloc(sizeof *l);
        *l = (struct letter){.sender = me, .number = i};
        mailbox_post(&box, &l->mail);
    }
    return NULL;
}

/* The consumer sleeps whenever the descriptor says so: a lost wake-up would leave it asleep. */
static void four_senders_lose_nothing(void **state)
{
    pthread_t threads[SENDERS];
    int ids[SENDERS], next[SENDERS] = {0}, total = 0;
    (void)state;
    assert_int_equal(mailbox_init(&box), 0);
    for (int i = 0; i < SENDERS; i++) {
        ids[i] = i;
        pthread_create(&threads[i], NULL, sender, &ids[i]);
    }
    while (total < SENDERS * LETTERS) {
        assert_true(readable(&box, 20000));
        for (struct mail *m = mailbox_take(&box), *after; m; m = after, total++) {
            struct letter *l = (struct letter *)m;
            after = m->next;
            assert_int_equal(l->number, next[l->sender]++);
            free(l);
        }
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_null(mailbox_take(&box));
    mailbox_done(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_comes_oldest_first_and_wakes_once),
        cmocka_unit_test(four_senders_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
