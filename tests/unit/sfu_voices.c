/* Many who speak at once on a busy worker, in virtual time: their packets to a listener wait a little for one
 * another and leave in runs, and nobody who hears few of them waits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "sfu/internal.h"
#include "support/net_sender.h"
#include "support/virtual_net.h"

#define SPEAKERS  30
#define LISTENERS 30 /* 45,000 packets a second: more than SFU_GATHER_RATE */
#define SSRC      1000
#define ALONE     0 /* hears one speaker only */
#define ENCRYPTED 1 /* its tracks are end-to-end encrypted */

static struct net_world *w;
static struct net_sender *speakers[SPEAKERS];
static struct listener {
    struct net_peer *peer;
    uint16_t seq[SPEAKERS];
    bool known[SPEAKERS];
    unsigned packets, padded, joined, late; /* late: by more than a millisecond */
    int64_t longest_us, last_us;
    size_t last_len;
} listeners[LISTENERS];
static bool counting;

static void on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct listener *l = arg;
    unsigned speaker = h->ssrc - SSRC;
    struct net_tag tag;
    assert_in_range(speaker, 0, SPEAKERS - 1);
    assert_true(net_tag_read(data + h->payload_off, h->payload_len, NET_AUDIO_TAG, &tag));
    if (l->known[speaker])
        assert_int_equal(h->seq, (uint16_t)(l->seq[speaker] + 1));
    l->known[speaker] = true;
    l->seq[speaker] = h->seq;
    int64_t now_us = virtual_now_us, waited_us = now_us - tag.at_us;
    if (counting) {
        l->packets++;
        l->padded += h->padding_len > 0;
        l->joined += now_us == l->last_us && len <= l->last_len;
        l->late += waited_us > 1000;
        l->longest_us = waited_us > l->longest_us ? waited_us : l->longest_us;
        assert_true(h->padding_len <= SFU_EQUALISE_BYTES);
    }
    l->last_us = now_us;
    l->last_len = len;
}

static const struct net_peer_ops ops = {.rtp = on_rtp};

static void listen_to(struct listener *l, unsigned speaker, bool encrypted)
{
    struct sfu_command c = {
        .type = SFU_SUB_ADD, .peer = l->peer->id, .track = speakers[speaker]->voice, .sub = net_id(w)};
    char mid[8];
    (void)snprintf(mid, sizeof mid, "%u", speaker);
    c.sub_add.kind = KIND_AUDIO;
    c.sub_add.ssrc = SSRC + speaker;
    c.sub_add.encrypted = encrypted;
    net_section_audio(&c.sub_add.section, true, mid, false);
    net_extmap_add(l->peer, &c.sub_add.section);
    net_post(w, &c);
}

static int open_room(void **state)
{
    static const struct net_sender_options voice = {.voice = true};
    (void)state;
    w = net_open(3, 1);
    memset(listeners, 0, sizeof listeners);
    for (unsigned i = 0; i < SPEAKERS; i++)
        speakers[i] = net_sender_add(w, 0, &voice);
    for (unsigned i = 0; i < LISTENERS; i++)
        listeners[i].peer = net_peer_add(w, 0, &ops, &listeners[i]);
    net_connect(w);
    net_begin(w);
    for (unsigned i = 0; i < LISTENERS; i++)
        for (unsigned k = 0; k < (i == ALONE ? 1 : SPEAKERS); k++)
            listen_to(&listeners[i], k, i == ENCRYPTED);
    for (unsigned i = 0; i < SPEAKERS; i++)
        net_sender_start(speakers[i], 0);
    counting = false;
    net_run(w, 1); /* the rate is known by then */
    counting = true;
    net_run(w, 3);
    return 0;
}

static int close_room(void **state)
{
    (void)state;
    net_close(w);
    for (unsigned i = 0; i < SPEAKERS; i++)
        net_sender_free(speakers[i]);
    return 0;
}

static void voices_of_many_leave_together(void **state)
{
    (void)state;
    for (unsigned i = ALONE + 1; i < LISTENERS; i++) {
        const struct listener *l = &listeners[i];
        assert_in_range(l->packets, SPEAKERS * 99, SPEAKERS * 101);
        assert_in_range(l->longest_us, 1001, SFU_GATHER_US + 2000);
        if (i == ENCRYPTED)
            continue;
        if (i == LISTENERS - 1)
            print_message("%u packets, %u behind another one of a run, %u padded, %lld us at most\n",
                l->packets, l->joined, l->padded, (long long)l->longest_us);
        assert_true(l->joined > l->packets / 2);
        assert_true(l->padded > l->packets / 4);
    }
}

static void encrypted_voices_are_not_padded(void **state)
{
    (void)state;
    assert_int_equal(listeners[ENCRYPTED].padded, 0);
    assert_true(listeners[ENCRYPTED].joined > listeners[ENCRYPTED].packets / 4); /* by their order alone */
}

static void a_single_voice_does_not_wait(void **state)
{
    (void)state;
    assert_in_range(listeners[ALONE].packets, 99, 101);
    assert_in_range(listeners[ALONE].late, 0, 99 / SFU_GATHER_PAUSE + 1); /* it is tried now and then */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voices_of_many_leave_together),
        cmocka_unit_test(encrypted_voices_are_not_padded),
        cmocka_unit_test(a_single_voice_does_not_wait),
    };
    return cmocka_run_group_tests(tests, open_room, close_room);
}
