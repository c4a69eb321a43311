/* What no client of ours sends: each datagram is counted by its reason and forgotten, and a call goes on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "support/sfu_party.h"

#define TIMES 50

static struct party t;
static int stranger; /* a socket whose address proved nothing */

static void begin(void)
{
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons(t.rig.udp_ports[0]),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(stranger >= 0);
    assert_int_equal(connect(stranger, (const struct sockaddr *)&to, sizeof to), 0);
}

/* The call still works, and so many datagrams came back to the stranger. */
static void end(int answers)
{
    uint8_t buf[2048];
    int n = 0;
    while (recv(stranger, buf, sizeof buf, MSG_DONTWAIT) >= 0)
        n++;
    assert_int_equal(n, answers);
    close(stranger);
    size_t heard = party_heard(&t, 0, AUDIO)->count;
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, heard + 20, 0), source_audio(t.voice, false));
    party_close(&t);
}

/* Sends it TIMES times; the worker has looked at all of them when this returns. */
static void send_all(const void *data, size_t len)
{
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(send(stranger, data, len, 0), (ssize_t)len);
    sfu_rig_sync(&t.rig);
}

static void what_is_no_protocol_of_ours_is_junk(void **state)
{
    static const uint8_t text[] = "GET / HTTP/1.1\r\n\r\n", zero[40];
    (void)state;
    begin();
    uint64_t before = sfu_rig_stats(&t.rig).junk;
    send_all(text, sizeof text);
    send_all(zero, sizeof zero); /* begins like STUN */
    send_all("x", 1);
    send_all("", 0);
    assert_int_equal(sfu_rig_stats(&t.rig).junk, before + 4 * TIMES);
    end(0);
}

static void handshakes_and_media_of_a_stranger_are_counted_apart(void **state)
{
    static const uint8_t dtls[60] = {22, 0xfe, 0xff, [12] = 47, 1}, rtp[60] = {0x80, 111},
                         rtcp[60] = {0x80, 200};
    (void)state;
    begin();
    struct sfu_stats before = sfu_rig_stats(&t.rig);
    send_all(dtls, sizeof dtls);
    send_all(rtp, sizeof rtp);
    send_all(rtcp, sizeof rtcp);
    struct sfu_stats after = sfu_rig_stats(&t.rig);
    assert_int_equal(after.unknown_sender, before.unknown_sender + 3 * TIMES);
    assert_int_equal(after.junk, before.junk);
    assert_int_equal(after.rtp_in, before.rtp_in);
    end(0);
}

/* A true check, but for somebody who is not here. */
static void checks_for_nobody_are_counted_and_refused(void **state)
{
    struct ice_control other;
    struct path path;
    uint8_t buf[ICE_REQUEST_MAX];
    struct writer w = writer_of(buf, sizeof buf);
    int64_t now_us = sfu_rig_now_us();
    (void)state;
    begin();
    const struct sfu_rig_peer *someone = t.publisher;
    ice_control_init(&other, now_us);
    other.local = someone->client.ice.local;
    assert_int_equal(ice_control_set_remote(&other, "Anobody1", someone->client.ice.remote_pwd), 0);
    assert_int_equal(ice_control_add_path(&other, &someone->path, now_us), 0);
    assert_true(ice_control_poll(&other, someone->client.stun, now_us, &path, &w));
    struct sfu_stats before = sfu_rig_stats(&t.rig);
    send_all(buf, w.len);
    struct sfu_stats after = sfu_rig_stats(&t.rig);
    assert_int_equal(after.stun_unknown_user, before.stun_unknown_user + TIMES);
    assert_int_equal(after.junk, before.junk);
    assert_int_equal(after.peers, before.peers);
    end(TIMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_no_protocol_of_ours_is_junk, sfu_rig_teardown),
        cmocka_unit_test_teardown(handshakes_and_media_of_a_stranger_are_counted_apart, sfu_rig_teardown),
        cmocka_unit_test_teardown(checks_for_nobody_are_counted_and_refused, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
