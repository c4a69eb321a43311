/* Every bound of the server, with its reason. A limit that has no name here does not exist. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* ---- packets ---- */
#define PACKET_SIZE_MAX      1600  /* bytes of one datagram: an Ethernet frame and room for a trailer */
#define PACKET_HEADROOM      64    /* bytes in front of the data, for framing in place */
#define PACKET_CONTROL_SIZE  160   /* bytes of per-packet state: struct rtp_packet, and what sfu/ adds */
#define POOL_CHUNK_PACKETS   512   /* packets a pool grows by: about 1 MiB */
#define POOL_PACKETS_MAX     65536 /* packets of one worker's pool: about 120 MiB, then input is dropped */
#define HUGE_BLOCK_MAX       16384 /* bytes of a small block of huge pages: what a receiver's state consists of */
#define UDP_BATCH_MAX        64  /* datagrams of one recvmmsg or sendmmsg */
#define TCP_PENDING_MAX      256 /* TCP connections without a first frame; then the oldest one is closed */
#define TCP_PENDING_ADDR_MAX 32  /* of one address (IPv6: one /64), an office behind a NAT joining at once */
#define TCP_FIRST_FRAME_US   5000000      /* for the first frame; it takes a round trip */
#define TCP_QUEUE_MAX        (256 * 1024) /* bytes waiting for one connection: half a second of 4 Mbit/s */
#define TCP_SEND_BUFFER                                                                                      \
    (128 * 1024)            /* SO_SNDBUF of a connection: what waits in the kernel cannot be dropped */
#define TCP_ACCEPT_BATCH 64 /* connections accepted in one round, so that packets get their turn */
#define TCP_READ_BATCH   16 /* reads from one connection in one round, likewise */

/* ---- batches ---- */
#define UDP_RECV_FIRST   8        /* datagrams that recvmmsg is prepared for while few come */
#define UDP_RUN_MAX      64       /* segments of one run: what kernels before 6.9 take */
#define UDP_RUN_BYTES    65000    /* bytes of one run: a UDP datagram less IPv6 and UDP headers, with room */
#define UDP_RUN_AGAIN_US 60000000 /* a path that refused a run is tried again: routes change */

/* ---- transport ---- */
#define ICE_UFRAG_MAX        256  /* RFC 8839, section 5.4 */
#define ICE_PWD_MAX          256  /* RFC 8839, section 5.4 */
#define ICE_LOCAL_UFRAG_MAX  32   /* ours are 8 */
#define ICE_LOCAL_PWD_MAX    64   /* ours are 24 */
#define ICE_PATHS_MAX        8    /* authenticated pairs kept for a peer; the oldest unused one gives way */
#define DTLS_RECORD_MAX      1600 /* bytes of a DTLS datagram */
#define SDP_SIZE_MAX         (2048 * 1024) /* bytes of one description: Chromium needs 5,500 for a video section */
#define SDP_MEDIA_MAX        256           /* m-lines of one description */
#define SDP_CODECS_MAX       64   /* payload types of one m-line: there are 96 dynamic ones at most in use */
#define SDP_EXTMAP_MAX       32   /* header extensions of one m-line; ids of 1-14, and a few two-byte ones */
#define SDP_RIDS_MAX         4    /* simulcast layers of one section; browsers send three */
#define SDP_SSRCS_MAX        16   /* a=ssrc streams of one section: three layers with RTX and FEC are 9 */
#define SDP_CANDIDATES_MAX   64   /* candidates of one description */
#define SDP_FINGERPRINTS_MAX 8    /* a=fingerprint lines of one section: one certificate, a few hashes */
#define SDP_GROUPS_MAX       8    /* a=group lines: BUNDLE, and lip synchronisation of old clients */
#define SDP_SSRC_GROUPS_MAX  8    /* a=ssrc-group lines of one section: three FID and a SIM in browsers */
#define SDP_ALTS_MAX         4    /* alternatives of one simulcast stream (RFC 8853); browsers send one */
#define SDP_MID_MAX          32   /* bytes of a mid; a one-byte header extension carries 16 */
#define SDP_RID_MAX          16   /* bytes of a rid: what a one-byte header extension carries */
#define SDP_TEXT_MAX         1024 /* bytes of any other value: the longest fmtp lines take 300 */
#define SDP_ADDRESS_MAX      63   /* bytes of a candidate's address: mDNS names take 42 */
#define SDP_MESSAGE_SIZE                                                                                     \
    65536 /* bytes of a data channel message: RFC 8841's default, and LiveKit's 64,000 fit */

