/* What the parts of config/ share with one another. */
#ifndef CONFIG_PRIVATE_H
#define CONFIG_PRIVATE_H

#include "config/config.h"
#include "config/options.h"

#define CONFIG_ORIGIN_MAX 320 /* bytes of "file:line" or "--set", with the zero */

/* A configuration while it is made. */
struct config_build {
    struct config *cfg;
    char (*origins)[CONFIG_ORIGIN_MAX]; /* one an option of the table: where its value was given; "" for a
                                           default */
    char *error;                        /* CONFIG_ERROR_MAX bytes */
};

/* Writes "origin: what", cut to fit, and returns -EINVAL. */
int config_fail(struct config_build *b, const char *origin, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads a file into the configuration. 0, -EINVAL, -errno of opening or reading it, -ENOMEM, with the error
 * line written. */
int config_file_read(struct config_build *b, const char *path);

/* Sets "group.name=value" as --set gives it. As config_file_read. */
int config_set(struct config_build *b, const char *origin, const char *name, const char *value);

/* The command line, read but not applied. Texts point into argv. */
struct config_args {
    enum config_action action;
    bool dev;
    const char *file;
    int port;       /* 0: not given */
    int https_port; /* -1: not given */
    const char *log_level;
    char *const *argv; /* for the --set options, which are applied last and in order */
    int argc;
};

int config_args_read(int argc, char *const argv[], struct config_args *ret, char error[CONFIG_ERROR_MAX]);

/* Applies the overrides of the command line. As config_file_read. */
int config_args_apply(struct config_build *b, const struct config_args *args);

/* Puts in the defaults that depend on the machine (state_dir, web_root), then checks what no single value can
 * say: ports that collide, files that are missing, keys. Warnings go to cfg->warnings. As config_file_read.
 */
int config_finish(struct config_build *b);

#endif
