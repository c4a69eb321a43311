/* Sections as publishers and subscribers of tests negotiate them: the same extensions, other ids. */
#ifndef SUPPORT_SFU_SECTION_H
#define SUPPORT_SFU_SECTION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "sfu/command.h"

struct ext_id {
    uint8_t id;
    enum rtp_ext ext;
};

static const struct ext_id publisher_ids[] = {{1, RTP_EXT_AUDIO_LEVEL}, {2, RTP_EXT_ABS_SEND_TIME},
    {3, RTP_EXT_TWCC}, {4, RTP_EXT_MID}, {10, RTP_EXT_RID}, {11, RTP_EXT_REPAIRED_RID},
    {13, RTP_EXT_VIDEO_ORIENTATION}};
static const struct ext_id subscriber_ids[] = {
    {7, RTP_EXT_AUDIO_LEVEL}, {5, RTP_EXT_TWCC}, {9, RTP_EXT_MID}, {6, RTP_EXT_VIDEO_ORIENTATION}};

/* A section without codecs. */
static inline void section_make(struct sfu_section *s, bool subscriber, const char *mid)
{
    *s = (struct sfu_section){0};
    (void)snprintf(s->mid, sizeof s->mid, "%s", mid);
    rtp_extmap_init(&s->extmap);
    const struct ext_id *ids = subscriber ? subscriber_ids : publisher_ids;
    size_t n = subscriber ? sizeof subscriber_ids / sizeof *ids : sizeof publisher_ids / sizeof *ids;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rtp_extmap_set(&s->extmap, ids[i].id, ids[i].ext), 0);
}

#endif
