/* Inside the client only: client.c joins and negotiates, client_media.c moves packets. */
#ifndef BENCH_CLIENT_CLIENT_PRIVATE_H
#define BENCH_CLIENT_CLIENT_PRIVATE_H

#include "base/table.h"
#include "client.h"
#include "rtp/receiver_stats.h"
#include "rtp/sender_stats.h"

struct client_stream {
    uint32_t ssrc; /* key */
    struct receiver_stats rx;
    UT_hash_handle hh;
};

struct client_source {
    bool agreed; /* the server takes it */
    uint8_t pt;
    uint32_t rate; /* timestamp units a second */
    uint32_t ssrc;
    uint32_t ts; /* of the newest packet */
    int64_t ts_us;
    struct sender_stats stats;
};

/* It is over. */
void client_end(struct client *c, const char *why);

int client_media_open(struct client *c); /* 0 or -errno */
void client_media_done(struct client *c);

/* The server's addresses, by an answer. Loopback servers are reached over loopback only. */
void client_add_path(struct client *c, const struct addr *remote);

/* Does what time asks for, and sets the timer for the next time. */
void client_run(struct client *c, int64_t now_us);

#endif
