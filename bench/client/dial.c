#include "dial.h"

#include <errno.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

int dial_tcp(const struct addr *server)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    bool is_v4 = addr_is_v4(server);
    addr_to_sockaddr(server, &v6);
    memcpy(&v4.sin_addr, server->ip + 12, 4);
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0)
        return -errno;
    const void *to = is_v4 ? (const void *)&v4 : (const void *)&v6;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        (connect(fd, to, is_v4 ? sizeof v4 : sizeof v6) < 0 && errno != EINPROGRESS)) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int dial_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

int dial_local(const struct addr *remote, struct addr *ret)
{
    struct sockaddr_in6 to;
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    addr_to_sockaddr(remote, &to);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
                      getsockname(fd, (struct sockaddr *)&own, &len) < 0
                  ? -errno
                  : addr_from_sockaddr((struct sockaddr *)&own, ret);
    close(fd);
    return err;
}
