// link: rtp base
/* The dependency descriptor: descriptors in a row, each behind a length byte, as one stream would bring them.
 * A structure is replaced only by a sound one, and what is read lies within its bounds. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "rtp/dd.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
    struct cursor c = cursor_of(input, input_len);
    static struct dd_structure s, before;
    s.valid = false;
    while (cursor_left(&c) > 1) {
        struct cursor d = cursor_sub(&c, cursor_u8(&c));
        size_t len = cursor_left(&d);
        const uint8_t *data = cursor_bytes(&d, len);
        struct dd dd;
        before = s;
        int r = dd_parse(data, len, &s, &dd);
        CHECK(r == 0 || r == -EAGAIN || r == -EBADMSG);
        if (r != 0 || !dd.has_structure)
            CHECK(memcmp(&s, &before, sizeof s) == 0);
        if (r == -EBADMSG)
            continue;
        struct payload_info i = {.codec = PAYLOAD_AV1};
        dd_to_payload(&dd, r == 0 ? &s : NULL, &i);
        if (r == -EAGAIN)
            continue;
        CHECK(s.valid && s.template_count >= 1 && s.template_count <= DD_TEMPLATES_MAX);
        CHECK(s.target_count >= 1 && s.target_count <= DD_TARGETS_MAX && s.chain_count <= s.target_count);
        CHECK(dd.deps.fdiff_count <= DD_FDIFFS_MAX && dd.deps.spatial < DD_SPATIAL_MAX);
        CHECK(dd.active_targets >> (s.target_count - 1) <= 1);
        for (unsigned k = 0; k < dd.deps.fdiff_count; k++)
            CHECK(dd.deps.fdiff[k] >= 1 && dd.deps.fdiff[k] <= 4096);
        for (unsigned k = 0; k < s.target_count; k++)
            CHECK(s.chain_count ? s.chain_of_target[k] < s.chain_count : s.chain_of_target[k] == DD_NO_CHAIN);
        uint8_t copy[256];
        struct dd again;
        memcpy(copy, data, len);
        CHECK(dd_patch_frame_number(copy, len, 0x1234) == 0 && dd_parse(copy, len, &s, &again) == 0);
        CHECK(again.frame_number == 0x1234 && again.template_id == dd.template_id);
    }
    return 0;
}
