/* What the files of api/ share among themselves. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include <jansson.h>
#include "api/api.h"

struct api {
    struct api_config config;
    int64_t started_us;
};

/* ---- answer.c ---- */

/* Answers with the JSON, whose reference is taken over; NULL (no memory) becomes a 500. */
void api_answer(struct http_request *req, int status, json_t *json);

void api_no_memory(struct http_request *req);

/* The request's body as an object, the caller's to json_decref; an empty body is an empty object. NULL: the
 * request was answered with what is wrong. */
json_t *api_body(struct http_request *req);

/* ---- rooms.c ---- */
int rooms_routes(struct api *a); /* 0 or -errno */

/* ---- server.c ---- */
int server_routes(struct api *a); /* 0 or -errno */

/* ---- why.c ---- */
int why_routes(struct api *a); /* 0 or -errno */

#endif
