/* google.protobuf.Timestamp in JSON. */
#include "proto/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS_MIN -62135596800 /* 0001-01-01T00:00:00Z */
#define SECONDS_MAX 253402300799 /* 9999-12-31T23:59:59Z */
#define NANOS       1000000000

int proto_timestamp_print(int64_t seconds, int32_t nanos, char out[PROTO_TIMESTAMP_MAX])
{
    struct tm tm;
    time_t t = seconds;
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos >= NANOS || !gmtime_r(&t, &tm))
        return -ERANGE;
    char fraction[11] = "";
    if (nanos % 1000)
        snprintf(fraction, sizeof fraction, ".%09u", (unsigned)nanos % NANOS);
    else if (nanos % 1000000)
        snprintf(fraction, sizeof fraction, ".%06u", (unsigned)(nanos / 1000) % 1000000);
    else if (nanos)
        snprintf(fraction, sizeof fraction, ".%03u", (unsigned)(nanos / 1000000) % 1000);
    snprintf(out, PROTO_TIMESTAMP_MAX, "%04u-%02u-%02uT%02u:%02u:%02u%sZ",
        (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
        (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, fraction);
    return 0;
}

/* Exactly n digits, with a value from low to high. */
static bool take_number(const char **p, int n, int low, int high, int *ret)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return v >= low && v <= high;
}

static bool take_char(const char **p, const char *any)
{
    if (!**p || !strchr(any, **p))
        return false;
    (*p)++;
    return true;
}

/* An optional fraction of a second, of one to nine digits. */
static bool take_fraction(const char **p, int32_t *ret)
{
    int32_t nanos = 0, unit = NANOS / 10;
    if (take_char(p, ".")) {
        const char *from = *p;
        for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
            nanos += (**p - '0') * unit;
        if (*p == from || *p - from > 9)
            return false;
    }
    *ret = nanos;
    return true;
}

/* "Z" or "+hh:mm": seconds east of Greenwich. */
static bool take_zone(const char **p, int *ret)
{
    int hours, minutes;
    *ret = 0;
    if (take_char(p, "Zz"))
        return true;
    int sign = **p == '-' ? -1 : 1;
    if (!take_char(p, "+-") || !take_number(p, 2, 0, 23, &hours) || !take_char(p, ":") ||
        !take_number(p, 2, 0, 59, &minutes))
        return false;
    *ret = sign * (hours * 3600 + minutes * 60);
    return true;
}

int proto_timestamp_parse(const char *text, int64_t *ret_seconds, int32_t *ret_nanos)
{
    const char *p = text;
    int year, month, day, hour, minute, second, zone;
    int32_t nanos;
    if (!take_number(&p, 4, 1, 9999, &year) || !take_char(&p, "-") || !take_number(&p, 2, 1, 12, &month) ||
        !take_char(&p, "-") || !take_number(&p, 2, 1, 31, &day) || !take_char(&p, "Tt") ||
        !take_number(&p, 2, 0, 23, &hour) || !take_char(&p, ":") || !take_number(&p, 2, 0, 59, &minute) ||
        !take_char(&p, ":") || !take_number(&p, 2, 0, 59, &second) || !take_fraction(&p, &nanos) ||
        !take_zone(&p, &zone) || *p)
        return -EBADMSG;
    struct tm tm = {.tm_year = year - 1900,
        .tm_mon = month - 1,
        .tm_mday = day,
        .tm_hour = hour,
        .tm_min = minute,
        .tm_sec = second};
    int64_t seconds = timegm(&tm);
    if (tm.tm_mday != day) /* the 31st of a short month */
        return -EBADMSG;
    seconds -= zone;
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX)
        return -EBADMSG;
    *ret_seconds = seconds;
    *ret_nanos = nanos;
    return 0;
}
