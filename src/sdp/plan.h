/* Which outgoing track sits in which section of a peer connection, over all its negotiations.
 *
 * Sections never go away and never change place. A section that lost its track goes through one description
 * without it before it carries another one, so that the client sees the old track end (two tracks with one
 * stream id would otherwise look like one).
 *
 *           bind                 sdp_plan_unbind               sdp_plan_commit
 *   IDLE ----------> BOUND ----------------------> RETIRING -------------------> IDLE
 *
 * In a client's offer it is inactive meanwhile and keeps its mid. In our own offers it is at port 0, and the
 * next track in its place has another mid (RFC 8829, section 5.2.2): a browser names the track that it
 * receives once for the life of a section, and clients of our offers go by that name. The first section is
 * not stopped, because the BUNDLE group goes by it: it should be the data section.
 *
 * Two ways to use it:
 *  - the server offers: sdp_plan_bind with grow, sdp_plan_offer, and sdp_plan_commit when the answer came;
 *  - the client offers: sdp_plan_adopt(offer), bind what waits, decide (tracks from sdp_plan_track),
 *    sdp_answer, sdp_plan_commit. What finds no section tells how many more the client must offer.
 * One thread; embedded; no I/O. */
#ifndef SDP_PLAN_H
#define SDP_PLAN_H

#include "sdp/negotiate.h"

enum sdp_plan_state {
    SDP_PLAN_IDLE,     /* free for a track of its kind */
    SDP_PLAN_BOUND,    /* carries a track */
    SDP_PLAN_RETIRING, /* lost its track; without one in the next description */
    SDP_PLAN_TAKEN,    /* not for outgoing tracks: data, a publisher's section, rejected */
    SDP_PLAN_SPENT,    /* the first section of our offers had its track: inactive from now on */
};

struct sdp_plan_section {
    enum sdp_kind kind;
    enum sdp_plan_state state;
    bool signalled; /* RETIRING: the description under way shows it without a track */
    bool stopped;   /* RETIRING, IDLE: at port 0 in our offers, the next track brings a mid of its own */
    char mid[SDP_MID_MAX + 1];
    struct sdp_track track; /* BOUND: own copies of all strings */
    uint64_t key;           /* BOUND: the caller's name for the track */
};

struct sdp_plan {
    struct sdp_plan_section *sections;
    unsigned n, cap;
    unsigned next_mid; /* number of our next section */
    bool offers;       /* the offers are ours */
};

void sdp_plan_init(struct sdp_plan *p);
void sdp_plan_done(struct sdp_plan *p);

/* Binds a track to an idle section of its kind, or to a new one if grow. Strings are copied; track->mid is
 * not looked at. key is the caller's, not 0. The index of the section (>= 0); -ENOSPC if none is free and
 * none may be added (not grow, or SDP_MEDIA_MAX); -EEXIST if the key is bound; -EINVAL; -ENOMEM. */
int sdp_plan_bind(
    struct sdp_plan *p, enum sdp_kind kind, const struct sdp_track *track, uint64_t key, bool grow);

/* Takes the track out; its section can be used again after the next commit. -ENOENT if it is not bound. */
int sdp_plan_unbind(struct sdp_plan *p, uint64_t key);

/* The index of the section of a key; -ENOENT. */
int sdp_plan_find(const struct sdp_plan *p, uint64_t key);

/* The track of section i to signal now, or NULL. */
const struct sdp_track *sdp_plan_track(const struct sdp_plan *p, unsigned i);

/* How many sections of this kind are idle. */
unsigned sdp_plan_free(const struct sdp_plan *p, enum sdp_kind kind);

/* Appends a data section if there is none. Its index, -ENOSPC or -ENOMEM. */
int sdp_plan_add_data(struct sdp_plan *p);

/* The client has section i of our offer at port 0. If that was not our wish, it is never used again, and
 * later offers have it at port 0; a track in it loses its section. */
void sdp_plan_drop(struct sdp_plan *p, unsigned i);

/* Takes over the sections of a client's offer: new ones are added, IDLE if the client only receives there and
 * TAKEN otherwise; one that changed sides changes state, and a bound one on which the client no longer
 * receives loses its track (its key is gone: see sdp_plan_find). The answer under way is taken to show every
 * retiring section as inactive. 0; -EINVAL with a reason in err, and nothing changed, if sections vanished or
 * have no mid, or a bound one has another mid or kind; -ENOMEM. */
int sdp_plan_adopt(struct sdp_plan *p, const struct sdp_session *offer, char *err, size_t err_size);

/* Our offer of all sections (sdp_offer), in which every retiring one is stopped, the first one inactive. */
int sdp_plan_offer(struct sdp_plan *p, const struct sdp_local *local, struct sdp_session **ret);

/* The negotiation is complete: our answer was sent, or the client's was accepted. Retiring sections that it
 * showed without a track become idle. */
void sdp_plan_commit(struct sdp_plan *p);

#endif
