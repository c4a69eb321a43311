/* The file: what is read, what is refused, and that the shipped one explains every option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/options.h"

static char dir[] = "/tmp/fanlight-config-XXXXXX";
static char path[128];

#define KEYS "keys: { APItest = \"0123456789abcdef0123456789abcdef\"; };\n"

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static int load(const char *text, struct config **ret, char *error)
{
    char *argv[] = {(char *)"fanlight", (char *)"--config", path, NULL};
    enum config_action action;
    write_file(text);
    return config_load(3, argv, ret, &action, error);
}

static struct config *good(const char *text)
{
    char error[CONFIG_ERROR_MAX] = "";
    struct config *cfg = NULL;
    int e = load(text, &cfg, error);
    if (e < 0)
        fail_msg("refused: %s", error);
    return cfg;
}

/* The text is refused, and the line says so: "<path><expected>". */
static void refused(const char *text, const char *expected)
{
    char error[CONFIG_ERROR_MAX] = "", whole[CONFIG_ERROR_MAX];
    struct config *untouched = (struct config *)&path, *cfg = untouched;
    assert_true(load(text, &cfg, error) < 0);
    assert_ptr_equal(cfg, untouched);
    snprintf(whole, sizeof whole, "%s%s", path, expected);
    assert_string_equal(error, whole);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/f.conf", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void defaults_stand_where_the_file_is_silent(void **state)
{
    (void)state;
    struct config *cfg = good(KEYS);
    assert_int_equal(cfg->http.port, 7880);
    assert_int_equal(cfg->https.port, 7443);
    assert_int_equal(cfg->rtc.tcp_port, 7881);
    assert_int_equal(cfg->rtc.udp_port, 7882);
    assert_int_equal(cfg->rtc.workers, 0);
    assert_true(cfg->rtc.ipv6);
    assert_int_equal(cfg->rtc.loopback, CONFIG_AUTO);
    assert_int_equal(cfg->rtc.srtp_backend, CONFIG_SRTP_AUTO);
    assert_int_equal(cfg->audio.red, CONFIG_RED_AUTO);
    assert_true(cfg->room.auto_create);
    assert_int_equal(cfg->room.empty_timeout_s, 300);
    assert_int_equal(cfg->room.departure_timeout_s, 20);
    assert_int_equal(cfg->limits.metadata_bytes, 512 * 1024);
    assert_int_equal(cfg->limits.attributes_bytes, 64 * 1024);
    assert_int_equal(cfg->log.level, LOG_LEVEL_INFO);
    assert_string_equal(cfg->log.file, "");
    assert_int_equal(cfg->http.bind.count, 0);
    assert_int_equal(cfg->ice_server_count, 0);
    assert_false(cfg->dev);
    assert_string_equal(cfg->file, path);
    config_free(cfg);
}

static void values_of_every_type_are_read(void **state)
{
    (void)state;
    char text[ADDR_TEXT_MAX];
    struct config *cfg =
        good(KEYS "state_dir = \"/srv/state\";\n"
                  "http: { port = 80; bind = [ \"192.0.2.1\", \"2001:db8::1\" ]; };\n"
                  "rtc: { ipv6 = false; loopback = \"off\"; announced_ip = [ \"198.51.100.7\" ]; };\n"
                  "room = { empty_timeout_s = 0; auto_create = false; };\n"
                  "log: { level = \"debug\"; file = \"/var/log/f.log\"; };\n");
    assert_string_equal(cfg->state_dir, "/srv/state");
    assert_int_equal(cfg->http.port, 80);
    assert_int_equal(cfg->http.bind.count, 2);
    assert_string_equal(addr_ip_text(&cfg->http.bind.at[0], text), "192.0.2.1");
    assert_string_equal(addr_ip_text(&cfg->http.bind.at[1], text), "2001:db8::1");
    assert_false(cfg->rtc.ipv6);
    assert_int_equal(cfg->rtc.loopback, CONFIG_OFF);
    assert_int_equal(cfg->rtc.announced_ip.count, 1);
    assert_int_equal(cfg->room.empty_timeout_s, 0);
    assert_false(cfg->room.auto_create);
    assert_int_equal(cfg->log.level, LOG_LEVEL_DEBUG);
    assert_string_equal(cfg->log.file, "/var/log/f.log");
    config_free(cfg);
}

static void a_switch_may_be_a_truth_value(void **state)
{
    (void)state;
    struct config *cfg = good(KEYS "rtc: { loopback = true; };");
    assert_int_equal(cfg->rtc.loopback, CONFIG_ON);
    config_free(cfg);
}

static void unknown_options_are_refused_with_their_line(void **state)
{
    (void)state;
    refused(KEYS "\nhttp: {\n  prot = 1;\n};", ":4: http.prot: unknown option; did you mean port?");
    refused(KEYS "room: { empty_timeout = 1; };",
        ":2: room.empty_timeout: unknown option; did you mean empty_timeout_s?");
    refused(KEYS "https: { qqqqqqqqqqqq = 1; };", ":2: https.qqqqqqqqqqqq: unknown option");
    refused(KEYS "rooms: { };", ":2: rooms: unknown option; did you mean room?");
    refused(KEYS "statedir = \"x\";", ":2: statedir: unknown option; did you mean state_dir?");
    refused("key: { };", ":1: key: unknown option; did you mean keys?");
}

static void bad_values_are_refused_with_their_reason(void **state)
{
    (void)state;
    refused(KEYS "http: { port = 70000; };", ":2: http.port: 70000 is not between 1 and 65535");
    refused(KEYS "http: { port = -1; };", ":2: http.port: -1 is not between 1 and 65535");
    refused(KEYS "http: { port = 9223372036854775807L; };",
        ":2: http.port: 9223372036854775807 is not between 1 and 65535");
    refused(KEYS "http: { port = \"80\"; };", ":2: http.port: expected a number");
    refused(KEYS "http: { port = 80.5; };", ":2: http.port: expected a number");
    refused(KEYS "rtc: { ipv6 = 1; };", ":2: rtc.ipv6: expected true or false");
    refused(KEYS "rtc: { loopback = \"of\"; };", ":2: rtc.loopback: \"of\" is none of off on auto");
    refused(KEYS "audio: { red = \"on\"; };", ":2: audio.red: \"on\" is none of pass auto off");
    refused(KEYS "rtc: { srtp_backend = \"libsrtp2\"; };",
        ":2: rtc.srtp_backend: \"libsrtp2\" is none of auto ipsecmb openssl libsrtp");
    refused(KEYS "log: { level = \"loud\"; };", ":2: log.level: \"loud\" is none of error warn info debug");
    refused(KEYS "http: { bind = \"::1\"; };",
        ":2: http.bind: expected a list of texts, as in [ \"192.0.2.1\" ]");
    refused(KEYS "http: { bind = [ \"::1\",\n \"localhost\" ]; };",
        ":3: http.bind: \"localhost\" is not an IP address");
    refused(KEYS "http: { web_root = [ 1 ]; };", ":2: http.web_root: expected a text in double quotes");
    refused(KEYS "http: { cors_origin = \"x\\r\\nSet-Cookie: a\"; };",
        ":2: http.cors_origin: the text contains a control character");
    refused(KEYS "http = 7880;", ":2: http: expected a group, as in http: { ... };");
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    refused(KEYS "http: {\n port = 7443; };", ":3: http.port and https.port are both 7443");
    refused(KEYS "https: { certificate = \"/nowhere\"; };",
        ":2: https.certificate and https.key belong together: give both or neither");
    refused(KEYS "https: { certificate = \"/nowhere/c.pem\"; key = \"/nowhere/k.pem\"; };",
        ":2: https.certificate: /nowhere/c.pem: No such file or directory");
    refused(KEYS "rtc: { udp_port = 65535; workers = 2; };",
        ":2: rtc.udp_port: 2 workers from port 65535 on pass 65535");
    refused(KEYS "rtc: { stun_server = \"stun.example.org\"; };",
        ":2: rtc.stun_server: \"stun.example.org\" is not HOST:PORT");
    refused(KEYS "signal: { ping_timeout_s = 5; };",
        ":2: signal.ping_timeout_s: 5 is not longer than signal.ping_interval_s, 5");
}

static void a_file_that_does_not_parse_is_refused_with_its_line(void **state)
{
    (void)state;
    refused(KEYS "http: { port = ; };", ":2: syntax error");
    refused(KEYS "http: { port = 1; port = 2; };", ":2: duplicate setting name");
}

static void a_file_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_MAX];
    enum config_action action;
    struct config *cfg = NULL;
    char *missing[] = {(char *)"fanlight", (char *)"--config", (char *)"/nowhere/f.conf", NULL};
    assert_int_equal(config_load(3, missing, &cfg, &action, error), -2 /* ENOENT */);
    assert_string_equal(error, "/nowhere/f.conf: cannot be read: No such file or directory");
    char *folder[] = {(char *)"fanlight", (char *)"--config", dir, NULL};
    assert_int_equal(config_load(3, folder, &cfg, &action, error), -21 /* EISDIR */);
    assert_non_null(strstr(error, "cannot be read: Is a directory"));
    assert_null(cfg);
}

