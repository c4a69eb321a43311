// link: http
/* An Accept-Encoding field: one that says gzip and nothing else of it is the same whatever stands around it.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "http/encoding.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char no[] = "gzip;q=0", yes[] = "gzip";
    struct encoding_taste taste = {0};
    encoding_read(&taste, (const char *)data, size);
    bool named = taste.named, takes = encoding_takes_gzip(&taste);
    assert(taste.named || !taste.gzip_ok);
    assert(taste.any || !taste.any_ok);
    encoding_read(&taste, yes, sizeof yes - 1);
    assert(encoding_takes_gzip(&taste) == (takes || !named));
    encoding_read(&taste, no, sizeof no - 1);
    assert(!encoding_takes_gzip(&taste));
    return 0;
}
