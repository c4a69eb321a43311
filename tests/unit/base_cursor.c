/* The bounded cursor and writer: nothing past the end, errors stick. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/cursor.h"

static void numbers_survive_both_ways(void **state)
{
    uint8_t buf[18];
    struct writer w = writer_of(buf, sizeof buf);
    (void)state;
    writer_u8(&w, 0xfe);
    writer_u16(&w, 0xfedc);
    writer_u24(&w, 0xfedcba);
    writer_u32(&w, 0xfedcba98);
    writer_u64(&w, 0xfedcba9876543210);
    assert_false(w.bad);
    assert_int_equal(w.len, sizeof buf);
    assert_memory_equal(buf, "\xfe\xfe\xdc\xfe\xdc\xba\xfe\xdc\xba\x98\xfe\xdc\xba\x98\x76\x54\x32\x10", 18);
    struct cursor c = cursor_of(buf, sizeof buf);
    assert_int_equal(cursor_u8(&c), 0xfe);
    assert_int_equal(cursor_u16(&c), 0xfedc);
    assert_int_equal(cursor_u24(&c), 0xfedcba);
    assert_int_equal(cursor_u32(&c), 0xfedcba98);
    assert_true(cursor_u64(&c) == 0xfedcba9876543210);
    assert_false(c.bad);
    assert_int_equal(cursor_left(&c), 0);
}

static void reading_past_the_end_sticks(void **state)
{
    (void)state;
    struct cursor c = cursor_of("\1\2\3", 3);
    assert_int_equal(cursor_u16(&c), 0x0102);
    assert_int_equal(cursor_u16(&c), 0);
    assert_true(c.bad);
    assert_int_equal(cursor_u8(&c), 0); /* one byte is left, but what it means is lost */
    assert_int_equal(cursor_left(&c), 0);
    c = cursor_of(NULL, 0);
    assert_int_equal(cursor_left(&c), 0);
    assert_false(c.bad);
    c = cursor_of("ab", 2);
    assert_null(cursor_bytes(&c, SIZE_MAX));
    assert_true(c.bad);
}

static void a_part_stays_inside_the_whole(void **state)
{
    (void)state;
    struct cursor c = cursor_of("abcdef", 6);
    struct cursor part = cursor_sub(&c, 2);
    assert_int_equal(cursor_left(&part), 2);
    assert_int_equal(cursor_left(&c), 4);
    cursor_skip(&part, 3);
    assert_true(part.bad);
    assert_false(c.bad);
    part = cursor_sub(&c, 5);
    assert_true(part.bad);
    assert_true(c.bad);
    assert_int_equal(cursor_left(&part), 0);
    c = cursor_of("", 0);
    part = cursor_sub(&c, 0);
    assert_false(part.bad);
}

static void writing_past_the_end_writes_nothing(void **state)
{
    uint8_t buf[4] = {9, 9, 9, 9};
    (void)state;
    struct writer w = writer_of(buf, 3);
    writer_u16(&w, 0x0101);
    writer_u16(&w, 0x0202);
    assert_true(w.bad);
    assert_int_equal(w.len, 2);
    writer_u8(&w, 3);
    assert_memory_equal(buf, "\1\1\x09\x09", 4);
    w = writer_of(buf, 4);
    writer_zero(&w, 2);
    writer_put_u16(&w, 1, 7);
    assert_true(w.bad);
    w = writer_of(buf, 4);
    writer_zero(&w, 4);
    writer_put_u16(&w, 1, 0x0708);
    assert_false(w.bad);
    assert_memory_equal(buf, "\0\7\x08\0", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_survive_both_ways),
        cmocka_unit_test(reading_past_the_end_sticks),
        cmocka_unit_test(a_part_stays_inside_the_whole),
        cmocka_unit_test(writing_past_the_end_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
