#include "config/options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"

static const char *const SWITCHES[] = {"off", "on", "auto", NULL};
static const char *const SRTP_BACKENDS[] = {"auto", "ipsecmb", "openssl", "libsrtp", NULL};
static const char *const RED_MODES[] = {"pass", "auto", "off", NULL};
static const char *const LEVELS[] = {"error", "warn", "info", "debug", NULL};

#define KIB 1024
#define MIB (1024 * 1024)
#define DAY (24 * 3600)

/* clang-format off */
#define AT(field) offsetof(struct config, field)
const struct config_option config_options[] = {
    {"",       "state_dir",                   CONFIG_TEXT,   AT(state_dir),                        "",        0, 0, NULL},
    {"http",   "port",                        CONFIG_INT,    AT(http.port),                        "7880",    1, 65535, NULL},
    {"http",   "bind",                        CONFIG_ADDRS,  AT(http.bind),                        "",        0, 0, NULL},
    {"http",   "web_root",                    CONFIG_TEXT,   AT(http.web_root),                    "",        0, 0, NULL},
    {"http",   "cors_origin",                 CONFIG_TEXT,   AT(http.cors_origin),                 "*",       0, 0, NULL},
    {"http",   "connections_max",             CONFIG_INT,    AT(http.connections_max),             "16384",   1, 1000000, NULL},
    {"http",   "connections_per_address_max", CONFIG_INT,    AT(http.connections_per_address_max), "1024",    1, 1000000, NULL},
    {"https",  "port",                        CONFIG_INT,    AT(https.port),                       "7443",    0, 65535, NULL},
    {"https",  "certificate",                 CONFIG_TEXT,   AT(https.certificate),                "",        0, 0, NULL},
    {"https",  "key",                         CONFIG_TEXT,   AT(https.key),                        "",        0, 0, NULL},
    {"rtc",    "udp_port",                    CONFIG_INT,    AT(rtc.udp_port),                     "7882",    1, 65535, NULL},
    {"rtc",    "tcp_port",                    CONFIG_INT,    AT(rtc.tcp_port),                     "7881",    0, 65535, NULL},
    {"rtc",    "announced_ip",                CONFIG_ADDRS,  AT(rtc.announced_ip),                 "",        0, 0, NULL},
    {"rtc",    "stun_server",                 CONFIG_TEXT,   AT(rtc.stun_server),                  "",        0, 0, NULL},
    {"rtc",    "loopback",                    CONFIG_CHOICE, AT(rtc.loopback),                     "auto",    0, 0, SWITCHES},
    {"rtc",    "ipv6",                        CONFIG_BOOL,   AT(rtc.ipv6),                         "true",    0, 0, NULL},
    {"rtc",    "workers",                     CONFIG_INT,    AT(rtc.workers),                      "0",       0, CONFIG_WORKERS_MAX, NULL},
    {"rtc",    "buffer_bytes",                CONFIG_INT,    AT(rtc.buffer_bytes),                 "16777216", 64 * KIB, 256 * MIB, NULL},
    {"rtc",    "connect_timeout_s",           CONFIG_INT,    AT(rtc.connect_timeout_s),            "20",      1, 300, NULL},
    {"rtc",    "subscriber_limit_kbps",       CONFIG_INT,    AT(rtc.subscriber_limit_kbps),        "0",       0, 10000000, NULL},
    {"rtc",    "pause_video",                 CONFIG_BOOL,   AT(rtc.pause_video),                  "true",    0, 0, NULL},
    {"rtc",    "srtp_backend",                CONFIG_CHOICE, AT(rtc.srtp_backend),                 "auto",    0, 0, SRTP_BACKENDS},
    {"audio",  "red",                         CONFIG_CHOICE, AT(audio.red),                        "auto",    0, 0, RED_MODES},
    {"room",   "auto_create",                 CONFIG_BOOL,   AT(room.auto_create),                 "true",    0, 0, NULL},
    {"room",   "empty_timeout_s",             CONFIG_INT,    AT(room.empty_timeout_s),             "300",     0, 30 * DAY, NULL},
    {"room",   "departure_timeout_s",         CONFIG_INT,    AT(room.departure_timeout_s),         "20",      0, 30 * DAY, NULL},
    {"room",   "max_participants",            CONFIG_INT,    AT(room.max_participants),            "0",       0, 1000000, NULL},
    {"room",   "max_rooms",                   CONFIG_INT,    AT(room.max_rooms),                   "0",       0, 1000000, NULL},
    {"room",   "audio_top_n",                 CONFIG_INT,    AT(room.audio_top_n),                 "0",       0, SFU_SLOTS_MAX, NULL},
    {"signal", "ping_interval_s",             CONFIG_INT,    AT(signal.ping_interval_s),           "5",       1, 3600, NULL},
    {"signal", "ping_timeout_s",              CONFIG_INT,    AT(signal.ping_timeout_s),            "15",      2, 3600, NULL},
    {"signal", "resume_timeout_s",            CONFIG_INT,    AT(signal.resume_timeout_s),          "30",      0, 3600, NULL},
    {"signal", "queue_bytes",                 CONFIG_INT,    AT(signal.queue_bytes),               "4194304", 64 * KIB, 256 * MIB, NULL},
    {"signal", "message_bytes",               CONFIG_INT,    AT(signal.message_bytes),             "2097152", 64 * KIB, 16 * MIB, NULL},
    {"signal", "token_ttl_s",                 CONFIG_INT,    AT(signal.token_ttl_s),               "21600",   60, 30 * DAY, NULL},
    {"limits", "room_name_bytes",             CONFIG_INT,    AT(limits.room_name_bytes),           "256",     16, 4096, NULL},
    {"limits", "identity_bytes",              CONFIG_INT,    AT(limits.identity_bytes),            "256",     16, 4096, NULL},
    {"limits", "name_bytes",                  CONFIG_INT,    AT(limits.name_bytes),                "256",     16, 4096, NULL},
    {"limits", "metadata_bytes",              CONFIG_INT,    AT(limits.metadata_bytes),            "524288",  0, 8 * MIB, NULL},
    {"limits", "attributes_bytes",            CONFIG_INT,    AT(limits.attributes_bytes),          "65536",   0, 8 * MIB, NULL},
    {"limits", "tracks_max",                  CONFIG_INT,    AT(limits.tracks_max),                "32",      1, 1000, NULL},
    {"limits", "data_packet_bytes",           CONFIG_INT,    AT(limits.data_packet_bytes),         "65536",   1200, MIB, NULL},
    {"log",    "level",                       CONFIG_CHOICE, AT(log.level),                        "info",    0, 0, LEVELS},
    {"log",    "file",                        CONFIG_TEXT,   AT(log.file),                         "",        0, 0, NULL},
};
/* clang-format on */
const size_t config_option_count = sizeof config_options / sizeof config_options[0];

