#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "net/clock.h"

#define PORT_FIRST 22000
#define PORT_STEP  10 /* ports of a server: HTTP, ICE-TCP, a worker's UDP each */
#define PORT_TRIES 10
#define START_US   10000000
#define STOP_US    5000000
#define LOOK_NS    200000 /* between two looks at something that takes milliseconds */
#define LOG_SHOWN  2000   /* bytes of the server's last words */

static const struct server *running; /* for its last words, and to end it */

static void look_later(void)
{
    const struct timespec t = {.tv_nsec = LOOK_NS};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* ---- failure ---- */

static void last_words(const struct server *s)
{
    char text[LOG_SHOWN + 1];
    off_t size = lseek(s->log_fd, 0, SEEK_END);
    off_t from = size > LOG_SHOWN ? size - LOG_SHOWN : 0;
    ssize_t n = pread(s->log_fd, text, LOG_SHOWN, from);
    if (n > 0)
        fprintf(stderr, "the server said:\n%.*s\n", (int)n, text);
}

void bench_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "bench: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    if (running) {
        last_words(running);
        kill(running->pid, SIGKILL);
        waitpid(running->pid, NULL, 0);
    }
    exit(EXIT_FAILURE);
}

/* ---- processors ---- */

void pin_to(int cpu)
{
    cpu_set_t one;
    (void)processors();
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        bench_fail("processor %d: %s", cpu, strerror(errno));
}

int processors(void)
{
    static int count; /* before pin_to made it one */
    cpu_set_t allowed;
    if (!count)
        count = sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : CPU_COUNT(&allowed);
    return count;
}

/* ---- ports ---- */

static bool port_free(int type, uint16_t port)
{
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* as the server does */
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

static uint16_t find_ports(void)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t base = (uint16_t)(PORT_FIRST + i * PORT_STEP);
        bool all = port_free(SOCK_STREAM, base) && port_free(SOCK_STREAM, (uint16_t)(base + 1));
        for (int k = 2; all && k < PORT_STEP; k++)
            all = port_free(SOCK_DGRAM, (uint16_t)(base + k));
        if (all)
            return base;
    }
    bench_fail("no free block of ports between %d and %d", PORT_FIRST, PORT_FIRST + PORT_TRIES * PORT_STEP);
}

/* ---- start ---- */

static void become_server(
    const struct server *s, const char *program, int cpu, const char *port, const char *set)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (cpu >= 0)
        pin_to(cpu);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(s->log_fd, 1) < 0 || dup2(s->log_fd, 2) < 0)
        _exit(126);
    execl(program, program, "--dev", "--port", port, set ? "--set" : NULL, set, (char *)NULL);
    dprintf(2, "%s: %s\n", program, strerror(errno));
    _exit(127);
}

void server_start(struct server *s, int cpu, const char *set)
{
    const char *program = getenv("FANLIGHT");
    char port[8];
    set = set ? set : getenv("BENCH_SET");
    *s = (struct server){.port = find_ports()};
    if (!program)
        bench_fail("FANLIGHT does not name the server's binary");
    s->log_fd = memfd_create("server-log", MFD_CLOEXEC);
    if (s->log_fd < 0 || fcntl(s->log_fd, F_SETFL, O_APPEND) < 0)
        bench_fail("log: %s", strerror(errno));
    snprintf(port, sizeof port, "%u", s->port);
    fflush(stdout);
    s->fork_us = clock_now_us();
    s->pid = fork();
    if (s->pid < 0)
        bench_fail("fork: %s", strerror(errno));
    if (s->pid == 0)
        become_server(s, program, cpu, port, set);
    running = s;
}

static bool is_healthy(const struct server *s)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char answer[16] = "";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const struct timeval limit = {.tv_sec = 1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
              send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0 &&
              recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 0 &&
              strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
    close(fd);
    return ok;
}

void server_wait(struct server *s)
{
    while (!is_healthy(s)) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            bench_fail("the server ended while it started");
        if (clock_now_us() - s->fork_us > START_US)
            bench_fail("the server did not start within 10 s");
        look_later();
    }
    s->health_us = clock_now_us();
}

void server_stop(struct server *s)
{
    int status = 0;
    int64_t until_us = clock_now_us() + STOP_US;
    kill(s->pid, SIGTERM);
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        if (clock_now_us() > until_us)
            bench_fail("the server did not stop within 5 s");
        look_later();
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        fprintf(stderr, "bench: the server ended with status %d\n", status);
        last_words(s);
        exit(EXIT_FAILURE);
    }
    close(s->log_fd);
    running = NULL;
}

/* ---- what it uses ---- */

/* Whole, from its clock, which counts nanoseconds; /proc/PID/stat, which counts ticks, splits it. */
int64_t server_cpu_us(const struct server *s, int64_t *ret_user_us, int64_t *ret_system_us)
{
    char path[64], text[1024];
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(s->pid, &clock) || clock_gettime(clock, &t))
        bench_fail("the server's CPU time cannot be read");
    snprintf(path, sizeof path, "/proc/%d/stat", (int)s->pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    const char *after_name = strrchr(text, ')');
    unsigned long user, system_ticks;
    if (!after_name || sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                           &system_ticks) != 2)
        bench_fail("%s is not as expected", path);
    int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK);
    *ret_user_us = (int64_t)user * tick_us;
    *ret_system_us = (int64_t)system_ticks * tick_us;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

double server_resident_mib(const struct server *s, const char *field)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *f = fopen(path, "r");
    size_t n = strlen(field);
    double kib = -1;
    while (f && kib < 0 && fgets(line, sizeof line, f))
        if (strncmp(line, field, n) == 0 && line[n] == ':')
            kib = strtod(line + n + 1, NULL);
    if (f)
        fclose(f);
    if (kib < 0)
        bench_fail("%s has no %s", path, field);
    return kib / 1024;
}
