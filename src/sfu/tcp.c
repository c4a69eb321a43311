/* ICE-TCP: one port for all workers. The first frame of a connection is a check, whose user name begins with
 * the letter of the worker that owns the peer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "sfu/internal.h"

static int worker_of(const char *ufrag)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = ufrag[0] ? strchr(letters, ufrag[0]) : NULL;
    return at ? (int)(at - letters) : -1;
}

static void accepted(
    void *arg, int fd, const struct addr *remote, const struct addr *local, const uint8_t *first, size_t len)
{
    struct sfu *s = arg;
    char ufrag[ICE_UFRAG_MAX + 1];
    int worker = ice_stun_ufrag(first, len, ufrag) == 0 ? worker_of(ufrag) : -1;
    struct worker_mail *m =
        worker >= 0 && (unsigned)worker < s->worker_count ? sfu_mail_new(MAIL_TCP, len) : NULL;
    if (!m) {
        close(fd);
        return;
    }
    m->tcp.fd = fd;
    m->tcp.remote = *remote;
    m->tcp.local = *local;
    memcpy(m->bytes, first, len);
    sfu_mail(s, (unsigned)worker, m);
}

int tcp_listen(struct sfu *s, char *error, size_t size)
{
    int err = 0;
    uint16_t port = (uint16_t)s->config.cfg->rtc.tcp_port;
    s->acceptor = tcp_acceptor_new(s->workers[0]->loop, port, accepted, s, &err);
    if (s->acceptor)
        return 0;
    snprintf(error, size, "ICE-TCP port %u: %s", port, strerror(-err));
    return err;
}
