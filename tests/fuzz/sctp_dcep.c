// link: sctp
/* Data channel establishment messages: what is accepted is written again as it was read. */
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "sctp/dcep.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dcep_open open, again;
    uint8_t out[12 + 2 * DCEP_LABEL_MAX];

    int r = dcep_parse(data, size, &open);
    if (r != DCEP_OPEN) {
        if (r == DCEP_ACK && (size != 1 || data[0] != DCEP_ACK))
            abort();
        return 0;
    }
    if (open.label_len > DCEP_LABEL_MAX || open.protocol_len > DCEP_LABEL_MAX ||
        strlen(open.label) != open.label_len || strlen(open.protocol) != open.protocol_len ||
        !text_is_utf8(open.label, open.label_len) || !text_is_utf8(open.protocol, open.protocol_len))
        abort();
    int n = dcep_write_open(&open, out, sizeof out);
    if (n != (int)size || dcep_parse(out, (size_t)n, &again) != DCEP_OPEN ||
        memcmp(&open, &again, sizeof open) != 0)
        abort();
    /* Only the limit of a reliable channel, which means nothing, may differ. */
    if (open.reliability != DCEP_RELIABLE && memcmp(out, data, size) != 0)
        abort();
    return 0;
}
