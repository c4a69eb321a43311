// link: auth
/* Access tokens. First byte: 0, the rest is a token; otherwise the rest is the claims of a token that is well
 * signed. What is granted must come back the same from a token of our own. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "auth/token.h"
#include "base/limits.h"
#include "tls/digest.h"
#include "support/fuzz.h"

#define NOW 1790000000

static char key_name[] = "devkey", key_secret[] = "secret";
static const struct config_key key = {.key = key_name, .secret = key_secret};
static const struct auth_keys keys = {.at = &key, .count = 1};

static char *signed_token(const uint8_t *claims, size_t len)
{
    static const char header[] = "eyJhbGciOiJIUzI1NiJ9.";
    size_t cap = sizeof header + BASE64_TEXT_SIZE(len) + 64;
    char *token = malloc(cap);
    uint8_t mac[DIGEST_SHA256_SIZE];
    memcpy(token, header, sizeof header);
    size_t n = sizeof header - 1;
    n += (size_t)base64url_encode(claims, len, token + n, cap - n);
    digest_hmac_sha256(key_secret, strlen(key_secret), token, n, mac);
    token[n++] = '.';
    base64url_encode(mac, sizeof mac, token + n, cap - n);
    return token;
}

static int same(const char *a, const char *b)
{
    return strcmp(auth_text(a), auth_text(b)) == 0;
}

static void check_again(const struct auth_grants *g)
{
    char *token = NULL;
    const char *text;
    struct auth_grants back;
    int err = auth_sign(&key, g, NOW, 600, &token);
    if (err == -EMSGSIZE)
        return;
    if (err || auth_verify(&keys, token, NOW, &back, &text))
        abort();
    if (!same(g->identity, back.identity) || !same(g->metadata, back.metadata) || !same(g->name, back.name) ||
        g->attribute_count != back.attribute_count || g->kind != back.kind ||
        g->kind_details != back.kind_details || !same(g->room_config, back.room_config) ||
        g->has_video != back.has_video || !same(g->video.room, back.video.room) ||
        g->video.publish_sources != back.video.publish_sources ||
        g->video.can_publish != back.video.can_publish ||
        g->video.can_publish_data != back.video.can_publish_data ||
        g->video.can_subscribe != back.video.can_subscribe || g->video.room_admin != back.video.room_admin)
        abort();
    auth_grants_done(&back);
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    char *token = data[0] ? signed_token(data + 1, len - 1) : strndup((const char *)data + 1, len - 1);
    struct auth_grants g = {.identity = NULL};
    const char *text = NULL;
    int err = auth_verify(&keys, token, NOW, &g, &text);
    free(token);
    if (err ? err != -EACCES || !text || g.identity : text != NULL)
        abort();
    if (!err) {
        check_again(&g);
        auth_grants_done(&g);
    }
    return 0;
}
