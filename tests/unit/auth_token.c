/* Tokens: which ones are believed, what they grant, and the ones we make. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/token.h"
#include "base/limits.h"
#include "tls/digest.h"

#define NOW 1790000000

static char key_a[] = "devkey", secret_a[] = "secret", key_b[] = "other",
            secret_b[] = "another secret, quite long", key_c[] = "blank", secret_c[] = "";
static const struct config_key list[] = {{.key = key_a, .secret = secret_a},
    {.key = key_b, .secret = secret_b}, {.key = key_c, .secret = secret_c}};
static const struct auth_keys keys = {.at = list, .count = 3};

#define HS256       "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS      "\"iss\":\"devkey\",\"exp\":1790000600"
#define VIDEO(text) "{" CLAIMS ",\"sub\":\"me\",\"video\":{" text "}}"

/* A token of exactly these parts, signed with HMAC-SHA-256; the caller's to free. */
static char *token_of(const char *header, const char *claims, const char *secret)
{
    size_t cap = BASE64_TEXT_SIZE(strlen(header)) + BASE64_TEXT_SIZE(strlen(claims)) + 64;
    char *token = malloc(cap);
    int n = base64url_encode(header, strlen(header), token, cap);
    token[n++] = '.';
    n += base64url_encode(claims, strlen(claims), token + n, cap - (size_t)n);
    uint8_t mac[DIGEST_SHA256_SIZE];
    digest_hmac_sha256(secret, strlen(secret), token, (size_t)n, mac);
    token[n++] = '.';
    assert_true(base64url_encode(mac, sizeof mac, token + n, cap - (size_t)n) > 0);
    return token;
}

static void assert_refused_at(int64_t now_s, const char *token, const char *why)
{
    struct auth_grants g = {.identity = NULL};
    const char *text = NULL;
    assert_int_equal(auth_verify(&keys, token, now_s, &g, &text), -EACCES);
    assert_non_null(strstr(text, why));
    assert_null(g.identity);
}

static void assert_refused(const char *token, const char *why)
{
    assert_refused_at(NOW, token, why);
}

/* Refuses a well-signed token with these claims. */
static void assert_claims_refused(const char *claims, const char *why)
{
    char *token = token_of(HS256, claims, secret_a);
    assert_refused(token, why);
    free(token);
}

/* What well-signed claims grant; to be done by the caller. */
static struct auth_grants grants_of(const char *claims)
{
    char *token = token_of(HS256, claims, secret_a);
    struct auth_grants g;
    const char *text = "";
    if (auth_verify(&keys, token, NOW, &g, &text))
        fail_msg("%s", text);
    free(token);
    return g;
}

/* ---- who is believed ---- */

static void a_good_token_is_taken(void **state)
{
    (void)state;
    struct auth_grants g = grants_of(VIDEO("\"roomJoin\":true,\"room\":\"r\""));
    assert_string_equal(g.identity, "me");
    assert_int_equal(g.expires_s, NOW + 600);
    assert_true(g.has_video && g.video.room_join);
    assert_string_equal(g.video.room, "r");
    auth_grants_done(&g);
    char *token = token_of(HS256, "{\"iss\":\"other\",\"exp\":1790000600}", secret_b);
    const char *text;
    assert_int_equal(auth_verify(&keys, token, NOW, &g, &text), 0);
    auth_grants_done(&g);
    free(token);
}

static void only_hs256_is_believed(void **state)
{
    (void)state;
    static const char *const headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS384\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"RS256\"}", "{\"alg\":\"ES256\"}"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        char *token = token_of(headers[i], VIDEO("\"roomJoin\":true"), secret_a);
        assert_refused(token, "not signed with HS256");
        free(token);
    }
    static const char *const broken[] = {"{}", "[]", "{\"alg\":5}", "{\"alg\":\"X\"}", "x", "{\"alg\":null}",
        "{\"alg\":\"HS256\",\"typ\":\"JWE\"}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char *token = token_of(broken[i], VIDEO("\"roomJoin\":true"), secret_a);
        assert_refused(token, "malformed");
        free(token);
    }
}