static void a_file_that_is_no_text_is_refused(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_MAX], *argv[] = {(char *)"fanlight", (char *)"--config", path, NULL};
    enum config_action action;
    struct config *cfg = NULL;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite("room:\0{};", 1, 9, f), 9);
    fclose(f);
    assert_true(config_load(3, argv, &cfg, &action, error) < 0);
    assert_non_null(strstr(error, "is not a text file"));
}

static void keys_are_needed_and_the_public_one_is_refused(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_MAX], expected[CONFIG_ERROR_MAX];
    struct config *cfg = NULL;
    assert_true(load("keys: { };", &cfg, error) < 0);
    snprintf(expected, sizeof expected, "%s: there is no API key; put one into keys, as", path);
    assert_memory_equal(error, expected, strlen(expected));
    refused("keys: { devkey = \"secret\"; };",
        ": keys.devkey: everybody knows the secret \"secret\"; it is for --dev only");
    refused("keys: { other = \"secret\"; };",
        ": keys.other: everybody knows the secret \"secret\"; it is for --dev only");
    refused("keys: { APIa = 12; };", ":1: keys.APIa: expected a secret in double quotes");
    refused("keys: { APIa = \"\"; };", ":1: keys.APIa: expected a secret in double quotes");
}

/* The key pair that the error offers is good when it is put into the file. */
static void the_offered_key_is_a_good_one(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_MAX], text[CONFIG_ERROR_MAX + 16];
    struct config *cfg = NULL;
    assert_true(load("", &cfg, error) < 0);
    const char *offer = strstr(error, "now: API");
    assert_non_null(offer);
    snprintf(text, sizeof text, "keys: { %s };", offer + strlen("now: "));
    cfg = good(text);
    assert_int_equal(cfg->key_count, 1);
    assert_int_equal(strlen(cfg->keys[0].secret), 43);
    for (size_t i = 0; i < cfg->warnings.count; i++)
        assert_null(strstr(cfg->warnings.at[i], "secret"));
    config_free(cfg);
}

