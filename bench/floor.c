// link: base net
/* The floor: what one processor needs to encrypt the same packets for many receivers and to send them over
 * loopback, and nothing else. A server cannot be cheaper on the same machine with the same kernel; how close
 * it comes is what counts. Encryption is libipsec-mb's, a key for each receiver, from the shared packet into
 * the buffer that is sent; sending is sendmmsg of runs that the kernel cuts (UDP_SEGMENT).
 *
 * The figure is CPU time of the sending thread for a packet. Over loopback it has the delivery to the
 * receiving socket in it, as a server's has. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "floor/seal.h"
#include "floor/sink.h"
#include "floor/train.h"

#define RECEIVERS_MAX 20000
#define SIZE_MIN      64
#define SIZE_MAX_RTP  1400
#define RUNS_MAX      16
#define SLAB_BYTES    (512 << 10) /* of packets encrypted before they are sent: it stays in the second cache */
#define ROOM          64          /* packets that a receiver's buffer can always hold */
#define STALL_MS      200         /* without a packet received: the rest was lost */

struct options {
    unsigned receivers, size, fps;
    double seconds;
    enum seal_cipher cipher;
    const char *cipher_name, *json;
    int cpu, sink_cpu;
    bool encrypts, sends;
    unsigned runs[RUNS_MAX], run_count;
};

struct outcome {
    unsigned run;
    uint64_t sent, received;
    double user_ns, system_ns, ns; /* for a packet */
};

struct floor {
    const struct options *o;
    struct seal *seal;
    struct sink *sink;
    int fd;
    uint32_t index;
    uint8_t *source; /* TRAIN_SEGMENTS packets */
    uint8_t *slab;
    struct seal_job *jobs;
};

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("fanlight-floor: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputs("\n", stderr);
    va_end(ap);
    exit(EXIT_FAILURE);
}

/* ---- options ---- */

static const char usage[] =
    "fanlight-floor [options]: CPU time to encrypt packets for many receivers and to send them, and nothing "
    "else\n"
    "  --subscribers N   receivers (500)\n"
    "  --run LIST        packets of a receiver that leave together (1,2,4,8,16)\n"
    "  --size BYTES      of an RTP packet before encryption (1100)\n"
    "  --srtp CIPHER     gcm, gcm256 or cm (gcm)\n"
    "  --seconds S       for each run length (2)\n"
    "  --fps N           runs a second to everybody, caches going cold between; 0: no pause (0)\n"
    "  --only WHAT       encrypt or send\n"
    "  --cpu N           processor of the sender (0); --sink-cpu N of the receivers (1); -1: any\n"
    "  --json FILE       what was measured; - is standard output\n";

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= least && v <= most))
        fail("%s wants a number from %g to %g, not \"%s\"", name, least, most, text);
    return v;
}

static void read_runs(struct options *o, char *text)
{
    o->run_count = 0;
    for (char *save, *t = strtok_r(text, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
        if (o->run_count == RUNS_MAX)
            fail("--run takes at most %d lengths", RUNS_MAX);
        o->runs[o->run_count++] = (unsigned)number("--run", t, 1, TRAIN_SEGMENTS);
    }
}

static void read_cipher(struct options *o, const char *name)
{
    static const char *const names[] = {
        [SEAL_GCM_128] = "gcm", [SEAL_GCM_256] = "gcm256", [SEAL_CM_SHA1_80] = "cm"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            o->cipher = (enum seal_cipher)i;
            o->cipher_name = names[i];
            return;
        }
    fail("--srtp is gcm, gcm256 or cm");
}

static void read_only(struct options *o, const char *what)
{
    o->encrypts = strcmp(what, "encrypt") == 0;
    o->sends = strcmp(what, "send") == 0;
    if (!o->encrypts && !o->sends)
        fail("--only is encrypt or send");
}

enum {
    OPT_SUBSCRIBERS,
    OPT_RUN,
    OPT_SIZE,
    OPT_SRTP,
    OPT_SECONDS,
    OPT_FPS,
    OPT_ONLY,
    OPT_CPU,
    OPT_SINK,
    OPT_JSON,
    OPT_HELP
};

static void set_option(struct options *o, int option, char *value)
{
    switch (option) {
    case OPT_SUBSCRIBERS:
        o->receivers = (unsigned)number("--subscribers", value, 1, RECEIVERS_MAX);
        break;
    case OPT_RUN:
        read_runs(o, value);
        break;
    case OPT_SIZE:
        o->size = (unsigned)number("--size", value, SIZE_MIN, SIZE_MAX_RTP);
        break;
    case OPT_SRTP:
        read_cipher(o, value);
        break;
    case OPT_SECONDS:
        o->seconds = number("--seconds", value, 0.01, 3600);
        break;
    case OPT_FPS:
        o->fps = (unsigned)number("--fps", value, 0, 100000);
        break;
    case OPT_ONLY:
        read_only(o, value);
        break;
    case OPT_CPU:
        o->cpu = (int)number("--cpu", value, -1, CPU_SETSIZE - 1);
        break;
    case OPT_SINK:
        o->sink_cpu = (int)number("--sink-cpu", value, -1, CPU_SETSIZE - 1);
        break;
    case OPT_JSON:
        o->json = value;
        break;
    case OPT_HELP:
        fputs(usage, stdout);
        exit(EXIT_SUCCESS);
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"subscribers", required_argument, NULL, OPT_SUBSCRIBERS},
        {"run", required_argument, NULL, OPT_RUN}, {"size", required_argument, NULL, OPT_SIZE},
        {"srtp", required_argument, NULL, OPT_SRTP}, {"seconds", required_argument, NULL, OPT_SECONDS},
        {"fps", required_argument, NULL, OPT_FPS}, {"only", required_argument, NULL, OPT_ONLY},
        {"cpu", required_argument, NULL, OPT_CPU}, {"sink-cpu", required_argument, NULL, OPT_SINK},
        {"json", required_argument, NULL, OPT_JSON}, {"help", no_argument, NULL, OPT_HELP}, {0}};
    int option;
    *o = (struct options){.receivers = 500,
        .size = 1100,
        .seconds = 2,
        .cipher_name = "gcm",
        .encrypts = true,
        .sends = true,
        .sink_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : -1,
        .runs = {1, 2, 4, 8, 16},
        .run_count = 5};
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
        set_option(o, option, optarg);
    if (optind < argc)
        fail("what is \"%s\"? --help says what there is", argv[optind]);
}

