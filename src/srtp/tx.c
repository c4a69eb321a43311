#include <errno.h>
#include <string.h>
#include "base/prefetch.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/huge.h"
#include "srtp/backend.h"
#include "srtp/table.h"
#include "srtp/window.h"

#define RTP_HEADER  12          /* bytes without CSRCs and extensions (RFC 3550, section 5.1) */
#define RTCP_HEADER 8           /* bytes up to and with the sender's SSRC */
#define RTCP_LAST   0x7fffffffu /* SRTCP indexes have 31 bits */
#define INDEX_BITS  48
#define JUMP_MAX    0x8000 /* a receiver takes a longer one for a step back (RFC 3711, section 3.3.1) */
#define RUN_MAX     64     /* jobs handed to a back end at once */
#define STATE_HOT   1152   /* bytes of a back end's state that sending reads: a key with its tables */

struct tx_stream {
    uint32_t ssrc;
    uint32_t rtcp_index; /* of the latest packet; 0: none */
    void *stream;        /* the back end's */
    struct srtp_window window;
};

struct srtp_tx {
    const struct srtp_backend *backend;
    void *state;
    enum srtp_profile profile;
    uint64_t key_id;
    struct srtp_table streams; /* SSRC -> struct tx_stream, or &retired */
    struct srtp_tx_stats stats;
};

/* Stands in the table for an SSRC that must never send again. */
static struct tx_stream retired;

static srtp_tx_observe_fn observe_fn;
static void *observe_arg;

void srtp_tx_observe(srtp_tx_observe_fn fn, void *arg)
{
    observe_fn = fn;
    observe_arg = arg;
}

/* ---- life ---- */

int srtp_tx_new_with(const struct srtp_backend *b, enum srtp_profile profile, const uint8_t *key,
    const uint8_t *salt, struct srtp_tx **ret)
{
    uint8_t both[SRTP_KEY_MAX + SRTP_SALT_MAX];
    struct writer w = writer_of(both, sizeof both);

    if (!b || !b->supports(profile))
        return -EINVAL;
    struct srtp_tx *tx = huge_alloc(sizeof *tx);
    if (!tx)
        return -ENOMEM;
    int r = b->tx_new(profile, key, salt, &tx->state);
    if (r < 0) {
        huge_free(tx, sizeof *tx);
        return r;
    }
    writer_bytes(&w, key, srtp_profile_key_len(profile));
    writer_bytes(&w, salt, srtp_profile_salt_len(profile));
    tx->key_id = hash_bytes(both, w.len);
    explicit_bzero(both, sizeof both);
    tx->backend = b;
    tx->profile = profile;
    *ret = tx;
    return 0;
}

int srtp_tx_new(enum srtp_profile profile, const uint8_t *key, const uint8_t *salt, struct srtp_tx **ret)
{
    return srtp_tx_new_with(srtp_backend_of(profile), profile, key, salt, ret);
}

void srtp_tx_free(struct srtp_tx *tx)
{
    if (!tx)
        return;
    for (size_t i = 0; i < tx->streams.size; i++) {
        if (tx->streams.slots[i].value != &retired)
            huge_free(tx->streams.slots[i].value, sizeof(struct tx_stream));
    }
    srtp_table_done(&tx->streams);
    tx->backend->tx_free(tx->state);
    huge_free(tx, sizeof *tx);
}

enum srtp_profile srtp_tx_profile(const struct srtp_tx *tx)
{
    return tx->profile;
}

static int stream_add(struct srtp_tx *tx, uint32_t ssrc, struct tx_stream **ret)
{
    if (tx->streams.count >= SRTP_TX_SSRCS_MAX)
        return -ENOSPC;
    struct tx_stream *s = huge_alloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    s->ssrc = ssrc;
    int r = tx->backend->tx_ssrc_add(tx->state, ssrc, &s->stream);
    if (r == 0 && srtp_table_set(&tx->streams, ssrc, s) < 0) {
        tx->backend->tx_ssrc_del(tx->state, ssrc, s->stream);
        r = -ENOMEM;
    }
    if (r < 0) {
        huge_free(s, sizeof *s);
        return r;
    }
    tx->stats.ssrcs++;
    *ret = s;
    return 0;
}

