#include "net/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *m)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    m->fd = fd;
    atomic_init(&m->head, NULL);
    return 0;
}

void mailbox_done(struct mailbox *m)
{
    close(m->fd);
    m->fd = -1;
}

void mailbox_wake(struct mailbox *m)
{
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(m->fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
}

void mailbox_post(struct mailbox *m, struct mail *mail)
{
    struct mail *head = atomic_load_explicit(&m->head, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &m->head, &head, mail, memory_order_release, memory_order_relaxed));
    if (!head)
        mailbox_wake(m);
}

struct mail *mailbox_take(struct mailbox *m)
{
    /* Drain first: a post between a swap and a later drain would lose its wake-up. */
    uint64_t count;
    ssize_t n;
    do {
        n = read(m->fd, &count, sizeof count);
    } while (n < 0 && errno == EINTR);
    struct mail *mail = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire), *oldest = NULL;
    while (mail) {
        struct mail *next = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = next;
    }
    return oldest;
}
