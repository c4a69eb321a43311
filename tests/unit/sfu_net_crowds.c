/* Many viewers: the scenarios of support/net_scenes.h with one seed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "support/net_scenes.h"
#include "support/virtual_net.h"

static void a_bad_publisher_harms_nobody_else(void **state)
{
    (void)state;
    net_scene_test("uplink");
}

static void many_join_at_once(void **state)
{
    (void)state;
    net_scene_test("join");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_publisher_harms_nobody_else),
        cmocka_unit_test(many_join_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
