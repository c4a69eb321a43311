#include "train.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

static void fill(struct msghdr *m, struct iovec *v, union control *control, const struct train *t)
{
    *v = (struct iovec){(void *)(uintptr_t)t->data, t->len};
    *m = (struct msghdr){
        .msg_name = (void *)(uintptr_t)t->to, .msg_namelen = sizeof *t->to, .msg_iov = v, .msg_iovlen = 1};
    if (t->len <= t->segment)
        return;
    m->msg_control = control;
    m->msg_controllen = sizeof control->bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof t->segment);
    memcpy(CMSG_DATA(c), &t->segment, sizeof t->segment);
}

int train_send(int fd, const struct train *trains, unsigned n)
{
    struct mmsghdr m[TRAIN_MESSAGES];
    struct iovec v[TRAIN_MESSAGES];
    union control control[TRAIN_MESSAGES];
    if (n > TRAIN_MESSAGES)
        return -EINVAL;
    for (unsigned i = 0; i < n; i++)
        fill(&m[i].msg_hdr, &v[i], &control[i], &trains[i]);
    for (unsigned sent = 0; sent < n;) {
        int r = sendmmsg(fd, m + sent, n - sent, 0);
        if (r < 0 && errno != EINTR)
            return -errno;
        sent += r > 0 ? (unsigned)r : 0;
    }
    return 0;
}
