#include "api/api.h"

#include <errno.h>
#include <stdlib.h>
#include "api/internal.h"
#include "net/clock.h"

struct api *api_new(const struct api_config *c)
{
    struct api *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->config = *c;
    a->started_us = clock_now_us();
    int err = server_routes(a);
    if (!err)
        err = rooms_routes(a);
    if (!err)
        err = why_routes(a);
    if (err) {
        free(a);
        errno = -err;
        return NULL;
    }
    return a;
}

void api_free(struct api *a)
{
    free(a);
}
