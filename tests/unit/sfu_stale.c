/* Video that comes faster than it may go out, in virtual time: a source that stalled sends all it has at
 * once, more than may wait for a receiver. Whole frames go without being sent, and it goes on at a key frame:
 * one that waits behind them, or one that is asked for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "rtp/rtcp.h"
#include "rtp/rtx.h"
#include "sfu/internal.h"
#include "support/net_sender.h"
#include "support/virtual_net.h"

#define FRAME_PACKETS 5
#define PAYLOAD_LEN   1000
#define HEARD_MAX     16384
#define PUB_SSRC      1111
#define SUB_SSRC      2222
#define RTX_SSRC      2223
#define NONE          SIZE_MAX

static struct net_world *w;

/* ---- a camera ---- */

static struct {
    struct net_peer *peer;
    uint64_t next; /* number of the next packet */
    uint32_t ts, track;
    uint16_t picture;
    unsigned plis, answered;
} camera;

static void on_camera_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    (void)arg;
    while (rtcp_next(&c, &b) > 0)
        camera.plis += rtcp_is_feedback(&b, RTCP_PSFB, RTCP_FMT_PLI);
}

static void frame(bool key)
{
    uint8_t payload[PAYLOAD_LEN] = {0};
    struct rtp_ext_out mid = {.ext = RTP_EXT_MID, .len = 1, .data = (const uint8_t *)"1"};
    camera.ts += 3000;
    camera.picture = (camera.picture + 1) & 0x7fff;
    for (int i = 0; i < FRAME_PACKETS; i++) {
        uint64_t n = camera.next++;
        uint8_t head[] = {i ? 0x80 : 0x90, 0x80, (uint8_t)(0x80 | camera.picture >> 8),
            (uint8_t)camera.picture, key ? 0x10 : 0x11, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0};
        memcpy(payload, head, sizeof head);
        struct rtp_fields f = {.pt = NET_PUB_VP8,
            .marker = i == FRAME_PACKETS - 1,
            .seq = (uint16_t)n,
            .ts = camera.ts,
            .ssrc = PUB_SSRC};
        rtc_client_rtp(&camera.peer->client, &f, n, &mid, 1, payload, sizeof payload);
    }
}

/* At 30 frames a second, 1.2 Mbit/s, key frames when asked for. */
static void film(double s)
{
    for (double until_s = net_now_s(w) + s; net_now_s(w) < until_s;) {
        frame(camera.plis > camera.answered || !camera.next);
        camera.answered = camera.plis;
        net_run(w, net_now_s(w) + 1.0 / 30);
    }
}

/* ---- a viewer, which keeps a list ---- */

static struct {
    struct net_peer *peer;
    uint32_t sub;
    struct {
        uint16_t seq, osn;
        bool key, rtx;
        size_t len;
    } heard[HEARD_MAX];
    size_t count;
} viewer;

static void on_viewer_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    const uint8_t *p = data + h->payload_off;
    (void)arg;
    (void)len;
    assert_true(viewer.count < HEARD_MAX);
    bool rtx = h->ssrc == RTX_SSRC;
    assert_true(h->payload_len >= (rtx ? RTX_OSN_LEN : PAYLOAD_LEN));
    viewer.heard[viewer.count].seq = h->seq;
    viewer.heard[viewer.count].rtx = rtx;
    viewer.heard[viewer.count].osn = (uint16_t)(p[0] << 8 | p[1]);
    viewer.heard[viewer.count].key = !rtx && p[0] & 0x10 && !(p[4] & 1);
    viewer.heard[viewer.count++].len = h->payload_len;
}

static void nack(uint16_t seq)
{
    uint8_t buf[64];
    struct writer out = writer_of(buf, sizeof buf);
    assert_int_equal(rtcp_nack_write(&out, 1, SUB_SSRC, &seq, 1), 1);
    rtc_client_rtcp(&viewer.peer->client, buf, out.len);
    net_run(w, net_now_s(w) + 0.1);
}

/* Where the numbers first have a hole, from a place on; the packet behind it. */
static size_t hole(size_t from)
{
    for (size_t i = from + 1; i < viewer.count; i++)
        if (viewer.heard[i].seq != (uint16_t)(viewer.heard[i - 1].seq + 1))
            return i;
    return NONE;
}

/* ---- the scene ---- */

static const struct net_peer_ops camera_ops = {.rtcp = on_camera_rtcp}, viewer_ops = {.rtp = on_viewer_rtp};

