/* How a picture becomes RTP payloads: cut as libwebrtc cuts it, with VP8's descriptor (RFC 7741) or in the
 * units and fragments of H.264 (RFC 6184, packetization mode 1). Pure functions. */
#ifndef BENCH_LOAD_PIECES_H
#define BENCH_LOAD_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIECES_MAX 512 /* packets of one picture */

/* Cuts len bytes (at least 1) into pieces of at most max, the first one first_less smaller than that, all of
 * nearly one size: those at the end are one byte longer. sizes holds PIECES_MAX. Returns how many, or -ENOSPC
 * (more than PIECES_MAX), -EINVAL (max is not larger than first_less). */
int pieces_cut(size_t len, size_t max, size_t first_less, uint16_t *sizes);

#define PIECES_VP8_LEN 6 /* bytes of the descriptor: picture id of 15 bits, TL0PICIDX, temporal layer 0 */

void pieces_vp8_descriptor(uint8_t out[PIECES_VP8_LEN], bool first, uint16_t picture, uint8_t tl0);

#define PIECES_VP8_HEAD 10 /* bytes that begin a key frame (RFC 6386, section 9.1) */

/* The beginning of a made-up picture: frame tag, start code and size of a key frame; of others the tag alone
 * means something. */
void pieces_vp8_head(uint8_t out[PIECES_VP8_HEAD], bool key, unsigned width, unsigned height);

/* The next payload of a NAL unit. *at is the bytes of it that are done, 0 at first. out holds max bytes; less
 * is how many fewer this one may have. Returns its length and moves *at; when *at is len that was the last.
 * Units that do not fit are cut evenly into FU-A. max is at least 64 more than less. */
size_t pieces_h264_next(const uint8_t *nal, size_t len, size_t *at, size_t max, size_t less, uint8_t *out);

#endif
