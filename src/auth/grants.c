#include "auth/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void auth_grants_init(struct auth_grants *g)
{
    *g =
        (struct auth_grants){.video = {.can_publish = true, .can_subscribe = true, .can_publish_data = true}};
}

void auth_grants_done(struct auth_grants *g)
{
    free(g->identity);
    free(g->name);
    free(g->metadata);
    for (size_t i = 0; i < g->attribute_count; i++) {
        free(g->attributes[i].key);
        free(g->attributes[i].value);
    }
    free(g->attributes);
    free(g->sha256);
    free(g->room_preset);
    free(g->room_config);
    free(g->video.room);
    free(g->video.destination_room);
    auth_grants_init(g);
}

int auth_text_set(char **text, const char *value)
{
    char *copy = value ? strdup(value) : NULL;
    if (value && !copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

static struct auth_attribute *attribute_find(struct auth_grants *g, const char *key)
{
    for (size_t i = 0; i < g->attribute_count; i++)
        if (strcmp(g->attributes[i].key, key) == 0)
            return &g->attributes[i];
    return NULL;
}

static int attribute_add(struct auth_grants *g, const char *key, const char *value)
{
    struct auth_attribute *list = reallocarray(g->attributes, g->attribute_count + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    g->attributes = list;
    struct auth_attribute a = {.key = strdup(key), .value = strdup(value)};
    if (!a.key || !a.value) {
        free(a.key);
        free(a.value);
        return -ENOMEM;
    }
    list[g->attribute_count++] = a;
    return 0;
}

int auth_attribute_set(struct auth_grants *g, const char *key, const char *value)
{
    struct auth_attribute *a = attribute_find(g, key);
    if (!a)
        return *value ? attribute_add(g, key, value) : 0;
    if (*value)
        return auth_text_set(&a->value, value);
    free(a->key);
    free(a->value);
    *a = g->attributes[--g->attribute_count];
    return 0;
}
