/* What the files of whip/ share among themselves. */
#ifndef WHIP_INTERNAL_H
#define WHIP_INTERNAL_H

#include "auth/token.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/strbuf.h"
#include "base/table.h"
#include "sdp/sdp.h"
#include "whip/whip.h"

#define WHIP_ID_LEN                                                                                          \
    24 /* characters of a session's name: 140 bits, it is all that DELETE and PATCH need to know */

struct whip {
    struct whip_config config;
    struct auth_keys keys;
    struct whip_session *sessions; /* hash by id */
};

struct whip_session {
    UT_hash_handle hh;
    struct whip *whip;
    char id[WHIP_ID_LEN + 1];
    unsigned etag;         /* number of the ICE session: grows with each restart */
    bool viewer;           /* WHEP */
    struct participant *p; /* NULL: it left */
    char *room;            /* owned */
    char *offer;           /* the newest offer, owned: an ICE restart is the same with other credentials */
    char *answer;          /* owned; NULL until made */
};

extern const struct participant_ops whip_session_ops;

/* ---- session.c ---- */
struct whip_session *whip_session_new(struct whip *w, const char *room, bool viewer);
void whip_session_free(struct whip_session *s);
struct whip_session *whip_session_find(struct whip *w, const char *id);
/* Gives the offer to the room; s->answer is set on success. 0, -EINVAL with the reason in why. */
int whip_session_offer(struct whip_session *s, const char *sdp, size_t len, char *why, size_t size);

/* ---- publish.c ---- */
/* Announces a track for each section that sends. The number of them. */
unsigned publish_announce(struct whip_session *s, const struct sdp_session *offer);
/* Chooses what a viewer receives: of identity, or (NULL) of the first who publishes. -ENOENT: nobody does. */
int view_subscribe(struct whip_session *s, const char *identity);

/* ---- problem.c ---- */
/* Answers with application/problem+json (RFC 9457). */
void problem(struct http_request *req, int status, const char *title, const char *detail);

/* ---- routes.c ---- */
int whip_routes(struct whip *w);

#endif