static void extensions_that_must_be_understood_are_not(void **state)
{
    (void)state;
    char *token = token_of("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", VIDEO(""), secret_a);
    assert_refused(token, "not signed with HS256");
    free(token);
}

static void an_unsigned_token_is_refused(void **state)
{
    (void)state;
    /* {"alg":"none"} and the usual claims, with the empty signature that RFC 7519 gives such tokens */
    char *token = token_of("{\"alg\":\"none\"}", VIDEO("\"roomJoin\":true"), secret_a);
    strrchr(token, '.')[1] = '\0';
    assert_refused(token, "malformed");
    free(token);
}

static void a_wrong_signature_is_refused(void **state)
{
    (void)state;
    char *token = token_of(HS256, VIDEO(""), "secreT");
    assert_refused(token, "signature");
    free(token);
    token = token_of(HS256, VIDEO(""), secret_b); /* good for the other key */
    assert_refused(token, "signature");
    free(token);
    token = token_of(HS256, VIDEO(""), secret_a);
    char *sig = strrchr(token, '.') + 1;
    for (size_t i = 0; sig[i]; i++) {
        char was = sig[i];
        sig[i] = was == 'A' ? 'B' : 'A';
        assert_refused(token, "signature");
        sig[i] = was;
    }
    sig[strlen(sig) - 1] = '\0';
    assert_refused(token, "signature");
    free(token);
}

static void changed_claims_are_refused(void **state)
{
    (void)state;
    char *mine = token_of(HS256, VIDEO("\"room\":\"a\""), secret_a);
    char *forged = token_of(HS256, VIDEO("\"room\":\"b\""), "guess");
    char mixed[512];
    snprintf(mixed, sizeof mixed, "%.*s%s", (int)(strrchr(forged, '.') - forged), forged, strrchr(mine, '.'));
    assert_refused(mixed, "signature");
    free(mine);
    free(forged);
}

static void the_key_must_be_known(void **state)
{
    (void)state;
    assert_claims_refused("{\"iss\":\"devkey2\",\"exp\":1790000600}", "invalid API key");
    assert_claims_refused("{\"iss\":\"devke\",\"exp\":1790000600}", "invalid API key");
    assert_claims_refused("{\"iss\":\"\",\"exp\":1790000600}", "invalid API key");
    assert_claims_refused("{\"exp\":1790000600}", "invalid API key");
    assert_claims_refused("{\"iss\":5,\"exp\":1790000600}", "invalid API key");
    assert_claims_refused("[]", "invalid API key");
    assert_string_equal(auth_key_find(&keys, "other")->secret, secret_b);
    assert_null(auth_key_find(&keys, "devkey "));
    struct auth_keys none = {0};
    assert_null(auth_key_find(&none, "devkey"));
}

/* libjwt takes an empty secret for "do not check". */
static void a_key_without_a_secret_signs_nothing(void **state)
{
    (void)state;
    char *token = token_of(HS256, "{\"iss\":\"blank\",\"exp\":1790000600}", "");
    assert_refused(token, "invalid API key");
    free(token);
}

static void malformed_tokens_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", ".", "..", "a", "a.b", "a..c", ".b.c", "a.b.", "a.b.c.d",
        "a b.c.d", "a.b.c=", "a.b.c\n", "a.b.\xff", "e30.e30.c2ln+", "e30.e30.c2ln/"};
    assert_refused(NULL, "malformed");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refused(wrong[i], "malformed");
    assert_claims_refused("{" CLAIMS ",\"name\":\"a\\u0000b\"}", "malformed"); /* it would be cut */
    assert_claims_refused("{" CLAIMS ",\"name\":\"\xff\"}", "malformed");
    assert_claims_refused("{" CLAIMS, "malformed");
    assert_claims_refused("x", "malformed");
}

