/* Access tokens: JSON Web Tokens signed with HS256 by the secret of an API key (RFC 7519, RFC 7515). */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include <stddef.h>
#include <stdint.h>
#include "auth/grants.h"
#include "config/config.h"

/* The keys that may sign. A view of the configuration; keys with an empty secret sign nothing. */
struct auth_keys {
    const struct config_key *at;
    size_t count;
};

/* The key of that name, or NULL. */
const struct config_key *auth_key_find(const struct auth_keys *keys, const char *name);

/* The token of an Authorization header ("Bearer ..."), pointing into it; -EACCES and a static text otherwise.
 */
int auth_bearer(const char *header, const char **ret_token, const char **ret_text);

/* Checks a token at the wall time now_s (seconds since 1970, 60 s of leeway) and gives what it grants; *ret
 * is the caller's to auth_grants_done. Refused: longer than AUTH_TOKEN_MAX, not HS256 exactly, a `crit`
 * header, no known key in `iss`, a wrong signature, no `exp` or one that has passed, `nbf` or `iat` ahead,
 * claims of a wrong type. On failure *ret_text is a static text for the client (HTTP 401) and the result
 * -EACCES, or -ENOMEM. Any thread. */
int auth_verify(const struct auth_keys *keys, const char *token, int64_t now_s, struct auth_grants *ret,
    const char **ret_text);

/* May the bearer join a room? 0; or -EACCES (HTTP 401: no `video` claim, no roomJoin), -EINVAL (HTTP 400: no
 * identity, no room), each with a static text. Lengths are not checked. */
int auth_check_join(const struct auth_grants *g, const char **ret_text);

/* Makes a token for grants that holds from now_s for ttl_s seconds. *ret is the caller's to free. -EINVAL
 * when the key has no secret or room_config is no JSON object, -EMSGSIZE when the token would pass
 * AUTH_TOKEN_MAX (metadata is what grows), or -ENOMEM. */
int auth_sign(
    const struct config_key *key, const struct auth_grants *g, int64_t now_s, int64_t ttl_s, char **ret);

#endif
