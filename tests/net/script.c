#include "net/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_CHARS 512

struct unit {
    const char *name;
    double factor;
};

static const struct unit rates[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {0}};
static const struct unit times[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {0}};
static const struct unit sizes[] = {{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {0}};
static const struct unit shares[] = {{"%", 1e4}, {0}};

/* A number of digits and at most one point, then one of the units; 0 needs none. The whole of len. */
static int number_parse(const char *text, size_t len, const struct unit *units, double max, int64_t *ret)
{
    double v = 0, place = 0;
    size_t i = 0;
    for (; i < len && ((text[i] >= '0' && text[i] <= '9') || (text[i] == '.' && place == 0)); i++) {
        if (text[i] == '.') {
            place = 1;
        } else if (place == 0) {
            v = v * 10 + (text[i] - '0');
        } else {
            place /= 10;
            v += (text[i] - '0') * place;
        }
    }
    if (i == 0 || (i == 1 && text[0] == '.'))
        return -EINVAL;
    bool bare_zero = i == len && v == 0;
    for (const struct unit *u = units; u->name || bare_zero; u++) {
        if (!bare_zero && (strlen(u->name) != len - i || memcmp(u->name, text + i, len - i) != 0))
            continue;
        double scaled = bare_zero ? 0 : v * u->factor;
        if (!(scaled <= max))
            return -EINVAL;
        *ret = (int64_t)(scaled + 0.5);
        return 0;
    }
    return -EINVAL;
}

int link_time_parse(const char *text, size_t len, int64_t *ret_us)
{
    return number_parse(text, len, times, (double)LINK_TIME_MAX_US, ret_us);
}

/* Up to three values separated by '/'. Returns how many. */
struct part {
    const char *text;
    size_t len;
};

static int parts_of(const char *text, size_t len, struct part parts[3])
{
    int n = 0;
    for (;;) {
        const char *slash = memchr(text, '/', len);
        size_t own = slash ? (size_t)(slash - text) : len;
        if (n == 3)
            return -EINVAL;
        parts[n++] = (struct part){text, own};
        if (!slash)
            return n;
        text += own + 1;
        len -= own + 1;
    }
}

static int share(const struct part *p, uint32_t *ret)
{
    int64_t v;
    if (number_parse(p->text, p->len, shares, LINK_PPM, &v))
        return -EINVAL;
    *ret = (uint32_t)v;
    return 0;
}

static int duration(const struct part *p, int64_t *ret)
{
    return link_time_parse(p->text, p->len, ret);
}

static int queue_set(const struct part *p, struct link_shape *s)
{
    int64_t us = 0, bytes = 0;
    if (link_time_parse(p->text, p->len, &us) != 0 && number_parse(p->text, p->len, sizes, 1e12, &bytes) != 0)
        return -EINVAL;
    s->queue_us = us;
    s->queue_bytes = bytes;
    return 0;
}

static int outage_set(const struct part *p, int n, bool holds, struct link_shape *s)
{
    if (n == 1 && p[0].len == 1 && p[0].text[0] == '0') {
        s->outage_us = s->outage_every_us = 0;
        return 0;
    }
    if (n != 2 || duration(&p[0], &s->outage_us) || duration(&p[1], &s->outage_every_us) ||
        s->outage_us > s->outage_every_us)
        return -EINVAL;
    s->outage_holds = holds;
    return 0;
}

static bool is_key(const char *word, size_t key_len, const char *key)
{
    return strlen(key) == key_len && memcmp(word, key, key_len) == 0;
}

static int word_parse(const char *word, size_t len, struct link_shape *s)
{
    const char *eq = memchr(word, '=', len);
    if (!eq)
        return -EINVAL;
    size_t key = (size_t)(eq - word);
    struct part p[3];
    int n = parts_of(eq + 1, len - key - 1, p);
    if (n < 0)
        return n;
    int64_t v;
    if (is_key(word, key, "burst"))
        return n == 3 ? (share(&p[0], &s->burst_enter_ppm) | share(&p[1], &s->burst_leave_ppm) |
                            share(&p[2], &s->burst_loss_ppm))
                      : -EINVAL;
    if (is_key(word, key, "reorder") && n == 2)
        return share(&p[0], &s->reorder_ppm) | duration(&p[1], &s->reorder_us);
    if (is_key(word, key, "outage") || is_key(word, key, "stall"))
        return outage_set(p, n, word[0] == 's', s);
    if (n != 1)
        return -EINVAL;
    if (is_key(word, key, "rate"))
        return number_parse(p->text, p->len, rates, (double)LINK_RATE_MAX, &s->rate_bps);
    if (is_key(word, key, "queue"))
        return queue_set(p, s);
    if (is_key(word, key, "delay"))
        return duration(p, &s->delay_us);
    if (is_key(word, key, "jitter"))
        return duration(p, &s->jitter_us);
    if (is_key(word, key, "loss"))
        return share(p, &s->loss_ppm);
    if (is_key(word, key, "duplicate"))
        return share(p, &s->duplicate_ppm);
    if (is_key(word, key, "overhead") && number_parse(p->text, p->len, rates, 1000, &v) == 0) {
        s->overhead = (uint32_t)v;
        return 0;
    }
    return -EINVAL;
}

int link_shape_parse(const char *text, struct link_shape *shape, const char **ret_bad)
{
    struct link_shape s = *shape;
    for (;;) {
        text += strspn(text, " \t\r\n");
        size_t len = strcspn(text, " \t\r\n");
        if (len == 0)
            break;
        if (word_parse(text, len, &s) != 0) {
            if (ret_bad)
                *ret_bad = text;
            return -EINVAL;
        }
        text += len;
    }
    *shape = s;
    return 0;
}

static int line_parse(struct link *l, char *line)
{
    line[strcspn(line, "#")] = '\0';
    line += strspn(line, " \t\r");
    size_t len = strcspn(line, " \t\r");
    if (len == 0)
        return 0;
    int64_t at_us;
    struct link_shape s = l->steps[l->step_count - 1].shape;
    if (link_time_parse(line, len, &at_us) || link_shape_parse(line + len, &s, NULL))
        return -EINVAL;
    return link_step_add(l, at_us, &s);
}

int link_script_parse(struct link *l, const char *text, int *ret_line)
{
    for (int number = 1; *text; number++) {
        char line[LINE_MAX_CHARS];
        size_t len = strcspn(text, "\n");
        int r = -EINVAL;
        if (len < sizeof line) {
            memcpy(line, text, len);
            line[len] = '\0';
            r = line_parse(l, line);
        }
        if (r) {
            if (ret_line)
                *ret_line = number;
            return r;
        }
        text += len + (text[len] == '\n');
    }
    return 0;
}
