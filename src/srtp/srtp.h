/* SRTP and SRTCP (RFC 3711, RFC 7714).
 *
 * srtp_rx and srtp_tx own the law: packet indexes, replay windows, and that no (key, SSRC, index) is ever
 * encrypted twice. A back end (srtp/backend.h) owns the ciphers. Each object belongs to one thread. Packet
 * functions do not allocate, except once for an SSRC that is new. */
#ifndef FL_SRTP_SRTP_H
#define FL_SRTP_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"

/* The numbers of the DTLS-SRTP protection profiles (RFC 5764, section 4.1.2; RFC 7714, section 14.2). */
enum srtp_profile {
    SRTP_PROFILE_NONE = 0,
    SRTP_PROFILE_AES128_CM_SHA1_80 = 0x0001,
    SRTP_PROFILE_AEAD_AES_128_GCM = 0x0007,
    SRTP_PROFILE_AEAD_AES_256_GCM = 0x0008,
};

#define SRTP_KEY_MAX          32 /* bytes of a master key */
#define SRTP_SALT_MAX         14 /* bytes of a master salt */
#define SRTP_RTP_TRAILER_MAX  16 /* bytes that SRTP adds at most */
#define SRTP_RTCP_TRAILER_MAX 20 /* bytes that SRTCP adds at most */

bool srtp_profile_is_known(enum srtp_profile p);
size_t srtp_profile_key_len(enum srtp_profile p);      /* bytes; 0 if unknown, like those below */
size_t srtp_profile_salt_len(enum srtp_profile p);     /* bytes */
size_t srtp_profile_rtp_trailer(enum srtp_profile p);  /* bytes that SRTP adds: 10 or 16 */
size_t srtp_profile_rtcp_trailer(enum srtp_profile p); /* bytes that SRTCP adds: 14 or 20 */
const char *srtp_profile_name(enum srtp_profile p);    /* "AEAD_AES_128_GCM", ...; "none" */

/* What encrypts and decrypts. */
enum srtp_library {
    SRTP_LIBRARY_AUTO, /* libipsec-mb if it was built in and knows this processor, otherwise OpenSSL */
    SRTP_LIBRARY_IPSECMB,
    SRTP_LIBRARY_OPENSSL,
    SRTP_LIBRARY_LIBSRTP,
};

/* For every srtp_rx and srtp_tx made from now on; other threads do not run yet. 0, or -ENOTSUP: not built in,
 * or not for this processor; the choice is then as before. Without a call it is SRTP_LIBRARY_AUTO. */
int srtp_use(enum srtp_library library);
const char *srtp_library_name(void); /* of the one in use: "ipsecmb", "openssl", "libsrtp2" */

/* Initialises the library in use, which takes libsrtp2 30 ms; otherwise the first srtp_rx_new or srtp_tx_new
 * does. Any thread. */
void srtp_prepare(void);

/* ---- incoming ---- */

struct srtp_rx;

/* key and salt have the profile's lengths and are copied. 0, -EINVAL (unknown profile) or -ENOMEM. */
int srtp_rx_new(enum srtp_profile profile, const uint8_t *key, const uint8_t *salt, struct srtp_rx **ret);
void srtp_rx_free(struct srtp_rx *rx); /* NULL is allowed */

/* Authenticates and decrypts one packet in place; *len becomes the length of the plain packet. *ret_index is
 * the 48-bit packet index, rollover counter << 16 | sequence number. An SSRC is learnt when its first packet
 * proves genuine; beyond SRTP_RX_SSRCS_MAX the one silent for longest is forgotten. Errors, after which the
 * bytes are not to be used: -EINVAL not an RTP packet or too short, -EBADMSG authentication failed, -EALREADY
 * replayed (some clients repeat packets as probes: count, do not log), -ESTALE older than SRTP_WINDOW
 * packets, -ENOMEM, -EIO, -EKEYEXPIRED the key has protected as many packets as it may. */
int srtp_rx_rtp(struct srtp_rx *rx, uint8_t *packet, size_t *len, uint64_t *ret_index);

/* The same for a compound RTCP packet; *ret_index is the 31-bit SRTCP index. */
int srtp_rx_rtcp(struct srtp_rx *rx, uint8_t *packet, size_t *len, uint32_t *ret_index);

/* Forgets the state of an SSRC that has gone (BYE, silence), so that its place is free. Packets of it that
 * were accepted before would be accepted again. -ENOENT if it is not known. */
int srtp_rx_remove_ssrc(struct srtp_rx *rx, uint32_t ssrc);

/* Highest index accepted for an SSRC, of its RTP or its RTCP. 0 or -ENOENT. */
int srtp_rx_highest(const struct srtp_rx *rx, uint32_t ssrc, uint64_t *ret_index);
int srtp_rx_highest_rtcp(const struct srtp_rx *rx, uint32_t ssrc, uint32_t *ret_index);

