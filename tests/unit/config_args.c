/* The command line, and what it overrides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/options.h"

static enum config_action action;
static char error[CONFIG_ERROR_MAX];

/* Loads with the words of one line as arguments. */
static int load(const char *line, struct config **ret)
{
    char *argv[32] = {(char *)"fanlight"}, *copy = strdup(line), *rest = copy, *word;
    int argc = 1;
    while ((word = strsep(&rest, " ")) && argc < 31)
        argv[argc++] = word;
    error[0] = 0;
    int e = config_load(argc, argv, ret, &action, error);
    free(copy);
    return e;
}

static struct config *good(const char *line)
{
    struct config *cfg = NULL;
    if (load(line, &cfg) < 0)
        fail_msg("refused: %s", error);
    return cfg;
}

static void refused(const char *line, const char *expected)
{
    struct config *cfg = NULL;
    assert_true(load(line, &cfg) < 0);
    assert_null(cfg);
    assert_string_equal(error, expected);
}

static void dev_brings_the_public_key(void **state)
{
    (void)state;
    struct config *cfg = good("--dev");
    assert_int_equal(action, CONFIG_RUN);
    assert_true(cfg->dev);
    assert_int_equal(cfg->key_count, 1);
    assert_string_equal(config_secret(cfg, "devkey"), "secret");
    assert_int_equal(cfg->http.port, 7880);
    assert_int_equal(cfg->https.port, 7443);
    assert_null(cfg->file);
    config_free(cfg);
}

static void nothing_at_all_is_refused(void **state)
{
    (void)state;
    struct config *cfg = NULL;
    char *argv[] = {(char *)"fanlight", NULL};
    assert_true(config_load(1, argv, &cfg, &action, error) < 0);
    assert_string_equal(error, "nothing to serve with: give --config FILE, or --dev to try it out");
}

static void port_moves_the_whole_block(void **state)
{
    (void)state;
    struct config *cfg = good("--dev --port 21600");
    assert_int_equal(cfg->http.port, 21600);
    assert_int_equal(cfg->rtc.tcp_port, 21601);
    assert_int_equal(cfg->rtc.udp_port, 21602);
    assert_int_equal(cfg->https.port, 0);
    config_free(cfg);
    cfg = good("--https-port 21650 --dev --port 21600");
    assert_int_equal(cfg->http.port, 21600);
    assert_int_equal(cfg->https.port, 21650);
    config_free(cfg);
    cfg = good("--dev --https-port 0");
    assert_int_equal(cfg->http.port, 7880);
    assert_int_equal(cfg->https.port, 0);
    config_free(cfg);
}

static void bad_ports_are_refused(void **state)
{
    (void)state;
    refused("--dev --port 0", "--port: \"0\" is not a port between 1 and 65533");
    refused("--dev --port 65534", "--port: \"65534\" is not a port between 1 and 65533");
    refused("--dev --port 80x", "--port: \"80x\" is not a port between 1 and 65533");
    refused("--dev --https-port 65536", "--https-port: \"65536\" is not a port between 0 and 65535");
    refused(
        "--dev --port 21600 --https-port 21601", "command line: https.port and rtc.tcp_port are both 21601");
}

static void set_overrides_every_option(void **state)
{
    (void)state;
    char line[256];
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *o = &config_options[i];
        const char *value = o->type == CONFIG_ADDRS ? "192.0.2.1,2001:db8::1" : o->initial;
        if (strcmp(o->name, "web_root") == 0 || strcmp(o->name, "state_dir") == 0)
            value = "/srv/x";
        snprintf(
            line, sizeof line, "--dev --set %s%s%s=%s", o->group, o->group[0] ? "." : "", o->name, value);
        config_free(good(line));
    }
    struct config *cfg = good(
        "--dev --set room.empty_timeout_s=7 --set rtc.announced_ip=192.0.2.1,2001:db8::1 "
        "--set rtc.loopback=off --set rtc.srtp_backend=libsrtp --set state_dir=/srv/s --set rtc.ipv6=false "
        "--set keys.APIx=abc --set ice_servers=stun:a,stun:b");
    assert_int_equal(cfg->room.empty_timeout_s, 7);
    assert_int_equal(cfg->rtc.announced_ip.count, 2);
    assert_int_equal(cfg->rtc.loopback, CONFIG_OFF);
    assert_int_equal(cfg->rtc.srtp_backend, CONFIG_SRTP_LIBSRTP);
    assert_string_equal(cfg->state_dir, "/srv/s");
    assert_false(cfg->rtc.ipv6);
    assert_string_equal(config_secret(cfg, "APIx"), "abc");
    assert_null(config_secret(cfg, "devkey"));
    assert_int_equal(cfg->ice_server_count, 1);
    assert_int_equal(cfg->ice_servers[0].urls.count, 2);
    config_free(cfg);
}

