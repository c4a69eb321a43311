#include "ice/discover.h"

#include <string.h>

#include "base/rand.h"
#include "ice/message.h"

#define LAST_WAIT_RTOS 8

void ice_discover_init(struct ice_discover *d, const struct addr *server, int64_t now_us)
{
    *d = (struct ice_discover){
        .server = *server,
        .state = ICE_DISCOVER_WAITING,
        .due_us = now_us,
        .rto_us = ICE_RTO_US,
    };
    rand_bytes(d->id, sizeof d->id);
}

bool ice_discover_poll(struct ice_discover *d, struct ice_stun *stun, int64_t now_us, struct writer *out)
{
    if (d->state != ICE_DISCOVER_WAITING || now_us < d->due_us)
        return false;
    if (d->sent == ICE_SENDS_MAX) {
        d->state = ICE_DISCOVER_FAILED;
        return false;
    }
    d->sent++;
    d->due_us = now_us + (d->sent == ICE_SENDS_MAX ? LAST_WAIT_RTOS * ICE_RTO_US : d->rto_us);
    d->rto_us *= 2;
    return stun_write_binding(stun, d->id, out);
}

bool ice_discover_input(
    struct ice_discover *d, struct ice_stun *stun, const struct addr *from, const uint8_t *data, size_t len)
{
    struct stun_view v;
    if (d->state != ICE_DISCOVER_WAITING || !addr_equal(from, &d->server) ||
        stun_view_read(data, len, &v) < 0 || memcmp(v.id, d->id, sizeof d->id) != 0)
        return false;
    int rc = stun_answer_read(stun, &v, data, len, NULL, &d->mapped);
    if (rc < 0)
        return false;
    d->state = rc == 0 ? ICE_DISCOVER_DONE : ICE_DISCOVER_FAILED;
    return true;
}

int64_t ice_discover_next_timeout(const struct ice_discover *d)
{
    return d->state == ICE_DISCOVER_WAITING ? d->due_us : INT64_MAX;
}
