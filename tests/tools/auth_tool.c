// link: auth
/* Tokens at the end of a pipe, for the key "devkey" with the secret "secret". One request a line, one answer
 * a line: "verify NOW_S TOKEN" answers "ok EXPIRES_S CLAIMS" (the grants as JSON claims, base64url) or
 * "refused TEXT"; "sign NOW_S TTL_S CLAIMS" (base64url) answers "ok TOKEN" or "error ERRNO". */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/claims.h"
#include "auth/token.h"
#include "base/limits.h"
#include "tls/digest.h"

static char key_name[] = "devkey", key_secret[] = "secret";
static const struct config_key key = {.key = key_name, .secret = key_secret};
static const struct auth_keys keys = {.at = &key, .count = 1};

static void verify(const char *now, const char *token)
{
    struct auth_grants g;
    const char *text = "";
    if (auth_verify(&keys, token, strtoll(now, NULL, 10), &g, &text)) {
        printf("refused %s\n", text);
        return;
    }
    static char out[BASE64_TEXT_SIZE(AUTH_TOKEN_MAX)];
    json_t *claims = NULL;
    if (auth_claims_write(&g, &claims))
        abort();
    char *json = json_dumps(claims, JSON_COMPACT);
    if (!json || base64url_encode(json, strlen(json), out, sizeof out) < 0)
        abort();
    printf("ok %" PRId64 " %s\n", g.expires_s, out);
    free(json);
    json_decref(claims);
    auth_grants_done(&g);
}

static void sign(const char *now, const char *ttl, const char *claims)
{
    static char text[AUTH_TOKEN_MAX];
    int len = base64url_decode(claims, strlen(claims), text, sizeof text);
    json_t *j = len < 0 ? NULL : json_loadb(text, (size_t)len, 0, NULL);
    struct auth_grants g;
    char *token;
    auth_grants_init(&g);
    int err = auth_claims_read(j, &g);
    if (!err)
        err = auth_sign(&key, &g, strtoll(now, NULL, 10), strtoll(ttl, NULL, 10), &token);
    if (err) {
        printf("error %d\n", -err);
    } else {
        printf("ok %s\n", token);
        free(token);
    }
    auth_grants_done(&g);
    json_decref(j);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        char *rest = NULL;
        line[strcspn(line, "\n")] = '\0';
        const char *verb = strtok_r(line, " ", &rest), *now = strtok_r(NULL, " ", &rest);
        const char *third = strtok_r(NULL, " ", &rest), *fourth = strtok_r(NULL, " ", &rest);
        if (verb && now && third && strcmp(verb, "verify") == 0)
            verify(now, third);
        else if (verb && now && third && fourth && strcmp(verb, "sign") == 0)
            sign(now, third, fourth);
        else
            printf("error %d\n", EINVAL);
        fflush(stdout);
    }
    free(line);
    return 0;
}