static void a_long_token_is_refused(void **state)
{
    (void)state;
    for (size_t filler = AUTH_TOKEN_MAX / 4 * 3 - 200; filler < AUTH_TOKEN_MAX; filler += 160) {
        char *claims = malloc(filler + 200);
        int n = snprintf(claims, 200, "{" CLAIMS ",\"metadata\":\"");
        memset(claims + n, 'x', filler);
        snprintf(claims + (size_t)n + filler, 4, "\"}");
        char *token = token_of(HS256, claims, secret_a);
        if (strlen(token) > AUTH_TOKEN_MAX) {
            assert_refused(token, "malformed");
            filler = AUTH_TOKEN_MAX;
        } else {
            struct auth_grants g = grants_of(claims);
            assert_int_equal(strlen(g.metadata), strlen(claims) - (size_t)n - 2);
            auth_grants_done(&g);
        }
        free(claims);
        free(token);
    }
}

/* ---- when ---- */

static void an_expiry_is_needed(void **state)
{
    (void)state;
    assert_claims_refused("{\"iss\":\"devkey\"}", "no expiry");
    assert_claims_refused("{\"iss\":\"devkey\",\"exp\":null}", "no expiry");
}

static void leeway_is_a_minute(void **state)
{
    (void)state;
    char *token = token_of(
        HS256, "{\"iss\":\"devkey\",\"exp\":1790000600,\"nbf\":1790000000,\"iat\":1790000100}", secret_a);
    struct auth_grants g;
    const char *text;
    assert_refused_at(NOW - 61, token, "not valid yet");
    assert_refused_at(NOW - 60, token, "issued in the future");
    assert_refused_at(NOW + 39, token, "issued in the future");
    assert_int_equal(auth_verify(&keys, token, NOW + 40, &g, &text), 0);
    auth_grants_done(&g);
    assert_int_equal(auth_verify(&keys, token, NOW + 660, &g, &text), 0);
    auth_grants_done(&g);
    assert_refused_at(NOW + 661, token, "expired");
    assert_refused_at(INT64_MAX, token, "expired");
    free(token);
}

static void times_are_numbers(void **state)
{
    (void)state;
    assert_claims_refused("{\"iss\":\"devkey\",\"exp\":\"1790000600\"}", "a time is not a number");
    assert_claims_refused("{\"iss\":\"devkey\",\"exp\":true}", "a time is not a number");
    assert_claims_refused("{\"iss\":\"devkey\",\"exp\":1e300}", "a time is not a number");
    assert_claims_refused("{" CLAIMS ",\"nbf\":\"0\"}", "a time is not a number");
    assert_claims_refused("{" CLAIMS ",\"iat\":[]}", "a time is not a number");
    assert_claims_refused("{\"iss\":\"devkey\",\"exp\":-1}", "expired");
    assert_claims_refused("{\"iss\":\"devkey\",\"exp\":0}", "expired");
    struct auth_grants g = grants_of("{\"iss\":\"devkey\",\"exp\":1790000600.75,\"nbf\":1.5e9,\"iat\":null}");
    assert_int_equal(g.expires_s, NOW + 600);
    auth_grants_done(&g);
}

/* ---- what is granted ---- */

static void absent_claims_have_their_defaults(void **state)
{
    (void)state;
    struct auth_grants g = grants_of(VIDEO(""));
    assert_true(g.has_video);
    assert_true(g.video.can_publish && g.video.can_subscribe && g.video.can_publish_data);
    assert_false(g.video.room_create || g.video.room_list || g.video.room_record || g.video.room_admin ||
                 g.video.room_join || g.video.ingress_admin || g.video.can_update_own_metadata ||
                 g.video.hidden || g.video.can_subscribe_metrics || g.video.can_manage_agent_session ||
                 g.video.recorder || g.video.agent);
    assert_int_equal(g.video.publish_sources, 0);
    assert_null(g.video.room);
    assert_null(g.name);
    assert_null(g.metadata);
    assert_null(g.room_config);
    assert_int_equal(g.attribute_count, 0);
    assert_int_equal(g.kind, AUTH_KIND_STANDARD);
    assert_int_equal(g.kind_details, 0);
    auth_grants_done(&g);
    g = grants_of("{" CLAIMS ",\"video\":null}");
    assert_false(g.has_video);
    assert_true(g.video.can_publish);
    auth_grants_done(&g);
}