/* ---- time ---- */

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_s(double s)
{
    const struct timespec t = {.tv_sec = (time_t)s, .tv_nsec = (long)((s - (double)(time_t)s) * 1e9)};
    if (s > 0)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* The kernel's own split of this thread's time; the sum is exact, the split comes from its ticks. */
static double system_share(const struct rusage *from, const struct rusage *to)
{
    double user = (double)(to->ru_utime.tv_sec - from->ru_utime.tv_sec) +
                  (double)(to->ru_utime.tv_usec - from->ru_utime.tv_usec) * 1e-6;
    double system = (double)(to->ru_stime.tv_sec - from->ru_stime.tv_sec) +
                    (double)(to->ru_stime.tv_usec - from->ru_stime.tv_usec) * 1e-6;
    return user + system > 0 ? system / (user + system) : 0;
}

/* ---- the work ---- */

static void prepare(struct floor *f, const struct options *o)
{
    int r = seal_new(o->cipher, o->receivers, &f->seal), size = 4 << 20;
    size_t jobs = SLAB_BYTES / (SIZE_MIN + SEAL_TRAILER) + TRAIN_SEGMENTS;
    if (r == -ENOTSUP)
        fail("this build has no libipsec-mb");
    if (r < 0)
        fail("keys: %s", strerror(-r));
    r = sink_new(o->receivers, o->sink_cpu, &f->sink);
    if (r < 0)
        fail("%u receiving sockets: %s (ulimit -n?)", o->receivers, strerror(-r));
    f->o = o;
    f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (f->fd < 0)
        fail("a socket to send from: %s", strerror(errno));
    (void)setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    f->source = malloc((size_t)TRAIN_SEGMENTS * o->size);
    f->slab = aligned_alloc(64, SLAB_BYTES + (TRAIN_BYTES & ~63U) + 64);
    f->jobs = malloc(jobs * sizeof *f->jobs);
    if (!f->source || !f->slab || !f->jobs)
        fail("no memory");
    for (unsigned i = 0; i < TRAIN_SEGMENTS; i++)
        (void)!getrandom(f->source + (size_t)i * o->size, o->size > 256 ? 256 : o->size, 0);
}

static void check(struct floor *f)
{
    struct seal_job j = {
        .receiver = f->o->receivers - 1, .index = 7, .in = f->source, .len = f->o->size, .out = f->slab};
    int r = seal_run(f->seal, &j, 1);
    if (r == 0)
        r = seal_check(f->seal, &j);
    if (r < 0)
        fail("the encryption is not what OpenSSL makes: %s", strerror(-r));
}

/* `run` packets to receivers from first on, n of them. */
static void work(struct floor *f, unsigned first, unsigned n, unsigned run)
{
    const struct options *o = f->o;
    struct train trains[TRAIN_MESSAGES];
    size_t wire = o->size + seal_overhead(o->cipher), count = 0;
    for (unsigned i = 0; i < n; i++) {
        uint8_t *out = f->slab + (size_t)i * run * wire;
        trains[i] = (struct train){sink_address(f->sink, first + i), out, run * wire, (uint16_t)wire};
        for (unsigned p = 0; p < run; p++)
            f->jobs[count++] = (struct seal_job){
                first + i, f->index + p, f->source + (size_t)p * o->size, o->size, out + p * wire};
    }
    if (o->encrypts && seal_run(f->seal, f->jobs, count) < 0)
        fail("encryption failed");
    int r = o->sends ? train_send(f->fd, trains, n) : 0;
    if (r < 0)
        fail("sending runs of %u: %s", run, strerror(-r));
}

/* Waits until the receivers have nearly all; what does not come is lost. Returns how much that is. */
static uint64_t keep_back(const struct floor *f, uint64_t sent, uint64_t lost, uint64_t most)
{
    uint64_t before = sink_received(f->sink);
    for (int ms = 0; sent - lost - before > most; ms++) {
        sleep_s(0.001);
        uint64_t now = sink_received(f->sink);
        if (now != before)
            ms = 0;
        before = now;
        if (ms >= STALL_MS)
            return sent - before;
    }
    return lost;
}

static void measure(struct floor *f, unsigned run, struct outcome *ret)
{
    const struct options *o = f->o;
    size_t wire = o->size + seal_overhead(o->cipher);
    unsigned group = (unsigned)(SLAB_BYTES / (run * wire));
    group = group < 1 ? 1 : group > TRAIN_MESSAGES ? TRAIN_MESSAGES : group;
    uint64_t most = (uint64_t)o->receivers * (run < ROOM ? ROOM - run : 1), sent = 0, lost = 0;
    uint64_t before = sink_received(f->sink);
    struct rusage from, to;
    double cpu = 0, start = now_s(), share;
    getrusage(RUSAGE_THREAD, &from);
    for (uint64_t round = 0; now_s() - start < o->seconds; round++) {
        if (o->fps)
            sleep_s(start + (double)round / o->fps - now_s());
        double cpu_from = cpu_s();
        for (unsigned i = 0; i < o->receivers; i += group)
            work(f, i, o->receivers - i < group ? o->receivers - i : group, run);
        cpu += cpu_s() - cpu_from;
        f->index += run;
        sent += (uint64_t)o->receivers * run;
        if (o->sends)
            lost = keep_back(f, sent + before, lost, most);
    }
    getrusage(RUSAGE_THREAD, &to);
    share = system_share(&from, &to);
    if (o->sends)
        keep_back(f, sent + before, lost, 0);
    *ret = (struct outcome){.run = run,
        .sent = sent,
        .received = sink_received(f->sink) - before,
        .ns = cpu / (double)sent * 1e9};
    ret->system_ns = ret->ns * share;
    ret->user_ns = ret->ns - ret->system_ns;
}

/* ---- what is said ---- */

static void print_json(const struct options *o, const struct outcome *all)
{
    FILE *out = strcmp(o->json, "-") == 0 ? stdout : fopen(o->json, "w");
    if (!out)
        fail("%s: %s", o->json, strerror(errno));
    fprintf(out,
        "{\"subscribers\": %u, \"size\": %u, \"srtp\": \"%s\", \"fps\": %u, \"work\": \"%s\", \"runs\": [",
        o->receivers, o->size, o->cipher_name, o->fps,
        !o->sends      ? "encrypt"
        : !o->encrypts ? "send"
                       : "both");
    for (unsigned i = 0; i < o->run_count; i++)
        fprintf(out,
            "%s\n  {\"run\": %u, \"ns\": %.1f, \"user_ns\": %.1f, \"system_ns\": %.1f, \"sent\": %llu, "
            "\"received\": %llu}",
            i ? "," : "", all[i].run, all[i].ns, all[i].user_ns, all[i].system_ns,
            (unsigned long long)all[i].sent, (unsigned long long)all[i].received);
    fprintf(out, "\n]}\n");
    if (out != stdout && fclose(out))
        fail("%s: %s", o->json, strerror(errno));
}

static void print_row(const struct options *o, const struct outcome *r)
{
    printf("%5u %10.0f %8.0f %8.0f %10.2f", r->run, r->ns, r->user_ns, r->system_ns, 1e3 / r->ns);
    if (o->sends)
        printf(" %9.3f %%", 100.0 * (double)r->received / (double)r->sent);
    printf("\n");
    fflush(stdout);
}

static void pin(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        fail("processor %d: %s", cpu, strerror(errno));
}

static void raise_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

int main(int argc, char **argv)
{
    static struct floor f;
    struct options o;
    struct outcome all[RUNS_MAX];
    read_options(&o, argc, argv);
    for (unsigned i = 0; i < o.run_count; i++)
        if (o.runs[i] * (o.size + seal_overhead(o.cipher)) > TRAIN_BYTES)
            fail("a run of %u packets of %u bytes is more than the %d that one message carries", o.runs[i],
                o.size, TRAIN_BYTES);
    raise_files();
    prepare(&f, &o);
    check(&f);
    if (o.cpu >= 0)
        pin(o.cpu);
    bool table = !o.json || strcmp(o.json, "-") != 0;
    if (table)
        printf("%u receivers, %u bytes, %s\n  run  ns/packet     user   system  Mpackets/s%s\n", o.receivers,
            o.size, o.cipher_name, o.sends ? "  delivered" : "");
    for (unsigned i = 0; i < o.run_count; i++) {
        measure(&f, o.runs[i], &all[i]);
        if (table)
            print_row(&o, &all[i]);
    }
    if (o.json)
        print_json(&o, all);
    sink_free(f.sink);
    seal_free(f.seal);
    close(f.fd);
    free(f.source);
    free(f.slab);
    free(f.jobs);
    return EXIT_SUCCESS;
}
