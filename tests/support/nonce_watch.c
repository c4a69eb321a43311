#include "support/nonce_watch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "srtp/srtp.h"

struct nonce {
    uint64_t key_id, index; /* index 0, of RTP: stored as index + 1, so that 0 is a free slot */
    uint32_t ssrc;
    bool is_rtcp;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nonce *slots;
static size_t size, count; /* size: a power of two */

static size_t slot_of(const struct nonce *n)
{
    uint64_t h = n->key_id ^ (uint64_t)n->ssrc << 20 ^ n->index * UINT64_C(0x9e3779b97f4a7c15) ^ n->is_rtcp;
    h = (h ^ h >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(h >> 20) & (size - 1);
}

/* false: it is there already. */
static bool put(const struct nonce *n)
{
    size_t i = slot_of(n);
    for (; slots[i].index; i = (i + 1) & (size - 1)) {
        const struct nonce *s = &slots[i];
        if (s->index == n->index && s->key_id == n->key_id && s->ssrc == n->ssrc && s->is_rtcp == n->is_rtcp)
            return false;
    }
    slots[i] = *n;
    return true;
}

static void grow(void)
{
    struct nonce *old = slots;
    size_t old_size = size;
    size = size ? 2 * size : 4096;
    slots = calloc(size, sizeof *slots);
    if (!slots)
        abort();
    for (size_t i = 0; i < old_size; i++)
        if (old[i].index)
            (void)put(&old[i]);
    free(old);
}

static void on_packet(void *arg, uint64_t key_id, uint32_t ssrc, uint64_t index, uint64_t hash, bool is_rtcp)
{
    (void)arg;
    (void)hash;
    struct nonce n = {.key_id = key_id, .index = index + 1, .ssrc = ssrc, .is_rtcp = is_rtcp};
    pthread_mutex_lock(&lock);
    if (2 * count >= size)
        grow();
    bool fresh = put(&n);
    count++;
    pthread_mutex_unlock(&lock);
    if (fresh)
        return;
    fprintf(stderr, "the nonce law is broken: key %016llx, SSRC %u, %s index %llu was encrypted before\n",
        (unsigned long long)key_id, ssrc, is_rtcp ? "RTCP" : "RTP", (unsigned long long)index);
    abort();
}

void nonce_watch_start(void)
{
    srtp_tx_observe(on_packet, NULL);
}

uint64_t nonce_watch_count(void)
{
    pthread_mutex_lock(&lock);
    uint64_t n = count;
    pthread_mutex_unlock(&lock);
    return n;
}

void nonce_watch_stop(void)
{
    srtp_tx_observe(NULL, NULL);
    if (!count) {
        fprintf(stderr, "the nonce law was watched, but nothing was encrypted\n");
        abort();
    }
    free(slots);
    slots = NULL;
    size = count = 0;
}
