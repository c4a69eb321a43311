/* Data channels from a client's SCTP to the server's and back, through DTLS and a worker. usrsctp exists once
 * in a process, so the clients' associations live on the server's sctp thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sctp/association.h"
#include "sctp/thread.h"
#include "sfu/internal.h"
#include "support/sfu_rig.h"

#define MESSAGES 200
#define LARGEST  64000

static struct sfu_rig rig;

/* ---- what is heard, on the sctp thread; read by the test ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct log {
    unsigned opened, closed;
    unsigned heard[SFU_CHANNEL_COUNT]; /* messages */
    uint32_t newest[SFU_CHANNEL_COUNT];
    unsigned strangers; /* messages on channels with other labels */
};

static struct log server_log[8]; /* by peer number */

struct client {
    struct sfu_rig_peer *peer;
    struct sctp_association *association;
    int out[2]; /* packets from the sctp thread to the test's, which owns the DTLS session */
    int streams[SFU_CHANNEL_COUNT];
    bool started, freed;
    struct log log;
};

static struct client clients[2];

static const char *const labels[SFU_CHANNEL_COUNT] = {"_reliable", "_lossy", "_data_track"};

/* Message i of a channel: its number, and a length and content that follow from it. */
static size_t message_make(uint8_t *out, unsigned channel, uint32_t i)
{
    size_t len = channel == SFU_CHANNEL_RELIABLE ? 4 + (size_t)i * 7919 % (LARGEST - 4) : 4 + i % 900;
    memset(out, (int)(i * 3 + channel), len);
    struct writer w = writer_of(out, 4);
    writer_u32(&w, i);
    return len;
}

/* Reliable channels bring every message in order; the others in any order, some not at all. */
static void message_take(struct log *l, int channel, const uint8_t *data, size_t len)
{
    uint8_t want[LARGEST];
    struct cursor c = cursor_of(data, len);
    uint32_t i = cursor_u32(&c);
    if (c.bad || message_make(want, (unsigned)channel, i) != len || memcmp(want, data, len) != 0 ||
        (channel == SFU_CHANNEL_RELIABLE && i != l->heard[channel])) {
        fprintf(stderr, "message %u of channel %d is not what was sent\n", i, channel);
        abort(); /* not the test's thread */
    }
    l->heard[channel]++;
    l->newest[channel] = i > l->newest[channel] ? i : l->newest[channel];
}

static void on_server_open(void *arg, uint32_t peer)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    server_log[peer].opened++;
    pthread_mutex_unlock(&lock);
}

static void on_server_message(
    void *arg, uint32_t peer, enum sfu_channel channel, const uint8_t *data, size_t len)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    message_take(&server_log[peer], (int)channel, data, len);
    pthread_mutex_unlock(&lock);
}

static void on_server_closed(void *arg, uint32_t peer)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    server_log[peer].closed++;
    pthread_mutex_unlock(&lock);
}

static const struct sfu_data_ops data_ops = {
    .open = on_server_open, .message = on_server_message, .closed = on_server_closed};

static struct log log_of(const struct log *l)
{
    pthread_mutex_lock(&lock);
    struct log copy = *l;
    pthread_mutex_unlock(&lock);
    return copy;
}

/* ---- a client's association ---- */

static void on_output(void *arg, const uint8_t *packet, size_t len)
{
    struct client *c = arg;
    (void)send(c->out[1], packet, len, MSG_DONTWAIT); /* full: lost, as on a network */
}

static void on_up(void *arg)
{
    (void)arg;
}

static void on_channel_open(void *arg, uint16_t stream, const struct dcep_open *open)
{
    struct client *c = arg;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SFU_CHANNEL_COUNT; i++)
        if (strcmp(open->label, labels[i]) == 0)
            c->streams[i] = stream;
    c->log.opened++;
    pthread_mutex_unlock(&lock);
}

static void on_message(void *arg, uint16_t stream, bool binary, const uint8_t *data, size_t len)
{
    struct client *c = arg;
    (void)binary;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SFU_CHANNEL_COUNT; i++)
        if (c->streams[i] == stream)
            message_take(&c->log, i, data, len);
    pthread_mutex_unlock(&lock);
}

