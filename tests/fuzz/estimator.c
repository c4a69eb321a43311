// link: cc rtp base
/* The estimate of a path, from what its receiver says. A row of steps: packets are sent, time passes,
 * feedback comes (its bytes behind a length byte: as they are, or as a report on what was sent whose times
 * are the input's), REMB and loss reports come, and timers run. The estimate keeps its limits, probes stay
 * small, and the next time is never in the past for long. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "cc/estimator.h"
#include "support/fuzz.h"

enum { SLOTS = 256, STEPS = 2000 };

static struct twcc_sent ring[SLOTS];
static struct twcc_sender sender;
static struct twcc_recorder recorder;
static struct estimator estimator;
static int64_t now_us;

static void check(int64_t estimate_bps)
{
    CHECK(estimate_bps >= ESTIMATOR_MIN_BPS && estimate_bps <= ESTIMATOR_MAX_BPS);
    CHECK(estimator.estimate_bps == estimate_bps && (unsigned)estimator.limit < ESTIMATOR_LIMITS);
    CHECK(estimator.rtt_us >= 0 && estimator.queue_us >= 0);
}

static void feedback(const uint8_t *data, size_t len)
{
    const struct rtcp_block b = {.type = RTCP_RTPFB, .count = RTCP_FMT_TWCC, .body = data, .len = len};
    int n = twcc_sender_feedback(&sender, &b, estimator_result, &estimator);
    CHECK(n == -EBADMSG || (n >= 0 && n <= SLOTS));
    if (n > 0)
        check(estimator_update(&estimator, now_us));
}

/* Packets go out, and arrive as the input says. */
static void send_some(struct cursor *c)
{
    unsigned count = 1 + cursor_u8(c) % 32, gap_us = cursor_u8(c) * 64u;
    for (unsigned i = 0; i < count; i++) {
        uint16_t size = (uint16_t)(20 + 5 * cursor_u8(c));
        uint8_t fate = cursor_u8(c);
        uint16_t seq = twcc_sender_next(&sender, now_us, size, estimator_tag(&estimator));
        estimator_sent(&estimator, size, now_us);
        if (fate % 8) /* lost, or late by up to 1.6 s, or early by as much as a forger likes */
            twcc_recorder_input(
                &recorder, seq, now_us + 20000 + (int64_t)(fate >> 3) * (fate & 1 ? 50000 : -700));
        now_us += gap_us;
    }
}

static void report(void)
{
    uint8_t buf[1200];
    for (int i = 0; i < 8 && recorder.pending; i++) {
        struct writer w = writer_of(buf, sizeof buf);
        if (!twcc_recorder_write(&recorder, &w, 1, 2, now_us))
            break;
        feedback(buf + 4, w.len - 4);
    }
}

static void step(struct cursor *c)
{
    switch (cursor_u8(c) % 8) {
    case 0:
    case 1:
        send_some(c);
        break;
    case 2:
        report();
        break;
    case 3: {
        struct cursor d = cursor_sub(c, cursor_u8(c));
        size_t len = cursor_left(&d);
        feedback(cursor_bytes(&d, len), len);
        break;
    }
    case 4:
        check(estimator_remb(&estimator, (uint64_t)cursor_u24(c) << cursor_u8(c) % 40, now_us));
        break;
    case 5:
        check(estimator_plain_loss(&estimator, cursor_u8(c), now_us));
        break;
    case 6:
        estimator_wanted_set(&estimator, (int64_t)cursor_u24(c) * 64, now_us);
        break;
    default:
        now_us += (int64_t)cursor_u16(c) << cursor_u8(c) % 8;
        break;
    }
    int64_t probe = estimator_probe_due(&estimator, now_us);
    CHECK(probe >= 0 && probe <= ESTIMATOR_MAX_BPS / 8);
    if (estimator_next_timeout(&estimator, now_us) <= now_us)
        check(estimator_timeout(&estimator, now_us));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    now_us = 1000000;
    memset(ring, 0, sizeof ring);
    CHECK(twcc_sender_init(&sender, ring, SLOTS) == 0);
    twcc_recorder_init(&recorder);
    estimator_init(&estimator, (int64_t)cursor_u24(&c) * 16, now_us);
    for (unsigned i = 0; i < STEPS && cursor_left(&c); i++)
        step(&c);
    return 0;
}
