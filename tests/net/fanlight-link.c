// link: base
/* A UDP proxy with a bad network inside: what clients send to its port goes through one emulated link to the
 * server, and what the server answers through another one back. Each client has its own port towards the
 * server, as behind a NAT; all share the two links. What the links are like is said by options, by scripts,
 * and by lines on standard input while it runs. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "base/addr.h"
#include "net/link.h"

#define CLIENTS_MAX     64    /* each has a socket; a new one beyond that takes the place of the idlest */
#define BATCH           64    /* datagrams read from a socket in one round, so that all get their turn */
#define SCRIPT_MAX      65536 /* bytes of a script file */
#define LINE_MAX_CHARS  512   /* of a command */
#define EVENTS_MAX      16
#define SOCKET_BUFFER   (4 << 20) /* bytes: what waits is to wait in the link, where it is counted */
#define GENERATION_BITS 16

enum direction { UP, DOWN, DIRECTIONS };

/* What an event of epoll is about; below these are clients. */
enum source { SOURCE_LISTEN = CLIENTS_MAX, SOURCE_TIMER, SOURCE_STDIN };

struct client {
    int fd;     /* connected to the server; -1: free */
    int number; /* of its generation: datagrams in flight of an earlier client of this place are dropped */
    int64_t used_us;
    struct sockaddr_in6 addr;
};

struct proxy {
    int epoll_fd, listen_fd, timer_fd;
    struct sockaddr_in6 server;
    struct link links[DIRECTIONS];
    struct client clients[CLIENTS_MAX];
    uint64_t unsent; /* the socket refused them */
    bool ended;
    char line[LINE_MAX_CHARS];
    size_t line_len;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "fanlight-link: %s: %s\n", what, why);
    exit(1);
}

/* ---- clients ---- */

static int udp_socket(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int off = 0, size = SOCKET_BUFFER;
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static void watch(struct proxy *p, int fd, uint32_t source)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = source};
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e))
        die("epoll_ctl", strerror(errno));
}

static struct client *client_place(struct proxy *p)
{
    struct client *idlest = &p->clients[0];
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (p->clients[i].fd < 0)
            return &p->clients[i];
        if (p->clients[i].used_us < idlest->used_us)
            idlest = &p->clients[i];
    }
    close(idlest->fd);
    idlest->fd = -1;
    return idlest;
}

/* The client with this address, a new one if need be. NULL: there are no more sockets. */
static struct client *client_of(struct proxy *p, const struct sockaddr_in6 *addr)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &p->clients[i];
        if (c->fd >= 0 && c->addr.sin6_port == addr->sin6_port &&
            c->addr.sin6_scope_id == addr->sin6_scope_id &&
            memcmp(&c->addr.sin6_addr, &addr->sin6_addr, sizeof addr->sin6_addr) == 0)
            return c;
    }
    int fd = udp_socket();
    if (fd < 0)
        return NULL;
    if (connect(fd, (const struct sockaddr *)&p->server, sizeof p->server)) {
        close(fd);
        return NULL;
    }
    struct client *c = client_place(p);
    c->fd = fd;
    c->number = (c->number + 1) & ((1 << GENERATION_BITS) - 1);
    c->addr = *addr;
    watch(p, fd, (uint32_t)(c - p->clients));
    return c;
}

static int tag_of(const struct proxy *p, const struct client *c)
{
    return (int)(c - p->clients) << GENERATION_BITS | c->number;
}

static struct client *client_of_tag(struct proxy *p, int tag)
{
    struct client *c = &p->clients[tag >> GENERATION_BITS];
    return c->fd >= 0 && c->number == (tag & ((1 << GENERATION_BITS) - 1)) ? c : NULL;
}

/* ---- datagrams ---- */

static void listen_read(struct proxy *p)
{
    static uint8_t data[LINK_DATAGRAM_MAX];
    for (int i = 0; i < BATCH; i++) {
        struct sockaddr_in6 from;
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(p->listen_fd, data, sizeof data, 0, (struct sockaddr *)&from, &from_len);
        if (n < 0)
            return;
        struct client *c = client_of(p, &from);
        if (!c) {
            p->unsent++;
            continue;
        }
        c->used_us = now_us();
        link_send(&p->links[UP], tag_of(p, c), data, (size_t)n, c->used_us);
    }
}

static void client_read(struct proxy *p, struct client *c)
{
    static uint8_t data[LINK_DATAGRAM_MAX];
    for (int i = 0; i < BATCH && c->fd >= 0; i++) {
        ssize_t n = recv(c->fd, data, sizeof data, 0);
        if (n < 0 && errno == ECONNREFUSED)
            continue; /* nobody listens there at present */
        if (n < 0)
            return;
        link_send(&p->links[DOWN], tag_of(p, c), data, (size_t)n, now_us());
    }
}

