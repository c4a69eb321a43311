/* The network scenarios: what viewers see and hear on bad networks. Each is run with a seed and gives
 * figures, each with its target, and a looser bound that a single run of the tests has to keep. */
#ifndef SUPPORT_NET_SCENES_H
#define SUPPORT_NET_SCENES_H

#include "support/net_viewer.h"

#define NET_FIGURES_MAX 32

struct net_figure {
    char name[96]; /* behind the scene's */
    const char *unit;
    double value, target, loose;
    bool at_most;   /* else: at least */
    bool no_target; /* told only */
};

struct net_result {
    uint64_t seed;
    struct net_figure figures[NET_FIGURES_MAX];
    size_t count;
    /* Called with the viewer whose samples are worth a plot, if set; parts of a scene have names. */
    void (*plot)(void *arg, const char *part, const struct net_viewer *v);
    void *arg;
};

struct net_scene {
    const char *name, *what;
    void (*run)(struct net_result *r);
};

extern const struct net_scene net_scenes[];
extern const size_t net_scene_count;

bool net_figure_ok(const struct net_figure *f);    /* the target */
bool net_figure_loose(const struct net_figure *f); /* the looser bound */

/* Runs a scene with one seed, prints its figures, and fails the test if one is beyond its looser bound. */
void net_scene_test(const char *name);

#endif
