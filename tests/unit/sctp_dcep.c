/* DATA_CHANNEL_OPEN and _ACK (RFC 8832, section 5). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sctp/dcep.h"

/* What browsers send for LiveKit's channels. */
static const uint8_t reliable[] = "\x03\x00\x01\x00\x00\x00\x00\x00\x00\x09\x00\x00_reliable";
static const uint8_t lossy[] = "\x03\x81\x01\x00\x00\x00\x00\x03\x00\x06\x00\x03_lossyraw";
#define RELIABLE_LEN (sizeof reliable - 1)
#define LOSSY_LEN    (sizeof lossy - 1)

static void an_open_is_read(void **state)
{
    struct dcep_open open;
    (void)state;
    assert_int_equal(dcep_parse(reliable, RELIABLE_LEN, &open), DCEP_OPEN);
    assert_true(open.ordered);
    assert_int_equal(open.reliability, DCEP_RELIABLE);
    assert_int_equal(open.limit, 0);
    assert_int_equal(open.priority, 256);
    assert_string_equal(open.label, "_reliable");
    assert_int_equal(open.label_len, 9);
    assert_string_equal(open.protocol, "");

    assert_int_equal(dcep_parse(lossy, LOSSY_LEN, &open), DCEP_OPEN);
    assert_false(open.ordered);
    assert_int_equal(open.reliability, DCEP_MAX_RETRANSMITS);
    assert_int_equal(open.limit, 3);
    assert_string_equal(open.label, "_lossy");
    assert_string_equal(open.protocol, "raw");
}

static void an_open_is_written_as_it_is_read(void **state)
{
    struct dcep_open open, again;
    uint8_t out[600];
    (void)state;
    assert_int_equal(dcep_parse(lossy, LOSSY_LEN, &open), DCEP_OPEN);
    assert_int_equal(dcep_write_open(&open, out, sizeof out), LOSSY_LEN);
    assert_memory_equal(out, lossy, LOSSY_LEN);
    assert_int_equal(dcep_write_open(&open, out, LOSSY_LEN - 1), -ENOBUFS);

    for (int kind = DCEP_RELIABLE; kind <= DCEP_MAX_LIFETIME; kind++) {
        for (int ordered = 0; ordered < 2; ordered++) {
            memset(&open, 0, sizeof open);
            open.ordered = ordered;
            open.reliability = (enum dcep_reliability)kind;
            open.limit = kind ? 0xfffffffe : 0;
            open.priority = 512;
            open.label_len = open.protocol_len = DCEP_LABEL_MAX;
            memset(open.label, 'l', DCEP_LABEL_MAX);
            memset(open.protocol, 'p', DCEP_LABEL_MAX);
            int n = dcep_write_open(&open, out, sizeof out);
            assert_int_equal(n, 12 + 2 * DCEP_LABEL_MAX);
            assert_int_equal(dcep_parse(out, (size_t)n, &again), DCEP_OPEN);
            assert_memory_equal(&again, &open, sizeof open);
        }
    }
    open.label_len = DCEP_LABEL_MAX + 1;
    assert_int_equal(dcep_write_open(&open, out, sizeof out), -EINVAL);
}

static void an_ack_is_one_byte(void **state)
{
    struct dcep_open open;
    uint8_t out[2] = {0};
    (void)state;
    assert_int_equal(dcep_write_ack(out, 0), -ENOBUFS);
    assert_int_equal(dcep_write_ack(out, sizeof out), 1);
    assert_int_equal(out[0], 2);
    assert_int_equal(dcep_parse(out, 1, &open), DCEP_ACK);
    assert_int_equal(dcep_parse(out, 2, &open), -EBADMSG);
}

static void anything_else_is_refused(void **state)
{
    struct dcep_open open;
    uint8_t bad[300];
    (void)state;
    memset(&open, 0x5a, sizeof open);
    struct dcep_open untouched = open;
    for (size_t len = 0; len < RELIABLE_LEN; len++)
        assert_int_equal(dcep_parse(reliable, len, &open), -EBADMSG);
    memcpy(bad, reliable, RELIABLE_LEN);
    bad[RELIABLE_LEN] = 0;
    assert_int_equal(dcep_parse(bad, RELIABLE_LEN + 1, &open), -EBADMSG); /* something behind it */
    for (int type = 0; type < 256; type++) {
        bad[0] = (uint8_t)type;
        assert_int_equal(dcep_parse(bad, RELIABLE_LEN, &open) < 0, type != 3);
    }
    bad[0] = 3;
    open = untouched;
    for (int type = 0; type < 256; type++) {
        bad[1] = (uint8_t)type;
        if ((type & 0x7f) > 2)
            assert_int_equal(dcep_parse(bad, RELIABLE_LEN, &open), -EBADMSG);
    }
    bad[1] = 0;
    bad[15] = 0; /* NUL within the label */
    assert_int_equal(dcep_parse(bad, RELIABLE_LEN, &open), -EBADMSG);
    bad[15] = 0xff; /* not UTF-8 */
    assert_int_equal(dcep_parse(bad, RELIABLE_LEN, &open), -EBADMSG);
    memset(bad, 'a', sizeof bad);
    memcpy(bad, "\x03\0\0\0\0\0\0\0\x01\x00\0\0", 12); /* a label of 256 bytes */
    assert_int_equal(dcep_parse(bad, 12 + 256, &open), -ENAMETOOLONG);
    assert_memory_equal(&open, &untouched, sizeof open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_is_read),
        cmocka_unit_test(an_open_is_written_as_it_is_read),
        cmocka_unit_test(an_ack_is_one_byte),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
