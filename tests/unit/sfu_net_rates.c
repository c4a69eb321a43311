/* Links that get narrow, stay narrow, or hardly carry the sound: the scenarios of support/net_scenes.h with
 * one seed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "support/net_scenes.h"
#include "support/virtual_net.h"

static void the_picture_follows_the_link(void **state)
{
    (void)state;
    net_scene_test("drop");
}

static void a_steady_link_is_used(void **state)
{
    (void)state;
    net_scene_test("steady");
}

static void sound_goes_first(void **state)
{
    (void)state;
    net_scene_test("starved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_follows_the_link),
        cmocka_unit_test(a_steady_link_is_used),
        cmocka_unit_test(sound_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
