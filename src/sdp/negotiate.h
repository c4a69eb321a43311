/* Offer and answer (RFC 8829, RFC 9143, RFC 8853, RFC 5763) as pure functions: descriptions and decisions in,
 * descriptions and results out. No state, no clock, no randomness: SSRCs, credentials and identifiers are
 * the caller's. Any thread.
 *
 * The client's offer:  sdp_parse -> look at the sections, decide -> sdp_answer -> sdp_print, and
 *                      sdp_result_new(offer, answer, true) for what was agreed.
 * The server's offer:  sdp_offer -> sdp_print; the client's answer: sdp_parse ->
 *                      sdp_result_new(offer, answer, false).
 * Which track goes into which section, and when a section may be used again, is kept by plan.h. */
#ifndef SDP_NEGOTIATE_H
#define SDP_NEGOTIATE_H

#include "sdp/sdp.h"

/* What the server can do with one kind of medium in one direction. */
struct sdp_caps_rtp {
    uint32_t codecs; /* SDP_CODEC_BITs; RTX included */
    uint32_t exts;   /* SDP_EXT_BITs; a section is answered with those of both directions, see answer.c */
    uint8_t fb;      /* SDP_FB_* */
};

struct sdp_caps {
    struct sdp_caps_rtp receive[2]; /* [SDP_KIND_AUDIO], [SDP_KIND_VIDEO]: from a publisher */
    struct sdp_caps_rtp send[2];    /* to a subscriber */
    uint8_t h264_level;             /* highest level_idc to ask for where levels may differ */
};

/* Opus, RED, PCMU, PCMA; VP8, VP9, H.264, AV1; RTX. Feedback: NACK, PLI, FIR, transport-cc. */
extern const struct sdp_caps sdp_caps_default;

/* The server's end of a transport. Strings are borrowed for the call. */
struct sdp_local {
    uint64_t origin_id, origin_version; /* the id stays, the version grows by one with every description */
    const char *ufrag, *pwd;
    const char *fingerprint; /* SHA-256 of our certificate: "AB:CD:..." */
    bool ice_lite;
    bool trickle; /* a=ice-options:trickle: we take the client's candidates later */
    const struct sdp_candidate *candidates;
    unsigned n_candidates;
    bool end_of_candidates;
    uint64_t max_message_size;   /* bytes of one data channel message; 0: SDP_MESSAGE_SIZE */
    const struct sdp_caps *caps; /* NULL: sdp_caps_default */
};

/* One outgoing track, bound to one section. */
struct sdp_track {
    const char *mid;    /* its section; sdp_answer and sdp_offer go by position and do not look at it */
    const char *stream; /* msid, first word: "PA_...|camera" */
    const char *track;  /* msid, second word: "TR_..." */
    const char *cname;
    uint32_t ssrc;
    uint32_t rtx_ssrc;       /* signalled only where RTX is agreed; 0: never */
    enum sdp_codec_id codec; /* listed first */
    uint32_t codecs;  /* SDP_CODEC_BITs of what else may be listed after it (Opus after RED); 0: nothing */
    const char *fmtp; /* the publisher's format parameters, to find the same profile; NULL: any */
    bool stereo;      /* Opus: sprop-stereo=1 */
};

/* What becomes of one section of an offer. All zero: inactive. */
struct sdp_decision {
    bool reject;                   /* port 0 (a kind we do not know is always rejected) */
    bool receive;                  /* take what the client sends; without effect where it does not send */
    const struct sdp_track *track; /* what we send; without effect where the client does not receive */
    uint32_t codecs;               /* receive: SDP_CODEC_BITs allowed; 0: all of the capabilities */
    enum sdp_codec_id prefer;      /* receive: listed first if offered; SDP_CODEC_OTHER: the client's order */
    bool only;        /* receive: nothing but prefer, if it is offered (and its RTX; Opus with RED) */
    bool opus_dtx;    /* receive: usedtx=1 */
    bool opus_stereo; /* receive: stereo=1;maxaveragebitrate=510000; without it stereo is struck */
};

/* One agreed payload type. */
struct sdp_bound_codec {
    uint8_t pt;
    int rtx_pt; /* -1: none */
    enum sdp_codec_id id;
    uint32_t clock_hz;
    uint8_t channels;
    uint8_t fb;       /* SDP_FB_* that both sides named */
    const char *fmtp; /* the client's own; NULL if it has none */
};

