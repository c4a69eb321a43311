#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "link.h"
#include "srtp/srtp.h"

#define SHOWN_MAX 200 /* characters of the line on a terminal */

static const char *const phases[] = {
    "publishers join", "subscribers join", "measuring", "draining", "leaving", "over"};

/* ---- figures ---- */

struct figures {
    double delivery, packets_per_s, mbit_per_s;
    double server_us, server_user_us, server_system_us; /* for a forwarded packet */
    double server_cpu, load_cpu;                        /* shares of a processor */
    double load_us;                                     /* of this process, for a received packet */
    double rss_mib, per_subscriber_kib;
};

static double share(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static struct figures figures_of(const struct crowd *c)
{
    const struct crowd_result *r = &c->result;
    const struct process_use *a = &r->server_start, *b = &r->server_end;
    double packets = (double)r->at_end.packets, us = r->seconds * 1e6;
    double load_us = (double)(r->self_end.user_us - r->self_start.user_us + r->self_end.system_us -
                              r->self_start.system_us);
    struct figures f = {.delivery = share((double)r->received, (double)r->expected),
        .packets_per_s = share(packets, r->seconds),
        .mbit_per_s = share((double)r->at_end.bytes * 8 / 1e6, r->seconds),
        .load_us = share(load_us, packets),
        .load_cpu = share(load_us, us)};
    if (r->has_server) {
        double user = (double)(b->user_us - a->user_us), system = (double)(b->system_us - a->system_us);
        f.server_user_us = share(user, packets);
        f.server_system_us = share(system, packets);
        f.server_us = f.server_user_us + f.server_system_us;
        f.server_cpu = share(user + system, us);
        f.rss_mib = (double)b->resident_kib / 1024;
        unsigned apart = c->load.publishing < r->links ? c->load.publishing : 0;
        if (r->rss_full_kib > r->rss_empty_kib)
            f.per_subscriber_kib = share((double)(r->rss_full_kib - r->rss_empty_kib), r->links - apart);
    }
    return f;
}

/* ---- the line on a terminal ---- */

static bool shows(void)
{
    return isatty(STDERR_FILENO) == 1;
}

void report_phase(const struct crowd *c)
{
    if (!shows())
        fprintf(stderr, "fanlight-load: %s; joined %u of %u\n", phases[c->phase], c->load.joined,
            c->load.link_count);
}

void report_progress(struct crowd *c)
{
    struct load *g = &c->load;
    double seconds = (double)(g->now_us - c->shown_us) / 1e6;
    uint64_t bytes = g->counts.bytes < c->shown_bytes ? 0 : c->shown_bytes;
    double rate = (double)(g->total_packets - c->shown_packets) / seconds;
    double mbit = (double)(g->counts.bytes - bytes) * 8 / 1e6 / seconds;
    struct process_use use = {0};
    char cpu[32] = "", line[SHOWN_MAX];
    if (!shows())
        return;
    if (g->opt.server_pid && process_read(g->opt.server_pid, &use) == 0 && c->shown_us)
        snprintf(cpu, sizeof cpu, ", server %.0f %%",
            (double)(use.user_us + use.system_us - c->shown_server.user_us - c->shown_server.system_us) /
                1e4 / seconds);
    uint64_t expected = 0, received = 0;
    for (unsigned i = 0; i < g->link_count; i++)
        receive_counts(g->links[i], false, &expected, &received);
    double loss = share((double)(expected - received) * 100, (double)expected);
    snprintf(line, sizeof line,
        "%s: joined %u of %u, %.0f packets/s, %.1f Mbit/s, loss %.3f %%, p99 %.1f ms%s%s", phases[c->phase],
        g->joined, g->link_count, rate, mbit, loss, (double)histogram_at(&g->latency, 0.99) / 1000, cpu,
        load_failure_count(g) ? ", FAILURES" : "");
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    c->shown_us = g->now_us;
    c->shown_packets = g->total_packets;
    c->shown_bytes = g->counts.bytes;
    c->shown_server = use;
}

void report_progress_end(void)
{
    if (shows())
        fprintf(stderr, "\r\033[K");
}

/* ---- the table ---- */

static void put_failures(const struct crowd *c, FILE *out)
{
    for (int i = 0; i < LOAD_FAILURE_COUNT; i++)
        if (c->load.failures[i])
            fprintf(
                out, "  failed, %-20s %u\n", load_failure_name((enum load_failure)i), c->load.failures[i]);
    if (load_failure_count(&c->load))
        fprintf(out, "  the first of them: %s\n", c->load.why);
}

static void put_times(FILE *out, const char *name, const struct histogram *h, const char *unit, double scale)
{
    if (h->count)
        fprintf(out, "  %-28s p50 %.1f, p90 %.1f, p99 %.1f, max %.1f %s (%" PRIu64 ")\n", name,
            (double)histogram_at(h, 0.5) / scale, (double)histogram_at(h, 0.9) / scale,
            (double)histogram_at(h, 0.99) / scale, (double)histogram_at(h, 1) / scale, unit, h->count);
}

void report_table(const struct crowd *c, FILE *out)
{
    const struct load *g = &c->load;
    const struct crowd_result *r = &c->result;
    struct figures f = figures_of(c);
    fprintf(out, "%s at %s, %s%s\n", g->opt.target->name, g->opt.url.host,
        g->profile ? g->profile : "no SRTP",
        r->interrupted ? ", interrupted"
        : r->died      ? ", the server went away"
                       : "");
    fprintf(out, "  %-28s %u of %u, %u receive everything\n", "connections", r->joined, r->links, r->flowing);
    put_times(out, "join", &g->joins, "ms", 1000);
    if (r->seconds > 0) {
        fprintf(out, "  %-28s %.2f s\n", "measured", r->seconds);
        fprintf(out, "  %-28s %" PRIu64 "\n", "packets sent", r->drained.sent);
        fprintf(out, "  %-28s %" PRIu64 "\n", "packets expected", r->expected);
        fprintf(out, "  %-28s %" PRIu64 " (%.4f %%)\n", "packets received", r->received, f.delivery * 100);
        if (r->drained.recovered || r->socket_drops)
            fprintf(out, "  %-28s %" PRIu64 " (dropped by our own sockets: %" PRIu64 ")\n",
                "of them retransmitted", r->drained.recovered, r->socket_drops);
        fprintf(out, "  %-28s %.0f packets/s, %.1f Mbit/s\n", "forwarded", f.packets_per_s, f.mbit_per_s);
        put_times(out, "one-way latency", &g->latency, "ms", 1000);
    }
    if (r->seconds > 0 && r->has_server) {
        fprintf(out, "  %-28s %.3f us a packet (user %.3f, system %.3f), %.1f %% of a processor\n",
            "server CPU", f.server_us, f.server_user_us, f.server_system_us, f.server_cpu * 100);
        fprintf(out, "  %-28s %.1f MiB", "server memory", f.rss_mib);
        fprintf(out, f.per_subscriber_kib > 0 ? ", %.1f KiB a subscriber\n" : "\n", f.per_subscriber_kib);
    }
    if (r->seconds > 0)
        fprintf(out, "  %-28s %.3f us a packet, %.1f %% of a processor\n", "CPU of this program", f.load_us,
            f.load_cpu * 100);
    put_failures(c, out);
}

/* ---- JSON ---- */

struct json {
    FILE *out;
    bool first;
};

static void name_of(struct json *j, const char *name)
{
    fprintf(j->out, "%s\n  \"%s\": ", j->first ? "{" : ",", name);
    j->first = false;
}

static void put_count(struct json *j, const char *name, uint64_t v)
{
    name_of(j, name);
    fprintf(j->out, "%" PRIu64, v);
}

static void put_number(struct json *j, const char *name, double v)
{
    name_of(j, name);
    if (isfinite(v))
        fprintf(j->out, "%.6g", v);
    else
        fprintf(j->out, "null");
}

static void put_null(struct json *j, const char *name)
{
    name_of(j, name);
    fprintf(j->out, "null");
}

static void put_text(struct json *j, const char *name, const char *text)
{
    name_of(j, name);
    fputc('"', j->out);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p == '"' || *p == '\\')
            fprintf(j->out, "\\%c", *p);
        else if (*p < 0x20 || *p >= 0x7f) /* not ours: its encoding is not known */
            fprintf(j->out, "\\u%04x", *p);
        else
            fputc(*p, j->out);
    fputc('"', j->out);
}

