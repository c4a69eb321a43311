/* Whose datagrams are those from an address? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "support/sfu_party.h"
#include "support/virtual_net.h"

static struct party t;

/* A true check of `of` that leaves from the address of `from`, as with a forged sender, or when a NAT gave
 * the port to another host for a while. */
static void check_from(struct sfu_rig_peer *of, struct sfu_rig_peer *from)
{
    const struct ice_control *ice = &of->client.ice;
    struct ice_control other;
    struct path path;
    uint8_t buf[ICE_REQUEST_MAX];
    struct writer w = writer_of(buf, sizeof buf);
    int64_t now_us = sfu_rig_now_us();
    ice_control_init(&other, now_us);
    other.local = ice->local;
    assert_int_equal(ice_control_set_remote(&other, ice->remote_ufrag, ice->remote_pwd), 0);
    assert_int_equal(ice_control_add_path(&other, &from->path, now_us), 0);
    assert_true(ice_control_poll(&other, of->client.stun, now_us, &path, &w));
    sfu_rig_send(from, buf, w.len);
}

static uint64_t rtp_taken(void)
{
    return sfu_rig_stats(&t.rig).rtp_in;
}

static void an_address_comes_back_to_who_proves_it_again(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 2});
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 20, 0), source_audio(t.voice, false));
    check_from(t.subs[0], t.publisher);
    sfu_rig_idle(&t.rig, 50);
    uint64_t before = rtp_taken();
    for (int i = 0; i < 10; i++)
        source_audio(t.voice, false);
    sfu_rig_idle(&t.rig, 50);
    assert_int_equal(rtp_taken(), before); /* the address is the other's now */

    t.publisher->client.ice.consent_us = sfu_rig_now_us(); /* its next check */
    size_t heard = party_heard(&t, 0, AUDIO)->count;
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, heard + 20, 0), source_audio(t.voice, false));
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_address_comes_back_to_who_proves_it_again, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
