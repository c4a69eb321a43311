#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define USER_FIELD 14 /* utime, proc(5); the next one is stime */

static ssize_t read_file(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    if (n >= 0)
        out[n] = 0;
    return n;
}

bool process_parse_stat(const char *line, uint64_t *ret_user, uint64_t *ret_system)
{
    const char *at = strrchr(line, ')'); /* the name may hold anything */
    unsigned long long user, system;
    int field = 2;
    while (at && field < USER_FIELD && (at = strchr(at, ' '))) {
        at++;
        field++;
    }
    if (!at || sscanf(at, "%llu %llu", &user, &system) != 2)
        return false;
    *ret_user = user;
    *ret_system = system;
    return true;
}

int process_read(pid_t pid, struct process_use *ret)
{
    char text[4096];
    uint64_t user, system;
    unsigned long long resident;
    clockid_t clock;
    struct timespec used;
    if (read_file(pid, "stat", text, sizeof text) < 0 || !process_parse_stat(text, &user, &system))
        return -ESRCH;
    if (read_file(pid, "statm", text, sizeof text) < 0 || sscanf(text, "%*u %llu", &resident) != 1)
        return -ESRCH;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
        return -ESRCH;
    /* the sum is exact; how it splits is known by ticks of 10 ms */
    double us = (double)used.tv_sec * 1e6 + (double)used.tv_nsec * 1e-3;
    double share = user + system ? (double)user / (double)(user + system) : 0;
    *ret = (struct process_use){.user_us = (int64_t)(us * share),
        .system_us = (int64_t)(us * (1 - share)),
        .resident_kib = (int64_t)resident * sysconf(_SC_PAGESIZE) / 1024};
    return resident ? 0 : -ESRCH; /* a zombie has no memory left */
}

void process_self(struct process_use *ret)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    *ret = (struct process_use){.user_us = (int64_t)u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec,
        .system_us = (int64_t)u.ru_stime.tv_sec * 1000000 + u.ru_stime.tv_usec,
        .resident_kib = u.ru_maxrss};
}
