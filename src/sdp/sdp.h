/* Session descriptions (RFC 8866, RFC 8829): text to structs and back, fragments (RFC 8840) and candidates
 * (RFC 8839). Pure functions without state: any thread, a description belongs to one thread at a time.
 *
 * A description is one heap object: every pointer inside belongs to it and dies with sdp_free. Strings are
 * zero-terminated; NULL means that the line was absent. What the server has no field for is read over and
 * not printed, so sdp_print(sdp_parse(x)) is a fixpoint, not x. */
#ifndef SDP_SDP_H
#define SDP_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/strbuf.h"
#include "sdp/codec.h"

enum sdp_dir {
    SDP_INACTIVE = 0,
    SDP_SENDONLY = 1,
    SDP_RECVONLY = 2,
    SDP_SENDRECV = 3, /* the two bits; also what an absent attribute means */
};

enum sdp_setup {
    SDP_SETUP_NONE,
    SDP_SETUP_ACTPASS,
    SDP_SETUP_ACTIVE,
    SDP_SETUP_PASSIVE,
    SDP_SETUP_HOLDCONN,
};

struct sdp_fingerprint {
    const char *hash;  /* "sha-256", lower case */
    const char *value; /* "AB:CD:...", upper case */
};

struct sdp_codec {
    uint8_t pt; /* 0-127 */
    enum sdp_codec_id id;
    const char *name; /* as written; never NULL ("" where there is no rtpmap and no static assignment) */
    uint32_t clock_hz;
    uint8_t channels; /* 1 where not written */
    const char *fmtp; /* "minptime=10;useinbandfec=1"; NULL if absent */
    uint8_t fb;       /* SDP_FB_*, those of the wildcard "*" included */
    int apt;          /* RTX: the payload type that it repeats; -1 otherwise */
};

struct sdp_extmap {
    uint16_t id;      /* 1-14, 16-255 */
    enum sdp_dir dir; /* SDP_SENDRECV where not written */
    enum sdp_ext ext; /* SDP_EXT_COUNT: not one of ours */
    const char *uri;
};

struct sdp_rid {
    const char *id;
    enum sdp_dir dir;         /* SDP_SENDONLY "send" or SDP_RECVONLY "recv" */
    const char *restrictions; /* "pt=96;max-width=1280"; NULL if absent */
};

/* One stream of a=simulcast: its alternatives in order of preference (RFC 8853, section 5.1). */
struct sdp_simulcast_alt {
    const char *rid;
    bool paused; /* "~" */
};

struct sdp_simulcast_stream {
    struct sdp_simulcast_alt *alts;
    unsigned n_alts; /* at least 1 */
};

struct sdp_simulcast {
    struct sdp_simulcast_stream *streams;
    unsigned n; /* 0: no list */
};

struct sdp_ssrc {
    uint32_t ssrc;
    const char *cname;
    const char *msid_stream; /* of a=ssrc:N msid:stream track */
    const char *msid_track;
};

struct sdp_ssrc_group {
    const char *semantics; /* "FID", "SIM", ... */
    uint32_t *ssrcs;
    unsigned n;
};

enum sdp_cand_type { SDP_CAND_HOST, SDP_CAND_SRFLX, SDP_CAND_PRFLX, SDP_CAND_RELAY };
enum sdp_tcptype { SDP_TCP_NONE, SDP_TCP_ACTIVE, SDP_TCP_PASSIVE, SDP_TCP_SO };

/* A candidate holds its own text: it also lives outside of descriptions. */
struct sdp_candidate {
    char foundation[33];
    uint16_t component; /* 1-256 */
    bool tcp;
    uint32_t priority;
    char address[SDP_ADDRESS_MAX + 1]; /* an IP literal or a name ("....local"), not resolved */
    uint16_t port;
    enum sdp_cand_type type;
    enum sdp_tcptype tcptype;        /* SDP_TCP_NONE exactly where tcp is false */
    char raddr[SDP_ADDRESS_MAX + 1]; /* "" if absent */
    uint16_t rport;
    char ufrag[ICE_UFRAG_MAX + 1]; /* the "ufrag" extension of trickled candidates; "" if absent */
};

/* What may stand at session level or in a section: a section's own value wins. */
struct sdp_ice {
    const char *ufrag, *pwd; /* both or none */
    const char *options;     /* "trickle ice2"; NULL if absent */
};

