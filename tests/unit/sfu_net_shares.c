/* A bottleneck with others on it: the scenarios of support/net_scenes.h with one seed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "support/net_scenes.h"
#include "support/virtual_net.h"

static void all_get_their_share(void **state)
{
    (void)state;
    net_scene_test("share");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_get_their_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
