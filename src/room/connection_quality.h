/* How good a participant's connection is, as one number and as the word that clients show: from loss, delay
 * and jitter of its peer connections, and from the pictures that it gets against those that it asked for.
 * Pure functions. */
#ifndef ROOM_CONNECTION_QUALITY_H
#define ROOM_CONNECTION_QUALITY_H

#include "room/types.h"

#define CONNECTION_SCORE_MAX 100

/* Points that a lost per cent costs, as LiveKit weighs it: video is no longer excellent from 2 % on, Opus
 * from 2.5 %, Opus with its copies (RFC 2198) from 5 %. */
#define CONNECTION_LOSS_VIDEO 10
#define CONNECTION_LOSS_AUDIO 8
#define CONNECTION_LOSS_RED   4

/* What was measured of one peer connection, lately. */
struct connection_network {
    float loss; /* 0 to 1, of the worse direction; anything else counts as the nearer end, no number as 0 */
    float loss_points; /* that a lost per cent costs: CONNECTION_LOSS_... */
    uint32_t rtt_ms, jitter_ms;
};

/* 0 to 100. Loss alone makes it poor and no worse, unless half of everything is lost. */
float connection_network_score(const struct connection_network *n);

/* The videos that a viewer wants and that their publishers send. */
struct connection_pictures {
    uint32_t full;    /* arrive as wanted */
    uint32_t lower;   /* a layer below that */
    uint32_t lowest;  /* more than one below */
    uint32_t stopped; /* paused for want of bandwidth */
};

/* 0 to 100; 100 if there are none. Never excellent while one is stopped, and never as bad as lost: something
 * does arrive. */
float connection_pictures_score(const struct connection_pictures *p);

/* The word for a score. Better than before only when the score is clearly beyond the bound, so that it does
 * not change with every report. */
enum connection_quality connection_grade(float score, enum connection_quality before);

/* 1.0 to 4.5. */
float connection_mos(float score);

#endif
