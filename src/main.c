/* Options, configuration, start, what systemd is told, signals; nothing else. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "api/api.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/config.h"
#include "control/control.h"
#include "control/hub.h"
#include "dtls/session.h"
#include "http/http.h"
#include "net/clock.h"
#include "net/ifaddr.h"
#include "net/notify.h"
#include "signal/signal.h"
#include "srtp/srtp.h"
#include "tls/cert.h"
#include "whip/whip.h"

#define HTTPS_DAYS 820 /* Apple's systems refuse server certificates of more than 825 */
#define DTLS_DAYS  3650
#define NAMES_MAX  40 /* of the self-signed certificate */
#define WHY_SIZE   CONFIG_ERROR_MAX

struct server {
    struct config *cfg;
    struct cert *https_cert, *dtls_cert;
    struct dtls_context *dtls;
    struct control *control;
    struct http *http;
    struct data_router *router;
    struct hub *hub;
    struct signal *signal;
    struct api *api;
    struct whip *whip;
    bool control_runs, http_runs;
    struct wheel_timer watchdog;
    int64_t watchdog_us;
};

/* ---- certificates ---- */

/* Names that a browser may use for this machine. IPv6 addresses of interfaces are left out: they change by
 * the day, and a certificate with others would have to be accepted anew. */
struct names {
    const char *at[NAMES_MAX];
    size_t count;
    char host[256], ip[NAMES_MAX][ADDR_TEXT_MAX];
};

static void add_address(struct names *n, const struct addr *a)
{
    if (n->count < NAMES_MAX) {
        n->at[n->count] = addr_ip_text(a, n->ip[n->count]);
        n->count++;
    }
}

static void find_names(const struct config *cfg, struct names *n)
{
    struct addr own[NAMES_MAX / 2];
    int found = ifaddr_list(own, NAMES_MAX / 2, false);
    n->at[n->count++] = "localhost";
    if (gethostname(n->host, sizeof n->host - 1) == 0 && n->host[0] && strcmp(n->host, "localhost") != 0)
        n->at[n->count++] = n->host;
    n->at[n->count++] = "127.0.0.1";
    n->at[n->count++] = "::1";
    for (size_t i = 0; i < cfg->rtc.announced_ip.count; i++)
        add_address(n, &cfg->rtc.announced_ip.at[i]);
    for (int i = 0; i < found; i++)
        if (addr_is_v4(&own[i]))
            add_address(n, &own[i]);
}

static int load_https_cert(const struct config *cfg, struct cert **ret, char *why)
{
    if (cfg->https.certificate[0])
        return cert_load(cfg->https.certificate, cfg->https.key, ret, why);
    struct names names = {0};
    find_names(cfg, &names);
    struct cert_subject subject = {
        .common_name = "fanlight", .names = names.at, .name_count = names.count, .days = HTTPS_DAYS};
    return cert_keep(cfg->state_dir, &subject, ret, why);
}

static int make_certs(struct server *s, char *why)
{
    const struct cert_subject anybody = {.days = DTLS_DAYS};
    int err = cert_make(&anybody, &s->dtls_cert, why);
    if (!err)
        err = dtls_context_new(s->dtls_cert, &s->dtls);
    if (!err && s->cfg->https.port) {
        err = load_https_cert(s->cfg, &s->https_cert, why);
        if (!err && *why)
            log_warn("certificate.warning", "text=\"%s\"", why);
    }
    if (err && !*why)
        snprintf(why, WHY_SIZE, "DTLS: %s", strerror(-err));
    return err;
}

/* ---- start ---- */

static int choose_srtp(const struct config *cfg, char *why)
{
    static const enum srtp_library libraries[] = {
        [CONFIG_SRTP_AUTO] = SRTP_LIBRARY_AUTO,
        [CONFIG_SRTP_IPSECMB] = SRTP_LIBRARY_IPSECMB,
        [CONFIG_SRTP_OPENSSL] = SRTP_LIBRARY_OPENSSL,
        [CONFIG_SRTP_LIBSRTP] = SRTP_LIBRARY_LIBSRTP,
    };
    int err = srtp_use(libraries[cfg->rtc.srtp_backend]);
    if (err)
        snprintf(why, WHY_SIZE, "rtc.srtp_backend: not built in, or not for this processor");
    return err;
}

static int out_of_memory(char *why)
{
    snprintf(why, WHY_SIZE, "no memory");
    return -ENOMEM;
}