static void on_channel_closed(void *arg, uint16_t stream)
{
    (void)arg;
    (void)stream;
}

static void on_closed(void *arg, enum sctp_close why)
{
    struct client *c = arg;
    (void)why;
    pthread_mutex_lock(&lock);
    c->log.closed++;
    pthread_mutex_unlock(&lock);
}

static const struct sctp_ops client_ops = {
    .output = on_output,
    .up = on_up,
    .channel_open = on_channel_open,
    .message = on_message,
    .channel_closed = on_channel_closed,
    .closed = on_closed,
};

static void on_record(struct sfu_rig_peer *p, const uint8_t *data, size_t len)
{
    struct client *c = p->arg;
    if (c->association)
        sctp_thread_input(c->association, data, len);
}

/* Packets of the clients' associations into their DTLS sessions. */
static void clients_pump(void)
{
    uint8_t packet[2048];
    for (size_t i = 0; i < 2; i++) {
        struct client *c = &clients[i];
        if (!c->peer)
            continue;
        if (!c->started && c->peer->client.established) {
            c->started = true;
            sctp_thread_association_start(
                c->association, dtls_session_role(c->peer->client.dtls) == DTLS_CLIENT);
        }
        ssize_t n;
        while ((n = recv(c->out[0], packet, sizeof packet, MSG_DONTWAIT)) > 0)
            (void)dtls_session_write(c->peer->client.dtls, packet, (size_t)n);
    }
}

