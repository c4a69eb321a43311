/* What the files of the layer choice share among themselves. */
#ifndef RTP_LAYERS_INTERNAL_H
#define RTP_LAYERS_INTERNAL_H

#include "rtp/layers.h"

#define LAYERS_TICK_US 16384

/* ---- layers.c ---- */

/* The record of a number between floor and highest that the ring still has, else NULL. */
struct layers_record *layers_record_of(struct layers *l, int64_t number);

/* Forgets all records; the next number is number. */
void layers_restart_at(struct layers *l, int64_t number);

/* Room for the record of number, the highest so far. Those that are missing in between become a copy of
 * missing. */
struct layers_record *layers_record_add(struct layers *l, int64_t number, struct layers_record missing);

/* The temporal layer that is wanted, the frame rate considered. */
uint8_t layers_temporal_wanted(const struct layers *l, const struct layer_facts *f);

/* ---- layers_picture.c ---- */
void layers_picture_begin(struct layers *l, const struct layer_facts *f);
bool layers_picture_input(struct layers *l, const struct layer_facts *f, int64_t now_us, bool *ret_ends);

/* ---- layers_frame.c ---- */
void layers_frame_begin(struct layers *l, const struct layer_facts *f);
bool layers_frame_input(struct layers *l, const struct layer_facts *f, int64_t now_us, bool *ret_ends);

#endif