static void secrets_are_found_by_key(void **state)
{
    (void)state;
    struct config *cfg = good("keys: { APIa = \"0123456789abcdef0123456789abcdef\"; APIb = \"short\"; };");
    assert_int_equal(cfg->key_count, 2);
    assert_string_equal(config_secret(cfg, "APIb"), "short");
    assert_null(config_secret(cfg, "APIc"));
    bool warned = false;
    for (size_t i = 0; i < cfg->warnings.count; i++)
        warned |= strcmp(cfg->warnings.at[i], "keys.APIb: the secret is shorter than 32 characters") == 0;
    assert_true(warned);
    config_free(cfg);
}

static void secrets_that_everybody_may_read_are_warned_of(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_MAX], *argv[] = {(char *)"fanlight", (char *)"--config", path, NULL};
    enum config_action action;
    struct config *cfg = NULL;
    write_file(KEYS);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(config_load(3, argv, &cfg, &action, error), 0);
    bool warned = false;
    for (size_t i = 0; i < cfg->warnings.count; i++)
        warned |= strstr(cfg->warnings.at[i], "may be read by everybody") != NULL;
    assert_true(warned);
    config_free(cfg);
}

static void keys_may_come_from_an_included_file(void **state)
{
    (void)state;
    char other[160];
    snprintf(other, sizeof other, "%s/keys.conf", dir);
    FILE *f = fopen(other, "w");
    assert_non_null(f);
    fputs(KEYS, f);
    fclose(f);
    struct config *cfg = good("@include \"keys.conf\"\nhttp: { port = 81; };");
    assert_non_null(config_secret(cfg, "APItest"));
    config_free(cfg);
    f = fopen(other, "w");
    assert_non_null(f);
    fputs("\nroom: { x = 1; };\n", f);
    fclose(f);
    char error[CONFIG_ERROR_MAX];
    assert_true(load("@include \"keys.conf\"\n", &cfg, error) < 0);
    assert_string_equal(error, "keys.conf:2: room.x: unknown option");
    unlink(other);
}

