// link: ice net base
/* Any datagrams at the STUN end of a transport: demultiplexing, the lite side, the controlling side,
 * discovery. Input is a row of steps: a byte that says what happens, two of length, and a message. Some
 * messages are authenticated with the right password here, so that what lies behind the integrity is reached
 * too. */
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "ice/control.h"
#include "ice/discover.h"
#include "ice/lite.h"
#include "ice/message.h"
#include "net/demux.h"
#include "support/fuzz.h"

#define STEPS_MAX 64

static struct ice_stun *stun;
static struct ice_lite lite;
static struct ice_control control;
static struct ice_discover discover;
static int64_t now_us;

static void source(void *arg, void *buf, size_t len)
{
    (void)arg;
    memset(buf, 0x42, len);
}

static struct path path_of(unsigned n)
{
    struct path p = {.conn = n % 3 == 2 ? n : 0};
    p.remote.ip[15] = (uint8_t)n;
    p.remote.port = 1;
    p.local.port = 2;
    if (n & 1)
        p.remote.ip[10] = p.remote.ip[11] = 0xff;
    return p;
}

static void expect_sound(void)
{
    struct path gone;
    const struct path *selected = ice_lite_selected(&lite);
    CHECK(lite.path_count <= ICE_PATHS_MAX);
    CHECK(lite.selected >= -1 && lite.selected < (int)lite.path_count);
    CHECK(!selected || (ice_lite_knows(&lite, selected) && lite.state != ICE_FAILED));
    CHECK(lite.state != ICE_CONNECTED || selected);
    while (ice_lite_take_removed(&lite, &gone))
        CHECK(!ice_lite_knows(&lite, &gone));
    CHECK(ice_control_next_timeout(&control) >= 0);
}

/* Adds integrity with our password, and a fingerprint, to what may be a message. */
static size_t seal(uint8_t *buf, size_t len, size_t cap, const char *pwd)
{
    struct stun_view v;
    if (stun_view_read(buf, len, &v) < 0 || v.has_integrity || v.has_fingerprint)
        return len;
    StunMessage msg = {.agent = &stun->agent, .buffer = buf, .buffer_len = cap};
    size_t sealed = stun_agent_finish_message(&stun->agent, &msg, (const uint8_t *)pwd, strlen(pwd));
    StunTransactionId id;
    stun_message_id(&msg, id);
    stun_agent_forget_transaction(&stun->agent, id);
    return sealed ? sealed : len;
}

static void lite_step(const struct path *p, const uint8_t *msg, size_t len)
{
    uint8_t reply[ICE_REPLY_MAX];
    struct writer w = writer_of(reply, sizeof reply);
    uint32_t events;
    struct ice_lite before = lite;
    enum ice_verdict v = ice_lite_input(&lite, stun, p, msg, len, now_us, &w, &events);
    CHECK(v < ICE_VERDICT_COUNT);
    CHECK(!w.bad && w.len <= ICE_REPLY_MAX);
    if (v == ICE_BAD_REQUEST || v == ICE_UNAUTHORIZED)
        CHECK(w.len <= len);
    else if (v == ICE_MALFORMED || v == ICE_IGNORED || v == ICE_INDICATION)
        CHECK(w.len == 0);
    else
        CHECK(w.len > 0);
    if (v == ICE_ACCEPTED)
        CHECK(ice_lite_knows(&lite, p));
    else
        CHECK(events == 0 && memcmp(&before, &lite, sizeof lite) == 0);
}

static void step(uint8_t what, const uint8_t *bytes, size_t len)
{
    uint8_t buf[PACKET_SIZE_MAX + 64], out[ICE_REQUEST_MAX];
    struct path p = path_of(what >> 4), to;
    memcpy(buf, bytes, len);
    if (what & 1)
        len = seal(buf, len, PACKET_SIZE_MAX, ice_lite_local(&lite)->pwd);
    else if (what & 2)
        len = seal(buf, len, PACKET_SIZE_MAX, control.local.pwd);
    uint8_t *msg = malloc(len ? len : 1); /* nothing behind it */
    memcpy(msg, buf, len);
    char ufrag[ICE_UFRAG_MAX + 1];
    struct writer w = writer_of(out, ICE_REPLY_MAX), none = writer_of(out, sizeof out);
    demux_classify(msg, len);
    if (ice_stun_ufrag(msg, len, ufrag) == 0)
        CHECK(strlen(ufrag) > 0);
    if (ice_stun_refuse(stun, msg, len, &w))
        CHECK(w.len <= len);
    lite_step(&p, msg, len);
    expect_sound();
    w = writer_of(out, ICE_REPLY_MAX);
    ice_control_input(&control, stun, &p, msg, len, now_us, &w);
    while (ice_control_poll(&control, stun, now_us, &to, &none))
        none = writer_of(out, sizeof out);
    ice_discover_input(&discover, stun, &p.remote, msg, len);
    free(msg);
    if (what & 4)
        ice_lite_media(&lite, &p, len % 2, now_us);
    if (what & 8)
        now_us += (int64_t)len * len * 1000;
    if ((what & 12) == 12 && len % 5 == 0)
        ice_lite_restart(&lite, NULL, len % 2 ? "abcd" : NULL, now_us);
    if ((what & 12) == 12 && len % 7 == 0)
        ice_lite_conn_closed(&lite, p.conn, now_us);
    ice_lite_timeout(&lite, now_us);
    CHECK(ice_lite_next_timeout(&lite) > now_us);
    expect_sound();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!stun)
        stun = ice_stun_new();
    static const struct ice_credentials ours = {"serv", "0123456789abcdefghijkl"};
    rand_source_set(source, NULL);
    now_us = 1000000;
    ice_lite_init(&lite, &ours, NULL, now_us);
    ice_control_init(&control, now_us);
    ice_control_set_remote(&control, "peer", ours.pwd);
    for (unsigned n = 0; n < 4; n++) {
        struct path p = path_of(n);
        ice_control_add_path(&control, &p, now_us);
    }
    struct path server = path_of(1);
    ice_discover_init(&discover, &server.remote, now_us);
    struct cursor c = cursor_of(data, size);
    for (int i = 0; i < STEPS_MAX && cursor_left(&c) > 0; i++) {
        uint8_t what = cursor_u8(&c);
        size_t len = cursor_u16(&c);
        len = len > cursor_left(&c) ? cursor_left(&c) : len;
        len = len > PACKET_SIZE_MAX ? PACKET_SIZE_MAX : len;
        const uint8_t *bytes = cursor_bytes(&c, len);
        if (bytes)
            step(what, bytes, len);
    }
    return 0;
}