/* ---- http ---- */
#define HTTP_LINE_MAX        65536       /* bytes of a request line: a join request has an SDP in its query */
#define HTTP_HEAD_MAX        (96 * 1024) /* bytes of request line and fields: 32 KiB for the fields */
#define HTTP_POOL_SIZE       (128 * 1024) /* bytes libmicrohttpd has for a connection: the head, its index */
#define HTTP_BODY_MAX        (10 << 20)   /* bytes of a request body, as the server API has it */
#define HTTP_DRAIN_MAX       (16 << 20)   /* bytes of a refused body read, so that the answer arrives */
#define HTTP_CONNECTIONS_MAX 16384 /* open at once, with and without TLS; three descriptors at most each */
#define HTTP_ADDRESS_MAX     1024  /* of one address: an office behind one IPv4 address holds several each */
#define HTTP_BACKLOG         1024  /* connections the kernel keeps for us to accept */
#define HTTP_IDLE_S          30    /* seconds a connection may be silent between and within requests */
#define HTTP_HEAD_S          10 /* seconds for the first request's head: slow senders hold a descriptor, no pool */
#define HTTP_STATIC_FILES    4096      /* files of the web client */
#define HTTP_PARAMS_MAX      8         /* {names} of one route */
#define WS_MESSAGE_MAX       (2 << 20) /* bytes of a message received, as LiveKit's */
#define WS_QUEUE_MAX         (4 << 20) /* bytes that wait for one peer: two of the largest messages */
#define WS_READ_BUDGET       65536 /* bytes read from one socket a wake-up, so that none starves the others */
#define WS_PING_S            10    /* seconds between pings, inside the idle timeout of common proxies (60) */
#define WS_DEAD_S            30    /* seconds that sent bytes may go unacknowledged (TCP_USER_TIMEOUT) */
#define WS_CLOSE_WAIT_S      3     /* seconds for the peer's close frame, and for it to hang up afterwards */

/* ---- dtls, srtp, sctp ---- */
#define DTLS_MTU              1200 /* bytes of a datagram we send: fits every path that WebRTC is used on */
#define DTLS_EARLY_MAX        3    /* datagrams kept until the peer's fingerprint is known: one ClientHello */
#define DTLS_PAYLOAD_MAX      1160 /* bytes of one record we send: the MTU less header, nonce and tag (37) */
#define DTLS_HANDSHAKE_US     30000000 /* microseconds from start to established: what browsers wait, too */
#define DTLS_FINGERPRINTS_MAX 4 /* a=fingerprint lines of one description that count: one or two are sent */
#define SRTP_WINDOW           2048 /* packets an index may lie behind the highest: 1 s of 20 Mbit/s video */
#define SRTP_RX_SSRCS_MAX     256 /* SSRCs of one sender known at once: 20 simulcast tracks with RTX are 120 */
#define SRTP_TX_SSRCS_MAX                                                                                    \
    65536                      /* SSRCs one key ever sends with: retired ones stay refused, 32 bytes each    \
                                */
#define DCEP_LABEL_MAX   255   /* bytes of a channel's label or protocol: LiveKit's are under 16 */
#define SCTP_MTU         1150  /* bytes of an SCTP packet: one DTLS record with room to spare, no discovery */
#define SCTP_STREAMS     64    /* channels of an association: usrsctp keeps 110 bytes for each, used or not */
#define SCTP_MESSAGE_MAX 66560 /* bytes of a message: the 64 KiB that the SDP admits and a header */
#define SCTP_RECV_BUFFER 262144  /* bytes a peer may have under way: partial delivery begins at half of it */
#define SCTP_SEND_BUFFER 1048576 /* bytes that may wait on reliable channels: 16 of the largest messages */
#define SCTP_LOSSY_BUFFER                                                                                    \
    262144                     /* bytes in usrsctp beyond which lossy messages are dropped: 1 s of 2 Mbit/s */
