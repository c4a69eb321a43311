// link: net rtp cc sdp tls ice dtls srtp proto auth
/* A load tester for media servers: real clients, many of them in one process on one processor. See
 * bench/README.md, and --help. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load/crowd.h"
#include "load/report.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    if (stop)
        _Exit(EXIT_INTERRUPTED); /* asked twice: at once */
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* A line that says what went wrong, for those who read nothing else. */
static void say_failure(const struct crowd *c)
{
    const struct load *g = &c->load;
    static const char *const texts[LOAD_FAILURE_COUNT] = {
        [LOAD_UNREACHABLE] = "the server cannot be reached",
        [LOAD_TOKEN] = "the server refuses the token",
        [LOAD_SIGNALLING] = "the server refuses to let somebody in, or does not speak this protocol",
        [LOAD_DESCRIPTION] = "a session description cannot be used",
        [LOAD_ICE] = "the server's media address does not answer",
        [LOAD_DTLS] = "the DTLS handshake failed",
        [LOAD_TIMEOUT] = "not everybody was connected in time",
        [LOAD_NO_MEDIA] = "media that is due did not come",
        [LOAD_FORGED] = "the server sends media that cannot be decrypted",
        [LOAD_DROPPED] = "the server dropped connections, or died",
    };
    unsigned n = load_failure_count(g);
    if (n)
        fprintf(stderr, "fanlight-load: %s (%s): %s; %u failure%s in all\n", texts[g->first], g->opt.url.host,
            g->why, n, n == 1 ? "" : "s");
}

int main(int argc, char **argv)
{
    static struct crowd crowd;
    struct options o;
    char why[LOAD_WHY_SIZE] = "";
    switch (options_parse(argc, argv, &o, why, sizeof why)) {
    case OPTIONS_HELP:
        fputs(options_help, stdout);
        return EXIT_SUCCESS;
    case OPTIONS_BAD:
        fprintf(stderr, "fanlight-load: %s\n", why);
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    if (crowd_open(&crowd, &o, why, sizeof why)) {
        fprintf(stderr, "fanlight-load: %s\n", why);
        return EXIT_FAILED;
    }
    catch_signals();
    crowd_run(&crowd, &stop);
    bool failed = load_failure_count(&crowd.load) > 0, interrupted = crowd.result.interrupted;
    if (crowd.load.joined || crowd.result.joined || interrupted)
        report_table(&crowd, o.json && strcmp(o.json, "-") == 0 ? stderr : stdout);
    int err = o.json ? report_json(&crowd, o.json) : 0;
    if (err)
        fprintf(stderr, "fanlight-load: %s: %s\n", o.json, strerror(-err));
    say_failure(&crowd);
    crowd_close(&crowd);
    return failed || err ? EXIT_FAILED : interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}