static void ice_servers_are_read(void **state)
{
    (void)state;
    struct config *cfg = good(KEYS "ice_servers = ( { urls = [ \"stun:a\", \"stun:b\" ]; },"
                                   " { urls = [ \"turn:c\" ]; username = \"u\"; credential = \"p\"; } );");
    assert_int_equal(cfg->ice_server_count, 2);
    assert_int_equal(cfg->ice_servers[0].urls.count, 2);
    assert_string_equal(cfg->ice_servers[0].urls.at[1], "stun:b");
    assert_string_equal(cfg->ice_servers[0].username, "");
    assert_string_equal(cfg->ice_servers[1].username, "u");
    assert_string_equal(cfg->ice_servers[1].credential, "p");
    config_free(cfg);
    refused(KEYS "ice_servers = ( { username = \"u\"; } );", ":2: ice_servers: a server without urls");
    refused(KEYS "ice_servers = ( { urls = [ 1 ]; } );", ":2: ice_servers: urls: expected a list of texts");
    refused(KEYS "ice_servers = ( { url = [ \"x\" ]; } );",
        ":2: ice_servers: unknown option url: there are urls, username and credential");
    refused(KEYS "ice_servers = ( \"stun:a\" );", ":2: ice_servers: expected a group in braces");
    refused(KEYS "ice_servers = \"stun:a\";",
        ":2: ice_servers: expected a list of groups, as in ( { urls = [ \"stun:stun.example.org\" ]; } )");
}

/* ---- the file that is shipped ---- */

static char *read_shipped(void)
{
    char *text = calloc(1, 65536);
    FILE *f = fopen("conf/fanlight.conf", "r");
    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    return text;
}

static void the_shipped_file_asks_for_a_key_and_nothing_else(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_MAX], *text = read_shipped();
    struct config *cfg = NULL;
    assert_true(load(text, &cfg, error) < 0);
    assert_non_null(strstr(error, "there is no API key"));
    free(text);
}

/* Its example of a key is no key, not even for somebody who only takes the "#" away. */
static void the_example_of_a_key_is_refused(void **state)
{
    (void)state;
    char *text = read_shipped(), *example = strstr(text, "#APIexample");
    assert_non_null(example);
    *example = ' ';
    refused(text, ": keys.APIexample: everybody knows the secret of the example; "
                  "`openssl rand -base64 33` makes one");
    free(text);
}