struct sdp_bound_rid {
    const char *id; /* in the order of a=simulcast: LiveKit's clients list the lowest layer first */
    bool paused;    /* "~" */
};

struct sdp_bound_ssrc {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* by its FID group; 0: none */
    const char *cname;
};

/* What was agreed for one m-line. */
struct sdp_section_result {
    unsigned index;
    const char *mid;
    enum sdp_kind kind;
    bool rejected;
    enum sdp_dir dir;               /* as seen from the server: SDP_RECVONLY is a publisher's section */
    struct sdp_bound_codec *codecs; /* preferred first; RTX is in rtx_pt only */
    unsigned n_codecs;
    uint8_t ext_id[SDP_EXT_COUNT]; /* 0: not agreed. What is agreed may be written; nothing must be */
    bool mixed_ext; /* one- and two-byte header extensions may be mixed (RFC 8285, section 6) */
    bool rtcp_rsize;
    struct sdp_bound_rid *rids; /* what the client sends; n_rids 0: no simulcast by rid */
    unsigned n_rids;
    struct sdp_bound_ssrc *ssrcs; /* of the client; primary ones only */
    unsigned n_ssrcs;
    bool ssrc_simulcast;     /* the ssrcs are layers of one track, lowest first (a SIM group) */
    const char *msid_stream; /* of the client; NULL if not told */
    const char *msid_track;
    uint16_t sctp_port;        /* the client's; application sections only */
    uint64_t max_message_size; /* bytes that the client takes; UINT64_MAX: any; 65536 where it did not say */
};

struct sdp_result {
    struct sdp_section_result *sections; /* one per m-line, in order */
    unsigned n_sections;
    const char *ufrag, *pwd; /* the client's */
    const char *ice_options;
    const struct sdp_fingerprint *fingerprints; /* the client's certificate; any of them may match */
    unsigned n_fingerprints;
    bool dtls_client; /* we start the DTLS handshake (setup:active is ours) */
    bool client_is_lite;
    const struct sdp_candidate *candidates; /* the client's, of all accepted sections */
    unsigned n_candidates;
    bool end_of_candidates;
    struct sdp_arena *arena;
};

/* Answers an offer. n must be offer->n_media, decisions in the order of the m-lines. The answer has the same
 * m-lines and mids, only payload types of the offer with their meaning unchanged, and no reference to the
 * offer or the arguments. A section outside of the offer's BUNDLE group is rejected (without a group: all but
 * the first that can be accepted), and so is one of whose codecs none is left. A track that the client cannot
 * take leaves its section without it.
 * 0 and *ret (sdp_free); -EINVAL with a reason in err for an offer that cannot be answered; -ENOMEM. */
int sdp_answer(const struct sdp_session *offer, const struct sdp_local *local,
    const struct sdp_decision *decisions, unsigned n, struct sdp_session **ret, char *err, size_t err_size);

/* One section of an offer of ours. */
struct sdp_offer_section {
    enum sdp_kind kind; /* audio, video or application */
    const char *mid;
    const struct sdp_track *track; /* NULL: inactive (application sections: always NULL) */
    bool rejected;                 /* port 0: the client refused it once */
};

/* Offers sections that send. setup:actpass, our own payload types (the same for a codec in every section),
 * everything bundled. 0 and *ret (sdp_free); -EINVAL for a bad argument; -ENOMEM. */
int sdp_offer(const struct sdp_local *local, const struct sdp_offer_section *sections, unsigned n,
    struct sdp_session **ret);

/* Checks an answer against its offer and extracts what both agreed. we_answered: the answer is ours and the
 * remote side is the offerer; otherwise the offer is ours (this is how a client's answer is applied).
 * The result refers to neither description. 0 and *ret (sdp_result_free); -EINVAL with a reason in err if the
 * answer does not fit the offer; -ENOMEM. */
int sdp_result_new(const struct sdp_session *offer, const struct sdp_session *answer, bool we_answered,
    struct sdp_result **ret, char *err, size_t err_size);

/* NULL is fine. */
void sdp_result_free(struct sdp_result *r);

/* The section with this mid, or NULL. */
const struct sdp_section_result *sdp_result_find(const struct sdp_result *r, const char *mid);

#endif
