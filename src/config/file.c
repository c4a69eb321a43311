/* The libconfig file. libconfig parses; what is known and what is allowed is decided by the table of options.
 */
#include <libconfig.h>

#include "config/private.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/limits.h"
#include "base/strbuf.h"

struct reader {
    struct config_build *build;
    const char *path;
};

/* "file:line" of a setting; an included file is named itself. */
static const char *origin_of(const struct reader *r, const config_setting_t *s, char out[CONFIG_ORIGIN_MAX])
{
    const char *file = config_setting_source_file(s);
    snprintf(out, CONFIG_ORIGIN_MAX, "%.300s:%u", file ? file : r->path, config_setting_source_line(s));
    return out;
}

/* A scalar as the text that the table's parser takes; -EINVAL for a group, a list, or the wrong kind. */
static int scalar_text(
    const config_setting_t *s, enum config_option_type type, char number[32], const char **ret)
{
    int kind = config_setting_type(s);
    if (kind == CONFIG_TYPE_STRING && type != CONFIG_INT && type != CONFIG_BOOL)
        *ret = config_setting_get_string(s);
    else if (kind == CONFIG_TYPE_BOOL && type == CONFIG_BOOL)
        *ret = config_setting_get_bool(s) ? "true" : "false";
    else if (kind == CONFIG_TYPE_BOOL && type == CONFIG_CHOICE)
        *ret = config_setting_get_bool(s) ? "on" : "off";
    else if ((kind == CONFIG_TYPE_INT || kind == CONFIG_TYPE_INT64) && type == CONFIG_INT) {
        snprintf(number, 32, "%lld", config_setting_get_int64(s));
        *ret = number;
    } else
        return -EINVAL;
    return 0;
}

static const char *wanted(enum config_option_type type)
{
    switch (type) {
    case CONFIG_INT:
        return "a number";
    case CONFIG_BOOL:
        return "true or false";
    case CONFIG_TEXT:
    case CONFIG_CHOICE:
        return "a text in double quotes";
    case CONFIG_ADDRS:
        return "a list of texts, as in [ \"192.0.2.1\" ]";
    }
    return "something else";
}

static int read_addrs(struct reader *r, const config_setting_t *s, const struct config_option *o)
{
    char origin[CONFIG_ORIGIN_MAX], why[CONFIG_ERROR_MAX];
    if (!config_setting_is_array(s) && !config_setting_is_list(s))
        return config_fail(
            r->build, origin_of(r, s, origin), "%s.%s: expected %s", o->group, o->name, wanted(o->type));
    config_option_clear(r->build->cfg, o);
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *item = config_setting_get_elem(s, (unsigned)i);
        const char *text = config_setting_get_string(item);
        if (!text)
            return config_fail(r->build, origin_of(r, item, origin), "%s.%s: expected %s", o->group, o->name,
                wanted(o->type));
        int e = config_option_add(r->build->cfg, o, text, why);
        if (e < 0)
            return e == -ENOMEM ? e
                                : config_fail(r->build, origin_of(r, item, origin), "%s.%s: %s", o->group,
                                      o->name, why);
    }
    return 0;
}

static int read_option(struct reader *r, const config_setting_t *s, int index)
{
    const struct config_option *o = &config_options[index];
    const char *dot = o->group[0] ? "." : "";
    char origin[CONFIG_ORIGIN_MAX], why[CONFIG_ERROR_MAX], number[32];
    const char *text;
    origin_of(r, s, origin);
    text_copy(r->build->origins[index], CONFIG_ORIGIN_MAX, origin);
    if (o->type == CONFIG_ADDRS)
        return read_addrs(r, s, o);
    if (scalar_text(s, o->type, number, &text) < 0)
        return config_fail(r->build, origin, "%s%s%s: expected %s", o->group, dot, o->name, wanted(o->type));
    int e = config_option_set(r->build->cfg, o, text, why);
    if (e == -EINVAL)
        return config_fail(r->build, origin, "%s%s%s: %s", o->group, dot, o->name, why);
    return e;
}

static int unknown(struct reader *r, const config_setting_t *s, const char *group, const char *name)
{
    char origin[CONFIG_ORIGIN_MAX];
    const char *near = config_option_nearest(group, name);
    return config_fail(r->build, origin_of(r, s, origin), "%s%s%.100s: unknown option%s%s%s",
        group ? group : "", group ? "." : "", name, near ? "; did you mean " : "", near ? near : "",
        near ? "?" : "");
}

/* keys: { NAME = "SECRET"; ... }; */
static int read_keys(struct reader *r, const config_setting_t *keys)
{
    char origin[CONFIG_ORIGIN_MAX];
    for (int i = 0; i < config_setting_length(keys); i++) {
        const config_setting_t *s = config_setting_get_elem(keys, (unsigned)i);
        const char *name = config_setting_name(s), *secret = config_setting_get_string(s);
        if (!secret || !*secret)
            return config_fail(
                r->build, origin_of(r, s, origin), "keys.%.100s: expected a secret in double quotes", name);
        int e = config_key_add(r->build->cfg, name, secret);
        if (e < 0)
            return e;
    }
    return 0;
}

