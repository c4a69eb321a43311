/* The workers as a whole: start and stop, commands in, events out, addresses. */
#include "sfu/internal.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "net/ifaddr.h"

static unsigned cgroup_cpus(void)
{
    /* cgroup v2: "max 100000" or "200000 100000" */
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    long quota, period;
    unsigned n = SFU_WORKERS_MAX;
    if (!f)
        return n;
    if (fscanf(f, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
        n = (unsigned)((quota + period - 1) / period);
    fclose(f);
    return n;
}

unsigned sfu_workers_default(void)
{
    cpu_set_t set;
    unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned quota = cgroup_cpus();
    n = quota < n ? quota : n;
    if (n < 1)
        n = 1;
    return n > SFU_WORKERS_MAX ? SFU_WORKERS_MAX : n;
}

unsigned sfu_workers(const struct sfu *s)
{
    return s->worker_count;
}

struct worker_mail *sfu_mail_new(enum mail_kind kind, size_t bytes)
{
    struct worker_mail *m = calloc(1, sizeof *m + bytes);
    if (m) {
        m->kind = kind;
        m->len = bytes;
    }
    return m;
}

void sfu_mail(struct sfu *s, unsigned worker, struct worker_mail *m)
{
    mailbox_post(&s->workers[worker]->mail, &m->mail);
}

/* What a worker has to tell, on its way to control. */
struct sfu_events {
    struct mail mail;
    size_t n, room;
    struct sfu_event list[];
};

/* Figures can wait for others of their kind: they wake control once a tick, however many peers there are. */
static bool can_wait(const struct sfu_event *e)
{
    return e->type == SFU_EVENT_PEER_QUALITY || e->type == SFU_EVENT_PEER_ALLOCATED ||
           e->type == SFU_EVENT_SUB_ALLOCATED;
}

void sfu_emit(struct sfu_worker *w, const struct sfu_event *e)
{
    if (w->events && w->events->n == w->events->room && w->events->room >= SFU_EVENTS_BATCH)
        sfu_flush_events(w);
    struct sfu_events *b = w->events;
    if (!b || b->n == b->room) {
        size_t room = b ? 2 * b->room : 1;
        b = realloc(b, sizeof *b + room * sizeof *b->list);
        if (!b) {
            log_error("event.lost", "worker=%u type=%d reason=memory", w->index, e->type);
            return;
        }
        b->n = w->events ? b->n : 0;
        b->room = room;
        w->events = b;
    }
    struct sfu_event *own = &b->list[b->n++];
    *own = *e;
    own->worker = w->index;
    w->events_due = w->events_due || !can_wait(e);
}

void sfu_flush_events(struct sfu_worker *w)
{
    if (w->events)
        mailbox_post(&w->sfu->events, &w->events->mail);
    w->events = NULL;
    w->events_due = false;
}

int sfu_event_fd(const struct sfu *s)
{
    return s->events.fd;
}

void sfu_take_events(struct sfu *s, void (*fn)(void *arg, const struct sfu_event *e), void *arg)
{
    struct mail *next;
    for (struct mail *m = mailbox_take(&s->events); m; m = next) {
        next = m->next;
        struct sfu_events *b = (struct sfu_events *)m;
        for (size_t i = 0; fn && i < b->n; i++)
            fn(arg, &b->list[i]);
        free(b);
    }
}

/* The cipher library takes 30 ms to start and 2 MiB to hold. It starts with the first peer, while that one
 * still checks its paths, and not on a worker. */
static void prepare(void *arg)
{
    (void)arg;
    srtp_prepare();
    log_info("srtp.ready", "library=%s", srtp_library_name());
}

static void first_peer(struct sfu *s)
{
    if (!s->prepared && s->sctp && sctp_thread_call(s->sctp, prepare, NULL) == 0)
        s->prepared = true;
}

int sfu_post(struct sfu *s, const struct sfu_command *c)
{
    if (atomic_load_explicit(&s->stopping, memory_order_acquire))
        return -ESHUTDOWN;
    if (c->worker >= s->worker_count)
        return -EINVAL;
    struct worker_mail *m = sfu_mail_new(MAIL_COMMAND, 0);
    if (!m)
        return -ENOMEM;
    m->command = *c;
    if (c->type == SFU_PEER_ADD)
        first_peer(s);
    if (c->type == SFU_PEER_DATA) {
        int err = data_new(s, c, &m->data);
        if (err) {
            free(m);
            return err;
        }
    }
    sfu_mail(s, c->worker, m);
    return 0;
}

/* ---- addresses ---- */

static void add_candidate(struct sfu *s, unsigned w, const struct addr *a, uint16_t port, bool tcp)
{
    if (!port || s->candidate_count[w] >= SFU_CANDIDATES_MAX)
        return;
    for (size_t i = 0; i < s->candidate_count[w]; i++)
        if (s->candidates[w][i].tcp == tcp && addr_equal_ip(&s->candidates[w][i].addr, a))
            return;
    struct sfu_candidate *c = &s->candidates[w][s->candidate_count[w]++];
    c->addr = *a;
    c->addr.port = port;
    c->tcp = tcp;
}

void sfu_candidates_refresh(struct sfu *s)
{
    const struct config *cfg = s->config.cfg;
    struct addr list[SFU_CANDIDATES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < cfg->rtc.announced_ip.count && n < SFU_CANDIDATES_MAX; i++)
        list[n++] = cfg->rtc.announced_ip.at[i];
    if (s->has_discovered && n < SFU_CANDIDATES_MAX)
        list[n++] = s->discovered;
    struct addr own[SFU_CANDIDATES_MAX];
    int found = ifaddr_list(own, SFU_CANDIDATES_MAX, true);
    bool any = n > 0;
    for (int i = 0; i < found && n < SFU_CANDIDATES_MAX; i++) {
        bool loopback = addr_is_loopback(&own[i]);
        bool wanted =
            cfg->rtc.loopback == CONFIG_ON || (cfg->rtc.loopback == CONFIG_AUTO && (cfg->dev || !any));
        if ((loopback && !wanted) || (!addr_is_v4(&own[i]) && !cfg->rtc.ipv6))
            continue;
        any |= !loopback;
        list[n++] = own[i];
    }
    uint16_t tcp_port = s->acceptor ? tcp_acceptor_port(s->acceptor) : 0;
    for (unsigned w = 0; w < s->worker_count; w++) {
        s->candidate_count[w] = 0;
        for (size_t i = 0; i < n; i++)
            add_candidate(s, w, &list[i], s->workers[w]->udp.port, false);
        for (size_t i = 0; i < n; i++)
            add_candidate(s, w, &list[i], tcp_port, true);
    }
}

const struct sfu_candidate *sfu_candidates(struct sfu *s, unsigned worker, size_t *ret_n)
{
    *ret_n = s->candidate_count[worker];
    return s->candidates[worker];
}

void sfu_set_discovered(struct sfu *s, const struct addr *a)
{
    s->discovered = *a;
    s->has_discovered = true;
    sfu_candidates_refresh(s);
}

/* ---- life ---- */

static int make_rings(struct sfu *s)
{
    for (unsigned to = 0; to < s->worker_count; to++) {
        for (unsigned from = 0; from < s->worker_count; from++) {
            if (from == to)
                continue;
            struct ring *r = aligned_alloc(64, (sizeof *r + 63) & ~(size_t)63);
            if (!r || ring_init(r, SFU_RING_SIZE)) {
                free(r);
                return -ENOMEM;
            }
            s->workers[to]->in[from] = r;
        }
    }
    return 0;
}

int sfu_new(const struct sfu_config *c, struct sfu **ret, char *error, size_t size)
{
    struct sfu *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->config = *c;
    s->events.fd = -1;
    snprintf(error, size, "out of memory");
    int err = mailbox_init(&s->events);
    unsigned workers = c->workers < 1 ? 1 : c->workers > SFU_WORKERS_MAX ? SFU_WORKERS_MAX : c->workers;
    for (unsigned i = 0; !err && i < workers; i++) {
        err = worker_new(s, i, &s->workers[i], error, size);
        if (!err)
            s->worker_count++;
    }
    if (!err)
        err = make_rings(s);
    if (!err && c->cfg->rtc.tcp_port)
        err = tcp_listen(s, error, size);
    if (err) {
        sfu_free(s);
        return err;
    }
    if (size)
        error[0] = '\0';
    sfu_candidates_refresh(s);
    *ret = s;
    return 0;
}

int sfu_start(struct sfu *s)
{
    int err = sctp_thread_start(&s->sctp);
    for (unsigned i = 0; !err && i < s->worker_count; i++)
        err = worker_start(s->workers[i]);
    return err;
}

void sfu_stop(struct sfu *s)
{
    atomic_store_explicit(&s->stopping, true, memory_order_release);
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_stop(s->workers[i]);
    sctp_thread_stop(s->sctp);
    s->sctp = NULL;
}

void sfu_free(struct sfu *s)
{
    if (!s)
        return;
    tcp_acceptor_free(s->acceptor);
    for (unsigned i = 0; i < s->worker_count; i++) /* packets in rings and histories go back to their pools */
        for (unsigned k = 0; k < s->worker_count; k++) {
            struct packet *p;
            while (s->workers[i]->in[k] && (p = ring_pop(s->workers[i]->in[k])))
                packet_unref(p);
        }
    for (unsigned i = 0; i < s->worker_count; i++)
        for (struct sfu_track *t = s->workers[i]->tracks, *next; t; t = next) {
            next = t->hh.next;
            track_remove(t);
        }
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_free(s->workers[i]);
    if (s->events.fd >= 0) {
        sfu_take_events(s, NULL, NULL);
        mailbox_done(&s->events);
    }
    free(s);
}

void sfu_stats(struct sfu *s, struct sfu_stats *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < s->worker_count; i++) {
        struct sfu_worker *w = s->workers[i];
        pthread_mutex_lock(&w->stats_lock);
        const uint64_t *from = (const uint64_t *)&w->published;
        uint64_t *to = (uint64_t *)ret;
        for (size_t k = 0; k < sizeof *ret / sizeof *to; k++)
            to[k] += from[k];
        pthread_mutex_unlock(&w->stats_lock);
    }
}