static void data_follows_media_unless_said(void **state)
{
    (void)state;
    static const struct {
        const char *video;
        bool publish, data;
    } cases[] = {
        {"\"canPublish\":false", false, false},
        {"\"canPublish\":false,\"canPublishData\":true", false, true},
        {"\"canPublishData\":false", true, false},
        {"\"canPublish\":null,\"canPublishData\":null", true, true},
        {"\"canPublish\":false,\"canPublishData\":null", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char claims[256];
        snprintf(claims, sizeof claims, "{" CLAIMS ",\"video\":{%s}}", cases[i].video);
        struct auth_grants g = grants_of(claims);
        assert_int_equal(g.video.can_publish, cases[i].publish);
        assert_int_equal(g.video.can_publish_data, cases[i].data);
        auth_grants_done(&g);
    }
}

static void each_flag_is_its_own(void **state)
{
    (void)state;
    static const char *const names[] = {"roomCreate", "roomList", "roomRecord", "roomAdmin", "roomJoin",
        "ingressAdmin", "canUpdateOwnMetadata", "canSubscribeMetrics", "canManageAgentSession", "hidden",
        "recorder", "agent"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char claims[256];
        snprintf(claims, sizeof claims, "{" CLAIMS ",\"video\":{\"%s\":true}}", names[i]);
        struct auth_grants g = grants_of(claims);
        const bool got[] = {g.video.room_create, g.video.room_list, g.video.room_record, g.video.room_admin,
            g.video.room_join, g.video.ingress_admin, g.video.can_update_own_metadata,
            g.video.can_subscribe_metrics, g.video.can_manage_agent_session, g.video.hidden, g.video.recorder,
            g.video.agent};
        for (size_t j = 0; j < sizeof got / sizeof *got; j++)
            assert_int_equal(got[j], i == j);
        auth_grants_done(&g);
    }
    struct auth_grants g = grants_of(VIDEO("\"canSubscribe\":false"));
    assert_false(g.video.can_subscribe);
    assert_true(g.video.can_publish);
    auth_grants_done(&g);
}

static void sources_are_a_mask(void **state)
{
    (void)state;
    struct auth_grants g = grants_of(VIDEO("\"canPublishSources\":[\"camera\",\"screen_share_audio\"]"));
    assert_int_equal(g.video.publish_sources, 1 << AUTH_SOURCE_CAMERA | 1 << AUTH_SOURCE_SCREEN_SHARE_AUDIO);
    auth_grants_done(&g);
    g = grants_of(VIDEO("\"canPublishSources\":[]")); /* no restriction */
    assert_int_equal(g.video.publish_sources, 0);
    auth_grants_done(&g);
    g = grants_of(VIDEO("\"canPublishSources\":[\"hologram\"]")); /* a restriction, to nothing that we know */
    assert_int_equal(g.video.publish_sources, 1 << AUTH_SOURCE_UNKNOWN);
    auth_grants_done(&g);
}

static void kinds_and_details(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum auth_kind kind;
    } kinds[] = {{"standard", AUTH_KIND_STANDARD}, {"ingress", AUTH_KIND_INGRESS},
        {"egress", AUTH_KIND_EGRESS}, {"sip", AUTH_KIND_SIP}, {"agent", AUTH_KIND_AGENT},
        {"connector", AUTH_KIND_CONNECTOR}, {"bridge", AUTH_KIND_BRIDGE}, {"AGENT", AUTH_KIND_AGENT},
        {"robot", AUTH_KIND_STANDARD}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char claims[256];
        snprintf(claims, sizeof claims, "{" CLAIMS ",\"kind\":\"%s\"}", kinds[i].name);
        struct auth_grants g = grants_of(claims);
        assert_int_equal(g.kind, kinds[i].kind);
        auth_grants_done(&g);
    }
    struct auth_grants g =
        grants_of("{" CLAIMS ",\"kindDetails\":[\"forwarded\",\"warped\",\"simulation\"]}");
    assert_int_equal(g.kind_details, 1 << AUTH_DETAIL_FORWARDED | 1 << AUTH_DETAIL_SIMULATION);
    auth_grants_done(&g);
}