static void links_empty(struct proxy *p)
{
    struct link_datagram *d;
    while ((d = link_take(&p->links[UP], now_us()))) {
        struct client *c = client_of_tag(p, d->tag);
        if (c && send(c->fd, d->data, d->len, 0) < 0)
            p->unsent++;
        free(d);
    }
    while ((d = link_take(&p->links[DOWN], now_us()))) {
        struct client *c = client_of_tag(p, d->tag);
        if (c && sendto(p->listen_fd, d->data, d->len, 0, (struct sockaddr *)&c->addr, sizeof c->addr) < 0)
            p->unsent++;
        free(d);
    }
}

static void timer_set(struct proxy *p)
{
    int64_t up_us = link_next_us(&p->links[UP]), down_us = link_next_us(&p->links[DOWN]);
    int64_t at_us = up_us < down_us ? up_us : down_us;
    struct itimerspec t = {0};
    if (at_us != INT64_MAX) {
        t.it_value.tv_sec = at_us / 1000000;
        t.it_value.tv_nsec = at_us % 1000000 * 1000;
    }
    timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

/* ---- what is said while it runs ---- */

static void counts_print(const struct proxy *p)
{
    static const char *const names[] = {"up", "down"};
    int clients = 0;
    for (int i = 0; i < CLIENTS_MAX; i++)
        clients += p->clients[i].fd >= 0;
    printf("{\"clients\": %d, \"unsent\": %" PRIu64, clients, p->unsent);
    for (int i = 0; i < DIRECTIONS; i++) {
        const struct link *l = &p->links[i];
        printf(", \"%s\": {\"sent\": %" PRIu64 ", \"delivered\": %" PRIu64 ", \"bytes\": %" PRIu64
               ", \"dropped\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"duplicated\": %" PRIu64
               ", \"reordered\": %" PRIu64 ", \"queue_ms\": %.1f}",
            names[i], l->counts.sent, l->counts.delivered, l->counts.bytes, l->counts.dropped, l->counts.lost,
            l->counts.duplicated, l->counts.reordered, (double)link_queue_us(l) / 1000);
    }
    printf("}\n");
    fflush(stdout);
}

static void words_apply(struct proxy *p, enum direction which, const char *words)
{
    const char *bad = words;
    links_empty(p);
    struct link_shape s = *link_shape(&p->links[which]);
    if (link_shape_parse(words, &s, &bad) || link_shape_set(&p->links[which], &s, now_us()))
        printf("error %s\n", bad);
    else
        printf("ok\n");
    fflush(stdout);
}

/* "up WORDS", "down WORDS", "stats", "quit": each is answered by a line. */
static void command(struct proxy *p, const char *line)
{
    if (strncmp(line, "up ", 3) == 0) {
        words_apply(p, UP, line + 3);
    } else if (strncmp(line, "down ", 5) == 0) {
        words_apply(p, DOWN, line + 5);
    } else if (strcmp(line, "stats") == 0) {
        links_empty(p);
        counts_print(p);
    } else if (strcmp(line, "quit") == 0) {
        p->ended = true;
    } else {
        printf("error %s\n", line);
        fflush(stdout);
    }
}

static void stdin_read(struct proxy *p)
{
    ssize_t n = read(STDIN_FILENO, p->line + p->line_len, sizeof p->line - p->line_len);
    if (n <= 0) {
        p->ended = n == 0 || errno != EAGAIN;
        return;
    }
    p->line_len += (size_t)n;
    char *end;
    while ((end = memchr(p->line, '\n', p->line_len))) {
        *end = '\0';
        command(p, p->line);
        size_t used = (size_t)(end - p->line) + 1;
        memmove(p->line, p->line + used, p->line_len -= used);
    }
    if (p->line_len == sizeof p->line)
        die("standard input", "a line is too long");
}

/* ---- start ---- */

static void usage(void)
{
    fprintf(stderr,
        "usage: fanlight-link --listen ADDR:PORT --to ADDR:PORT [options]\n"
        "  --up WORDS, --down WORDS    the way to the server, and back: rate=1M delay=25ms queue=300ms ...\n"
        "  --up-script FILE, --down-script FILE    the same over time, from the start on\n"
        "  --seed N                    of all that is random (default 1)\n"
        "  --stdin                     takes commands: up WORDS, down WORDS, stats, quit; ends with it\n"
        "tests/net/README.md says what the words are. Port 0 is any; the first line printed says which.\n");
    exit(2);
}

static struct sockaddr_in6 address(const char *text)
{
    char ip[ADDR_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
    struct addr a;
    if (!colon || end == colon + 1 || *end || port > UINT16_MAX || len >= sizeof ip)
        die(text, "not ADDR:PORT");
    snprintf(ip, sizeof ip, "%.*s", (int)(brackets ? len - 2 : len), brackets ? text + 1 : text);
    if (addr_parse(ip, (uint16_t)port, &a))
        die(text, "not ADDR:PORT");
    struct sockaddr_in6 ret;
    addr_to_sockaddr(&a, &ret);
    return ret;
}

static void script_read(struct link *l, const char *path)
{
    static char text[SCRIPT_MAX];
    FILE *f = fopen(path, "re");
    if (!f)
        die(path, strerror(errno));
    size_t n = fread(text, 1, sizeof text - 1, f);
    if (!feof(f) || ferror(f) || memchr(text, '\0', n))
        die(path, "not a script, or too long");
    fclose(f);
    text[n] = '\0';
    int line = 0, r = link_script_parse(l, text, &line);
    if (r) {
        fprintf(stderr, "fanlight-link: %s:%d: %s\n", path, line, strerror(-r));
        exit(1);
    }
}

static void words_read(struct link *l, const char *words)
{
    struct link_shape s = *link_shape(l);
    const char *bad = words;
    if (link_shape_parse(words, &s, &bad) || link_step_add(l, 0, &s))
        die(bad, "not a word for a link");
}

struct options {
    const char *listen, *to, *words[DIRECTIONS], *scripts[DIRECTIONS];
    uint64_t seed;
    bool commands;
};

static struct options options_read(int argc, char **argv)
{
    static const struct option known[] = {{"listen", 1, NULL, 'l'}, {"to", 1, NULL, 't'},
        {"up", 1, NULL, 'u'}, {"down", 1, NULL, 'd'}, {"up-script", 1, NULL, 'U'},
        {"down-script", 1, NULL, 'D'}, {"seed", 1, NULL, 's'}, {"stdin", 0, NULL, 'i'}, {0}};
    struct options o = {.seed = 1};
    int c;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'l':
            o.listen = optarg;
            break;
        case 't':
            o.to = optarg;
            break;
        case 'u':
        case 'd':
            o.words[c == 'u' ? UP : DOWN] = optarg;
            break;
        case 'U':
        case 'D':
            o.scripts[c == 'U' ? UP : DOWN] = optarg;
            break;
        case 's':
            o.seed = strtoull(optarg, NULL, 10);
            break;
        case 'i':
            o.commands = true;
            break;
        default:
            usage();
        }
    }
    if (!o.listen || !o.to || optind != argc)
        usage();
    return o;
}

