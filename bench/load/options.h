/* The command line of the load tester. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "target.h"

#define LOAD_LINKS_MAX 20000 /* connections: a socket for media and one for signalling each */

enum load_srtp {
    LOAD_SRTP_ANY,
    LOAD_SRTP_GCM, /* AES-128-GCM before AES-256-GCM */
    LOAD_SRTP_CM,  /* AES-CM-128 with HMAC-SHA1-80 */
};

struct options {
    const struct target_kind *target;
    struct load_url url;
    const char *key, *secret;
    unsigned rooms, publishers, subscribers; /* the last two in each room */
    bool meeting;                            /* publishers subscribe, too */
    unsigned speakers;        /* publishers of a room who speak, and voices that it forwards; 0: all, all */
    unsigned video_kbps, fps; /* video_kbps 0: no video */
    bool simulcast, audio, burst, visible;
    const char *room;  /* what the names of rooms begin with */
    const char *media; /* a file, or NULL */
    enum load_srtp srtp;
    double join_rate; /* links a second */
    double duration_s;
    pid_t server_pid; /* 0: not told */
    const char *json; /* a file, "-" for standard output, or NULL */
};

enum options_verdict {
    OPTIONS_RUN,
    OPTIONS_HELP, /* *out has the text */
    OPTIONS_BAD,  /* why has a sentence */
};

enum options_verdict options_parse(int argc, char **argv, struct options *ret, char *why, size_t why_size);

extern const char options_help[];

/* Reads an address as --url gives it; names are looked up. 0, or -EINVAL with a sentence in why. */
int options_read_url(const char *text, struct load_url *ret, char *why, size_t why_size);

#endif
