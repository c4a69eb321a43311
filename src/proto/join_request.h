/* The join_request query parameter of a connecting client. */
#ifndef PROTO_JOIN_REQUEST_H
#define PROTO_JOIN_REQUEST_H

#include "proto/signal.pb-c.h"

/* Decodes the parameter's value (already percent-decoded; NULL if it was not given): base64 of a
 * WrappedJoinRequest, URL-safe or standard, padded or not, whose JoinRequest is plain or gzipped, at most
 * PROTO_JOIN_REQUEST_MAX bytes. On success 0; *ret is the caller's to proto_free(&(*ret)->base). On failure
 * *ret_text is a static text for the client and the result is -EINVAL (the client's fault: HTTP 400) or
 * -ENOMEM. Any thread. */
int proto_join_request_decode(const char *value, Livekit__JoinRequest **ret, const char **ret_text);

#endif