/* what may say nothing: then a line was logged already. */
static int make_front(struct server *s, char *why)
{
    const struct config *cfg = s->cfg;
    s->control = control_new();
    if (!s->control)
        return out_of_memory(why);
    const struct http_config config = {
        .http = true,
        .https = cfg->https.port != 0,
        .http_port = (uint16_t)cfg->http.port,
        .https_port = (uint16_t)cfg->https.port,
        .bind = cfg->http.bind.at,
        .bind_count = cfg->http.bind.count,
        .cert_pem = s->https_cert ? cert_chain_pem(s->https_cert) : NULL,
        .key_pem = s->https_cert ? cert_key_pem(s->https_cert) : NULL,
        .static_dir = cfg->http.web_root,
        .cors_origin = cfg->http.cors_origin,
        .message_max = (size_t)cfg->signal.message_bytes,
        .queue_max = (size_t)cfg->signal.queue_bytes,
        .connections_max = (unsigned)cfg->http.connections_max,
        .address_max = (unsigned)cfg->http.connections_per_address_max,
    };
    s->http = http_new(s->control, &config);
    if (!s->http)
        return errno == ENOMEM ? out_of_memory(why) : -EINVAL;
    return 0;
}

static int make_rooms(struct server *s, char *why)
{
    s->router = data_router_new();
    if (!s->router)
        return out_of_memory(why);
    const struct hub_config config = {
        .cfg = s->cfg,
        .control = s->control,
        .dtls = s->dtls,
        .fingerprint = cert_fingerprint(s->dtls_cert),
        .data_ops = &data_router_ops,
        .data_arg = s->router,
    };
    int err = hub_new(&config, &s->hub, why, WHY_SIZE);
    if (err)
        return err;
    data_router_connect(s->router, hub_sfu(s->hub));
    const struct signal_config signalling = {
        .cfg = s->cfg,
        .control = s->control,
        .http = s->http,
        .rooms = hub_rooms(s->hub),
        .router = s->router,
    };
    s->signal = signal_new(&signalling);
    s->api = s->signal
                 ? api_new(&(struct api_config){
                       .cfg = s->cfg, .control = s->control, .http = s->http, .rooms = hub_rooms(s->hub)})
                 : NULL;
    s->whip =
        s->api ? whip_new(&(struct whip_config){.cfg = s->cfg, .http = s->http, .rooms = hub_rooms(s->hub)})
               : NULL;
    return s->whip ? 0 : out_of_memory(why);
}

/* A control thread that hangs stops feeding the watchdog. */
static void feed_watchdog(struct wheel_timer *t, int64_t now_us)
{
    struct server *s = t->arg;
    notify_send("WATCHDOG=1");
    wheel_set(loop_wheel(control_loop(s->control)), t, now_us + s->watchdog_us);
}

static void start_watchdog(struct server *s)
{
    s->watchdog_us = notify_watchdog_us() / 2;
    if (s->watchdog_us == 0)
        return;
    wheel_timer_init(&s->watchdog, feed_watchdog, s);
    wheel_set(loop_wheel(control_loop(s->control)), &s->watchdog, clock_now_us() + s->watchdog_us);
}

static int run_all(struct server *s, char *why)
{
    int err = hub_start(s->hub);
    if (err) {
        snprintf(why, WHY_SIZE, "media threads: %s", strerror(-err));
        return err;
    }
    start_watchdog(s);
    err = control_start(s->control);
    if (err) {
        snprintf(why, WHY_SIZE, "control thread: %s", strerror(-err));
        return err;
    }
    s->control_runs = true;
    err = http_start(s->http);
    s->http_runs = !err;
    return err;
}

static int start(struct server *s)
{
    char why[WHY_SIZE] = "";
    int err = choose_srtp(s->cfg, why);
    if (!err)
        err = make_certs(s, why);
    if (!err)
        err = make_front(s, why);
    if (!err)
        err = make_rooms(s, why);
    if (!err)
        err = run_all(s, why);
    if (!err)
        return 0;
    if (*why)
        log_error("start.failed", "reason=\"%s\"", why);
    if (s->cfg->log.file[0])
        fprintf(stderr, "fanlight: did not start; %s says why\n", s->cfg->log.file);
    return err;
}

/* ---- the end ---- */

static void goodbye(void *arg)
{
    struct server *s = arg;
    hub_goodbye(s->hub);
}

/* Of whatever start got to. */
static void stop(struct server *s)
{
    if (s->control_runs)
        control_call_wait(s->control, goodbye, s);
    if (s->http_runs)
        http_stop(s->http, STOP_GRACE_MS);
    if (s->control_runs) {
        control_call_wait(s->control, goodbye, s); /* who came in between the two */
        control_stop(s->control);
    }
    if (s->hub)
        hub_stop(s->hub);
    whip_free(s->whip);
    api_free(s->api);
    signal_free(s->signal);
    http_free(s->http);
    hub_free(s->hub);
    data_router_free(s->router);
    control_free(s->control);
    dtls_context_free(s->dtls);
    cert_free(s->dtls_cert);
    cert_free(s->https_cert);
    config_free(s->cfg);
}

