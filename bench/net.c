// link: sfu
/* The network scenarios with their targets: every scene with several seeds, the worst of each figure. Writes
 * the table to the output, a list of {name, value, unit, target, ok} and what plots are made of.
 *
 *   bench/net [--seeds 5] [--scene NAME] [--json FILE] [--series DIR] */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "support/net_scenes.h"
#include "support/virtual_net.h"

#define SEEDS_MAX 32

struct series {
    const char *dir, *scene;
};

/* A file for a plot: DIR/scene.dat or DIR/scene-part.dat, a line each tenth of a second. */
static void series_write(void *arg, const char *part, const struct net_viewer *v)
{
    const struct series *s = arg;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s%s%s.dat", s->dir, s->scene, part ? "-" : "", part ? part : "");
    for (char *c = path + strlen(s->dir) + 1; *c; c++)
        if (strchr(" /%", *c))
            *c = '_';
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    fprintf(f, "# s, link, estimate, sent, media (kbit/s), queue (ms), layer, frames/s\n");
    for (size_t i = 0; i < v->sample_count; i++) {
        const struct net_sample *x = &v->samples[i];
        fprintf(f, "%.1f %.0f %.0f %.0f %.0f %.1f %d %u\n", x->at_s, x->link_bps / 1000,
            x->estimate_bps / 1000, x->sent_bps / 1000, x->useful_bps / 1000, x->queue_ms, x->layer, x->fps);
    }
    if (fclose(f)) {
        perror(path);
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The worst of the seeds into *worst; the median is returned. */
static double summarize(const struct net_result *results, unsigned seeds, size_t k, struct net_figure *worst)
{
    double values[SEEDS_MAX];
    for (unsigned i = 0; i < seeds; i++)
        values[i] = results[i].figures[k].value;
    qsort(values, seeds, sizeof *values, compare);
    *worst = results[0].figures[k];
    worst->value = worst->no_target ? values[seeds / 2] : worst->at_most ? values[seeds - 1] : values[0];
    return values[seeds / 2];
}

static unsigned scene_run(
    const struct net_scene *scene, unsigned seeds, const char *series, FILE *json, bool *first)
{
    static struct net_result results[SEEDS_MAX];
    struct series s = {.dir = series, .scene = scene->name};
    unsigned missed = 0;
    for (unsigned i = 0; i < seeds; i++) {
        results[i] = (struct net_result){.seed = i + 1};
        if (!i && series) {
            results[i].plot = series_write;
            results[i].arg = &s;
        }
        scene->run(&results[i]);
    }
    printf("\n%s: %s\n", scene->name, scene->what);
    for (size_t k = 0; k < results[0].count; k++) {
        struct net_figure f;
        double median = summarize(results, seeds, k, &f);
        bool ok = net_figure_ok(&f);
        missed += !ok;
        printf("  %-58s %9.2f %-3s", f.name, f.value, f.unit);
        if (f.no_target)
            printf("\n");
        else
            printf("  %s %-6g median %-8.2f %s\n", f.at_most ? "<=" : ">=", f.target, median,
                ok ? "ok" : "MISSED");
        if (!json)
            continue;
        fprintf(json,
            "%s  {\"name\": \"%s: %s\", \"value\": %.4g, \"unit\": \"%s\", \"target\": ", *first ? "" : ",\n",
            scene->name, f.name, f.value, f.unit);
        *first = false;
        fprintf(json, f.no_target ? "null" : "%g", f.target);
        fprintf(json, ", \"ok\": %s}", ok ? "true" : "false");
    }
    (void)fflush(stdout);
    return missed;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
        {"scene", required_argument, NULL, 's'}, {"json", required_argument, NULL, 'j'},
        {"series", required_argument, NULL, 'd'}, {0}};
    unsigned seeds = 5, missed = 0;
    const char *only = NULL, *json_path = NULL, *series = NULL;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'n')
            seeds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 's')
            only = optarg;
        else if (c == 'j')
            json_path = optarg;
        else if (c == 'd')
            series = optarg;
        else
            return 2;
    }
    if (!seeds || seeds > SEEDS_MAX)
        return 2;
    FILE *json = json_path ? fopen(json_path, "w") : NULL;
    if (json_path && !json) {
        perror(json_path);
        return 1;
    }
    if (json)
        fprintf(json, "[\n");
    bool first = true;
    printf("The worst of %u seeds; figures without a target: the median.\n", seeds);
    for (size_t i = 0; i < net_scene_count; i++)
        if (!only || !strcmp(only, net_scenes[i].name))
            missed += scene_run(&net_scenes[i], seeds, series, json, &first);
    if (json)
        fprintf(json, "\n]\n");
    if (json && fclose(json)) {
        perror(json_path);
        return 1;
    }
    printf("\n%u targets missed\n", missed);
    return 0;
}