static void texts_and_objects(void **state)
{
    (void)state;
    struct auth_grants g =
        grants_of("{" CLAIMS ",\"sub\":\"z\\u00e9\",\"name\":\"N\",\"metadata\":\"{}\","
                  "\"attributes\":{\"a\":\"1\",\"b\":\"\",\"\":\"x\"},\"sha256\":\"aGk=\","
                  "\"roomPreset\":\"p\",\"roomConfig\":{\"name\":\"c\", \"emptyTimeout\": 5},"
                  "\"sip\":{\"admin\":true},\"other\":[1,2]}");
    assert_string_equal(g.identity, "z\xc3\xa9");
    assert_string_equal(g.name, "N");
    assert_string_equal(g.metadata, "{}");
    assert_int_equal(g.attribute_count, 2);
    assert_string_equal(g.sha256, "aGk=");
    assert_string_equal(g.room_preset, "p");
    assert_string_equal(g.room_config, "{\"emptyTimeout\":5,\"name\":\"c\"}");
    auth_grants_done(&g);
}

static void jti_stands_in_for_sub(void **state)
{
    (void)state;
    static const struct {
        const char *claims, *identity;
    } cases[] = {{"\"jti\":\"j\"", "j"}, {"\"jti\":\"j\",\"sub\":\"s\"", "s"},
        {"\"jti\":\"j\",\"sub\":\"\"", "j"}, {"\"jti\":null", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char claims[256];
        snprintf(claims, sizeof claims, "{" CLAIMS ",%s}", cases[i].claims);
        struct auth_grants g = grants_of(claims);
        assert_string_equal(auth_text(g.identity), cases[i].identity);
        auth_grants_done(&g);
    }
}

static void claims_of_a_wrong_type_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\"sub\":1", "\"jti\":1", "\"name\":[]", "\"metadata\":{}",
        "\"attributes\":[]", "\"attributes\":{\"a\":1}", "\"kind\":1", "\"kindDetails\":\"sip\"",
        "\"kindDetails\":[1]", "\"sha256\":1", "\"roomPreset\":1", "\"roomConfig\":\"{}\"",
        "\"roomConfig\":[]", "\"video\":[]", "\"video\":true", "\"video\":{\"room\":1}",
        "\"video\":{\"roomJoin\":1}", "\"video\":{\"roomJoin\":\"true\"}",
        "\"video\":{\"canPublish\":\"false\"}", "\"video\":{\"canSubscribe\":0}",
        "\"video\":{\"canPublishData\":0}", "\"video\":{\"canPublishSources\":{}}",
        "\"video\":{\"canPublishSources\":[1]}", "\"video\":{\"destinationRoom\":1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char claims[256];
        snprintf(claims, sizeof claims, "{" CLAIMS ",%s}", wrong[i]);
        assert_claims_refused(claims, "a claim has the wrong type");
    }
}

