/* What a client says it can decode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "http/encoding.h"

static const struct {
    const char *value;
    bool gzip;
} cases[] = {
    {"gzip", true},
    {"x-gzip", true},
    {"GZip", true},
    {"gzip, deflate, br, zstd", true},
    {"br,gzip", true},
    {" \t gzip \t ", true},
    {",,gzip,", true},
    {"gzip;q=1", true},
    {"gzip;q=1.", true},
    {"gzip;q=1.000", true},
    {"gzip;q=0.001", true},
    {"gzip ; Q=0.5", true},
    {"*", true},
    {"br;q=0, *;q=0.1", true},
    {"", false},
    {" ", false},
    {",", false},
    {"identity", false},
    {"deflate, br", false},
    {"gzip2", false},
    {"not gzip", false},
    {"gzip;q=0", false},
    {"gzip;q=0.", false},
    {"gzip;q=0.000", false},
    {"gzip;q=0, *", false},
    {"*;q=0", false},
    {"*, gzip;q=0", false},
    {"gzip, gzip;q=0", false},
    {"gzip;q=0, gzip", false},
    {"gzip;q=", false},
    {"gzip;q", false},
    {"gzip;", true},
    {"gzip;q=1.1", false},
    {"gzip;q=2", false},
    {"gzip;q=-1", false},
    {"gzip;q=.5", false},
    {"gzip;q=0.0001", false},
    {"gzip;q=1e3", false},
    {"gzip;level=9", false},
    {"gzip;q=1;q=0", false},
};

static bool takes_gzip(const char *value)
{
    struct encoding_taste taste = {0};
    encoding_read(&taste, value, strlen(value));
    return encoding_takes_gzip(&taste);
}

static void values_are_read_as_they_are_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (takes_gzip(cases[i].value) != cases[i].gzip)
            fail_msg("\"%s\": not %s", cases[i].value, cases[i].gzip ? "taken" : "refused");
}

static void several_fields_are_one_list(void **state)
{
    struct encoding_taste taste = {0};
    (void)state;
    encoding_read(&taste, "br", 2);
    assert_false(encoding_takes_gzip(&taste));
    encoding_read(&taste, "gzip", 4);
    assert_true(encoding_takes_gzip(&taste));
    encoding_read(&taste, "*;q=0", 5);
    assert_true(encoding_takes_gzip(&taste));
    encoding_read(&taste, "gzip;q=0", 8);
    assert_false(encoding_takes_gzip(&taste));
}

static void nothing_is_read_behind_the_end(void **state)
{
    struct encoding_taste taste = {0};
    (void)state;
    encoding_read(&taste, "gzip;q=0", 4);
    assert_true(encoding_takes_gzip(&taste));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_as_they_are_meant),
        cmocka_unit_test(several_fields_are_one_list),
        cmocka_unit_test(nothing_is_read_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