static void *field_of(struct config *cfg, const struct config_option *o)
{
    return (char *)cfg + o->offset;
}

int config_option_find(const char *group, const char *name)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (strcmp(config_options[i].group, group) == 0 && strcmp(config_options[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool config_group_known(const char *group)
{
    if (strcmp(group, "keys") == 0)
        return true;
    for (size_t i = 0; i < config_option_count; i++)
        if (group[0] && strcmp(config_options[i].group, group) == 0)
            return true;
    return false;
}

static int set_int(int *field, const struct config_option *o, const char *text, char *why)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end) {
        snprintf(why, CONFIG_ERROR_MAX, "\"%.100s\" is not a number", text);
        return -EINVAL;
    }
    if (errno || v < o->min || v > o->max) {
        snprintf(why, CONFIG_ERROR_MAX, "%.100s is not between %d and %d", text, o->min, o->max);
        return -EINVAL;
    }
    *field = (int)v;
    return 0;
}

static int set_bool(bool *field, const char *text, char *why)
{
    if (strcmp(text, "true") && strcmp(text, "false")) {
        snprintf(why, CONFIG_ERROR_MAX, "\"%.100s\" is neither true nor false", text);
        return -EINVAL;
    }
    *field = strcmp(text, "true") == 0;
    return 0;
}

static int set_text(char **field, const char *text, char *why)
{
    for (const char *c = text; *c; c++) {
        if (iscntrl((unsigned char)*c)) {
            snprintf(why, CONFIG_ERROR_MAX, "the text contains a control character");
            return -EINVAL;
        }
    }
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

/* An enum has the size of an int here: GCC and clang on every ABI that Linux has, without -fshort-enums. */
_Static_assert(sizeof(enum log_level) == sizeof(int) && sizeof(enum config_switch) == sizeof(int) &&
                   sizeof(enum config_srtp) == sizeof(int) && sizeof(enum config_red) == sizeof(int),
    "enum size");

static int set_choice(int *field, const struct config_option *o, const char *text, char *why)
{
    int len = snprintf(why, CONFIG_ERROR_MAX, "\"%.100s\" is none of", text);
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            *field = i;
            return 0;
        }
        len += snprintf(why + len, CONFIG_ERROR_MAX - (size_t)len, " %s", o->choices[i]);
    }
    return -EINVAL;
}

