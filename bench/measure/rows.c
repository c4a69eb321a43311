#include "rows.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void rows_heading(const char *text)
{
    printf("\n%s\n", text);
    fflush(stdout);
}

/* Three significant digits, and all of those in front of the point. */
static int decimals(double v)
{
    double a = fabs(v);
    return a >= 100 || a == 0 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : 3;
}

static void json(const char *name, double value, const char *unit, const double *target, bool ok)
{
    const char *path = getenv("BENCH_ROWS");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (!f)
        return;
    fprintf(f, "{\"name\": \"%s\", \"value\": %.*f, \"unit\": \"%s\", \"target\": ", name,
        decimals(value) + 1, value, unit);
    if (target)
        fprintf(f, "%g", *target);
    else
        fputs("null", f);
    fprintf(f, ", \"ok\": %s}\n", ok ? "true" : "false");
    fclose(f);
}

static void row(
    const char *name, double value, const char *unit, const char *relation, const double *target, bool ok)
{
    printf("  %-58s %10.*f %-4s", name, decimals(value), value, unit);
    if (target)
        printf("  %s %-6g %s", relation, *target, ok ? "ok" : "MISSED");
    printf("\n");
    fflush(stdout);
    json(name, value, unit, target, ok);
}

void rows_below(const char *name, double value, const char *unit, double target)
{
    row(name, value, unit, "< ", &target, value < target);
}

void rows_above(const char *name, double value, const char *unit, double target)
{
    row(name, value, unit, ">=", &target, value >= target);
}

void rows_plain(const char *name, double value, const char *unit)
{
    row(name, value, unit, "", NULL, true);
}

void rows_step(const char *name, double ns, double allocations)
{
    static const double none = 0;
    char text[128];
    printf("  %-70s %8.*f ns", name, decimals(ns), ns);
    json(name, ns, "ns", NULL, true);
    if (allocations >= 0) {
        printf("  %g allocations", allocations);
        snprintf(text, sizeof text, "%s, allocations", name);
        json(text, allocations, "per op", &none, allocations == 0);
    }
    printf("\n");
    fflush(stdout);
}

void rows_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("  ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    fflush(stdout);
}
