/* Names of people, identities and codes made for them, and addresses of sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "api/names.h"
#include "api/origin.h"
#include "base/rand.h"

static void good(const char *text, const char *expected)
{
    size_t from = 99, len = 99;
    assert_int_equal(names_check(text, strlen(text), &from, &len), NAMES_OK);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text + from, expected, len);
}

static void bad(const char *text, size_t len, enum names_fault expected)
{
    size_t from = 99, n = 99;
    assert_int_equal(names_check(text, len, &from, &n), expected);
    assert_int_equal(from, 99);
    assert_int_equal(n, 99);
}

#define BAD(text, fault) bad(text, sizeof(text) - 1, fault)

static void spaces_around_a_name_are_dropped(void **state)
{
    (void)state;
    good("Ada", "Ada");
    good("  Ada Lovelace \t\r\n", "Ada Lovelace");
    good("\u00a0\u3000\u200bAda\ufeff\u2003", "Ada");
    good("\u0e2a\u0e21\u0e0a\u0e32\u0e22 ", "\u0e2a\u0e21\u0e0a\u0e32\u0e22");
    good("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680");
}

static void a_name_of_nothing_is_empty(void **state)
{
    (void)state;
    BAD("", NAMES_EMPTY);
    BAD(" \t\n", NAMES_EMPTY);
    BAD("\u2003\u200b\u3000", NAMES_EMPTY);
}

static void a_name_is_counted_in_characters(void **state)
{
    char text[64 * 4 + 8] = "";
    (void)state;
    for (int i = 0; i < 64; i++)
        memcpy(text + 4 * i, "\U0001f600", 4);
    good(text, text);
    text[256] = ' ';
    text[257] = 0;
    assert_int_equal(names_check(text, 257, &(size_t){0}, &(size_t){0}), NAMES_OK);
    text[256] = 'x';
    bad(text, 257, NAMES_LONG);
}

static void control_characters_are_refused(void **state)
{
    (void)state;
    BAD("a\nb", NAMES_CONTROL);
    BAD("a\tb", NAMES_CONTROL);
    BAD("\x1b[31mred", NAMES_CONTROL);
    BAD("a\x7f", NAMES_CONTROL);
    BAD("a\xc2\x85"
        "b",
        NAMES_CONTROL);
    BAD("a\u2028b", NAMES_CONTROL);
    BAD("abc\u202e"
        "dcb",
        NAMES_CONTROL);
}

static void what_is_not_utf8_is_refused(void **state)
{
    (void)state;
    BAD("\xff", NAMES_UTF8);
    BAD("Ad\xc3", NAMES_UTF8);
    BAD("\xed\xa0\x80", NAMES_UTF8);
    BAD("\xc0\xaf", NAMES_UTF8);
    BAD("a\0b", NAMES_UTF8);
}

static void every_fault_has_a_sentence(void **state)
{
    (void)state;
    for (int f = NAMES_OK; f <= NAMES_UTF8; f++)
        assert_int_equal(
            names_fault_text((enum names_fault)f)[strlen(names_fault_text((enum names_fault)f)) - 1], '.');
    assert_non_null(strstr(names_fault_text(NAMES_LONG), " 64 "));
}

static void identity(const char *name, const char *expected)
{
    char out[NAMES_IDENTITY_SIZE];
    size_t n = strlen(expected);
    names_identity(out, name);
    assert_int_equal(strlen(out), n + 5);
    assert_memory_equal(out, expected, n);
    assert_int_equal(out[n], '-');
    for (size_t i = n + 1; i < n + 5; i++)
        assert_non_null(strchr("23456789abcdefghjkmnpqrstuvwxyz", out[i]));
}

static void an_identity_begins_with_the_name(void **state)
{
    (void)state;
    identity("Ada", "ada");
    identity("Ada Lovelace", "ada-lovelace");
    identity("  --R2 & D2!! ", "r2-d2");
    identity("Zo\u00eb Kravitz", "zo-kravitz");
    identity("\u0645\u0631\u064a\u0645", "guest");
    identity("", "guest");
    identity("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyzabcdef");
    identity("abcdefghijklmnopqrstuvwxyzabcde fgh", "abcdefghijklmnopqrstuvwxyzabcde");
}

static void identities_of_one_name_differ(void **state)
{
    char one[NAMES_IDENTITY_SIZE], two[NAMES_IDENTITY_SIZE];
    int same = 0;
    (void)state;
    for (int i = 0; i < 100; i++)
        same += strcmp(names_identity(one, "ada"), names_identity(two, "ada")) == 0;
    assert_true(same <= 1);
}

static void a_code_has_three_groups_of_letters(void **state)
{
    char code[NAMES_CODE_SIZE], seen[26] = {0};
    (void)state;
    for (int i = 0; i < 1000; i++) {
        names_code(code);
        assert_int_equal(strlen(code), 12);
        for (size_t k = 0; k < 12; k++) {
            if (k == 3 || k == 8) {
                assert_int_equal(code[k], '-');
                continue;
            }
            assert_in_range(code[k], 'a', 'z');
            seen[code[k] - 'a'] = 1;
        }
    }
    for (int i = 0; i < 26; i++)
        assert_int_equal(seen[i], strchr("ilo", 'a' + i) == NULL);
}

static void url(struct origin o, const char *expected)
{
    char out[ORIGIN_URL_SIZE];
    o.port = 7880;
    assert_string_equal(origin_socket_url(&o, out), expected);
}

static void the_socket_is_where_the_page_was(void **state)
{
    (void)state;
    url((struct origin){.host = "localhost:7880"}, "ws://localhost:7880");
    url((struct origin){.host = "meet.example.org", .secure = true}, "wss://meet.example.org");
    url((struct origin){.host = "[2001:db8::1]:7443", .secure = true}, "wss://[2001:db8::1]:7443");
}

static void a_proxy_says_how_it_was_reached(void **state)
{
    (void)state;
    url(
        (struct origin){
            .host = "127.0.0.1:7880", .forwarded_host = "meet.example.org", .forwarded_proto = "https"},
        "wss://meet.example.org");
    url((struct origin){.host = "meet.example.org", .forwarded_proto = "HTTPS , http"},
        "wss://meet.example.org");
    url((struct origin){.host = "a", .forwarded_host = " b.example , c.example"}, "ws://b.example");
    url((struct origin){.host = "a", .forwarded_proto = "http"}, "ws://a");
    url((struct origin){.host = "a", .forwarded_proto = "httpsx"}, "ws://a");
}

static void hosts_that_are_none_are_not_repeated(void **state)
{
    char text[300];
    (void)state;
    url((struct origin){0}, "ws://localhost:7880");
    url((struct origin){.host = ""}, "ws://localhost:7880");
    url((struct origin){.host = "a/b"}, "ws://localhost:7880");
    url((struct origin){.host = "user@host"}, "ws://localhost:7880");
    url((struct origin){.host = "a\"b", .secure = true}, "wss://localhost:7880");
    url((struct origin){.host = "good", .forwarded_host = "a b"}, "ws://good");
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    url((struct origin){.host = text}, "ws://localhost:7880");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spaces_around_a_name_are_dropped),
        cmocka_unit_test(a_name_of_nothing_is_empty),
        cmocka_unit_test(a_name_is_counted_in_characters),
        cmocka_unit_test(control_characters_are_refused),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(every_fault_has_a_sentence),
        cmocka_unit_test(an_identity_begins_with_the_name),
        cmocka_unit_test(identities_of_one_name_differ),
        cmocka_unit_test(a_code_has_three_groups_of_letters),
        cmocka_unit_test(the_socket_is_where_the_page_was),
        cmocka_unit_test(a_proxy_says_how_it_was_reached),
        cmocka_unit_test(hosts_that_are_none_are_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
