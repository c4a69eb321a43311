#include "api/origin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The first item of a comma-separated field: what the outermost proxy saw. Returns its length, *ret at it. */
static size_t first_item(const char *field, const char **ret)
{
    field += strspn(field, " \t");
    size_t len = strcspn(field, ",");
    while (len > 0 && (field[len - 1] == ' ' || field[len - 1] == '\t'))
        len--;
    *ret = field;
    return len;
}

/* Letters, digits, and what names, IPv6 literals and ports are made of (RFC 9110, section 7.2): nothing that
 * could end the host in a URL. */
static bool host_is_good(const char *host, size_t len)
{
    if (len == 0 || len > API_HOST_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr("-._:[]", host[i]))
            return false;
    return true;
}

char *origin_socket_url(const struct origin *o, char out[ORIGIN_URL_SIZE])
{
    bool secure = o->secure;
    const char *item, *fields[] = {o->forwarded_host, o->host};
    if (o->forwarded_proto) {
        size_t len = first_item(o->forwarded_proto, &item);
        if (len == 5 && strncasecmp(item, "https", 5) == 0)
            secure = true;
    }
    const char *scheme = secure ? "wss" : "ws";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        size_t len = fields[i] ? first_item(fields[i], &item) : 0;
        if (len && host_is_good(item, len)) {
            snprintf(out, ORIGIN_URL_SIZE, "%s://%.*s", scheme, (int)len, item);
            return out;
        }
    }
    snprintf(out, ORIGIN_URL_SIZE, "%s://localhost:%u", scheme, o->port);
    return out;
}