static void start(struct proxy *p, const struct options *o)
{
    int64_t start_us = now_us();
    for (int i = 0; i < DIRECTIONS; i++) {
        if (link_init(&p->links[i], o->seed * DIRECTIONS + (uint64_t)i, start_us))
            die("links", strerror(ENOMEM));
        if (o->words[i])
            words_read(&p->links[i], o->words[i]);
        if (o->scripts[i])
            script_read(&p->links[i], o->scripts[i]);
    }
    for (int i = 0; i < CLIENTS_MAX; i++)
        p->clients[i].fd = -1;
    p->server = address(o->to);
    struct sockaddr_in6 local = address(o->listen);
    socklen_t local_len = sizeof local;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    p->listen_fd = udp_socket();
    if (p->epoll_fd < 0 || p->timer_fd < 0 || p->listen_fd < 0)
        die("sockets", strerror(errno));
    if (bind(p->listen_fd, (struct sockaddr *)&local, sizeof local) ||
        getsockname(p->listen_fd, (struct sockaddr *)&local, &local_len))
        die(o->listen, strerror(errno));
    watch(p, p->listen_fd, SOURCE_LISTEN);
    watch(p, p->timer_fd, SOURCE_TIMER);
    if (o->commands)
        watch(p, STDIN_FILENO, SOURCE_STDIN);
    struct addr a;
    char text[ADDR_TEXT_MAX];
    addr_from_sockaddr((struct sockaddr *)&local, &a);
    printf("listening %s\n", addr_text(&a, text));
    fflush(stdout);
}

static void events_handle(struct proxy *p)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(p->epoll_fd, events, EVENTS_MAX, -1);
    for (int i = 0; i < n; i++) {
        uint64_t expired;
        uint32_t source = events[i].data.u32;
        if (source < CLIENTS_MAX)
            client_read(p, &p->clients[source]);
        else if (source == SOURCE_LISTEN)
            listen_read(p);
        else if (source == SOURCE_STDIN)
            stdin_read(p);
        else if (read(p->timer_fd, &expired, sizeof expired) < 0 && errno != EAGAIN)
            die("timer", strerror(errno));
    }
}

int main(int argc, char **argv)
{
    static struct proxy proxy;
    struct options o = options_read(argc, argv);
    struct sigaction act = {.sa_handler = stop};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    start(&proxy, &o);
    while (!stopped && !proxy.ended) {
        links_empty(&proxy);
        timer_set(&proxy);
        events_handle(&proxy);
    }
    counts_print(&proxy);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (proxy.clients[i].fd >= 0)
            close(proxy.clients[i].fd);
    close(proxy.listen_fd);
    close(proxy.timer_fd);
    close(proxy.epoll_fd);
    for (int i = 0; i < DIRECTIONS; i++)
        link_done(&proxy.links[i]);
    return 0;
}