/* The stream of an SSRC, made if it is new. */
static int find_stream(struct srtp_tx *tx, uint32_t ssrc, struct tx_stream **ret)
{
    struct tx_stream *s = srtp_table_get(&tx->streams, ssrc);
    if (!s)
        return stream_add(tx, ssrc, ret);
    if (s == &retired)
        return -ESHUTDOWN;
    *ret = s;
    return 0;
}

int srtp_tx_remove_ssrc(struct srtp_tx *tx, uint32_t ssrc)
{
    struct tx_stream *s = srtp_table_get(&tx->streams, ssrc);

    if (s == &retired)
        return 0;
    if (!s && tx->streams.count >= SRTP_TX_SSRCS_MAX)
        return -ENOSPC;
    int r = srtp_table_set(&tx->streams, ssrc, &retired);
    if (r < 0)
        return r;
    tx->stats.retired++;
    if (s) {
        tx->backend->tx_ssrc_del(tx->state, ssrc, s->stream);
        tx->stats.ssrcs--;
        huge_free(s, sizeof *s);
    }
    return 0;
}

/* ---- RTP ---- */

/* Does the header say what the job says, and end where the job says? */
static bool header_agrees(const struct srtp_tx_job *j)
{
    struct cursor c = cursor_of(j->header, j->header_len);
    uint8_t first = cursor_u8(&c);

    cursor_skip(&c, 1);
    uint16_t seq = cursor_u16(&c);
    cursor_skip(&c, 4);
    uint32_t ssrc = cursor_u32(&c);
    cursor_skip(&c, (first & 15) * (size_t)4);
    if (first & 0x10) {
        cursor_skip(&c, 2);
        cursor_skip(&c, cursor_u16(&c) * (size_t)4);
    }
    return !c.bad && cursor_left(&c) == 0 && first >> 6 == 2 && ssrc == j->ssrc &&
           seq == (uint16_t)j->index && j->index >> INDEX_BITS == 0;
}

static void observe(const struct srtp_tx *tx, uint32_t ssrc, uint64_t index, const uint8_t *a, size_t a_len,
    const uint8_t *b, size_t b_len, bool is_rtcp)
{
    uint8_t both[PACKET_SIZE_MAX];
    struct writer w = writer_of(both, sizeof both);

    writer_bytes(&w, a, a_len);
    writer_bytes(&w, b, b_len);
    observe_fn(observe_arg, tx->key_id, ssrc, index, hash_bytes(both, w.len), is_rtcp);
}

/* The nonce law: an index passes here once. */
static int admit(struct srtp_tx_job *j)
{
    struct srtp_tx *tx = j->tx;
    struct tx_stream *s;

    if (!header_agrees(j))
        return -EINVAL;
    if (j->out_cap < (size_t)j->header_len + j->payload_len + srtp_profile_rtp_trailer(tx->profile))
        return -ENOBUFS;
    int r = find_stream(tx, j->ssrc, &s);
    if (r < 0)
        return r;
    r = srtp_window_check(&s->window, j->index);
    if (r < 0)
        return r;
    if (!s->window.any)
        r = tx->backend->tx_ssrc_start(tx->state, j->ssrc, s->stream, j->index);
    else if (j->index >= s->window.highest + JUMP_MAX)
        r = -EINVAL;
    if (r < 0)
        return r;
    srtp_window_mark(&s->window, j->index);
    j->stream = s->stream;
    if (observe_fn)
        observe(tx, j->ssrc, j->index, j->header, j->header_len, j->payload, j->payload_len, false);
    return 0;
}

