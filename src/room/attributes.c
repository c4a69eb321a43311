#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "room/types.h"

size_t attributes_bytes(const struct attributes *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        n += strlen(a->items[i].key) + strlen(a->items[i].value);
    return n;
}

static struct attribute *find(const struct attributes *a, const char *key)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i].key, key) == 0)
            return &a->items[i];
    return NULL;
}

const char *attributes_get(const struct attributes *a, const char *key)
{
    const struct attribute *it = find(a, key);
    return it ? it->value : NULL;
}

static void remove_item(struct attributes *a, struct attribute *it)
{
    free(it->key);
    free(it->value);
    size_t at = (size_t)(it - a->items);
    memmove(it, it + 1, (a->n - at - 1) * sizeof *it);
    a->n--;
}

int attributes_set(struct attributes *a, const char *key, const char *value, size_t max_bytes)
{
    struct attribute *it = find(a, key);
    if (!value || !*value) {
        if (it)
            remove_item(a, it);
        return 0;
    }
    size_t bytes =
        attributes_bytes(a) + strlen(value) + (it ? 0 : strlen(key)) - (it ? strlen(it->value) : 0);
    if (max_bytes && bytes > max_bytes)
        return -E2BIG;
    char *v = strdup(value);
    if (!v)
        return -ENOMEM;
    if (it) {
        free(it->value);
        it->value = v;
        return 0;
    }
    char *k = strdup(key);
    struct attribute *grown = k ? realloc(a->items, (a->n + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(k);
        free(v);
        return -ENOMEM;
    }
    a->items = grown;
    a->items[a->n++] = (struct attribute){.key = k, .value = v};
    return 0;
}

void attributes_done(struct attributes *a)
{
    while (a->n)
        remove_item(a, &a->items[a->n - 1]);
    free(a->items);
    *a = (struct attributes){0};
}