static void put_bool(struct json *j, const char *name, bool v)
{
    name_of(j, name);
    fprintf(j->out, v ? "true" : "false");
}

static void put_histogram(struct json *j, const char *name, const struct histogram *h)
{
    static const struct {
        const char *name;
        double at;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
    name_of(j, name);
    fprintf(j->out, "{\"count\": %" PRIu64, h->count);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        if (h->count)
            fprintf(j->out, ", \"%s\": %" PRId64, points[i].name, histogram_at(h, points[i].at));
        else
            fprintf(j->out, ", \"%s\": null", points[i].name);
    fprintf(j->out, "}");
}

static void put_shape(struct json *j, const struct options *o)
{
    put_text(j, "target", o->target->name);
    put_text(j, "url_host", o->url.host);
    put_count(j, "rooms", o->rooms);
    put_count(j, "publishers", o->publishers);
    put_count(j, "subscribers", o->subscribers);
    put_bool(j, "meeting", o->meeting);
    put_bool(j, "audio", o->audio);
    put_count(j, "video_kbps", o->video_kbps);
    put_count(j, "fps", o->fps);
    put_bool(j, "simulcast", o->simulcast);
    put_bool(j, "burst", o->burst);
}

static void put_server(struct json *j, const struct crowd *c, const struct figures *f)
{
    static const char *const names[] = {"server_cpu_us_per_packet", "server_user_us_per_packet",
        "server_system_us_per_packet", "server_cpu_percent", "server_rss_mib",
        "server_rss_kib_per_subscriber"};
    const double values[] = {f->server_us, f->server_user_us, f->server_system_us, f->server_cpu * 100,
        f->rss_mib, f->per_subscriber_kib};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (c->result.has_server && c->result.seconds > 0 && (i != 5 || values[i] > 0))
            put_number(j, names[i], values[i]);
        else
            put_null(j, names[i]);
}

static void put_packets(struct json *j, const struct crowd *c, const struct figures *f)
{
    const struct load_counts *n = &c->result.drained;
    const struct crowd_result *r = &c->result;
    put_count(j, "packets_sent", n->sent);
    put_count(j, "packets_expected", r->expected);
    put_count(j, "packets_received", r->received);
    if (r->expected)
        put_number(j, "delivery_ratio", f->delivery);
    else
        put_null(j, "delivery_ratio");
    put_number(j, "forwarded_packets_per_s", f->packets_per_s);
    put_number(j, "forwarded_mbit_per_s", f->mbit_per_s);
    put_count(j, "packets_forwarded", r->at_end.packets);
    put_count(j, "packets_recovered", n->recovered);
    put_count(j, "packets_repeated", n->repeated);
    put_count(j, "packets_padding", n->padding);
    put_count(j, "packets_decrypted", n->decrypted);
    put_count(j, "packets_forged", n->forged);
    put_count(j, "packets_strange", n->strange);
    put_count(j, "feedback_sent", n->feedback);
    put_count(j, "receiver_reports_sent", n->reports);
    put_count(j, "nacks_sent", n->nacks);
    put_count(j, "plis_sent", n->plis);
    put_count(j, "nacks_received", n->nacks_in);
    put_count(j, "key_frames_asked", n->key_frames_asked);
    put_count(j, "retransmissions_sent", n->sent_again);
    put_count(j, "load_send_drops", n->dropped);
    put_count(j, "load_socket_drops", r->socket_drops);
}

static void put_failures_json(struct json *j, const struct load *g)
{
    name_of(j, "failures");
    fprintf(j->out, "{");
    for (int i = 0; i < LOAD_FAILURE_COUNT; i++)
        fprintf(
            j->out, "%s\"%s\": %u", i ? ", " : "", load_failure_name((enum load_failure)i), g->failures[i]);
    fprintf(j->out, "}");
    put_count(j, "failure_count", load_failure_count(g));
    if (load_failure_count(g))
        put_text(j, "first_failure", g->why);
    else
        put_null(j, "first_failure");
}

int report_json(const struct crowd *c, const char *name)
{
    const struct crowd_result *r = &c->result;
    struct figures f = figures_of(c);
    bool to_stdout = strcmp(name, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(name, "we");
    if (!out)
        return -errno;
    struct json j = {.out = out, .first = true};
    put_shape(&j, &c->load.opt);
    put_text(&j, "srtp", c->load.profile ? c->load.profile : "");
    put_text(&j, "phase", phases[r->reached]);
    put_bool(&j, "interrupted", r->interrupted);
    put_bool(&j, "server_went_away", r->died);
    put_count(&j, "connections", r->links);
    put_count(&j, "connections_joined", r->joined);
    put_count(&j, "connections_receiving", r->flowing);
    put_number(&j, "seconds", r->seconds);
    put_packets(&j, c, &f);
    put_server(&j, c, &f);
    put_histogram(&j, "latency_us", &c->load.latency);
    put_histogram(&j, "join_us", &c->load.joins);
    put_number(&j, "load_cpu_us_per_packet", f.load_us);
    put_number(&j, "load_cpu_percent", f.load_cpu * 100);
    put_failures_json(&j, &c->load);
    fprintf(out, "\n}\n");
    int err = ferror(out) ? -EIO : 0;
    if (!to_stdout && fclose(out))
        err = -errno;
    return err;
}
