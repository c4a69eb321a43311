/* libjwt 1.10 parses the tokens that come and writes ours; what it believes does not count. It takes any
 * algorithm that a token names, takes an empty secret for "do not check", looks at no time, and gives a token
 * out unchecked when there is no memory for its copy of the key. So the signature is checked here, in
 * constant time. */
#include "auth/token.h"

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "auth/claims.h"
#include "base/hash.h"
#include "base/limits.h"
#include "tls/digest.h"

#define LEEWAY_S 60                 /* clocks of those who sign tokens may be off by this much */
#define TIME_MAX 9007199254740992.0 /* 2^53: times that a double holds exactly */

#define INVALID "invalid authorization token: "
static const char out_of_memory[] = "out of memory";

static int refuse(const char *text, const char **ret_text)
{
    *ret_text = text;
    return -EACCES;
}

static int no_memory(const char **ret_text)
{
    *ret_text = out_of_memory;
    return -ENOMEM;
}

const struct config_key *auth_key_find(const struct auth_keys *keys, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < keys->count; i++)
        if (strlen(keys->at[i].key) == len && hash_equal(keys->at[i].key, name, len))
            return &keys->at[i];
    return NULL;
}

int auth_bearer(const char *header, const char **ret_token, const char **ret_text)
{
    static const char scheme[] = "Bearer ";
    if (!header || strncasecmp(header, scheme, sizeof scheme - 1))
        return refuse("invalid authorization header: must start with Bearer", ret_text);
    *ret_token = header + sizeof scheme - 1;
    return 0;
}

/* Three parts of base64url, none empty: libjwt's decoders want no more than that to trust their input. */
static bool is_well_formed(const char *token)
{
    size_t len = strnlen(token, AUTH_TOKEN_MAX + 1), part = 0, dots = 0;
    if (len > AUTH_TOKEN_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = token[i];
        if (c == '.') {
            if (part == 0)
                return false;
            part = 0;
            dots++;
        } else if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                   c == '_') {
            part++;
        } else {
            return false;
        }
    }
    return dots == 2 && part > 0;
}

/* HS256 by its exact name, and no extension that we would have to understand (RFC 7515, section 4.1.11). */
static bool header_is_ours(jwt_t *jwt)
{
    const char *alg = jwt_get_header(jwt, "alg");
    char *crit = jwt_get_headers_json(jwt, "crit");
    bool ours = alg && strcmp(alg, "HS256") == 0 && !crit;
    free(crit);
    return ours;
}

/* Is the last part of a well-formed token the HMAC-SHA-256 of the others (RFC 7515, section 5.2)? Aborts when
 * there is no memory for OpenSSL, as tls/ does. */
static bool signature_matches(const struct config_key *key, const char *token)
{
    const char *dot = strrchr(token, '.');
    uint8_t want[DIGEST_SHA256_SIZE], got[DIGEST_SHA256_SIZE];
    digest_hmac_sha256(key->secret, strlen(key->secret), token, (size_t)(dot - token), want);
    return base64url_decode(dot + 1, strlen(dot + 1), got, sizeof got) == sizeof got &&
           hash_equal(want, got, sizeof want);
}

/* Checks everything about a parsed token that does not depend on the time. */
static int check_signed(const struct auth_keys *keys, jwt_t *jwt, const char *token, const char **ret_text)
{
    if (!header_is_ours(jwt))
        return refuse(INVALID "not signed with HS256", ret_text);
    const char *issuer = jwt_get_grant(jwt, "iss");
    const struct config_key *key = issuer ? auth_key_find(keys, issuer) : NULL;
    if (!key || !*key->secret)
        return refuse("invalid API key", ret_text);
    return signature_matches(key, token) ? 0 : refuse(INVALID "the signature does not match", ret_text);
}

/* The claims of a token whose signature is good; a new reference. */
static int proven_claims(const struct auth_keys *keys, const char *token, json_t **ret, const char **ret_text)
{
    jwt_t *jwt = NULL;
    int err = jwt_decode(&jwt, token, NULL, 0);
    if (err)
        return err == ENOMEM ? no_memory(ret_text) : refuse(INVALID "malformed", ret_text);
    err = check_signed(keys, jwt, token, ret_text);
    if (!err) {
        char *text = jwt_get_grants_json(jwt, NULL);
        *ret = text ? json_loads(text, 0, NULL) : NULL;
        err = *ret ? 0 : no_memory(ret_text);
        free(text);
    }
    jwt_free(jwt);
    return err;
}

/* A time claim (RFC 7519, section 2: a number, perhaps with a fraction). False: it is there, but is no time.
 */
