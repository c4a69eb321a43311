/* Pictures of a file that are sent as they are: VP8 in IVF, or H.264 as a byte stream (Annex B). The file's
 * bytes are not trusted. */
#ifndef BENCH_LOAD_MEDIA_H
#define BENCH_LOAD_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIA_FILE_MAX (256u << 20) /* bytes: all of it is kept in memory */

/* A piece of a picture inside the file: a whole picture of VP8, a NAL unit of H.264 without its start code.
 */
struct media_unit {
    uint32_t offset, len;
};

struct media_frame {
    uint32_t first, count; /* units */
    uint32_t bytes;        /* of them */
    bool key;
};

struct media {
    bool h264; /* otherwise VP8 */
    uint8_t *data;
    size_t len;
    struct media_unit *units;
    size_t unit_count;
    struct media_frame *frames;
    size_t frame_count;
    double fps; /* of the file; 0: it does not say */
    unsigned width, height;
};

/* Reads a file. 0, or -errno with a sentence in why. */
int media_open(const char *name, struct media *ret, char *why, size_t why_size);
void media_done(struct media *m);

/* The same for bytes in memory, which become the media's (malloc) if it succeeds. */
int media_parse(uint8_t *data, size_t len, struct media *ret, char *why, size_t why_size);

#endif
