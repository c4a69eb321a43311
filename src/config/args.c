/* The command line. */
#include "config/private.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"

static const struct option OPTIONS[] = {
    {"dev", no_argument, NULL, 'd'},
    {"config", required_argument, NULL, 'c'},
    {"port", required_argument, NULL, 'p'},
    {"https-port", required_argument, NULL, 's'},
    {"log-level", required_argument, NULL, 'l'},
    {"set", required_argument, NULL, 'o'},
    {"check-config", no_argument, NULL, 'C'},
    {"version", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

const char *config_help(void)
{
    return "fanlight: a media server for rooms in browsers\n"
           "\n"
           "  fanlight --dev                   try it out: a key pair that everybody knows\n"
           "  fanlight --config FILE           serve\n"
           "\n"
           "  --config FILE                    read this file (conf/fanlight.conf explains every option)\n"
           "  --dev                            key devkey, secret secret, state below the home directory\n"
           "  --port N                         HTTP on N, ICE-TCP on N+1, media UDP on N+2 and up; no HTTPS\n"
           "  --https-port N                   HTTPS on N; 0: none\n"
           "  --log-level LEVEL                error, warn, info, debug\n"
           "  --set GROUP.OPTION=VALUE         any option of the file, as --set room.max_participants=20;\n"
           "                                   a list has commas: --set "
           "rtc.announced_ip=192.0.2.1,2001:db8::1;\n"
           "                                   --set keys.NAME=SECRET, --set "
           "ice_servers=stun:stun.example.org\n"
           "  --check-config                   read the configuration, say whether it is good, exit\n"
           "  --version                        print the version, exit\n"
           "  --help                           print this, exit\n"
           "\n"
           "SIGTERM ends the server after a goodbye to the clients. SIGHUP opens the log file again and "
           "reads\n"
           "the certificate again.\n";
}

static int bad(char *error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(char *error, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, CONFIG_ERROR_MAX, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int read_port(const char *name, const char *text, int min, int max, int *ret, char *error)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v < min || v > max)
        return bad(error, "--%s: \"%.100s\" is not a port between %d and %d", name, text, min, max);
    *ret = (int)v;
    return 0;
}

static int read_one(int option, const char *value, struct config_args *a, char *error)
{
    switch (option) {
    case 'd':
        a->dev = true;
        return 0;
    case 'c':
        a->file = value;
        return 0;
    case 'p':
        return read_port("port", value, 1, 65533, &a->port, error);
    case 's':
        return read_port("https-port", value, 0, 65535, &a->https_port, error);
    case 'l':
        a->log_level = value;
        return 0;
    case 'o':
        return 0; /* config_args_apply */
    case 'C':
        a->action = a->action == CONFIG_RUN ? CONFIG_CHECK : a->action;
        return 0;
    case 'v':
        a->action = CONFIG_VERSION;
        return 0;
    case 'h':
        a->action = CONFIG_HELP;
        return 0;
    }
    return -EINVAL;
}

int config_args_read(int argc, char *const argv[], struct config_args *ret, char error[CONFIG_ERROR_MAX])
{
    struct config_args a = {.action = CONFIG_RUN, .https_port = -1, .argc = argc, .argv = argv};
    int c;
    optind = 0; /* glibc: start anew, so that it may be called twice */
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:", OPTIONS, NULL)) != -1) {
        if (c == ':')
            return bad(error, "%.100s: a value is missing; see --help", argv[optind - 1]);
        if (c == '?')
            return bad(error, "%.100s: unknown option; see --help", argv[optind - 1]);
        int e = read_one(c, optarg, &a, error);
        if (e < 0)
            return e;
    }
    if (optind < argc)
        return bad(error, "%.100s: unknown argument; see --help", argv[optind]);
    *ret = a;
    return 0;
}

static int apply_port(struct config_build *b, const struct config_args *a)
{
    struct config *cfg = b->cfg;
    if (a->port) {
        cfg->http.port = a->port;
        cfg->rtc.tcp_port = a->port + 1;
        cfg->rtc.udp_port = a->port + 2;
        cfg->https.port = 0;
    }
    if (a->https_port >= 0)
        cfg->https.port = a->https_port;
    return a->log_level ? config_set(b, "--log-level", "log.level", a->log_level) : 0;
}

int config_args_apply(struct config_build *b, const struct config_args *a)
{
    int c, e = apply_port(b, a);
    optind = 0;
    opterr = 0;
    while (e == 0 && (c = getopt_long(a->argc, a->argv, "+:", OPTIONS, NULL)) != -1) {
        if (c != 'o')
            continue;
        const char *equals = strchr(optarg, '=');
        char name[128];
        if (!equals || equals == optarg || (size_t)(equals - optarg) >= sizeof name)
            return config_fail(b, "--set", "\"%.100s\" is not GROUP.OPTION=VALUE", optarg);
        memcpy(name, optarg, (size_t)(equals - optarg));
        name[equals - optarg] = 0;
        e = config_set(b, "--set", name, equals + 1);
    }
    return e;
}