static bool time_claim(const json_t *claims, const char *name, bool *ret_given, double *ret)
{
    const json_t *j = json_object_get(claims, name);
    *ret_given = j && !json_is_null(j);
    *ret = json_number_value(j);
    return !*ret_given || (json_is_number(j) && fabs(*ret) <= TIME_MAX);
}

static int check_times(const json_t *claims, int64_t now_s, int64_t *ret_expires_s, const char **ret_text)
{
    double exp, nbf, iat, now = (double)now_s;
    bool has_exp, has_nbf, has_iat;
    if (!time_claim(claims, "exp", &has_exp, &exp) || !time_claim(claims, "nbf", &has_nbf, &nbf) ||
        !time_claim(claims, "iat", &has_iat, &iat))
        return refuse(INVALID "a time is not a number", ret_text);
    if (!has_exp)
        return refuse(INVALID "it has no expiry", ret_text);
    if (now > exp + LEEWAY_S)
        return refuse(INVALID "it has expired", ret_text);
    if (has_nbf && now + LEEWAY_S < nbf)
        return refuse(INVALID "it is not valid yet", ret_text);
    if (has_iat && now + LEEWAY_S < iat)
        return refuse(INVALID "it was issued in the future", ret_text);
    *ret_expires_s = (int64_t)exp;
    return 0;
}

int auth_verify(const struct auth_keys *keys, const char *token, int64_t now_s, struct auth_grants *ret,
    const char **ret_text)
{
    json_t *claims = NULL;
    if (!token || !is_well_formed(token))
        return refuse(INVALID "malformed", ret_text);
    int err = proven_claims(keys, token, &claims, ret_text);
    if (err)
        return err;
    struct auth_grants g;
    auth_grants_init(&g);
    err = check_times(claims, now_s, &g.expires_s, ret_text);
    if (err)
        goto out;
    err = auth_claims_read(claims, &g);
    if (err)
        err = err == -ENOMEM ? no_memory(ret_text) : refuse(INVALID "a claim has the wrong type", ret_text);
out:
    json_decref(claims);
    if (err)
        auth_grants_done(&g);
    else
        *ret = g;
    return err;
}

int auth_check_join(const struct auth_grants *g, const char **ret_text)
{
    if (!g->has_video || !g->video.room_join)
        return refuse("permissions denied", ret_text);
    if (!*auth_text(g->identity)) {
        *ret_text = "identity cannot be empty";
        return -EINVAL;
    }
    if (!*auth_text(g->video.room)) {
        *ret_text = "no room name";
        return -EINVAL;
    }
    return 0;
}

/* ---- signing ---- */

/* The claims as text, the issuer and times included; the caller's to free. */
static int claims_text(
    const struct config_key *key, const struct auth_grants *g, int64_t from_s, int64_t until_s, char **ret)
{
    json_t *claims;
    int err = auth_claims_write(g, &claims);
    if (err)
        return err;
    char *text = NULL;
    if (json_object_set_new(claims, "iss", json_string(key->key)) ||
        json_object_set_new(claims, "nbf", json_integer(from_s)) ||
        json_object_set_new(claims, "exp", json_integer(until_s)))
        err = -ENOMEM;
    else if (!(text = json_dumps(claims, JSON_COMPACT)))
        err = -ENOMEM;
    json_decref(claims);
    if (!err)
        *ret = text;
    return err;
}

static int sign_text(const struct config_key *key, const char *claims, char **ret)
{
    jwt_t *jwt = NULL;
    if (jwt_new(&jwt))
        return -ENOMEM;
    char *token = NULL;
    if (!jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)key->secret, (int)strlen(key->secret)) &&
        !jwt_add_grants_json(jwt, claims))
        token = jwt_encode_str(jwt);
    jwt_free(jwt);
    if (!token)
        return -ENOMEM;
    *ret = token;
    return 0;
}

int auth_sign(
    const struct config_key *key, const struct auth_grants *g, int64_t now_s, int64_t ttl_s, char **ret)
{
    char *claims = NULL, *token = NULL;
    if (!*key->secret || strlen(key->secret) > INT_MAX)
        return -EINVAL;
    int err = claims_text(key, g, now_s, now_s + ttl_s, &claims);
    if (err)
        return err;
    err = strlen(claims) > AUTH_TOKEN_MAX ? -EMSGSIZE : sign_text(key, claims, &token);
    free(claims);
    if (!err && strlen(token) > AUTH_TOKEN_MAX) {
        free(token);
        err = -EMSGSIZE;
    }
    if (!err)
        *ret = token;
    return err;
}
