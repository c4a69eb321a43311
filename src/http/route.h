/* The table of routes: built before the server starts, read by its threads afterwards. */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "base/limits.h"
#include "base/list.h"
#include "http/http.h"

struct route_segment {
    char *text; /* literal, or the name of what it matches */
    bool name;  /* {text} */
    bool rest;  /* {text*} */
};

struct route {
    struct list link;
    struct http_route public; /* method and pattern are the table's own copies */
    struct route_segment *segments;
    size_t segment_count;
};

struct route_param {
    const char *name; /* the route's */
    char *value;      /* decoded; owned by the match */
};

/* What a request was found to be. */
struct route_match {
    const struct route *route; /* NULL: no route, see path_known */
    bool path_known;           /* some route has the path, with another method */
    size_t param_count;
    struct route_param params[HTTP_PARAMS_MAX];
};

struct route_table {
    struct list routes; /* struct route, in the order they were added */
    char **reserved;    /* first segments that belong to routes or were reserved */
    size_t reserved_count;
};

void route_table_init(struct route_table *t);
void route_table_done(struct route_table *t);
int route_table_add(struct route_table *t, const struct http_route *route); /* 0, -EINVAL, -ENOMEM */
int route_table_reserve(struct route_table *t, const char *name, size_t len);

/* Does the path's first segment belong to routes? path: raw, of http_target_split. */
bool route_table_reserved(const struct route_table *t, const char *path, size_t len);

/* Finds the route of method and raw path; HEAD falls back to GET. 0 (also when there is none), -EINVAL for an
 * escape that cannot be decoded, -ENOMEM. On 0 the match is the caller's to release with route_match_done. */
int route_table_match(
    const struct route_table *t, const char *method, const char *path, size_t len, struct route_match *ret);
void route_match_done(struct route_match *m);

/* Writes "GET, HEAD, OPTIONS": the methods that routes have for the path. out: size bytes, cut if need be. */
void route_table_allow(const struct route_table *t, const char *path, size_t len, char *out, size_t size);

#endif
