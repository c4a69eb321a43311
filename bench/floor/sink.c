#include "sink.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (1 << 20)
#define BATCH        64
#define SHOWN        16      /* bytes of a datagram that are copied out; the kernel's cost is not in these */
#define TURN_NS      1000000 /* between two looks at all sockets */

struct sink {
    unsigned count;
    int *fds;
    struct sockaddr_in *addresses;
    int cpu;
    pthread_t thread;
    bool running;
    atomic_bool stop;
    _Atomic uint64_t received;
};

static void take(struct sink *s, int fd)
{
    static _Thread_local uint8_t bytes[BATCH][SHOWN];
    struct iovec v[BATCH];
    struct mmsghdr m[BATCH];
    int n;
    for (int i = 0; i < BATCH; i++) {
        v[i] = (struct iovec){bytes[i], SHOWN};
        m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &v[i], .msg_iovlen = 1}};
    }
    do {
        n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
        if (n > 0)
            atomic_fetch_add_explicit(&s->received, (uint64_t)n, memory_order_release);
    } while (n == BATCH);
}

static void *run(void *arg)
{
    struct sink *s = arg;
    const struct timespec turn = {.tv_nsec = TURN_NS};
    if (s->cpu >= 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(s->cpu, &one);
        (void)sched_setaffinity(0, sizeof one, &one);
    }
    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        for (unsigned i = 0; i < s->count; i++)
            take(s, s->fds[i]);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &turn, NULL);
    }
    return NULL;
}

static int open_one(struct sink *s, unsigned i)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int size = BUFFER_BYTES, fd = s->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return -errno;
    /* beyond the system's limit where we may */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0)
        return -errno;
    s->addresses[i] = a;
    return 0;
}

int sink_new(unsigned n, int cpu, struct sink **ret)
{
    struct sink *s = calloc(1, sizeof *s);
    int r = s ? 0 : -ENOMEM;
    if (r < 0)
        return r;
    s->cpu = cpu;
    s->fds = calloc(n, sizeof *s->fds);
    s->addresses = calloc(n, sizeof *s->addresses);
    if (!s->fds || !s->addresses)
        r = -ENOMEM;
    for (; r == 0 && s->count < n; s->count++)
        r = open_one(s, s->count);
    if (r == 0) {
        r = -pthread_create(&s->thread, NULL, run, s);
        s->running = r == 0;
    }
    if (r < 0) {
        sink_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void sink_free(struct sink *s)
{
    if (!s)
        return;
    if (s->running) {
        atomic_store_explicit(&s->stop, true, memory_order_relaxed);
        pthread_join(s->thread, NULL);
    }
    for (unsigned i = 0; i < s->count; i++)
        if (s->fds[i] >= 0)
            close(s->fds[i]);
    free(s->fds);
    free(s->addresses);
    free(s);
}

const struct sockaddr_in *sink_address(const struct sink *s, unsigned i)
{
    return &s->addresses[i];
}

uint64_t sink_received(const struct sink *s)
{
    return atomic_load_explicit(&s->received, memory_order_acquire);
}