struct sdp_media {
    enum sdp_kind kind;
    const char *kind_text; /* "audio", "video", "application", ... */
    uint16_t port;         /* 0: rejected, unless bundle_only */
    bool bundle_only;      /* RFC 9143, section 6: port 0 although it is wanted */
    const char *proto;     /* "UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP", ... */
    const char *formats;   /* the words after proto where they are no payload types ("webrtc-datachannel") */
    const char *mid;       /* NULL if absent */
    enum sdp_dir dir;
    struct sdp_codec *codecs; /* in the order of the m-line; each payload type once */
    unsigned n_codecs;
    struct sdp_extmap *extmap; /* each id once */
    unsigned n_extmap;
    bool extmap_allow_mixed;
    struct sdp_rid *rids;
    unsigned n_rids;
    struct sdp_simulcast simulcast_send, simulcast_recv;
    struct sdp_ssrc *ssrcs;
    unsigned n_ssrcs;
    struct sdp_ssrc_group *ssrc_groups;
    unsigned n_ssrc_groups;
    const char *msid_stream; /* "-" is no stream; NULL if there was no a=msid */
    const char *msid_track;  /* NULL where a=msid has one word (RFC 8829, section 5.2.1) */
    bool rtcp_mux, rtcp_rsize;
    struct sdp_ice ice;
    struct sdp_fingerprint *fingerprints;
    unsigned n_fingerprints;
    enum sdp_setup setup;
    struct sdp_candidate *candidates;
    unsigned n_candidates;
    bool end_of_candidates;
    uint16_t
        sctp_port; /* also read from the older a=sctpmap; 5000 if absent, 0 if closed or no data section */
    bool has_max_message_size;
    uint64_t max_message_size; /* bytes; 0 written means no limit (RFC 8841, section 6.1) */
    uint32_t as_kbps;          /* b=AS; 0 if absent */
    uint32_t tias_bps;         /* b=TIAS; 0 if absent */
};

struct sdp_group {
    const char *semantics; /* "BUNDLE", "LS", ... */
    const char **mids;
    unsigned n;
};

struct sdp_arena;

struct sdp_session {
    const char *origin_user; /* "-"; Firefox tells its name here */
    uint64_t origin_id, origin_version;
    bool ice_lite;
    bool extmap_allow_mixed;
    struct sdp_group *groups;
    unsigned n_groups;
    const char *msid_semantic; /* "WMS *", without leading space; NULL if absent */
    struct sdp_ice ice;
    struct sdp_fingerprint *fingerprints;
    unsigned n_fingerprints;
    enum sdp_setup setup;
    struct sdp_media *media;
    unsigned n_media;
    struct sdp_arena *arena; /* owns everything above */
};

/* The transport that a bundled description asks for: the values of its first section that is not rejected. */
struct sdp_transport {
    const char *ufrag, *pwd, *options;
    const struct sdp_fingerprint *fingerprints;
    unsigned n_fingerprints;
    enum sdp_setup setup;
    bool ice_lite;
};

/* Reads len bytes (at most SDP_SIZE_MAX; lines end in CR LF or LF; no terminating zero needed).
 * 0 and *ret, which the caller frees with sdp_free; -EINVAL with "line 12: why" in err (may be NULL);
 * -ENOMEM. */
int sdp_parse(const char *text, size_t len, struct sdp_session **ret, char *err, size_t err_size);

/* Frees a description; NULL is fine. */
void sdp_free(struct sdp_session *s);

/* Appends the description to out; lines end in CR LF. Errors are the strbuf's. */
void sdp_print(const struct sdp_session *s, struct strbuf *out);

/* The section with this mid, or NULL. */
const struct sdp_media *sdp_media_find(const struct sdp_session *s, const char *mid);

/* Is the section refused by its sender (port 0 without bundle-only)? */
bool sdp_media_rejected(const struct sdp_media *m);

/* The codec of a payload type, or NULL. */
const struct sdp_codec *sdp_media_codec(const struct sdp_media *m, unsigned pt);

/* Is the mid in a group with these semantics ("BUNDLE")? */
bool sdp_in_group(const struct sdp_session *s, const char *semantics, const char *mid);

/* The transport of a description; pointers live as long as s. 0; -EINVAL with a reason in err if there are
 * no ICE credentials or there is no fingerprint. */
int sdp_transport_of(const struct sdp_session *s, struct sdp_transport *ret, char *err, size_t err_size);

/* What a direction looks like from the other side. */
enum sdp_dir sdp_dir_reverse(enum sdp_dir dir);

/* Reads one candidate: "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host", with or without "a=" in
 * front, as it stands in descriptions and in trickle messages. 0; -EINVAL (also for over-long fields);
 * -EPROTONOSUPPORT for a transport or type that nobody here can use (skip those). An empty string (end of
 * candidates) is for the caller to see. */
int sdp_candidate_parse(const char *text, size_t len, struct sdp_candidate *ret);

/* Appends "candidate:..." without "a=" and line end. */
void sdp_candidate_print(const struct sdp_candidate *c, struct strbuf *out);

/* A fragment for trickle ICE over HTTP (RFC 8840, section 9; RFC 9725): ICE values, and candidates under
 * pseudo m-lines with a=mid. Read with sdpfrag_parse it is a session of which only ice, ice_lite, groups,
 * setup, fingerprints and, a section each, kind, mid, ice, candidates and end_of_candidates are filled;
 * session-level candidates are put into the first section. Printed likewise. Errors as in sdp_parse. */
int sdpfrag_parse(const char *text, size_t len, struct sdp_session **ret, char *err, size_t err_size);
void sdpfrag_print(const struct sdp_session *s, struct strbuf *out);

#endif
