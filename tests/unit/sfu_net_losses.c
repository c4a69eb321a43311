/* Packets that are lost on the way to a viewer: the scenarios of support/net_scenes.h with one seed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "support/net_scenes.h"
#include "support/virtual_net.h"

static void losses_are_repaired(void **state)
{
    (void)state;
    net_scene_test("loss");
}

static void outages_are_survived(void **state)
{
    (void)state;
    net_scene_test("outages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_repaired),
        cmocka_unit_test(outages_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