static void set_is_stronger_than_port_and_the_last_one_wins(void **state)
{
    (void)state;
    struct config *cfg = good("--dev --set http.port=21700 --port 21600 --set http.port=21701");
    assert_int_equal(cfg->http.port, 21701);
    assert_int_equal(cfg->rtc.udp_port, 21602);
    config_free(cfg);
}

static void bad_sets_are_refused(void **state)
{
    (void)state;
    refused("--dev --set http.port", "--set: \"http.port\" is not GROUP.OPTION=VALUE");
    refused("--dev --set =3", "--set: \"=3\" is not GROUP.OPTION=VALUE");
    refused("--dev --set http.prt=3", "--set: http.prt: unknown option; did you mean http.port?");
    refused("--dev --set htp.port=3", "--set: htp.port: unknown option; did you mean http?");
    refused("--dev --set port=3", "--set: port: unknown option");
    refused("--dev --set http.port=x", "--set: http.port: \"x\" is not a number");
    refused("--dev --set http.port=", "--set: http.port: \"\" is not a number");
    refused("--dev --set rtc.ipv6=yes", "--set: rtc.ipv6: \"yes\" is neither true nor false");
    refused("--dev --set rtc.announced_ip=1.2.3", "--set: rtc.announced_ip: \"1.2.3\" is not an IP address");
    refused("--dev --set keys.=x", "--set: keys: expected keys.NAME=SECRET");
    refused("--dev --set ice_servers=", "--set: ice_servers: expected a URL");
    refused("--dev --set https.certificate=/nowhere/c --set https.key=/nowhere/k",
        "--set: https.certificate: /nowhere/c: No such file or directory");
}

static void log_level_is_an_option_of_its_own(void **state)
{
    (void)state;
    struct config *cfg = good("--dev --log-level warn");
    assert_int_equal(cfg->log.level, LOG_LEVEL_WARN);
    config_free(cfg);
    refused("--dev --log-level x", "--log-level: log.level: \"x\" is none of error warn info debug");
}

static void unknown_options_are_refused(void **state)
{
    (void)state;
    refused("--dev --nonsense", "--nonsense: unknown option; see --help");
    refused("--dev --port", "--port: a value is missing; see --help");
    refused("--dev stray", "stray: unknown argument; see --help");
    refused("-x", "-x: unknown option; see --help");
}

static void questions_need_no_configuration(void **state)
{
    (void)state;
    struct config *cfg = (struct config *)&action;
    assert_int_equal(load("--version", &cfg), 0);
    assert_int_equal(action, CONFIG_VERSION);
    assert_null(cfg);
    assert_int_equal(load("--help --config /nowhere", &cfg), 0);
    assert_int_equal(action, CONFIG_HELP);
    cfg = good("--check-config --dev");
    assert_int_equal(action, CONFIG_CHECK);
    config_free(cfg);
    refused("--check-config --config /nowhere/f", "/nowhere/f: cannot be read: No such file or directory");
}

static void help_names_every_option(void **state)
{
    (void)state;
    static const char *const names[] = {"--dev", "--config FILE", "--port N", "--https-port N", "--log-level",
        "--set", "--check-config", "--version", "--help"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(config_help(), names[i]));
}

static void state_lives_where_the_environment_says(void **state)
{
    (void)state;
    setenv("XDG_STATE_HOME", "/srv/xdg", 1);
    struct config *cfg = good("--dev");
    assert_string_equal(cfg->state_dir, "/srv/xdg/fanlight");
    config_free(cfg);
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/srv/home", 1);
    cfg = good("--dev");
    assert_string_equal(cfg->state_dir, "/srv/home/.local/state/fanlight");
    config_free(cfg);
    setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", 1);
    cfg = good("--dev");
    assert_string_equal(cfg->state_dir, "/var/lib/a");
    config_free(cfg);
    cfg = good("--dev --set state_dir=/srv/chosen");
    assert_string_equal(cfg->state_dir, "/srv/chosen");
    config_free(cfg);
}

int main(void)
{
    unsetenv("STATE_DIRECTORY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dev_brings_the_public_key),
        cmocka_unit_test(nothing_at_all_is_refused),
        cmocka_unit_test(port_moves_the_whole_block),
        cmocka_unit_test(bad_ports_are_refused),
        cmocka_unit_test(set_overrides_every_option),
        cmocka_unit_test(set_is_stronger_than_port_and_the_last_one_wins),
        cmocka_unit_test(bad_sets_are_refused),
        cmocka_unit_test(log_level_is_an_option_of_its_own),
        cmocka_unit_test(unknown_options_are_refused),
        cmocka_unit_test(questions_need_no_configuration),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(state_lives_where_the_environment_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