static void count(struct srtp_tx_stats *stats, int r)
{
    if (r == 0)
        stats->rtp_packets++;
    else if (r == -EALREADY)
        stats->repeats++;
    else if (r == -ESTALE)
        stats->stale++;
    else
        stats->refused++;
}

void srtp_tx_prefetch(const struct srtp_tx *tx)
{
    prefetch(tx, sizeof *tx);
}

/* The table, the stream and the key of each job: one leads to the next, and of all jobs they come at once. */
static void look_ahead(const struct srtp_tx_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct srtp_tx *tx = jobs[i].tx;
        if (i && jobs[i - 1].tx == tx)
            continue;
        prefetch(srtp_table_place(&tx->streams, jobs[i].ssrc), sizeof(struct srtp_table_slot));
        prefetch(tx->state, STATE_HOT);
    }
    for (size_t i = 0; i < n; i++) {
        if (i && jobs[i - 1].tx == jobs[i].tx && jobs[i - 1].ssrc == jobs[i].ssrc)
            continue;
        const struct srtp_table_slot *slot = srtp_table_place(&jobs[i].tx->streams, jobs[i].ssrc);
        if (slot && slot->value)
            prefetch(slot->value, sizeof(struct tx_stream));
    }
}

/* Runs what has been admitted. Returns the number that succeeded. */
static size_t run(struct srtp_tx_job **jobs, size_t n)
{
    size_t good = 0;

    if (n > 0)
        jobs[0]->tx->backend->tx_run(jobs, n);
    for (size_t i = 0; i < n; i++) {
        count(&jobs[i]->tx->stats, jobs[i]->ret_err);
        good += jobs[i]->ret_err == 0;
    }
    return good;
}

size_t srtp_tx_run(struct srtp_tx_job *jobs, size_t n)
{
    struct srtp_tx_job *batch[RUN_MAX];
    size_t in_batch = 0, good = 0;

    look_ahead(jobs, n);
    for (size_t i = 0; i < n; i++) {
        struct srtp_tx_job *j = &jobs[i];
        j->ret_len = 0;
        j->ret_err = admit(j);
        if (j->ret_err < 0) {
            count(&j->tx->stats, j->ret_err);
            continue;
        }
        if (in_batch == RUN_MAX || (in_batch > 0 && batch[0]->tx->backend != j->tx->backend)) {
            good += run(batch, in_batch);
            in_batch = 0;
        }
        batch[in_batch++] = j;
    }
    return good + run(batch, in_batch);
}

/* ---- RTCP ---- */

int srtp_tx_rtcp(struct srtp_tx *tx, uint8_t *packet, size_t *len, size_t cap)
{
    struct cursor c = cursor_of(packet, *len);
    uint8_t first = cursor_u8(&c);
    struct tx_stream *s = NULL;
    int r;

    cursor_skip(&c, 3);
    uint32_t ssrc = cursor_u32(&c);
    if (c.bad || first >> 6 != 2 || *len % 4 != 0)
        r = -EINVAL;
    else if (cap < *len || cap - *len < srtp_profile_rtcp_trailer(tx->profile))
        r = -ENOBUFS;
    else
        r = find_stream(tx, ssrc, &s);
    if (r == 0 && s->rtcp_index == RTCP_LAST)
        r = -EKEYEXPIRED;
    if (r == 0) {
        s->rtcp_index++;
        if (observe_fn)
            observe(tx, ssrc, s->rtcp_index, packet, *len, NULL, 0, true);
        r = tx->backend->tx_rtcp(tx->state, ssrc, s->stream, s->rtcp_index, packet, len);
    }
    if (r == 0)
        tx->stats.rtcp_packets++;
    else
        tx->stats.refused++;
    return r;
}

void srtp_tx_stats(const struct srtp_tx *tx, struct srtp_tx_stats *ret)
{
    *ret = tx->stats;
}