#define SCTP_SEND_LOW    65536 /* bytes waiting below which a refused sender is told to go on */
#define SCTP_INPUT_QUEUE 1024  /* packets of one association waiting for the sctp thread: 1.2 MB */

/* ---- messages and tokens ---- */
#define PROTO_DEPTH_MAX       16 /* messages inside messages; the protocol's own deepest is 7 */
#define PROTO_MEMORY_MAX      (16 * 1024 * 1024) /* bytes a decoded message may take: two bytes can become 250 */
#define PROTO_JSON_DEPTH_MAX  64                 /* brackets inside brackets, unknown parts included */
#define PROTO_JSON_VALUES_MAX 65536 /* values in one JSON text: jansson takes up to 280 bytes each */
#define PROTO_JOIN_REQUEST_MAX                                                                               \
    (1024 * 1024)                  /* bytes of a join request, decompressed; the protocol's limit            \
                                    */
#define AUTH_TOKEN_MAX (64 * 1024) /* bytes of a token: what an HTTP request line can carry */

/* ---- rooms ---- */
#define ROOM_REGRESSION_PEOPLE  5    /* fewer move to a backup codec if they may: one encoding costs less */
#define ROOM_PENDING_TRACKS_MAX 32   /* tracks a client may announce before it negotiates them */
#define ROOM_ATTRIBUTES_MAX     256  /* attributes of a participant: they are searched one by one */
#define ROOM_PERMISSIONS_MAX    1024 /* people a publisher names: sorted with each change */
#define ROOM_CHOICES_MAX        4096 /* tracks a subscriber may name that do not exist (yet) */
#define SIGNAL_NAMES_MAX        4096 /* tracks or people that one request names: each is looked for in the room */
#define SIGNAL_UPDATES_CACHED   64        /* messages about participants kept encoded: 4,096 participants' */
#define SIGNAL_CACHE_BYTES      (8 << 20) /* bytes of them, where metadata is long */
#define ROOM_PEER_SECTIONS_MAX  SDP_MEDIA_MAX
#define ROOM_TICK_US            100000 /* deadlines of rooms are looked at this often */
#define ROOM_POKE_FIRST_US      10000  /* changes are collected this long before a client is asked to offer */
#define ROOM_POKE_AGAIN_US      150000 /* the same while changes keep coming */
#define ROOM_SUBSCRIBE_WAIT_US  60000000 /* a subscription waits this long for its track to appear */
#define ROOM_SPEAKERS_US        400000   /* cadence of speaker updates */
#define ROOM_QUALITY_US         5000000  /* cadence of connection quality */
#define ROOM_BACKUP_WAIT_US     10000000 /* a publisher has so long to send a backup codec that is needed */
#define ROOM_DEMAND_LATER_US    3500000  /* a layer is switched off this long after its last viewer went */
#define ROOM_DEMAND_FIRST_US                                                                                 \
    10000000 /* the first word on layers comes at the latest this long after publishing */
#define ROOM_DEMAND_SETTLE_US 500000   /* nor earlier: the publisher ties its track to the sid first */
#define ROOM_SERVER_OFFER_US  15000000 /* an offer of the server that nobody answers ends the session */
#define ROOM_FAILED_GRACE_US  5000000  /* a client whose media failed may resume this long */
#define ROOM_GONE_MAX         256      /* participants that left, remembered for those who resume */
#define ROOM_GONE_US          60000000 /* a dead socket may stay unnoticed so long, besides the time to resume */
#define ROOM_NEWS_BURST       20 /* changes of a participant told at once: joining and publishing are ten */
#define ROOM_NEWS_US          100000 /* and this often on and on; the rest is collected */
#define ROOM_BULK_MIN         50  /* from this many participants on, news of the silent ones is collected */
#define ROOM_CROWD_MIN        500 /* and from this many on, that of all */
#define ROOM_BULK_US          100000 /* at least this long, and a millisecond for every participant */

