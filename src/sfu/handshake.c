/* Handshakes take their turn: a flight of one costs as much as hundreds of forwarded packets, and many who
 * join at once must not hold up the media of those who are in. */
#include "net/clock.h"
#include "sfu/internal.h"

static struct sfu_peer *peer_of(struct sfu_worker *w, uint32_t id)
{
    struct sfu_peer *peer;
    HASH_FIND_INT(w->peers, &id, peer);
    return peer;
}

/* Takes a DTLS datagram whose sender is known; false: the handshake is over, it is for the data channels. */
bool handshake_input(struct sfu_peer *peer, struct packet *p)
{
    struct sfu_worker *w = peer->worker;
    struct handshakes *q = &w->handshakes;
    if (transport_tx(peer->transport))
        return false;
    if (q->count == SFU_HANDSHAKES_MAX || peer->handshakes_waiting == SFU_HANDSHAKES_PEER_MAX) {
        w->stats.handshakes_dropped++; /* DTLS sends it again, like one that was lost */
        return true;
    }
    q->items[(q->first + q->count++) % SFU_HANDSHAKES_MAX] =
        (struct handshake){.packet = packet_ref(p), .peer = peer->id};
    peer->handshakes_waiting++;
    return true;
}

static void take_first(struct sfu_worker *w)
{
    struct handshakes *q = &w->handshakes;
    struct handshake h = q->items[q->first];
    q->first = (q->first + 1) % SFU_HANDSHAKES_MAX;
    q->count--;
    struct sfu_peer *peer = peer_of(w, h.peer); /* it may have gone meanwhile */
    if (peer) {
        peer->handshakes_waiting--;
        transport_dtls(peer->transport, &h.packet->path, h.packet->data, h.packet->len, w->now_us);
        peer_arm(peer, transport_next_timeout(peer->transport));
    }
    packet_unref(h.packet);
}

/* After the media of a round. What does not fit into its time waits for the next one, which does not sleep.
 */
void handshakes_run(struct sfu_worker *w)
{
    struct handshakes *q = &w->handshakes;
    if (!q->count)
        return;
    w->now_us = clock_now_us();
    int64_t end_us = w->now_us + SFU_HANDSHAKE_US;
    do {
        take_first(w);
        w->now_us = clock_now_us();
    } while (q->count && w->now_us < end_us);
    if (q->count) {
        w->stats.handshakes_waited++;
        loop_again(w->loop);
    }
}

/* When the worker has stopped. */
void handshakes_done(struct sfu_worker *w)
{
    struct handshakes *q = &w->handshakes;
    for (; q->count; q->count--) {
        packet_unref(q->items[q->first].packet);
        q->first = (q->first + 1) % SFU_HANDSHAKES_MAX;
    }
}
