/* The one table of options: it drives the file, the command line, the defaults, and the check that
 * conf/fanlight.conf explains every one of them. `keys` and `ice_servers` are not in it: their shape is their
 * own (config/file.c). */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stddef.h>
#include "config/config.h"

enum config_option_type {
    CONFIG_INT,    /* min to max */
    CONFIG_BOOL,   /* true, false */
    CONFIG_TEXT,   /* no control characters */
    CONFIG_CHOICE, /* an enum: one of choices */
    CONFIG_ADDRS,  /* a list of IP addresses; as one text, with commas between them */
};

struct config_option {
    const char *group; /* "" on the top level of the file */
    const char *name;
    enum config_option_type type;
    size_t offset;              /* of the field in struct config */
    const char *initial;        /* the default, as text */
    int min, max;               /* CONFIG_INT */
    const char *const *choices; /* CONFIG_CHOICE: names of the enum's values from 0 up, then NULL */
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/* Index of an option in the table, or -1. */
int config_option_find(const char *group, const char *name);

/* Sets one option from text. 0; -EINVAL with the reason in why ("70000 is not between 1 and 65535"); -ENOMEM.
 * The field is as before after a failure. */
int config_option_set(
    struct config *cfg, const struct config_option *o, const char *text, char why[CONFIG_ERROR_MAX]);

/* Adds one address to a CONFIG_ADDRS option. As config_option_set. */
int config_option_add(
    struct config *cfg, const struct config_option *o, const char *text, char why[CONFIG_ERROR_MAX]);

/* Sets an option to nothing: empty list, empty text, 0. */
void config_option_clear(struct config *cfg, const struct config_option *o);

/* A configuration with every option at its default, without keys. NULL without memory. */
struct config *config_new(void);

/* The known name nearest to a mistaken one, or NULL if none is near. group NULL: names of groups and of
 * top-level options; otherwise the options of that group. */
const char *config_option_nearest(const char *group, const char *name);

/* Has any option, or `keys`, this group? */
bool config_group_known(const char *group);

/* These add to the lists of a configuration; 0 or -ENOMEM. */
int config_texts_add(struct config_texts *list, const char *text);
int config_key_add(
    struct config *cfg, const char *key, const char *secret);        /* replaces the secret of a known key */
struct config_ice_server *config_ice_server_add(struct config *cfg); /* NULL without memory */

#endif