/* ---- ICE times, microseconds ---- */
#define ICE_SILENT_US     1000000  /* a selected pair this quiet gives way to a newly nominated one */
#define ICE_DISCONNECT_US 10000000 /* no check, no media: disconnected. Browsers check every 2.5 to 6 s */
#define ICE_FAIL_US       15000000 /* and failed: clients give up then as well, and reconnect */
#define ICE_CONSENT_US                                                                                       \
    30000000                  /* RFC 7675, section 5.1: nothing is sent to a path that was silent this long */
#define ICE_PACE_US     50000 /* RFC 8445, section 14.2: between the starts of two checks */
#define ICE_RTO_US      500000 /* RFC 8489, section 6.2.1: first retransmission; doubles */
#define ICE_SENDS_MAX   5 /* requests of one transaction, 11.5 s in all (the 7 of RFC 8489 take 39.5 s) */
#define ICE_PATIENCE_US 300000 /* how long a path that answered waits for a better one */
#define ICE_REPLY_MAX   128    /* bytes of the largest reply that we write: success over IPv6 takes 76 */
#define ICE_REQUEST_MAX 640    /* bytes of a check with the longest USERNAME */

/* ---- RTP ---- */
#define RTP_HISTORY_VIDEO   1024    /* packets kept of a video stream: 3 s at 3 Mbit/s */
#define RTP_HISTORY_AUDIO   128     /* packets kept of an audio stream: 2.5 s at 20 ms */
#define RTP_HISTORY_AGE_US  1500000 /* older packets are of no use to a receiver that still plays */
#define NACK_LIST_MAX       512     /* missing packets of one stream: a burst of 1.5 s at 3 Mbit/s */
#define NACK_GAP_MAX        2000    /* a wider jump is a restart of the source, not loss */
#define NACK_TRIES_MAX      10      /* requests for one packet; libwebrtc stops after as many */
#define NACK_AGE_US         1500000 /* a missing packet is given up after this long: no sender has it any more */
#define NACK_AGE_AUDIO_US   500000 /* of audio: players do not wait for longer */
#define NACK_SLACK_US       5000   /* an answer may take this longer than the round trip: senders pace */
#define NACK_RTT_DEFAULT_US 100000 /* until the round-trip time is known */
#define NACK_RTT_MIN_US     10000  /* not asked more often than this, on whatever path */
#define NACK_REORDER_MIN_US 5000   /* first wait for a packet that is only late */
#define NACK_REORDER_MAX_US 40000  /* and the longest one that reordering seen may bring about */
#define RTCP_NACK_MAX       1024   /* numbers taken from one NACK block: four times what browsers send */
#define RED_BLOCKS_MAX      8      /* blocks of a RED payload; browsers send two or three */
#define RED_DISTANCE_MAX    2      /* packets repeated in each that we make: bursts of two are mended */
#define RED_BLOCK_MAX       1023   /* bytes of a repeated block: its length has ten bits */
#define RED_BACK_MAX        16383  /* timestamp units that it may lie back: fourteen bits */
#define RED_PAYLOAD_MAX     1100   /* bytes of a payload that we make: a packet fits every path */
#define RED_LOSS_ONE        20 /* per mille of packets lost from which on one is repeated: concealment is heard */
#define RED_LOSS_TWO        80 /* and two: one would leave 0.6 % */
#define RED_WINDOW_PACKETS                                                                                   \
    100 /* packets that loss is judged by, at least: one lost of them changes nothing */