/* Every option stands in it once, below its group, as "#name = default;". */
static void the_shipped_file_gives_every_option_with_its_default(void **state)
{
    (void)state;
    char *text = read_shipped(), *rest = NULL, group[64] = "", seen[256] = {0};
    size_t found = 0;
    assert_true(config_option_count < sizeof seen);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[64], value[128], as_text[160];
        if (sscanf(line, "%63[a-z_]:", group) == 1)
            continue;
        if (line[0] == '}')
            group[0] = 0;
        if (sscanf(line, " #%63[a-z_0-9] = %127[^;]", name, value) != 2 || strcmp(name, "ice_servers") == 0)
            continue;
        int index = config_option_find(group, name);
        if (index < 0)
            fail_msg("conf/fanlight.conf explains %s.%s, which does not exist", group, name);
        const struct config_option *o = &config_options[index];
        bool quoted = o->type == CONFIG_TEXT || o->type == CONFIG_CHOICE;
        snprintf(
            as_text, sizeof as_text, quoted ? "\"%s\"" : "%s", o->type == CONFIG_ADDRS ? "[ ]" : o->initial);
        if (strcmp(value, as_text) != 0)
            fail_msg("conf/fanlight.conf: %s.%s = %s, but the default is %s", group, name, value, as_text);
        assert_false(seen[index]);
        seen[index] = 1;
        found++;
    }
    for (size_t i = 0; i < config_option_count; i++)
        if (!seen[i])
            fail_msg(
                "conf/fanlight.conf does not explain %s.%s", config_options[i].group, config_options[i].name);
    assert_int_equal(found, config_option_count);
    free(text);
}

/* With the "#" of each example taken away, and a secret in its place, it is read without a complaint. */
static void the_examples_of_the_shipped_file_are_good(void **state)
{
    (void)state;
    char *text = read_shipped(), *out = text;
    bool line_start = true;
    for (char *in = text; *in; in++) {
        if (line_start && *in == '#' && in[1] != ' ' && in[1] != '\n')
            continue;
        line_start = *in == '\n' || (line_start && *in == ' ');
        *out++ = *in;
    }
    *out = 0;
    char *secret = strstr(text, CONFIG_EXAMPLE_SECRET);
    assert_non_null(secret);
    *secret = 'C';
    struct config *cfg = good(text);
    assert_non_null(config_secret(cfg, "APIexample"));
    assert_int_equal(cfg->ice_server_count, 1);
    config_free(cfg);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_where_the_file_is_silent),
        cmocka_unit_test(values_of_every_type_are_read),
        cmocka_unit_test(a_switch_may_be_a_truth_value),
        cmocka_unit_test(unknown_options_are_refused_with_their_line),
        cmocka_unit_test(bad_values_are_refused_with_their_reason),
        cmocka_unit_test(options_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_file_that_does_not_parse_is_refused_with_its_line),
        cmocka_unit_test(a_file_that_cannot_be_read_is_refused),
        cmocka_unit_test(a_file_that_is_no_text_is_refused),
        cmocka_unit_test(keys_are_needed_and_the_public_one_is_refused),
        cmocka_unit_test(the_offered_key_is_a_good_one),
        cmocka_unit_test(secrets_are_found_by_key),
        cmocka_unit_test(secrets_that_everybody_may_read_are_warned_of),
        cmocka_unit_test(keys_may_come_from_an_included_file),
        cmocka_unit_test(ice_servers_are_read),
        cmocka_unit_test(the_shipped_file_asks_for_a_key_and_nothing_else),
        cmocka_unit_test(the_example_of_a_key_is_refused),
        cmocka_unit_test(the_shipped_file_gives_every_option_with_its_default),
        cmocka_unit_test(the_examples_of_the_shipped_file_are_good),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