static int add_addr(struct config_addrs *list, const char *text, char *why)
{
    struct addr a;
    if (addr_parse(text, 0, &a) < 0) {
        snprintf(why, CONFIG_ERROR_MAX, "\"%.100s\" is not an IP address", text);
        return -EINVAL;
    }
    struct addr *at = realloc(list->at, (list->count + 1) * sizeof *at);
    if (!at)
        return -ENOMEM;
    list->at = at;
    list->at[list->count++] = a;
    return 0;
}

static int set_addrs(struct config_addrs *field, const char *text, char *why)
{
    struct config_addrs list = {0};
    char *copy = strdup(text), *rest = copy, *item;
    int r = copy ? 0 : -ENOMEM;
    while (r == 0 && rest && *text && (item = strsep(&rest, ",")))
        r = add_addr(&list, item, why);
    free(copy);
    if (r < 0) {
        free(list.at);
        return r;
    }
    free(field->at);
    *field = list;
    return 0;
}

int config_option_set(
    struct config *cfg, const struct config_option *o, const char *text, char why[CONFIG_ERROR_MAX])
{
    void *field = field_of(cfg, o);
    switch (o->type) {
    case CONFIG_INT:
        return set_int(field, o, text, why);
    case CONFIG_BOOL:
        return set_bool(field, text, why);
    case CONFIG_TEXT:
        return set_text(field, text, why);
    case CONFIG_CHOICE:
        return set_choice(field, o, text, why);
    case CONFIG_ADDRS:
        return set_addrs(field, text, why);
    }
    return -EINVAL;
}

int config_option_add(
    struct config *cfg, const struct config_option *o, const char *text, char why[CONFIG_ERROR_MAX])
{
    return add_addr(field_of(cfg, o), text, why);
}

void config_option_clear(struct config *cfg, const struct config_option *o)
{
    if (o->type == CONFIG_ADDRS) {
        struct config_addrs *list = field_of(cfg, o);
        free(list->at);
        *list = (struct config_addrs){0};
    } else if (o->type == CONFIG_TEXT) {
        char **text = field_of(cfg, o);
        free(*text);
        *text = NULL;
    }
}

struct config *config_new(void)
{
    struct config *cfg = calloc(1, sizeof *cfg);
    char why[CONFIG_ERROR_MAX];
    for (size_t i = 0; cfg && i < config_option_count; i++) {
        if (config_option_set(cfg, &config_options[i], config_options[i].initial, why) < 0) {
            config_free(cfg);
            return NULL;
        }
    }
    return cfg;
}

static void texts_done(struct config_texts *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i]);
    free(list->at);
}