#define RED_WINDOW_US       1000000  /* and time */
#define RED_WINDOW_MAX      100000   /* packets of one report: more is nonsense */
#define RED_CALM_US         10000000 /* half the loss for this long: one less is repeated */
#define REWRITE_SLOTS_VIDEO 1024     /* outgoing numbers remembered of a (receiver, track) */
#define REWRITE_SLOTS_AUDIO 128
#define REWRITE_EPOCHS      16 /* switches of source within those slots */
#define REWRITE_DRAWN_SHIFT                                                                                  \
    6                        /* a second sent again becomes 16 ms; frames at least 0.7 ms apart stay apart   \
                              */
#define DD_TEMPLATES_MAX 64  /* six-bit template ids */
#define DD_TARGETS_MAX   32  /* five-bit count of decode targets */
#define DD_CHAINS_MAX    32  /* at most as many as decode targets */
#define DD_FDIFFS_MAX    16  /* references of one frame: AV1 has 7, templates of browsers 3 */
#define DD_SPATIAL_MAX   4   /* two-bit spatial ids */
#define LAYERS_RECORDS   256 /* frames whose fate a receiver remembers: 2.8 s of L3T3 at 30 fps */
#define LAYERS_MISSING_US                                                                                    \
    1000000 /* a frame that others refer to is lost if it has not come: NACKs found nothing */
#define LAYERS_ABSENT_US     300000  /* a spatial layer is not sent while others came this long without it */
#define LAYERS_ABSENT_FRAMES 4       /* and at least so many pictures: screen shares have few a second */
#define LAYERS_SWITCH_US     2000000 /* no switch point for this long: a key frame is one, and is asked for */
#define LAYERS_FPS_US        1000000 /* frame rates are counted over this long */
#define TWCC_WINDOW          2048 /* arrivals recorded between two reports: 100 ms at 20,000 packets a second */
#define TWCC_SENT_SLOTS      4096   /* packets in flight to one receiver: a second at 40 Mbit/s */
#define TWCC_MIN_US          50000  /* between two reports on a fast stream */
#define TWCC_MAX_US          100000 /* and on a slow one */
#define TWCC_FULL_PACKETS    100    /* arrivals that bring a report forward to TWCC_MIN_US */
#define TWCC_STATUSES_MAX    8192   /* packet statuses of one report: more is nonsense or an attack */
#define TWCC_BLOCKS_MAX      4 /* reports of a datagram: each may cost TWCC_STATUSES_MAX steps, in 30 bytes */

/* ---- pacing ---- */
#define PACER_RATE_MIN_BPS   10000000 /* to one receiver, while nobody has measured what its path carries */
#define PACER_BURST_US       5000     /* what the pace rate gives in this time goes at once */
#define PACER_TICK_US        4000     /* turns of who waits: with the timer's 1 ms the time of a burst */
#define PACER_LATE_US        20000    /* of the time that a turn comes late this much is made up for */
#define PACER_RATE_WINDOW_US 100000   /* the rate of what comes in is measured in steps of this length */
#define PACER_RATE_WINDOWS   5        /* over so many of them */
#define PACER_QUEUE_US       500000   /* video that waited for longer is of no use in a conversation */
#define PACER_ITEMS_MAX      4096     /* packets waiting for one receiver: half a second of 72 Mbit/s */
#define PACER_CHUNK_ITEMS    1024     /* items a worker's pool grows by: 64 KiB */
#define PACER_POOL_ITEMS     262144   /* of a worker: 2,500 receivers of a key frame of 100 packets, 18 MiB */

/* ---- forwarding in bursts ---- */
#define SFU_GATHER_RATE 20000 /* packets sent a second from which on parts of a frame wait for the rest */
#define SFU_GATHER_US   4000  /* for at most this long, and the timer's 1 ms; its last packet ends it */
#define SFU_ROUND_US                                                                                         \
    1000 /* between beginnings of rounds then: waking up costs as much as sending ten packets */
#define SFU_GATHER_VOICES   3  /* voices of a turn from which on waiting for them paid */
#define SFU_GATHER_PAUSE    16 /* turns without waiting after one in which it did not */
#define SFU_BURST_MAX       32 /* packets of a track that are handed to its subscribers together */
#define SFU_EQUALISE_BYTES  16 /* packets of a frame that differ by less are made equal, for longer runs */
#define SFU_TRANSIT_BUCKETS 24 /* powers of two of a microsecond: up to 8 s */