static int replace(char **field, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

/* { urls = [ "turn:turn.example.org:3478" ]; username = "u"; credential = "c"; } */
static int read_ice_server(struct reader *r, const config_setting_t *server)
{
    char origin[CONFIG_ORIGIN_MAX];
    struct config_ice_server *one = config_ice_server_add(r->build->cfg);
    if (!one)
        return -ENOMEM;
    for (int i = 0; i < config_setting_length(server); i++) {
        const config_setting_t *s = config_setting_get_elem(server, (unsigned)i);
        const char *name = config_setting_name(s), *text = config_setting_get_string(s);
        int e = 0;
        origin_of(r, s, origin);
        if (strcmp(name, "urls") == 0) {
            for (int k = 0; e == 0 && k < config_setting_length(s); k++) {
                const char *url = config_setting_get_string_elem(s, k);
                e = url ? config_texts_add(&one->urls, url) : -EINVAL;
            }
        } else if (strcmp(name, "username") == 0) {
            e = text ? replace(&one->username, text) : -EINVAL;
        } else if (strcmp(name, "credential") == 0) {
            e = text ? replace(&one->credential, text) : -EINVAL;
        } else {
            return config_fail(r->build, origin,
                "ice_servers: unknown option %.100s: there are urls, username and "
                "credential",
                name);
        }
        if (e == -EINVAL)
            return config_fail(r->build, origin, "ice_servers: %s: expected %s", name,
                strcmp(name, "urls") ? "a text in double quotes" : "a list of texts");
        if (e < 0)
            return e;
    }
    if (one->urls.count == 0)
        return config_fail(r->build, origin_of(r, server, origin), "ice_servers: a server without urls");
    return 0;
}

static int read_ice_servers(struct reader *r, const config_setting_t *servers)
{
    char origin[CONFIG_ORIGIN_MAX];
    int e = 0;
    if (!config_setting_is_list(servers))
        return config_fail(r->build, origin_of(r, servers, origin),
            "ice_servers: expected a list of groups, as in "
            "( { urls = [ \"stun:stun.example.org\" ]; } )");
    for (int i = 0; e == 0 && i < config_setting_length(servers); i++) {
        const config_setting_t *s = config_setting_get_elem(servers, (unsigned)i);
        if (!config_setting_is_group(s))
            return config_fail(r->build, origin_of(r, s, origin), "ice_servers: expected a group in braces");
        e = read_ice_server(r, s);
    }
    return e;
}

static int read_group(struct reader *r, const config_setting_t *group)
{
    const char *name = config_setting_name(group);
    int e = 0;
    if (strcmp(name, "keys") == 0)
        return read_keys(r, group);
    for (int i = 0; e == 0 && i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        int index = config_option_find(name, config_setting_name(s));
        e = index < 0 ? unknown(r, s, name, config_setting_name(s)) : read_option(r, s, index);
    }
    return e;
}

static int read_root(struct reader *r, const config_setting_t *root)
{
    char origin[CONFIG_ORIGIN_MAX];
    int e = 0;
    for (int i = 0; e == 0 && i < config_setting_length(root); i++) {
        const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(s);
        int index = config_option_find("", name);
        if (strcmp(name, "ice_servers") == 0)
            e = read_ice_servers(r, s);
        else if (index >= 0)
            e = read_option(r, s, index);
        else if (!config_group_known(name))
            e = unknown(r, s, NULL, name);
        else if (!config_setting_is_group(s))
            e = config_fail(
                r->build, origin_of(r, s, origin), "%s: expected a group, as in %s: { ... };", name, name);
        else
            e = read_group(r, s);
    }
    return e;
}

/* The whole file as text. libconfig could read it itself, but its scanner ends the process on a read error.
 */
static int slurp(struct config_build *b, const char *path, char **ret_text, bool *ret_public)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    size_t len = 0;
    int e = 0;
    if (fd < 0 || fstat(fd, &st) < 0) {
        e = -errno;
        config_fail(b, path, "cannot be read: %m");
        goto out;
    }
    text = malloc(CONFIG_FILE_MAX + 1);
    if (!text) {
        e = -ENOMEM;
        goto out;
    }
    for (;;) {
        ssize_t n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            e = -errno;
            config_fail(b, path, "cannot be read: %m");
            goto out;
        }
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > CONFIG_FILE_MAX) {
            e = config_fail(b, path, "is larger than %d bytes", CONFIG_FILE_MAX);
            goto out;
        }
    }
    text[len] = 0;
    if (strlen(text) != len) {
        e = config_fail(b, path, "is not a text file");
        goto out;
    }
    *ret_public = S_ISREG(st.st_mode) && (st.st_mode & 0007);
    *ret_text = text;
    text = NULL;
out:
    free(text);
    if (fd >= 0)
        close(fd);
    return e;
}

int config_file_read(struct config_build *b, const char *path)
{
    struct reader r = {.build = b, .path = path};
    char origin[CONFIG_ORIGIN_MAX], *text = NULL, *dir = NULL;
    bool readable_by_all = false;
    config_t parsed;

    int e = slurp(b, path, &text, &readable_by_all);
    if (e < 0)
        return e;
    config_init(&parsed);
    dir = strdup(path);
    b->cfg->file = strdup(path);
    if (!dir || !b->cfg->file) {
        e = -ENOMEM;
        goto out;
    }
    config_set_include_dir(&parsed, dirname(dir));
    if (config_read_string(&parsed, text) != CONFIG_TRUE) {
        const char *file = config_error_file(&parsed);
        snprintf(origin, sizeof origin, "%.300s:%d", file ? file : path, config_error_line(&parsed));
        e = config_fail(b, origin, "%s", config_error_text(&parsed));
        goto out;
    }
    e = read_root(&r, config_root_setting(&parsed));
    if (e == 0 && readable_by_all && b->cfg->key_count > 0) {
        char warning[CONFIG_ERROR_MAX];
        snprintf(warning, sizeof warning, "%.300s holds secrets and may be read by everybody", path);
        e = config_texts_add(&b->cfg->warnings, warning);
    }
out:
    config_destroy(&parsed);
    free(dir);
    free(text);
    return e;
}
