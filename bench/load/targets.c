#include "targets.h"

#include <string.h>

static const struct target_kind *const kinds[] = {&target_livekit, &target_whip, &target_janus};

const struct target_kind *target_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

const char *load_failure_name(enum load_failure why)
{
    static const char *const names[LOAD_FAILURE_COUNT] = {
        [LOAD_UNREACHABLE] = "unreachable",
        [LOAD_TOKEN] = "token",
        [LOAD_SIGNALLING] = "signalling",
        [LOAD_DESCRIPTION] = "description",
        [LOAD_ICE] = "ice",
        [LOAD_DTLS] = "dtls",
        [LOAD_TIMEOUT] = "timeout",
        [LOAD_NO_MEDIA] = "no_media",
        [LOAD_DROPPED] = "dropped",
        [LOAD_FORGED] = "forged",
    };
    return why < LOAD_FAILURE_COUNT ? names[why] : "unknown";
}
