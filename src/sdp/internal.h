/* Inside sdp/ only: the arena behind a description, spans of text, the parser's state. */
#ifndef SDP_INTERNAL_H
#define SDP_INTERNAL_H

#include <string.h>

#include "base/cursor.h"
#include "sdp/sdp.h"

/* ---- arena: memory that dies at once. NULL after a failure; sticky in failed. ---- */

struct sdp_arena *sdp_arena_new(void);
void sdp_arena_free(struct sdp_arena *a);
bool sdp_arena_failed(const struct sdp_arena *a);
/* size zeroed bytes, aligned for any struct of sdp.h. */
void *sdp_arena_alloc(struct sdp_arena *a, size_t size);
/* Zero-terminated copies. text may be NULL: NULL. */
const char *sdp_arena_textn(struct sdp_arena *a, const char *text, size_t len);
const char *sdp_arena_text(struct sdp_arena *a, const char *text);
const char *sdp_arena_textf(struct sdp_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An array of n items of item_size with room for one more: the same one, or a larger copy. */
void *sdp_arena_grow(struct sdp_arena *a, void *array, unsigned n, size_t item_size);

/* Appends a zeroed item to array (a pointer that only this grows) and yields its address, or NULL. */
#define sdp_push(arena, array, n)                                                                            \
    ({                                                                                                       \
        typeof(array) grown_ = sdp_arena_grow((arena), (array), (n), sizeof *(array));                       \
        if (grown_)                                                                                          \
            (array) = grown_;                                                                                \
        grown_ ? &(array)[(n)++] : NULL;                                                                     \
    })

/* A description without sections; NULL without memory. */
struct sdp_session *sdp_session_new(void);

/* ---- spans: pieces of text that are not zero-terminated ---- */

struct sdp_span {
    const char *p;
    size_t len;
};

/* Up to sep, which is skipped, or everything that is left. */
struct sdp_span sdp_span_until(struct cursor *c, char sep);
/* The next word between spaces; len 0: none is left. */
struct sdp_span sdp_span_word(struct cursor *c);
struct sdp_span sdp_span_rest(struct cursor *c);
bool sdp_span_is(struct sdp_span s, const char *text);
bool sdp_span_is_nocase(struct sdp_span s, const char *text);
/* A decimal number of at most max, digits only. */
bool sdp_span_number(struct sdp_span s, uint64_t max, uint64_t *ret);
/* Only characters of an RFC 8866 token? False if empty. */
bool sdp_span_is_token(struct sdp_span s);
/* Only visible ASCII (no space)? False if empty. */
bool sdp_span_is_graphic(struct sdp_span s);
/* Copies into out (size bytes with the zero); false if it does not fit. */
bool sdp_span_copy(struct sdp_span s, char *out, size_t size);

/* ---- parser ---- */

struct sdp_parser {
    struct sdp_session *s;
    struct sdp_arena *a;
    struct sdp_media *m; /* the section that is read; NULL before the first */
    bool fragment;       /* RFC 8840: no session lines needed */
    bool seen_origin;
    enum sdp_dir session_dir;
    bool seen_dir; /* this section has a direction of its own */
    bool seen_sctp_port;
    uint8_t wild_fb; /* rtcp-fb:* of this section */
    unsigned n_candidates;
    unsigned line;               /* of the text, from 1 */
    unsigned bundle_line;        /* of the first BUNDLE group */
    unsigned mid_line;           /* of this section's mid */
    struct sdp_candidate *early; /* fragment: candidates before the first section */
    unsigned n_early;
    bool early_end;
    char *err;
    size_t err_size;
};

/* Reads everything into p->s, which is the caller's to free whatever comes back. Errors as in sdp_parse. */
int sdp_parser_run(struct sdp_parser *p, const char *text, size_t len);

/* Writes "line N: why" and returns -EINVAL. */
int sdp_parser_fail(struct sdp_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A copy of the text that belongs to the description; NULL, with the error in *rc (which is 0 otherwise), if
 * it is empty, longer than max bytes or there is no memory. what: its name in the reason. */
const char *sdp_parser_keep(
    struct sdp_parser *p, struct sdp_span text, size_t max, const char *what, int *rc);

/* One attribute: its name, and what reads the value behind the colon. Handlers look at p->m (NULL: session
 * level) and return 0 (also for what does not belong there), -EINVAL or -ENOMEM. */
struct sdp_attribute {
    const char *name;
    int (*fn)(struct sdp_parser *p, struct cursor value);
};

/* Ended by a row without name. */
extern const struct sdp_attribute sdp_attributes_rtp[];
extern const struct sdp_attribute sdp_attributes_transport[];

/* "candidate:" is read. Errors as in sdp_candidate_parse. */
int sdp_candidate_value(struct sdp_span text, struct sdp_candidate *ret);

/* The first BUNDLE group, or NULL. */
const struct sdp_group *sdp_bundle(const struct sdp_session *s);
/* The DTLS role of the section whose transport values count. */
enum sdp_setup sdp_setup_of(const struct sdp_session *s);
/* Reduced-size RTCP? A bundled section without rtcp-mux leaves both to the first section of its bundle, as
 * RFC 8829, section 5.2.1 wants it of attributes that must be the same everywhere. */
bool sdp_media_rsize(const struct sdp_session *s, const struct sdp_media *m);
bool sdp_group_has(const struct sdp_group *g, const char *mid);

/* Writes a reason without a line number and returns -EINVAL. */
int sdp_refuse(char *err, size_t err_size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
