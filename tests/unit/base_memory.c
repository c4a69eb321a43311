/* When memory runs short, at any moment: said, nothing left behind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "support/short_memory.h"

#include "base/packet.h"
#include "base/ring.h"
#include "base/strbuf.h"

static struct packet_pool *pool;

static int everything(void)
{
    static struct ring ring; /* GCC 12's fake stacks do not align to 64 bytes */
    struct strbuf text = {0};
    int rc = ring_init(&ring, 64);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 200; i++)
        strbuf_addf(&text, "%d,", i);
    char *taken = strbuf_take(&text);
    if (taken)
        assert_string_equal(taken + strlen(taken) - 8, "198,199,");
    free(taken);
    assert_null(text.text);
    ring_done(&ring);
    return taken ? 0 : -ENOMEM;
}

static void text_and_rings_say_so(void **state)
{
    (void)state;
    memory_fail_each(everything);
}

static void a_pool_that_cannot_grow_gives_none_and_recovers(void **state)
{
    struct packet *packets[POOL_CHUNK_PACKETS + 1];
    (void)state;
    pool = packet_pool_new(2 * POOL_CHUNK_PACKETS);
    for (int i = 0; i < POOL_CHUNK_PACKETS; i++) {
        packets[i] = packet_get(pool);
        assert_non_null(packets[i]);
    }
    memory_short_from(0);
    struct packet *none = packet_get(pool);
    bool failed = memory_failed();
    memory_plenty();
    assert_true(failed ? !none : none != NULL);
    packet_unref(none);
    packets[POOL_CHUNK_PACKETS] = packet_get(pool);
    assert_non_null(packets[POOL_CHUNK_PACKETS]);
    for (int i = 0; i <= POOL_CHUNK_PACKETS; i++)
        packet_unref(packets[i]);
    packet_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_rings_say_so),
        cmocka_unit_test(a_pool_that_cannot_grow_gives_none_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
