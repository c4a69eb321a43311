/* Grants as the claims of a token. */
#ifndef AUTH_CLAIMS_H
#define AUTH_CLAIMS_H

#include <jansson.h>
#include "auth/grants.h"

/* Fills initialised grants from the claims, the times apart. 0, -EBADMSG for a claim of a wrong type,
 * -ENOMEM; the grants are to be done in any case. */
int auth_claims_read(const json_t *claims, struct auth_grants *g);

/* The claims of grants, the issuer and times apart; a new reference. -EINVAL for a room_config that is no
 * JSON object or a text that is not UTF-8, -ENOMEM. */
int auth_claims_write(const struct auth_grants *g, json_t **ret);

#endif
