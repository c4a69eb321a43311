/* What a client says it can decode. Pure functions, any thread. */
#ifndef HTTP_ENCODING_H
#define HTTP_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

/* What one or several Accept-Encoding fields said of gzip so far; starts as {0}. */
struct encoding_taste {
    bool named, any;      /* gzip, or "*", was in the list */
    bool gzip_ok, any_ok; /* and not with a weight of 0 */
};

/* Reads len bytes of an Accept-Encoding field's value (RFC 9110, section 12.5.3). A member that cannot be
 * read counts as refused, for uncompressed is right for everybody. */
void encoding_read(struct encoding_taste *taste, const char *value, size_t len);
/* May the answer be gzip? Without any field: no, though it would be allowed. */
bool encoding_takes_gzip(const struct encoding_taste *taste);

#endif
