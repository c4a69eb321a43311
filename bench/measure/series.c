#include "series.h"

#include <stdlib.h>

void series_add(struct series *s, double value)
{
    if (s->count < SERIES_MAX)
        s->at[s->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double series_at(struct series *s, double share)
{
    if (!s->count)
        return 0;
    qsort(s->at, s->count, sizeof s->at[0], compare);
    return s->at[(size_t)(share * (double)(s->count - 1) + 0.5)];
}