static void client_open(size_t i, unsigned worker, bool tcp, enum dtls_role server_role, bool server_opens)
{
    struct client *c = &clients[i];
    *c = (struct client){.streams = {-1, -1, -1}};
    c->peer = sfu_rig_peer_add(&rig, worker, tcp, server_role);
    c->peer->arg = c;
    c->peer->on_data = on_record;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c->out), 0);
    int size = 1 << 20;
    (void)setsockopt(c->out[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    assert_int_equal(sctp_association_new(rig.sfu->sctp, &client_ops, c, 5000, &c->association), 0);
    struct sfu_command data = {.type = SFU_PEER_DATA, .worker = c->peer->worker, .peer = c->peer->id};
    data.data.port = 5000;
    data.data.max_message_size = LARGEST;
    data.data.open_channels = server_opens;
    data.data.dtls_client = server_role == DTLS_CLIENT;
    sfu_rig_post(&rig, &data);
}

static void on_freed(void *arg)
{
    struct client *c = arg;
    pthread_mutex_lock(&lock);
    c->freed = true;
    pthread_mutex_unlock(&lock);
}

static bool is_freed(const struct client *c)
{
    pthread_mutex_lock(&lock);
    bool freed = c->freed;
    pthread_mutex_unlock(&lock);
    return freed;
}

static void client_close(size_t i)
{
    struct client *c = &clients[i];
    if (!c->peer)
        return;
    c->peer->on_data = NULL;
    sctp_thread_association_free(c->association, on_freed, c);
    SFU_RIG_UNTIL(&rig, is_freed(c), (void)0);
    close(c->out[0]);
    close(c->out[1]);
    c->peer = NULL;
}

static void rig_open(unsigned workers)
{
    memset(server_log, 0, sizeof server_log);
    memset(clients, 0, sizeof clients);
    sfu_rig_open(&rig, workers, &data_ops, NULL);
}

static void rig_close(void)
{
    client_close(0);
    client_close(1);
    sfu_rig_close(&rig);
}

/* ---- calls on the sctp thread, which the test waits for ---- */

struct call {
    struct client *client;
    int channel;
    const char *label; /* open a channel */
    uint8_t *data;     /* or send, from the server or from the client */
    size_t len;
    bool from_server, reliable;
    int result;
    bool done;
};

static void call_run(void *arg)
{
    struct call *c = arg;
    int result;
    if (c->label) {
        struct dcep_open open = {.ordered = c->reliable,
            .reliability = c->reliable ? DCEP_RELIABLE : DCEP_MAX_RETRANSMITS,
            .label_len = (uint16_t)strlen(c->label)};
        uint16_t stream;
        (void)snprintf(open.label, sizeof open.label, "%s", c->label);
        result = sctp_association_channel_open(c->client->association, &open, &stream);
    } else if (c->from_server) {
        result = sfu_data_send(rig.sfu, c->client->peer->id, (enum sfu_channel)c->channel, c->data, c->len);
    } else {
        result = sctp_association_send(
            c->client->association, (uint16_t)c->client->streams[c->channel], true, c->data, c->len);
    }
    pthread_mutex_lock(&lock);
    c->result = result;
    c->done = true;
    pthread_mutex_unlock(&lock);
}

static bool call_done(struct call *c)
{
    pthread_mutex_lock(&lock);
    bool done = c->done;
    pthread_mutex_unlock(&lock);
    return done;
}

static int call(struct call *c)
{
    c->done = false;
    assert_int_equal(sfu_data_call(rig.sfu, call_run, c), 0);
    SFU_RIG_UNTIL(&rig, call_done(c), clients_pump());
    return c->result;
}

static void channels_open(struct client *c)
{
    for (int i = 0; i < SFU_CHANNEL_COUNT; i++) {
        struct call open = {.client = c, .label = labels[i], .reliable = i == SFU_CHANNEL_RELIABLE};
        SFU_RIG_UNTIL(&rig, call(&open) == 0, clients_pump()); /* -ENOTCONN until it is started */
    }
    SFU_RIG_UNTIL(
        &rig, log_of(&c->log).opened == 3 && log_of(&server_log[c->peer->id]).opened == 1, clients_pump());
}

/* MESSAGES on every channel, both ways. */
static void talk(struct client *c)
{
    static uint8_t data[LARGEST];
    sfu_rig_report(c->peer, &(struct rtcp_report){.ssrc = 1}); /* media go beside it */
    for (uint32_t i = 0; i < MESSAGES; i++) {
        for (int channel = 0; channel < SFU_CHANNEL_COUNT; channel++) {
            for (int from_server = 0; from_server < 2; from_server++) {
                struct call send = {
                    .client = c, .channel = channel, .from_server = from_server, .data = data};
                send.len = message_make(data, (unsigned)channel, i);
                int err;
                SFU_RIG_UNTIL(
                    &rig, (err = call(&send)) != -EAGAIN || channel != SFU_CHANNEL_RELIABLE, clients_pump());
                assert_true(err == 0 || (err == -EAGAIN && channel != SFU_CHANNEL_RELIABLE));
            }
        }
    }
    const struct log *server = &server_log[c->peer->id];
    SFU_RIG_UNTIL(&rig,
        log_of(server).heard[SFU_CHANNEL_RELIABLE] == MESSAGES &&
            log_of(&c->log).heard[SFU_CHANNEL_RELIABLE] == MESSAGES,
        clients_pump());
    for (int channel = SFU_CHANNEL_LOSSY; channel < SFU_CHANNEL_COUNT; channel++) {
        assert_true(log_of(server).heard[channel] > MESSAGES / 2);
        assert_true(log_of(&c->log).heard[channel] > MESSAGES / 2);
    }
}

static void clients_open_channels_and_talk(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        rig_open(2);
        client_open(0, 0, k, DTLS_SERVER, false);
        client_open(1, 1, k, DTLS_CLIENT, false);
        SFU_RIG_UNTIL(
            &rig, clients[0].peer->client.established && clients[1].peer->client.established, clients_pump());
        channels_open(&clients[0]);
        channels_open(&clients[1]);
        talk(&clients[0]);
        talk(&clients[1]);
        rig_close();
    }
}

static void the_server_opens_channels_and_talks(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        rig_open(1);
        client_open(0, 0, false, k ? DTLS_CLIENT : DTLS_SERVER, true);
        uint32_t id = clients[0].peer->id;
        SFU_RIG_UNTIL(
            &rig, log_of(&clients[0].log).opened == 3 && log_of(&server_log[id]).opened == 1, clients_pump());
        talk(&clients[0]);
        rig_close();
    }
}

