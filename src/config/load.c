/* From the defaults, the file and the command line to the finished configuration. */
#include "config/private.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/limits.h"
#include "base/rand.h"
#include "base/strbuf.h"

int config_fail(struct config_build *b, const char *origin, const char *fmt, ...)
{
    int len = snprintf(b->error, CONFIG_ERROR_MAX, "%.300s: ", origin);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(b->error + len, CONFIG_ERROR_MAX - (size_t)len, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* ---- --set ---- */

static int set_ice_server(struct config_build *b, const char *origin, const char *value)
{
    char *copy = strdup(value), *rest = copy, *url;
    struct config_ice_server *one = copy && *value ? config_ice_server_add(b->cfg) : NULL;
    int e = 0;
    if (copy && !*value)
        e = config_fail(b, origin, "ice_servers: expected a URL");
    else if (!one)
        e = -ENOMEM;
    while (e == 0 && (url = strsep(&rest, ",")))
        e = config_texts_add(&one->urls, url);
    free(copy);
    return e;
}

static int set_unknown(struct config_build *b, const char *origin, const char *group, const char *name)
{
    bool known = config_group_known(group);
    const char *near = config_option_nearest(known ? group : NULL, known ? name : group);
    return config_fail(b, origin, "%.60s%s%.60s: unknown option%s%s%s%s%s", group, *name ? "." : "", name,
        near ? "; did you mean " : "", near && known ? group : "", near && known ? "." : "", near ? near : "",
        near ? "?" : "");
}

int config_set(struct config_build *b, const char *origin, const char *name, const char *value)
{
    char group[64] = "", why[CONFIG_ERROR_MAX];
    const char *dot = strchr(name, '.'), *option = dot ? dot + 1 : name;
    if (dot && (size_t)(dot - name) < sizeof group)
        memcpy(group, name, (size_t)(dot - name));
    if (strcmp(name, "ice_servers") == 0)
        return set_ice_server(b, origin, value);
    if (strcmp(group, "keys") == 0) {
        if (!*option || !*value)
            return config_fail(b, origin, "keys: expected keys.NAME=SECRET");
        return config_key_add(b->cfg, option, value);
    }
    int index = config_option_find(group, option);
    if (index < 0)
        return dot ? set_unknown(b, origin, group, option) : set_unknown(b, origin, name, "");
    text_copy(b->origins[index], CONFIG_ORIGIN_MAX, origin);
    int e = config_option_set(b->cfg, &config_options[index], value, why);
    return e == -EINVAL ? config_fail(b, origin, "%s: %s", name, why) : e;
}

/* ---- what depends on the machine ---- */

static int put(char **field, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int find_state_dir(struct config *cfg)
{
    char path[PATH_MAX];
    const char *service = getenv("STATE_DIRECTORY"), *state = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (cfg->state_dir[0])
        return 0;
    if (service && *service) /* systemd: absolute paths, with colons between them */
        snprintf(path, sizeof path, "%.*s", (int)strcspn(service, ":"), service);
    else if (!cfg->dev)
        snprintf(path, sizeof path, "/var/lib/fanlight");
    else if (state && *state)
        snprintf(path, sizeof path, "%s/fanlight", state);
    else if (home && *home)
        snprintf(path, sizeof path, "%s/.local/state/fanlight", home);
    else
        snprintf(path, sizeof path, "/var/lib/fanlight");
    return put(&cfg->state_dir, path);
}

static bool holds_client(const char *dir)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/index.html", dir);
    return n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0;
}

/* The web client: beside an installed binary (PREFIX/bin, PREFIX/share/fanlight/web), or in the source tree
 * that a binary below it was built from. */
static int find_web_root(struct config *cfg)
{
    char exe[PATH_MAX], dir[PATH_MAX + 32];
    if (cfg->http.web_root[0])
        return 0;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return 0;
    exe[n] = 0;
    for (int up = 0; up < 4; up++) {
        char *slash = strrchr(exe, '/');
        if (!slash)
            break;
        *slash = 0;
        snprintf(dir, sizeof dir, up == 1 ? "%s/share/fanlight/web" : "%s/web/dist", exe);
        if (holds_client(dir))
            return put(&cfg->http.web_root, dir);
        snprintf(dir, sizeof dir, "%s/web/dist", exe);
        if (holds_client(dir))
            return put(&cfg->http.web_root, dir);
    }
    return cfg->dev && holds_client("web/dist") ? put(&cfg->http.web_root, "web/dist") : 0;
}

/* ---- what no single value can say ---- */

/* Where an option got its value, for an error about it. */
static const char *origin_of(const struct config_build *b, const char *group, const char *name)
{
    int index = config_option_find(group, name);
    const char *origin = index < 0 ? "" : b->origins[index];
    if (origin[0])
        return origin;
    return b->cfg->file ? b->cfg->file : "command line";
}

static int check_ports(struct config_build *b)
{
    const struct config *cfg = b->cfg;
    const struct {
        const char *name;
        int port;
    } tcp[] = {
        {"http.port", cfg->http.port}, {"https.port", cfg->https.port}, {"rtc.tcp_port", cfg->rtc.tcp_port}};
    for (int i = 0; i < 3; i++)
        for (int j = i + 1; j < 3; j++)
            if (tcp[i].port && tcp[i].port == tcp[j].port)
                return config_fail(b, origin_of(b, "http", "port"), "%s and %s are both %d", tcp[i].name,
                    tcp[j].name, tcp[i].port);
    if (cfg->rtc.udp_port + cfg->rtc.workers > 65536)
        return config_fail(b, origin_of(b, "rtc", "udp_port"),
            "rtc.udp_port: %d workers from port %d on pass 65535", cfg->rtc.workers, cfg->rtc.udp_port);
    return 0;
}

static int check_file(struct config_build *b, const char *group, const char *name, const char *path)
{
    if (path[0] && access(path, R_OK) < 0)
        return config_fail(b, origin_of(b, group, name), "%s.%s: %.200s: %m", group, name, path);
    return 0;
}

static int check_https(struct config_build *b)
{
    const struct config *cfg = b->cfg;
    if (!cfg->https.certificate[0] != !cfg->https.key[0])
        return config_fail(b, origin_of(b, "https", cfg->https.certificate[0] ? "certificate" : "key"),
            "https.certificate and https.key belong together: give both or neither");
    int e = check_file(b, "https", "certificate", cfg->https.certificate);
    return e < 0 ? e : check_file(b, "https", "key", cfg->https.key);
}

static int check_stun_server(struct config_build *b)
{
    const char *server = b->cfg->rtc.stun_server, *colon = strrchr(server, ':');
    char *end;
    if (!server[0])
        return 0;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || colon == server || end == colon + 1 || *end || port < 1 || port > 65535)
        return config_fail(
            b, origin_of(b, "rtc", "stun_server"), "rtc.stun_server: \"%.100s\" is not HOST:PORT", server);
    return 0;
}

static int check_numbers(struct config_build *b)
{
    const struct config *cfg = b->cfg;
    if (cfg->signal.ping_timeout_s <= cfg->signal.ping_interval_s)
        return config_fail(b, origin_of(b, "signal", "ping_timeout_s"),
            "signal.ping_timeout_s: %d is not longer than signal.ping_interval_s, %d",
            cfg->signal.ping_timeout_s, cfg->signal.ping_interval_s);
    return 0;
}

static int warn(struct config *cfg, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int warn(struct config *cfg, const char *fmt, ...)
{
    char line[CONFIG_ERROR_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return config_texts_add(&cfg->warnings, line);
}

static int no_keys(struct config_build *b)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    char key[13], secret[44];
    rand_bytes(key, sizeof key - 1);
    rand_bytes(secret, sizeof secret - 1);
    for (size_t i = 0; i < sizeof key - 1; i++)
        key[i] = LETTERS[(unsigned char)key[i] % 26];
    for (size_t i = 0; i < sizeof secret - 1; i++)
        secret[i] = LETTERS[(unsigned char)secret[i] % 64];
    key[sizeof key - 1] = secret[sizeof secret - 1] = 0;
    return config_fail(b, b->cfg->file,
        "there is no API key; put one into keys, as this one made just now: API%s = \"%s\";", key, secret);
}

static int check_keys(struct config_build *b)
{
    struct config *cfg = b->cfg;
    int e = 0;
    if (cfg->key_count == 0)
        return cfg->dev ? config_key_add(cfg, CONFIG_DEV_KEY, CONFIG_DEV_SECRET) : no_keys(b);
    for (size_t i = 0; e == 0 && i < cfg->key_count; i++) {
        const struct config_key *k = &cfg->keys[i];
        if (!cfg->dev && strcmp(k->secret, CONFIG_DEV_SECRET) == 0)
            return config_fail(b, cfg->file ? cfg->file : "--set",
                "keys.%.100s: everybody knows the secret \"%s\"; it is for --dev only", k->key,
                CONFIG_DEV_SECRET);
        if (strcmp(k->secret, CONFIG_EXAMPLE_SECRET) == 0)
            return config_fail(b, cfg->file ? cfg->file : "--set",
                "keys.%.100s: everybody knows the secret of the example; `openssl rand -base64 33` makes one",
                k->key);
        if (!cfg->dev && strlen(k->secret) < CONFIG_SECRET_MIN)
            e = warn(cfg, "keys.%.100s: the secret is shorter than %d characters", k->key, CONFIG_SECRET_MIN);
    }
    return e;
}

static int check_web_root(struct config *cfg)
{
    if (!cfg->http.web_root[0])
        return warn(
            cfg, "the web client was not found: `make web` builds it, http.web_root says where it is");
    if (!holds_client(cfg->http.web_root))
        return warn(cfg, "http.web_root: there is no index.html in %.200s", cfg->http.web_root);
    return 0;
}

int config_finish(struct config_build *b)
{
    int e = find_state_dir(b->cfg);
    e = e < 0 ? e : find_web_root(b->cfg);
    e = e < 0 ? e : check_ports(b);
    e = e < 0 ? e : check_https(b);
    e = e < 0 ? e : check_stun_server(b);
    e = e < 0 ? e : check_numbers(b);
    e = e < 0 ? e : check_keys(b);
    return e < 0 ? e : check_web_root(b->cfg);
}

int config_load(int argc, char *const argv[], struct config **ret, enum config_action *ret_action,
    char error[CONFIG_ERROR_MAX])
{
    struct config_args args;
    struct config_build b = {.error = error};
    int e = config_args_read(argc, argv, &args, error);
    if (e < 0)
        return e;
    if (args.action == CONFIG_VERSION || args.action == CONFIG_HELP) {
        *ret = NULL;
        *ret_action = args.action;
        return 0;
    }
    if (!args.file && !args.dev) {
        snprintf(
            error, CONFIG_ERROR_MAX, "nothing to serve with: give --config FILE, or --dev to try it out");
        return -EINVAL;
    }
    b.cfg = config_new();
    b.origins = calloc(config_option_count, sizeof *b.origins);
    e = b.cfg && b.origins ? 0 : -ENOMEM;
    if (e == 0)
        b.cfg->dev = args.dev;
    if (e == 0 && args.file)
        e = config_file_read(&b, args.file);
    if (e == 0)
        e = config_args_apply(&b, &args);
    if (e == 0)
        e = config_finish(&b);
    free(b.origins);
    if (e < 0) {
        if (e == -ENOMEM)
            snprintf(error, CONFIG_ERROR_MAX, "no memory");
        config_free(b.cfg);
        return e;
    }
    *ret = b.cfg;
    *ret_action = args.action;
    return 0;
}
