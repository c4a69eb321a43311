// link: net rtp srtp
/* SRTP alone, by library, profile and number of packets handed over at once. Sending: one packet for many
 * receivers, a key each, as a server has it; the keys come round in turn, so that those of large crowds are
 * as cold as there. Receiving: one sender's packets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "measure/allocations.h"
#include "measure/rows.h"
#include "measure/server.h"
#include "measure/step.h"
#include "rtp/header.h"
#include "srtp/srtp.h"

#define PACKET_SIZE 1000 /* bytes of RTP */
#define RECEIVERS   512
#define BATCH_MAX   64
#define PACKETS     8192 /* of a run; a multiple of RECEIVERS */

static uint8_t payload[PACKET_SIZE - RTP_HEADER_LEN];
static struct srtp_tx *receivers[RECEIVERS];
static uint64_t next_index;
static size_t batch;
static enum srtp_profile profile;
static uint8_t key[SRTP_KEY_MAX], salt[SRTP_SALT_MAX];

static void write_header(uint8_t header[RTP_HEADER_LEN], uint64_t index)
{
    const struct rtp_fields f = {.pt = 96, .seq = (uint16_t)index, .ssrc = 1};
    struct rtp_extmap none;
    rtp_extmap_init(&none);
    if (rtp_write_header(header, RTP_HEADER_LEN, &f, &none, NULL, 0) < 0)
        bench_fail("a header cannot be written");
}

/* count packets, `batch` at a time, to one receiver after the other. */
static void protect(uint64_t count)
{
    static uint8_t out[BATCH_MAX][PACKET_SIZE + SRTP_RTP_TRAILER_MAX];
    uint8_t header[RTP_HEADER_LEN];
    struct srtp_tx_job jobs[BATCH_MAX];
    for (uint64_t done = 0; done < count; done += batch) {
        size_t first = done % RECEIVERS;
        if (first == 0)
            write_header(header, ++next_index);
        for (size_t i = 0; i < batch; i++)
            jobs[i] = (struct srtp_tx_job){.tx = receivers[first + i],
                .index = next_index,
                .header = header,
                .header_len = RTP_HEADER_LEN,
                .payload = payload,
                .payload_len = sizeof payload,
                .out = out[i],
                .out_cap = sizeof out[i],
                .ssrc = 1};
        if (srtp_tx_run(jobs, batch) != batch)
            bench_fail("encryption failed: %s", strerror(-jobs[0].ret_err));
    }
}

/* ---- receiving ---- */

static uint8_t (*wire)[PACKET_SIZE + SRTP_RTP_TRAILER_MAX]; /* PACKETS of them, encrypted */
static size_t wire_len;

static void fill_wire(void)
{
    uint8_t header[RTP_HEADER_LEN];
    struct srtp_tx *tx;
    if (srtp_tx_new(profile, key, salt, &tx))
        bench_fail("no memory");
    for (uint64_t i = 0; i < PACKETS; i++) {
        write_header(header, i + 1);
        struct srtp_tx_job j = {.tx = tx,
            .index = i + 1,
            .header = header,
            .header_len = RTP_HEADER_LEN,
            .payload = payload,
            .payload_len = sizeof payload,
            .out = wire[i],
            .out_cap = sizeof wire[i],
            .ssrc = 1};
        if (srtp_tx_run(&j, 1) != 1)
            bench_fail("encryption failed: %s", strerror(-j.ret_err));
        wire_len = j.ret_len;
    }
    srtp_tx_free(tx);
}

/* Each packet is copied first, as it is decrypted in place: 20 ns of what is measured. */
static void unprotect(uint64_t count)
{
    uint8_t packet[PACKET_SIZE + SRTP_RTP_TRAILER_MAX];
    struct srtp_rx *rx;
    uint64_t index;
    if (srtp_rx_new(profile, key, salt, &rx))
        bench_fail("no memory");
    for (uint64_t i = 0; i < count; i++) {
        size_t len = wire_len;
        memcpy(packet, wire[i], len);
        int err = srtp_rx_rtp(rx, packet, &len, &index);
        if (err)
            bench_fail("decryption failed: %s", strerror(-err));
    }
    srtp_rx_free(rx);
}

/* ---- all of them ---- */

static void by_profile(void)
{
    static const size_t batches[] = {1, 8, BATCH_MAX};
    char name[96];
    for (size_t i = 0; i < RECEIVERS; i++) {
        rand_bytes(key, sizeof key);
        if (srtp_tx_new(profile, key, salt, &receivers[i]))
            bench_fail("no memory");
    }
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        batch = batches[i];
        snprintf(name, sizeof name, "protect by %s, %s, %zu at once", srtp_library_name(),
            srtp_profile_name(profile), batch);
        step(name, protect, PACKETS);
    }
    for (size_t i = 0; i < RECEIVERS; i++)
        srtp_tx_free(receivers[i]);
    fill_wire();
    snprintf(name, sizeof name, "unprotect by %s, %s", srtp_library_name(), srtp_profile_name(profile));
    step(name, unprotect, PACKETS);
}

int main(void)
{
    static const enum srtp_library libraries[] = {
        SRTP_LIBRARY_LIBSRTP, SRTP_LIBRARY_OPENSSL, SRTP_LIBRARY_IPSECMB};
    static const enum srtp_profile profiles[] = {
        SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM, SRTP_PROFILE_AES128_CM_SHA1_80};
    if (processors() > 1)
        pin_to(0);
    if (ALLOCATIONS_COUNTED)
        step_count_allocations(&allocations);
    rand_bytes(payload, sizeof payload);
    rand_bytes(salt, sizeof salt);
    wire = malloc(PACKETS * sizeof *wire);
    if (!wire)
        bench_fail("no memory");
    rows_heading("SRTP alone, a packet of 1,000 bytes for 512 receivers in turn");
    for (size_t l = 0; l < sizeof libraries / sizeof *libraries; l++) {
        if (srtp_use(libraries[l])) {
            rows_note("a library is not here: %zu", l);
            continue;
        }
        srtp_prepare();
        for (size_t p = 0; p < sizeof profiles / sizeof *profiles; p++) {
            profile = profiles[p];
            by_profile();
        }
    }
    free(wire);
    return EXIT_SUCCESS;
}