static void what_cannot_be_sent_is_refused(void **state)
{
    static uint8_t data[LARGEST + 1];
    (void)state;
    rig_open(1);
    client_open(0, 0, false, DTLS_SERVER, false);
    struct call send = {.client = &clients[0], .from_server = true, .data = data, .len = 10};
    assert_int_equal(call(&send), -ENOENT);
    SFU_RIG_UNTIL(&rig, clients[0].peer->client.established, clients_pump());
    assert_int_equal(call(&send), -ENOENT); /* not opened yet */
    channels_open(&clients[0]);
    send.len = LARGEST + 1;
    assert_int_equal(call(&send), -EMSGSIZE); /* more than the client said it takes */

    /* A client that takes nothing off: the queue fills, and says so. */
    clients[0].peer->on_data = NULL;
    send.channel = SFU_CHANNEL_LOSSY;
    send.len = 1000;
    int err = 0;
    for (int i = 0; i < 2000 && !err; i++)
        err = call(&send);
    assert_int_equal(err, -EAGAIN);
    rig_close();
}

/* Messages on channels of other labels are nobody's; two channels of one label are both heard. */
static void labels_tell_channels_apart(void **state)
{
    static uint8_t data[LARGEST];
    (void)state;
    rig_open(1);
    client_open(0, 0, false, DTLS_SERVER, false);
    struct client *c = &clients[0];
    SFU_RIG_UNTIL(&rig, c->peer->client.established, clients_pump());
    channels_open(c);
    struct call open = {.client = c, .label = "chat", .reliable = true};
    assert_int_equal(call(&open), 0);
    int first = c->streams[SFU_CHANNEL_RELIABLE];
    open.label = "_reliable";
    assert_int_equal(call(&open), 0);
    SFU_RIG_UNTIL(&rig, log_of(&c->log).opened == 5, clients_pump());
    int second = c->streams[SFU_CHANNEL_RELIABLE];
    assert_true(second != first);
    for (uint32_t i = 0; i < 10; i++) {
        struct call send = {.client = c, .channel = SFU_CHANNEL_RELIABLE, .data = data};
        send.len = message_make(data, SFU_CHANNEL_RELIABLE, i);
        c->streams[SFU_CHANNEL_RELIABLE] = i % 2 ? first : second;
        assert_int_equal(call(&send), 0);
        SFU_RIG_UNTIL(
            &rig, log_of(&server_log[c->peer->id]).heard[SFU_CHANNEL_RELIABLE] == i + 1, clients_pump());
    }
    assert_int_equal(log_of(&server_log[c->peer->id]).opened, 1);
    rig_close();
}

static void channels_end_with_their_peer(void **state)
{
    (void)state;
    rig_open(2);
    client_open(0, 0, false, DTLS_SERVER, true);
    client_open(1, 1, false, DTLS_SERVER, true);
    uint32_t ids[2] = {clients[0].peer->id, clients[1].peer->id};
    for (int i = 0; i < 2; i++)
        SFU_RIG_UNTIL(&rig, log_of(&server_log[ids[i]]).opened == 1, clients_pump());
    sfu_rig_peer_remove(clients[0].peer);
    SFU_RIG_UNTIL(&rig, log_of(&server_log[ids[0]]).closed == 1, clients_pump());
    uint8_t byte = 0;
    struct call send = {.client = &clients[0], .from_server = true, .data = &byte, .len = 1};
    assert_int_equal(call(&send), -ENOENT);
    assert_int_equal(log_of(&server_log[ids[1]]).closed, 0);
    talk(&clients[1]);
    client_close(0);
    client_close(1);
    sfu_rig_stop(&rig); /* and with the server */
    assert_int_equal(log_of(&server_log[ids[1]]).closed, 1);
    sfu_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(clients_open_channels_and_talk, sfu_rig_teardown),
        cmocka_unit_test_teardown(the_server_opens_channels_and_talks, sfu_rig_teardown),
        cmocka_unit_test_teardown(what_cannot_be_sent_is_refused, sfu_rig_teardown),
        cmocka_unit_test_teardown(labels_tell_channels_apart, sfu_rig_teardown),
        cmocka_unit_test_teardown(channels_end_with_their_peer, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
