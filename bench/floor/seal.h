/* Encryption as cheap as this machine can do it: libipsec-mb called directly, a key for each receiver, from
 * the shared packet into the buffer that is sent. What SRTP adds to a packet is in the sizes; replay, key
 * derivation and packet indices beyond 32 bits are not here. One thread. */
#ifndef BENCH_FLOOR_SEAL_H
#define BENCH_FLOOR_SEAL_H

#include <stddef.h>
#include <stdint.h>

#define SEAL_HEADER                                                                                          \
    24 /* bytes of an RTP packet that stay in the clear: header and one extension block of two words */
#define SEAL_TRAILER 16 /* bytes of room behind a packet; what of it is used is seal_overhead() */

enum seal_cipher {
    SEAL_GCM_128,
    SEAL_GCM_256,
    SEAL_CM_SHA1_80,
};

struct seal; /* keys of all receivers */

struct seal_job {
    unsigned receiver;
    uint32_t index;    /* of the packet, for the IV */
    const uint8_t *in; /* RTP packet, len bytes */
    size_t len;        /* at least SEAL_HEADER + 1 */
    uint8_t *out;      /* len + SEAL_TRAILER bytes */
};

/* Keys for so many receivers. 0; -ENOTSUP: no libipsec-mb in this build or on this processor; -ENOMEM. */
int seal_new(enum seal_cipher cipher, unsigned receivers, struct seal **ret);
void seal_free(struct seal *s); /* NULL is fine */

/* Encrypts n packets; those of one call run side by side as far as the cipher can. 0 or -EIO. */
int seal_run(struct seal *s, const struct seal_job *jobs, size_t n);

size_t seal_overhead(enum seal_cipher cipher); /* bytes that a packet grows by */

/* The job's output is what OpenSSL makes of its input. 0, -EBADMSG: it is not, -EIO: OpenSSL cannot say. */
int seal_check(const struct seal *s, const struct seal_job *job);

#endif
