/* What the workers count. One row each; names are those of the metrics. */
#ifndef SFU_STATS_H
#define SFU_STATS_H

#include <stdint.h>
#include "base/limits.h"

#define SFU_COUNTERS(X)                                                                                      \
    X(datagrams_in, "datagrams received")                                                                    \
    X(datagrams_out, "datagrams sent")                                                                       \
    X(bytes_in, "bytes received")                                                                            \
    X(bytes_out, "bytes sent")                                                                               \
    X(junk, "datagrams that are none of ours")                                                               \
    X(unknown_sender, "datagrams from addresses that no check authenticated")                                \
    X(stun_unknown_user, "checks for a user name fragment that nobody has")                                  \
    X(recv_dropped, "datagrams that the kernel dropped because the socket's buffer was full")                \
    X(pool_empty, "datagrams dropped because the packet pool was used up")                                   \
    X(rtp_in, "RTP packets received")                                                                        \
    X(rtp_out, "RTP packets forwarded")                                                                      \
    X(rtp_unknown_ssrc, "RTP packets that belong to no section")                                             \
    X(rtp_duplicate, "RTP packets received twice")                                                           \
    X(rtp_muted, "RTP packets of muted tracks, not forwarded")                                               \
    X(rtx_in, "retransmissions received")                                                                    \
    X(rtx_out, "retransmissions sent")                                                                       \
    X(rtx_copies, "retransmissions that were sent as two copies at once")                                    \
    X(rtx_refused, "retransmissions not sent: budget used up, or packet gone")                               \
    X(probe_out, "packets sent to find out what a path carries: repeated, or padding")                       \
    X(nack_out, "packets asked for again")                                                                   \
    X(nack_in, "packets that receivers asked for again")                                                     \
    X(nack_repeated, "of them, sent again less than a round trip ago: not repeated")                         \
    X(nack_ignored, "requests not looked at: their sender asks for too much")                                \
    X(red_made, "audio packets that were given redundancy here")                                             \
    X(pli_out, "key frames asked for")                                                                       \
    X(pli_in, "key frame requests of receivers")                                                             \
    X(key_cached, "receivers that were given a key frame from the cache")                                    \
    X(crypto_refused, "packets that could not be encrypted")                                                 \
    X(send_dropped, "packets dropped because a socket was full")                                             \
    X(udp_sends, "messages given to the kernel: runs of datagrams, and single ones")                         \
    X(udp_runs, "runs among them")                                                                           \
    X(udp_run_datagrams, "datagrams in those runs")                                                          \
    X(udp_runs_refused, "runs that a path or the device did not take, sent one by one")                      \
    X(padded, "packets lengthened so that they fit into a run")                                              \
    X(paced, "times that a receiver's packets had to wait for their turn")                                   \
    X(stale_frames, "video frames dropped because they waited too long")                                     \
    X(stale_packets, "packets of such frames")                                                               \
    X(handshakes_waited, "rounds that left handshakes for the next one")                                     \
    X(handshakes_dropped, "handshake datagrams dropped because too many waited")                             \
    X(ring_full, "packets dropped between workers")                                                          \
    X(wakeups, "rounds of the workers' loops")

struct sfu_stats {
#define SFU_FIELD(name, text) uint64_t name;
    SFU_COUNTERS(SFU_FIELD)
#undef SFU_FIELD
    uint64_t peers, tracks, subs, packets_used;
    uint64_t packets_waiting; /* for their turn to be sent */
    /* Forwarded packets by the time from their arrival to their sending: [0] below a microsecond, [n] from
     * 2^(n-1) us to below 2^n us, the last one all that took longer. */
    uint64_t transit[SFU_TRANSIT_BUCKETS];
};

#endif