void config_free(struct config *cfg)
{
    if (!cfg)
        return;
    for (size_t i = 0; i < config_option_count; i++)
        config_option_clear(cfg, &config_options[i]);
    for (size_t i = 0; i < cfg->key_count; i++) {
        free(cfg->keys[i].key);
        free(cfg->keys[i].secret);
    }
    free(cfg->keys);
    for (size_t i = 0; i < cfg->ice_server_count; i++) {
        texts_done(&cfg->ice_servers[i].urls);
        free(cfg->ice_servers[i].username);
        free(cfg->ice_servers[i].credential);
    }
    free(cfg->ice_servers);
    texts_done(&cfg->warnings);
    free(cfg->file);
    free(cfg);
}

int config_texts_add(struct config_texts *list, const char *text)
{
    char **at = realloc(list->at, (list->count + 1) * sizeof *at);
    if (!at)
        return -ENOMEM;
    list->at = at;
    list->at[list->count] = strdup(text);
    if (!list->at[list->count])
        return -ENOMEM;
    list->count++;
    return 0;
}

int config_key_add(struct config *cfg, const char *key, const char *secret)
{
    char *copy = strdup(secret);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < cfg->key_count; i++) {
        if (strcmp(cfg->keys[i].key, key) == 0) {
            free(cfg->keys[i].secret);
            cfg->keys[i].secret = copy;
            return 0;
        }
    }
    struct config_key *keys = realloc(cfg->keys, (cfg->key_count + 1) * sizeof *keys);
    if (keys)
        cfg->keys = keys;
    char *name = keys ? strdup(key) : NULL;
    if (!name) {
        free(copy);
        return -ENOMEM;
    }
    cfg->keys[cfg->key_count++] = (struct config_key){.key = name, .secret = copy};
    return 0;
}

struct config_ice_server *config_ice_server_add(struct config *cfg)
{
    struct config_ice_server *all = realloc(cfg->ice_servers, (cfg->ice_server_count + 1) * sizeof *all);
    if (!all)
        return NULL;
    cfg->ice_servers = all;
    struct config_ice_server *one = &all[cfg->ice_server_count];
    *one = (struct config_ice_server){.username = strdup(""), .credential = strdup("")};
    if (!one->username || !one->credential) {
        free(one->username);
        free(one->credential);
        return NULL;
    }
    cfg->ice_server_count++;
    return one;
}

const char *config_secret(const struct config *cfg, const char *key)
{
    for (size_t i = 0; i < cfg->key_count; i++)
        if (strcmp(cfg->keys[i].key, key) == 0)
            return cfg->keys[i].secret;
    return NULL;
}

/* ---- the name that somebody may have meant ---- */

#define NAME_MAX_COMPARED 48

/* Insertions, deletions and replacements between a and b. */
static unsigned distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la >= NAME_MAX_COMPARED || lb >= NAME_MAX_COMPARED)
        return UINT_MAX;
    unsigned row[NAME_MAX_COMPARED];
    for (size_t j = 0; j <= lb; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[lb];
}

static void consider(const char *candidate, const char *name, const char **best, unsigned *best_distance)
{
    unsigned d = distance(candidate, name);
    /* the same name without its unit ("empty_timeout") is near, however long the unit is */
    size_t len = strlen(name);
    if (len >= 4 && strncmp(candidate, name, len) == 0 && candidate[len] == '_')
        d = 1;
    if (d < *best_distance) {
        *best = candidate;
        *best_distance = d;
    }
}

const char *config_option_nearest(const char *group, const char *name)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)strlen(name) / 3 + 2; /* a third of the letters may be wrong */
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *o = &config_options[i];
        if (group && strcmp(o->group, group) == 0)
            consider(o->name, name, &best, &best_distance);
        else if (!group)
            consider(o->group[0] ? o->group : o->name, name, &best, &best_distance);
    }
    if (!group) {
        consider("keys", name, &best, &best_distance);
        consider("ice_servers", name, &best, &best_distance);
    }
    return best;
}
