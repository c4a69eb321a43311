/* Growing text, bounded copies, UTF-8. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"

static void text_grows(void **state)
{
    struct strbuf s = {0};
    (void)state;
    for (int i = 0; i < 1000; i++) {
        strbuf_add(&s, "ab");
        strbuf_addf(&s, "%03d%s", i, "");
        strbuf_addn(&s, "xyz", 1);
    }
    assert_true(strbuf_ok(&s));
    assert_int_equal(s.len, 6000);
    assert_int_equal(strlen(s.text), 6000);
    assert_memory_equal(s.text + 6 * 999, "ab999x", 7);
    char *text = strbuf_take(&s);
    assert_int_equal(strlen(text), 6000);
    free(text);
    assert_null(s.text);
    assert_int_equal(s.len, 0);
}

static void empty_text_is_taken_as_a_string(void **state)
{
    struct strbuf s = {0};
    (void)state;
    char *text = strbuf_take(&s);
    assert_string_equal(text, "");
    free(text);
    strbuf_addn(&s, NULL, 0);
    assert_string_equal(s.text, "");
    strbuf_done(&s);
}

static void the_limit_sticks(void **state)
{
    struct strbuf s = {.max = 5};
    (void)state;
    strbuf_add(&s, "abc");
    strbuf_addf(&s, "%d", 123); /* six */
    assert_false(strbuf_ok(&s));
    strbuf_add(&s, "d"); /* would fit, but the text has a hole */
    assert_false(strbuf_ok(&s));
    assert_null(strbuf_take(&s));
    assert_true(strbuf_ok(&s)); /* and starts anew, with the same limit */
    strbuf_add(&s, "abcde");
    assert_true(strbuf_ok(&s));
    strbuf_add(&s, "f");
    assert_false(strbuf_ok(&s));
    strbuf_done(&s);
}

static void copies_are_cut_between_characters(void **state)
{
    char out[6];
    (void)state;
    assert_int_equal(text_copy(out, sizeof out, "abcde"), 0);
    assert_string_equal(out, "abcde");
    assert_int_equal(text_copy(out, sizeof out, "abcdef"), -ENAMETOOLONG);
    assert_string_equal(out, "abcde");
    assert_int_equal(text_copy(out, sizeof out, "abcd\xc3\xa9"), -ENAMETOOLONG);
    assert_string_equal(out, "abcd");
    assert_int_equal(text_copy(out, sizeof out, "ab\xf0\x9f\x98\x80"), -ENAMETOOLONG);
    assert_string_equal(out, "ab");
    assert_int_equal(text_copy(out, 1, "a"), -ENAMETOOLONG);
    assert_string_equal(out, "");
    assert_int_equal(text_copy(out, 1, ""), 0);
    out[0] = 'x';
    assert_int_equal(text_copy(out, 0, ""), -ENAMETOOLONG);
    assert_int_equal(out[0], 'x');
}

static void utf8_is_what_rfc_3629_says(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        bool valid;
    } cases[] = {
        {"", 0, true},
        {"plain", 5, true},
        {"a\0b", 3, false},
        {"\x7f", 1, true},
        {"\xc2\x80", 2, true},
        {"\xc3\xa9", 2, true},
        {"\xdf\xbf", 2, true},
        {"\xe0\xa0\x80", 3, true},
        {"\xed\x9f\xbf", 3, true},
        {"\xee\x80\x80", 3, true},
        {"\xef\xbf\xbf", 3, true},
        {"\xf0\x90\x80\x80", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"\x80", 1, false},
        {"\xbf", 1, false},
        {"\xc0\x80", 2, false},
        {"\xc1\xbf", 2, false},
        {"\xc3", 1, false},
        {"\xc3(", 2, false},
        {"\xe0\x9f\xbf", 3, false},
        {"\xe2\x82", 2, false},
        {"\xed\xa0\x80", 3, false},
        {"\xed\xbf\xbf", 3, false},
        {"\xf0\x8f\xbf\xbf", 4, false},
        {"\xf0\x9f\x98", 3, false},
        {"\xf4\x90\x80\x80", 4, false},
        {"\xf5\x80\x80\x80", 4, false},
        {"\xf8\x88\x80\x80\x80", 5, false},
        {"\xff", 1, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (text_is_utf8(cases[i].text, cases[i].len) != cases[i].valid)
            fail_msg("case %zu", i);
}

/* Every code point in its shortest form is valid, unless it is NUL or a surrogate; cut short it is not. */
static void every_code_point_is_judged_right(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110400; c++) {
        char b[4];
        size_t n = 0;
        if (c < 0x80) {
            b[n++] = (char)c;
        } else if (c < 0x800) {
            b[n++] = (char)(0xc0 | c >> 6);
            b[n++] = (char)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            b[n++] = (char)(0xe0 | c >> 12);
            b[n++] = (char)(0x80 | (c >> 6 & 63));
            b[n++] = (char)(0x80 | (c & 63));
        } else {
            b[n++] = (char)(0xf0 | c >> 18);
            b[n++] = (char)(0x80 | (c >> 12 & 63));
            b[n++] = (char)(0x80 | (c >> 6 & 63));
            b[n++] = (char)(0x80 | (c & 63));
        }
        bool valid = c != 0 && (c < 0xd800 || c > 0xdfff) && c <= 0x10ffff;
        if (text_is_utf8(b, n) != valid || (n > 1 && text_is_utf8(b, n - 1)))
            fail_msg("U+%04X", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows),
        cmocka_unit_test(empty_text_is_taken_as_a_string),
        cmocka_unit_test(the_limit_sticks),
        cmocka_unit_test(copies_are_cut_between_characters),
        cmocka_unit_test(utf8_is_what_rfc_3629_says),
        cmocka_unit_test(every_code_point_is_judged_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
