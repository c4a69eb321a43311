/* Every bound of the server, with its reason. A limit that has no name here does not exist. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* ---- packets ---- */
#define PACKET_SIZE_MAX      1600     /* bytes of one datagram: an Ethernet frame and room for a trailer */
#define PACKET_HEADROOM      64       /* bytes in front of the data, for framing in place */
#define PACKET_CONTROL_SIZE  128      /* bytes of per-packet state that upper layers keep in the packet */
#define POOL_CHUNK_PACKETS   512      /* packets a pool grows by: about 1 MiB */
#define POOL_PACKETS_MAX     65536    /* packets of one worker's pool: about 120 MiB, then input is dropped */
#define UDP_BATCH_MAX        64       /* datagrams of one recvmmsg or sendmmsg */

/* ---- transport ---- */
#define ICE_UFRAG_MAX        256      /* RFC 8839, section 5.4 */
#define ICE_PWD_MAX          256      /* RFC 8839, section 5.4 */
#define ICE_PATHS_MAX        8        /* authenticated pairs kept for a peer; the oldest unused one gives way */
#define DTLS_RECORD_MAX      1600     /* bytes of a DTLS datagram */
#define SDP_SIZE_MAX         (256 * 1024) /* bytes of one description: 100 sections of a browser take 200 KB */
#define SDP_MEDIA_MAX        256      /* m-lines of one description */
#define SDP_CODECS_MAX       64       /* payload types of one m-line: there are 96 dynamic ones at most in use */
#define SDP_EXTMAP_MAX       32       /* header extensions of one m-line; ids of 1-14, and a few two-byte ones */
#define SDP_RIDS_MAX         4        /* simulcast layers of one section; browsers send three */
#define SDP_SSRCS_MAX        16       /* a=ssrc streams of one section: three layers with RTX and FEC are 9 */
#define SDP_CANDIDATES_MAX   64       /* candidates of one description */
#define SDP_FINGERPRINTS_MAX 8        /* a=fingerprint lines of one section: one certificate, a few hashes */
#define SDP_GROUPS_MAX       8        /* a=group lines: BUNDLE, and lip synchronisation of old clients */
#define SDP_SSRC_GROUPS_MAX  8        /* a=ssrc-group lines of one section: three FID and a SIM in browsers */
#define SDP_ALTS_MAX         4        /* alternatives of one simulcast stream (RFC 8853); browsers send one */
#define SDP_MID_MAX          32       /* bytes of a mid; a one-byte header extension carries 16 */
#define SDP_RID_MAX          16       /* bytes of a rid: what a one-byte header extension carries */
#define SDP_TEXT_MAX         1024     /* bytes of any other value: the longest fmtp lines take 300 */
#define SDP_ADDRESS_MAX      63       /* bytes of a candidate's address: mDNS names take 42 */
#define SDP_MESSAGE_SIZE     65536    /* bytes of a data channel message: RFC 8841's default, and LiveKit's 64,000 fit */

#endif
