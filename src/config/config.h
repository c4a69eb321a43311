/* The configuration: a libconfig file, overridden by the command line, read once into a struct that nobody
 * changes afterwards. Any thread may read it without a lock.
 *
 * A field's place here is its name in the file: cfg->room.empty_timeout_s is `empty_timeout_s` in the group
 * `room`, and `--set room.empty_timeout_s=5` on the command line. config/options.h holds the table of all of
 * them; conf/fanlight.conf explains each one. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "base/addr.h"
#include "base/log.h"

#define CONFIG_ERROR_MAX 512 /* bytes of an error line, with the zero */

/* The key pair of --dev, known to everybody. */
#define CONFIG_DEV_KEY    "devkey"
#define CONFIG_DEV_SECRET "secret"
/* What conf/fanlight.conf has in the place of a secret. */
#define CONFIG_EXAMPLE_SECRET "change-me-to-what-openssl-rand-base64-33-printed"

/* A list of texts; count 0 if not given. */
struct config_texts {
    char **at;
    size_t count;
};

struct config_addrs {
    struct addr *at; /* port 0 */
    size_t count;
};

/* An API key and the secret that signs its tokens (HS256). */
struct config_key {
    char *key;
    char *secret;
};

/* A STUN or TURN server that clients are told to use. */
struct config_ice_server {
    struct config_texts urls;
    char *username;   /* "" if none */
    char *credential; /* "" if none */
};

enum config_switch {
    CONFIG_OFF,
    CONFIG_ON,
    CONFIG_AUTO,
};

enum config_red {
    CONFIG_RED_PASS, /* as publishers send it */
    CONFIG_RED_AUTO, /* and made here for receivers that lose packets */
    CONFIG_RED_OFF,  /* negotiated with nobody */
};

enum config_srtp {
    CONFIG_SRTP_AUTO,
    CONFIG_SRTP_IPSECMB,
    CONFIG_SRTP_OPENSSL,
    CONFIG_SRTP_LIBSRTP,
};

struct config {
    bool dev;        /* --dev: the public key pair, state below the user's home */
    char *file;      /* the file that was read; NULL if none */
    char *state_dir; /* what must outlive the process: the self-signed certificate; never "" */

    struct {
        int port;                 /* HTTP and WebSocket */
        struct config_addrs bind; /* for HTTP, HTTPS and ICE-TCP; none: every address */
        char *web_root;           /* directory of the web client's files; "" where none was found */
        char *cors_origin;        /* Access-Control-Allow-Origin; "": no such header */
        int connections_max;
        int connections_per_address_max;
    } http;

    struct {
        int port;          /* 0: no HTTPS */
        char *certificate; /* PEM file; "": a self-signed one is made and kept in state_dir */
        char *key;         /* PEM file; "" with certificate "" */
    } https;

    struct {
        int udp_port;                     /* of the first worker; worker n has udp_port + n */
        int tcp_port;                     /* ICE-TCP; 0: none */
        struct config_addrs announced_ip; /* told to clients in front of the interfaces' own addresses */
        char *stun_server;                /* HOST:PORT to ask for our public address at start; "": nobody */

        /* loopback candidates; auto: with --dev, or where there is no other address */
        enum config_switch loopback;
        bool ipv6;                 /* IPv6 candidates */
        int workers;               /* 0: one for each processor we may use */
        int buffer_bytes;          /* socket buffer asked for, each way */
        int connect_timeout_s;     /* from the join to ICE and DTLS being up */
        int subscriber_limit_kbps; /* of media to one subscriber, whatever its path carries; 0: none */
        bool pause_video; /* of those who say nothing about it: video that their path does not carry */

        enum config_srtp srtp_backend; /* the library that encrypts media */
    } rtc;

    struct {
        enum config_red red; /* redundant audio */
    } audio;

    struct config_key *keys; /* at least one */
    size_t key_count;

    struct config_ice_server *ice_servers;
    size_t ice_server_count;

    struct {
        bool auto_create;    /* a join makes the room; false: only POST /api/rooms and the server API do */
        int empty_timeout_s; /* a room that nobody joined lives this long */
        int departure_timeout_s; /* a room lives this long after the last one left */
        int max_participants;    /* of a room; 0: no limit */
        int max_rooms;           /* of the server; 0: no limit */
        int audio_top_n;         /* microphones of a room that are heard, the loudest; 0: all */
    } room;

    struct {
        int ping_interval_s; /* told to clients, which ping */
        int ping_timeout_s;  /* told to clients, which give up without a pong; the server notices dead sockets
                                itself */
        int resume_timeout_s; /* a participant whose signalling is gone may come back for this long */
        int queue_bytes;      /* unsent bytes of one WebSocket; above it the client is closed */
        int message_bytes;    /* of one message from a client */
        int token_ttl_s;      /* of tokens that the server hands out or refreshes */
    } signal;

    struct {
        int room_name_bytes;
        int identity_bytes;
        int name_bytes;
        int metadata_bytes;   /* of a participant or a room */
        int attributes_bytes; /* keys and values of one participant, summed */
        int tracks_max;       /* that one participant publishes */
        int data_packet_bytes;
    } limits;

    struct {
        enum log_level level;
        char *file; /* "": stderr */
    } log;

    struct config_texts warnings; /* for main to log once logging is up */
};

/* What the command line asks for. */
enum config_action {
    CONFIG_RUN,
    CONFIG_CHECK,   /* --check-config: the file is good (it was read like for a start); say so and exit 0 */
    CONFIG_VERSION, /* --version: print it and exit 0; no configuration was read */
    CONFIG_HELP,    /* --help: print config_help() and exit 0; no configuration was read */
};

/* Reads the command line and the file that it names. On success 0; *ret_action is set, and *ret is the
 * configuration (NULL for CONFIG_VERSION and CONFIG_HELP), the caller's to config_free. On failure -EINVAL
 * (an option, key or value is wrong), -ENOENT and other errors of opening the file, or -ENOMEM; error then
 * holds one line for a person, with file and line where there is one. */
int config_load(int argc, char *const argv[], struct config **ret, enum config_action *ret_action,
    char error[CONFIG_ERROR_MAX]);

void config_free(struct config *cfg); /* NULL allowed */

/* The text of --help, static. */
const char *config_help(void);

/* The secret of an API key, or NULL if there is no such key. The comparison's time depends on the key only.
 */
const char *config_secret(const struct config *cfg, const char *key);

#endif