struct srtp_rx_stats {
    uint64_t rtp_packets, rtcp_packets; /* accepted */
    uint64_t rtp_replays, rtcp_replays; /* -EALREADY */
    uint64_t rtp_old, rtcp_old;         /* -ESTALE */
    uint64_t forged;                    /* -EBADMSG */
    uint64_t malformed;                 /* -EINVAL */
    uint64_t refused;                   /* -ENOMEM, -EIO, -EKEYEXPIRED */
    uint64_t forgotten;                 /* SSRCs that gave way to newer ones */
    uint32_t ssrcs;                     /* known now */
};
void srtp_rx_stats(const struct srtp_rx *rx, struct srtp_rx_stats *ret);

/* ---- outgoing ---- */

struct srtp_tx;

int srtp_tx_new(enum srtp_profile profile, const uint8_t *key, const uint8_t *salt, struct srtp_tx **ret);
void srtp_tx_free(struct srtp_tx *tx); /* NULL is allowed */
enum srtp_profile srtp_tx_profile(const struct srtp_tx *tx);

/* One packet to be protected: out becomes header, encrypted payload, tag. Out of place, so that many
 * subscribers are served from one stored packet: out must not overlap header or payload, which are only read.
 */
struct srtp_tx_job {
    struct srtp_tx *tx;
    uint64_t index;        /* rollover counter << 16 | sequence number, 48 bits */
    const uint8_t *header; /* the whole RTP header with its extensions; SSRC and sequence number must agree */
    const uint8_t *payload; /* with padding, if any; may be NULL when payload_len is 0 */
    uint8_t *out;
    size_t out_cap; /* at least header_len + payload_len + srtp_profile_rtp_trailer */
    uint32_t ssrc;
    uint16_t header_len;
    uint16_t payload_len;
    size_t ret_len; /* bytes in out; 0 after an error */
    int ret_err;    /* 0, or as below */
    void *stream;   /* for the back end; leave alone */
};

/* Runs n jobs, which may belong to different srtp_tx of this thread. Returns the number that succeeded;
 * ret_len and ret_err of each are filled. A failed job has sent nothing and used up no index. Errors:
 *   -EALREADY this index of this SSRC was encrypted before, -ESTALE it lies more than SRTP_WINDOW behind the
 * highest, so that nobody knows any more, -EINVAL header and job disagree, or the index jumps by 2^15 or
 * more, -ENOBUFS out_cap, -ESHUTDOWN the SSRC was removed, -ENOSPC more than SRTP_TX_SSRCS_MAX, -ENOMEM,
 * -EKEYEXPIRED. Indexes of an SSRC may come out of order within the window. The first one may have any
 * rollover counter. */
size_t srtp_tx_run(struct srtp_tx_job *jobs, size_t n);

/* A hint that jobs of it are about to be run. */
void srtp_tx_prefetch(const struct srtp_tx *tx);

/* Protects one compound RTCP packet of *len bytes in place; cap is the size of the buffer (SRTCP adds
 * srtp_profile_rtcp_trailer). The SRTCP index is counted here. 0, -EINVAL, -ENOBUFS, -ESHUTDOWN (its sender
 * SSRC was removed), -ENOSPC, -ENOMEM or -EKEYEXPIRED. */
int srtp_tx_rtcp(struct srtp_tx *tx, uint8_t *packet, size_t *len, size_t cap);

/* Ends an SSRC: its cipher state is freed and the number refused from now on (nonce law). Also for one never
 * used. */
int srtp_tx_remove_ssrc(struct srtp_tx *tx, uint32_t ssrc); /* 0, -ENOSPC or -ENOMEM */

struct srtp_tx_stats {
    uint64_t rtp_packets, rtcp_packets;
    uint64_t repeats; /* -EALREADY: a caller is about to break the nonce law */
    uint64_t stale;   /* -ESTALE */
    uint64_t refused; /* every other error */
    uint32_t ssrcs;   /* in use */
    uint32_t retired; /* removed, never to be used again */
};
void srtp_tx_stats(const struct srtp_tx *tx, struct srtp_tx_stats *ret);

/* For tests: fn is told of every packet that is encrypted, by any srtp_tx. key_id is a hash of master key and
 * salt, hash one of header and payload; RTCP comes with is_rtcp and its own index. Set before other threads
 * run; NULL: off. */
typedef void (*srtp_tx_observe_fn)(
    void *arg, uint64_t key_id, uint32_t ssrc, uint64_t index, uint64_t hash, bool is_rtcp);
void srtp_tx_observe(srtp_tx_observe_fn fn, void *arg);

#endif
