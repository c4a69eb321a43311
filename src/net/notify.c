#include "net/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_send(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!name || !*name)
        return 0;
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof to.sun_path)
        return -EINVAL;
    memcpy(to.sun_path, name, len);
    if (name[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* the length says where an abstract name ends */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    int err = n < 0 ? -errno : 0;
    close(fd);
    return err;
}

/* A whole positive number, or 0. */
static int64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    char *end = NULL;
    errno = 0;
    long long n = text ? strtoll(text, &end, 10) : 0;
    return text && *text && !*end && errno == 0 && n > 0 ? n : 0;
}

int64_t notify_watchdog_us(void)
{
    if (getenv("WATCHDOG_PID") && number_in("WATCHDOG_PID") != getpid())
        return 0;
    return number_in("WATCHDOG_USEC");
}