static void joining_needs_the_grant_an_identity_and_a_room(void **state)
{
    (void)state;
    static const struct {
        const char *claims, *why;
        int err;
    } cases[] = {
        {"\"sub\":\"me\",\"video\":{\"roomJoin\":true,\"room\":\"r\"}", NULL, 0},
        {"\"sub\":\"me\"", "permissions denied", -EACCES},
        {"\"sub\":\"me\",\"video\":{\"room\":\"r\"}", "permissions denied", -EACCES},
        {"\"sub\":\"me\",\"video\":{\"roomAdmin\":true,\"room\":\"r\"}", "permissions denied", -EACCES},
        {"\"video\":{\"roomJoin\":true,\"room\":\"r\"}", "identity cannot be empty", -EINVAL},
        {"\"sub\":\"me\",\"video\":{\"roomJoin\":true}", "no room name", -EINVAL},
        {"\"sub\":\"me\",\"video\":{\"roomJoin\":true,\"room\":\"\"}", "no room name", -EINVAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char claims[256];
        snprintf(claims, sizeof claims, "{" CLAIMS ",%s}", cases[i].claims);
        struct auth_grants g = grants_of(claims);
        const char *text = NULL;
        assert_int_equal(auth_check_join(&g, &text), cases[i].err);
        if (cases[i].why)
            assert_string_equal(text, cases[i].why);
        else
            assert_null(text);
        auth_grants_done(&g);
    }
}

static void a_bearer_says_so(void **state)
{
    (void)state;
    const char *token = NULL, *text = NULL;
    assert_int_equal(auth_bearer("Bearer a.b.c", &token, &text), 0);
    assert_string_equal(token, "a.b.c");
    assert_int_equal(auth_bearer("bearer x", &token, &text), 0);
    static const char *const wrong[] = {NULL, "", "a.b.c", "Basic x", "Bearer", "Bearera.b.c", " Bearer x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(auth_bearer(wrong[i], &token, &text), -EACCES);
        assert_non_null(strstr(text, "Bearer"));
    }
}

/* ---- the tokens we make ---- */

static struct auth_grants sample(void)
{
    struct auth_grants g;
    auth_grants_init(&g);
    auth_text_set(&g.identity, "z\xc3\xa9");
    auth_text_set(&g.name, "A \"name\"");
    auth_text_set(&g.metadata, "{\"a\":1}");
    auth_text_set(&g.room_config, "{\"name\":\"c\"}");
    auth_text_set(&g.room_preset, "p");
    auth_text_set(&g.sha256, "aGk=");
    auth_attribute_set(&g, "k", "v");
    auth_attribute_set(&g, "l", "w");
    g.kind = AUTH_KIND_AGENT;
    g.kind_details = 1 << AUTH_DETAIL_CLOUD_AGENT | 1 << AUTH_DETAIL_SIMULATION;
    g.has_video = true;
    auth_text_set(&g.video.room, "r");
    auth_text_set(&g.video.destination_room, "d");
    g.video.room_join = g.video.hidden = g.video.can_update_own_metadata = true;
    g.video.can_publish = false;
    g.video.publish_sources = 1 << AUTH_SOURCE_MICROPHONE;
    return g;
}

static void a_token_that_we_make_grants_the_same(void **state)
{
    (void)state;
    struct auth_grants g = sample(), back;
    char *token;
    const char *text;
    assert_int_equal(auth_sign(&list[1], &g, NOW, 600, &token), 0);
    assert_int_equal(auth_verify(&keys, token, NOW, &back, &text), 0);
    assert_int_equal(back.expires_s, NOW + 600);
    assert_string_equal(back.identity, g.identity);
    assert_string_equal(back.name, g.name);
    assert_string_equal(back.metadata, g.metadata);
    assert_string_equal(back.room_config, g.room_config);
    assert_string_equal(back.room_preset, g.room_preset);
    assert_string_equal(back.sha256, g.sha256);
    assert_int_equal(back.attribute_count, 2);
    assert_int_equal(back.kind, g.kind);
    assert_int_equal(back.kind_details, g.kind_details);
    assert_string_equal(back.video.room, "r");
    assert_string_equal(back.video.destination_room, "d");
    assert_true(back.video.room_join && back.video.hidden && back.video.can_update_own_metadata);
    assert_true(back.video.can_subscribe && back.video.can_publish_data); /* true, though canPublish is not */
    assert_false(back.video.can_publish || back.video.recorder || back.video.room_admin);
    assert_int_equal(back.video.publish_sources, g.video.publish_sources);
    auth_grants_done(&back);
    assert_int_equal(auth_verify(&keys, token, NOW + 661, &back, &text), -EACCES);
    assert_int_equal(auth_verify(&keys, token, NOW - 61, &back, &text), -EACCES);
    auth_grants_done(&g);
    free(token);
}

static void an_empty_grant_makes_a_token_too(void **state)
{
    (void)state;
    struct auth_grants g, back;
    char *token;
    const char *text;
    auth_grants_init(&g);
    assert_int_equal(auth_sign(&list[0], &g, NOW, 60, &token), 0);
    assert_int_equal(auth_verify(&keys, token, NOW, &back, &text), 0);
    assert_false(back.has_video);
    assert_null(back.identity);
    auth_grants_done(&back);
    auth_grants_done(&g);
    free(token);
}

static void what_cannot_be_signed(void **state)
{
    (void)state;
    struct auth_grants g = sample();
    char *token = NULL;
    assert_int_equal(auth_sign(&list[2], &g, NOW, 60, &token), -EINVAL); /* no secret */
    auth_text_set(&g.room_config, "[]");
    assert_int_equal(auth_sign(&list[0], &g, NOW, 60, &token), -EINVAL);
    auth_text_set(&g.room_config, "{");
    assert_int_equal(auth_sign(&list[0], &g, NOW, 60, &token), -EINVAL);
    auth_text_set(&g.room_config, NULL);
    auth_text_set(&g.name, "\xff");
    assert_int_equal(auth_sign(&list[0], &g, NOW, 60, &token), -EINVAL);
    auth_text_set(&g.name, NULL);
    assert_null(token);
    char *big = malloc(AUTH_TOKEN_MAX + 1);
    memset(big, 'm', AUTH_TOKEN_MAX);
    for (size_t n = AUTH_TOKEN_MAX; n > AUTH_TOKEN_MAX / 2; n -= 1024) {
        big[n] = '\0';
        auth_text_set(&g.metadata, big);
        int err = auth_sign(&list[0], &g, NOW, 60, &token);
        if (err == 0) {
            struct auth_grants back;
            const char *text;
            assert_int_equal(auth_verify(&keys, token, NOW, &back, &text), 0); /* what is made is taken */
            auth_grants_done(&back);
            assert_true(n > AUTH_TOKEN_MAX * 2 / 3);
            break;
        }
        assert_int_equal(err, -EMSGSIZE);
    }
    assert_non_null(token);
    free(token);
    free(big);
    auth_grants_done(&g);
}

static void attributes_are_set_replaced_and_deleted(void **state)
{
    (void)state;
    struct auth_grants g;
    auth_grants_init(&g);
    assert_int_equal(auth_attribute_set(&g, "a", "1"), 0);
    assert_int_equal(auth_attribute_set(&g, "b", "2"), 0);
    assert_int_equal(auth_attribute_set(&g, "c", "3"), 0);
    assert_int_equal(auth_attribute_set(&g, "a", "4"), 0);
    assert_int_equal(auth_attribute_set(&g, "b", ""), 0);
    assert_int_equal(auth_attribute_set(&g, "x", ""), 0);
    assert_int_equal(g.attribute_count, 2);
    assert_string_equal(g.attributes[0].key, "a");
    assert_string_equal(g.attributes[0].value, "4");
    assert_string_equal(g.attributes[1].key, "c");
    auth_grants_done(&g);
    assert_int_equal(g.attribute_count, 0);
    assert_true(g.video.can_publish);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_token_is_taken),
        cmocka_unit_test(only_hs256_is_believed),
        cmocka_unit_test(extensions_that_must_be_understood_are_not),
        cmocka_unit_test(an_unsigned_token_is_refused),
        cmocka_unit_test(a_wrong_signature_is_refused),
        cmocka_unit_test(changed_claims_are_refused),
        cmocka_unit_test(the_key_must_be_known),
        cmocka_unit_test(a_key_without_a_secret_signs_nothing),
        cmocka_unit_test(malformed_tokens_are_refused),
        cmocka_unit_test(a_long_token_is_refused),
        cmocka_unit_test(an_expiry_is_needed),
        cmocka_unit_test(leeway_is_a_minute),
        cmocka_unit_test(times_are_numbers),
        cmocka_unit_test(absent_claims_have_their_defaults),
        cmocka_unit_test(data_follows_media_unless_said),
        cmocka_unit_test(each_flag_is_its_own),
        cmocka_unit_test(sources_are_a_mask),
        cmocka_unit_test(kinds_and_details),
        cmocka_unit_test(texts_and_objects),
        cmocka_unit_test(jti_stands_in_for_sub),
        cmocka_unit_test(claims_of_a_wrong_type_are_refused),
        cmocka_unit_test(joining_needs_the_grant_an_identity_and_a_room),
        cmocka_unit_test(a_bearer_says_so),
        cmocka_unit_test(a_token_that_we_make_grants_the_same),
        cmocka_unit_test(an_empty_grant_makes_a_token_too),
        cmocka_unit_test(what_cannot_be_signed),
        cmocka_unit_test(attributes_are_set_replaced_and_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