/* ---- configuration ---- */
#define CONFIG_FILE_MAX 1048576 /* bytes of the file: a thousand API keys take 100 KB */
#define CONFIG_SECRET_MIN                                                                                    \
    32                        /* characters of a secret that HS256 cannot be guessed from: 192 bits and more \
                               */
#define CONFIG_WORKERS_MAX 64 /* as SFU_WORKERS_MAX: the worker is one character of the ICE user name */

/* ---- media side ---- */
#define SFU_HISTORY_VIDEO 1024 /* packets of a layer kept for retransmission: over a second of 4 Mbit/s */
#define SFU_HISTORY_AUDIO 64   /* packets: over a second */
#define SFU_HISTORY_US                                                                                       \
    1500000                     /* of a decoder that waits, and of a key frame that was sent from the cache  \
                                 */
#define SFU_REWRITE_VIDEO  1024 /* outgoing numbers that can be traced back to their packets */
#define SFU_REWRITE_AUDIO  128
#define SFU_SSRCS_MAX      128  /* SSRCs learnt of one publisher: 20 simulcast tracks with RTX are 120 */
#define SFU_RING_SIZE      4096 /* packets between two workers: 10 ms of 400,000 a second */
#define SFU_CANDIDATES_MAX 32   /* addresses told to a client: more cost it time, not reachability */
#define SFU_STORED_COUNT   32   /* packets kept encrypted for NACK without RTX: 640 ms of audio */
#define SFU_STORED_SIZE                                                                                      \
    512 /* bytes of such a packet: an Opus frame of 160 kbit/s, or three of speech as RED */
#define SFU_KEY_FRAME_US 500000 /* a source is asked for a key frame at most this often */
#define KEY_CACHE_AGE_US                                                                                     \
    1000000                    /* a receiver begins with a key frame so old: it decodes 30 pictures at once */
#define KEY_CACHE_PACKETS  512 /* with what followed: 1 s of 5 Mbit/s */
#define KEY_CACHE_BYTES    (640 * 1024)
#define KEY_CACHE_AGAIN    2       /* times that a receiver is sent again what came before it was ready */
#define KEY_CACHE_AGAIN_US 2000000 /* it was not ready if it asks so soon */
#define IMAGE_PAST_TICKS   5       /* for what came before to reach another worker: else it is left out */
#define KEY_CACHE_PACE_US                                                                                    \
    300000 /* and it is on its way in this time: no later than an asked one would be seen */
#define SFU_LAYER_SILENT_US 1500000 /* a layer is gone when others came this long without it */
#define SFU_PACKET_OVERHEAD                                                                                  \
    40 /* bytes of a packet beside header and payload, about: extensions, SRTP, UDP, IP */
#define SFU_ESTIMATE_START_BPS                                                                               \
    2500000 /* of a path not known yet: what most carry, a 720p camera. Too low costs every joiner another   \
             * key frame, too high those on slow paths a second */
#define SFU_ESTIMATE_WAIT_US 1000000 /* for the first feedback, after the first packet */
#define SFU_SENT_US          100000  /* what was sent is told to the estimator at least this often */
#define SFU_PADDING_BYTES    255    /* of a packet of padding (RFC 3550, section 5.1: one byte counts them) */
#define SFU_PROBE_PACKETS    64     /* repeated or padded of one turn: a batch */
#define SFU_PROBE_TRIES      16     /* packets looked for in the history for one that is sent */
#define SFU_TICK_US          100000 /* layers, key frame requests and levels are looked at this often */
#define SFU_REPORT_US        1000000 /* receiver and sender reports */
#define SFU_QUALITY_US       5000000 /* quality of a peer, told to control */
#define SFU_EVENTS_BATCH     256     /* told to control with one wake-up; more are a second message */
#define SFU_RTX_PER_RTT      1 /* a packet is sent again so often in a round trip: who asks sooner asks twice */
#define SFU_RTX_TIMES_MAX    10    /* and so often at all: receivers stop asking after as many */
#define SFU_RTX_RTT_US       50000 /* the round trip until it is known */
#define SFU_RTX_AGAIN_US     5000  /* nor sooner than this, on whatever path */
#define SFU_RTX_SHARE        3 /* of what is sent to a peer a third may be repetitions: 30 % loss is mended */
#define SFU_RTX_KEY_PACKETS                                                                                  \
    64 /* numbers that a layer began with are sent again once whatever the budget: a key frame */