/* ---- while it runs ---- */

static void reload_certificate(struct server *s)
{
    struct cert *fresh;
    char why[WHY_SIZE] = "";
    if (!s->https_cert)
        return;
    int err = load_https_cert(s->cfg, &fresh, why);
    if (!err) {
        err = http_set_certificate(s->http, cert_chain_pem(fresh), cert_key_pem(fresh));
        cert_free(err ? fresh : s->https_cert);
        if (!err)
            s->https_cert = fresh;
    }
    if (err)
        log_error("certificate.kept", "reason=\"%s\"", *why ? why : strerror(-err));
    else
        log_info("certificate.loaded", "fingerprint=%s warning=\"%s\"", cert_fingerprint(s->https_cert), why);
}

static void reload(struct server *s)
{
    char text[64];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_now_us());
    notify_send(text);
    int err = log_reopen();
    if (err)
        log_error("log.not_reopened", "file=%s error=\"%s\"", s->cfg->log.file, strerror(-err));
    reload_certificate(s);
    log_info("server.reloaded", "version=%s", FL_VERSION);
    notify_send("READY=1");
}

/* The address of this machine that its neighbours are likely to reach. */
static const char *host_for_people(char out[ADDR_TEXT_MAX])
{
    struct addr own;
    return ifaddr_list(&own, 1, false) == 1 && addr_is_v4(&own) ? addr_ip_text(&own, out) : "localhost";
}

static void say_where(const struct server *s)
{
    char host[ADDR_TEXT_MAX];
    printf("\n  Open http://localhost:%u\n", http_port(s->http));
    if (https_port(s->http))
        printf("  From other machines https://%s:%u%s\n", host_for_people(host), https_port(s->http),
            s->cfg->https.certificate[0] ? "" : " (the browser warns once: the certificate is self-signed)");
    if (config_secret(s->cfg, CONFIG_DEV_KEY) &&
        strcmp(config_secret(s->cfg, CONFIG_DEV_KEY), CONFIG_DEV_SECRET) == 0)
        printf("\n  API key %s, secret %s: public, everybody knows them. Not for servers that strangers "
               "reach.\n",
            CONFIG_DEV_KEY, CONFIG_DEV_SECRET);
    printf("\n");
    fflush(stdout);
}

static void run(struct server *s, const sigset_t *signals)
{
    log_info("server.started", "version=%s http=%u https=%u udp=%d tcp=%d workers=%u", FL_VERSION,
        http_port(s->http), https_port(s->http), s->cfg->rtc.udp_port, s->cfg->rtc.tcp_port,
        sfu_workers(hub_sfu(s->hub)));
    for (size_t i = 0; i < s->cfg->warnings.count; i++)
        log_warn("config.warning", "text=\"%s\"", s->cfg->warnings.at[i]);
    if (s->cfg->dev)
        say_where(s);
    notify_send("READY=1");
    int got = 0;
    while (got != SIGTERM && got != SIGINT) {
        if (sigwait(signals, &got) == 0 && got == SIGHUP)
            reload(s);
    }
    notify_send("STOPPING=1");
    log_info("server.stopping", "signal=%s", got == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* Before there are threads, so that signals are this one's alone. */
static void prepare_process(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int serve(struct config *cfg)
{
    struct server s = {.cfg = cfg};
    sigset_t signals;
    prepare_process(&signals);
    int err = log_open(cfg->log.level, cfg->log.file[0] ? cfg->log.file : NULL);
    if (err)
        fprintf(stderr, "fanlight: log.file: %s: %s\n", cfg->log.file, strerror(-err));
    else
        err = start(&s);
    if (!err)
        run(&s, &signals);
    stop(&s);
    if (!err)
        log_info("server.stopped", "version=%s", FL_VERSION);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int check(struct config *cfg)
{
    for (size_t i = 0; i < cfg->warnings.count; i++)
        printf("fanlight: warning: %s\n", cfg->warnings.at[i]);
    printf("fanlight: the configuration is good\n");
    config_free(cfg);
    return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    struct config *cfg = NULL;
    enum config_action action;
    char error[CONFIG_ERROR_MAX] = "";
    if (config_load(argc, argv, &cfg, &action, error)) {
        fprintf(stderr, "fanlight: %s\n", error);
        return EXIT_FAILURE;
    }
    switch (action) {
    case CONFIG_RUN:
        return serve(cfg);
    case CONFIG_CHECK:
        return check(cfg);
    case CONFIG_VERSION:
        printf("fanlight %s\n", FL_VERSION);
        return EXIT_SUCCESS;
    case CONFIG_HELP:
        fputs(config_help(), stdout);
        return EXIT_SUCCESS;
    }
    return EXIT_FAILURE;
}
