/* Data channels of peers. Everything here happens on the sctp thread. */
#ifndef SFU_DATA_H
#define SFU_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sfu;

/* The channels that LiveKit's clients and we open, told apart by label. */
enum sfu_channel {
    SFU_CHANNEL_RELIABLE,   /* "_reliable" */
    SFU_CHANNEL_LOSSY,      /* "_lossy" */
    SFU_CHANNEL_DATA_TRACK, /* "_data_track" */
    SFU_CHANNEL_COUNT,
};

struct sfu_data_ops {
    /* _reliable and _lossy are open. */
    void (*open)(void *arg, uint32_t peer);
    /* One message; valid during the call. Channels with other labels are not heard. */
    void (*message)(void *arg, uint32_t peer, enum sfu_channel channel, const uint8_t *data, size_t len);
    /* The peer's channels are gone. Comes for every peer that had data negotiated, opened or not. */
    void (*closed)(void *arg, uint32_t peer);
};

/* Sends to a peer. 0, -ENOENT (no such peer or channel not open), -EAGAIN (its queue is full; the message is
 * not queued), -EMSGSIZE. sctp thread. */
int sfu_data_send(struct sfu *s, uint32_t peer, enum sfu_channel channel, const uint8_t *data, size_t len);

/* Runs fn(arg) on the sctp thread. Any thread. 0 or -ENOMEM. */
int sfu_data_call(struct sfu *s, void (*fn)(void *arg), void *arg);

#endif