static void open_scene(void)
{
    w = net_open(5, 1);
    memset(&camera, 0, sizeof camera);
    memset(&viewer, 0, sizeof viewer);
    camera.peer = net_peer_add(w, 0, &camera_ops, NULL);
    viewer.peer = net_peer_add(w, 0, &viewer_ops, NULL);
    net_connect(w);
    net_begin(w);
    struct sfu_command add = {.type = SFU_TRACK_ADD, .peer = camera.peer->id, .track = net_id(w)};
    net_section_video(&add.track_add.section, false, "1", 1);
    add.track_add.kind = KIND_VIDEO;
    net_extmap_add(camera.peer, &add.track_add.section);
    net_post(w, &add);
    struct sfu_command c = {
        .type = SFU_SUB_ADD, .peer = viewer.peer->id, .track = add.track, .sub = net_id(w)};
    c.sub_add.kind = KIND_VIDEO;
    c.sub_add.ssrc = SUB_SSRC;
    c.sub_add.rtx_ssrc = RTX_SSRC;
    net_section_video(&c.sub_add.section, true, "v", 1);
    net_extmap_add(viewer.peer, &c.sub_add.section);
    net_post(w, &c);
    struct sfu_command goes = {.type = SFU_PEER_SET, .peer = viewer.peer->id};
    goes.peer_set.never_pause = true; /* what is sent here is more than a path is taken to carry */
    net_post(w, &goes);
    net_run(w, 0.1);
    film(3);
    assert_int_equal(viewer.count, camera.next);
    assert_int_equal(hole(0), NONE);
    assert_int_equal(net_stats(w).stale_packets, 0);
}

static int close_scene(void **state)
{
    (void)state;
    net_close(w);
    return 0;
}

/* ---- steps ---- */

static void what_waits_too_long_is_dropped(void **state)
{
    (void)state;
    open_scene();
    unsigned plis = camera.plis, frames = PACER_ITEMS_MAX / FRAME_PACKETS + 100;
    size_t from = viewer.count;
    for (unsigned i = 0; i < frames; i++)
        frame(false);
    struct sfu_stats s = net_stats(w);
    size_t passed = viewer.count - from;
    assert_true(s.paced > 0);
    assert_true(s.stale_packets + passed >= PACER_ITEMS_MAX);
    assert_in_range(s.stale_packets, PACER_ITEMS_MAX - passed, PACER_ITEMS_MAX + 1);
    assert_in_range(s.stale_frames, s.stale_packets / FRAME_PACKETS, s.stale_packets / FRAME_PACKETS + 2);
    assert_int_equal(camera.plis, plis + 1);
    size_t before = viewer.count;
    film(1);
    assert_true(viewer.count > before);
    assert_true(viewer.heard[before].key); /* it goes on at the key frame */
    assert_int_equal(camera.plis, plis + 1);
    uint16_t gap = (uint16_t)(viewer.heard[before].seq - viewer.heard[before - 1].seq - 1);
    assert_int_equal(gap, s.stale_packets);
    assert_int_equal(hole(before), NONE);
    size_t count = viewer.count;
    uint64_t refused = net_stats(w).rtx_refused;
    nack((uint16_t)(viewer.heard[before].seq - 1)); /* nobody needs it, there or not */
    assert_int_equal(viewer.count, count);
    assert_int_equal(net_stats(w).rtx_refused, refused + 1);
    nack(viewer.heard[before].seq);
    assert_int_equal(viewer.count, count + 1);
    assert_true(viewer.heard[count].rtx && viewer.heard[count].osn == viewer.heard[before].seq);
    assert_int_equal(viewer.heard[count].len, PAYLOAD_LEN + RTX_OSN_LEN);
}

/* The key frame that waits behind the rest is worth more than the rest; who asks for what is missing is told
 * that it never comes. */
static void a_key_frame_that_waits_is_kept(void **state)
{
    (void)state;
    open_scene();
    unsigned plis = camera.plis, before_key = PACER_ITEMS_MAX / FRAME_PACKETS - 10;
    size_t from = viewer.count - 1;
    for (unsigned i = 0; i < before_key + 100; i++)
        frame(i == before_key);
    film(1);
    struct sfu_stats s = net_stats(w);
    size_t at = hole(from);
    assert_true(at != NONE);
    assert_true(viewer.heard[at].key);
    uint16_t missing = (uint16_t)(viewer.heard[at].seq - 1);
    assert_int_equal((uint16_t)(missing - viewer.heard[at - 1].seq), s.stale_packets);
    assert_in_range(s.stale_packets, 3 * PACER_ITEMS_MAX / 4, before_key * FRAME_PACKETS);
    assert_int_equal(hole(at), NONE);
    assert_int_equal(viewer.count + s.stale_packets, camera.next);
    assert_int_equal(camera.plis, plis);
    size_t count = viewer.count;
    nack(missing);
    assert_int_equal(viewer.count, count + 1);
    assert_true(viewer.heard[count].rtx && viewer.heard[count].osn == missing);
    assert_int_equal(viewer.heard[count].len, RTX_OSN_LEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_waits_too_long_is_dropped, close_scene),
        cmocka_unit_test_teardown(a_key_frame_that_waits_is_kept, close_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