#define SFU_RTX_BYTES  64000    /* a second, of a peer that is sent next to nothing: a key frame */
#define SFU_NACKED_MAX 10000    /* numbers of one peer looked at in a second: 0.5 ms of work */
#define SFU_RTT_MAX_US 10000000 /* what looks longer is a broken report */
#define SFU_HANDSHAKE_US                                                                                     \
    1000 /* spent on handshakes between two looks at the socket: two or three flights                        \
          */
#define SFU_HANDSHAKES_MAX      512 /* datagrams of them that wait: half a second of work */
#define SFU_HANDSHAKES_PEER_MAX 16  /* of one peer: a flight is cut into four at most, and may be repeated */
#define SFU_DISCOVER_US                                                                                      \
    3000000 /* a start waits this long for the STUN server: three of its requests, and a name */
#define SFU_RECV_MAX                                                                                         \
    (4 * UDP_BATCH_MAX)         /* datagrams read from a socket before what they bring is sent on            \
                                 */
#define FEEDBACK_GATHER_US 4000 /* reports that come closer together than this wait for one another */

/* ---- the few voices of a large room (audio_top_n) ---- */
#define SFU_SLOTS_MAX    16     /* voices forwarded at once: who could tell more apart? */
#define STAGE_VOICES_MAX 128    /* candidates of a room: twice its slots from each of some workers */
#define STAGE_AUDIBLE    45     /* -dBov: fainter is the noise of a room */
#define STAGE_REPORT_US  20000  /* the loudest of a worker are reported this often, a packet's time */
#define STAGE_PREROLL_US 200000 /* of a voice that gets a slot is forwarded what it said this long before */
#define STAGE_GAP_US     200000 /* silence between two bursts of speech: longer than between syllables */
#define STAGE_ONSET_MS                                                                                       \
    40 /* audible so long, it is no click; with a report's time, far inside the pre-roll                     \
        */
#define STAGE_PAUSE_US     500000  /* a speaker silent this long gives way to any other */
#define STAGE_QUIET_US     1500000 /* and this long, to nobody: no packets then */
#define STAGE_HOLD_US      2000000 /* one who speaks on keeps the slot this long, however loud others are */
#define STAGE_LOUDER_DB    6       /* then who is twice as loud may take it */
#define STAGE_CHALLENGE_MS 120     /* after speaking this long, inside the pre-roll; a cough is shorter */
/* ---- allocation of bandwidth ---- */
#define SFU_ALLOCATE_US       200000  /* a subscriber that is short of it is looked at this often */
#define SFU_ALLOCATE_REST_US  1000000 /* and one that has all it wants: rates of layers drift */
#define SFU_ALLOCATE_SLICE_US 500     /* a round spends so much on it: half a millisecond that media wait */
#define SFU_ALLOCATE_NEXT_US  2000    /* and goes on with the rest this much later */
#define SFU_ALLOCATED_US      2000000 /* rates are told to control at most this often */

/* ---- control, api, start and stop ---- */
#define HUB_ADDRESSES_US 10000000 /* interfaces are looked at this often: VPNs and DHCP change them */
#define API_BODY_MAX     4096 /* bytes of a request body: a name of 64 characters, and room for new members */
#define API_NAME_CHARS   64   /* characters of a participant's or room's name: what a tile shows */
#define API_HOST_MAX     259  /* bytes of a Host field: a DNS name of 253, a port */
#define STOP_GRACE_MS    1000 /* goodbyes may take this long to reach slow clients */

#endif
