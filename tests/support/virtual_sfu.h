/* The workers of a media side in virtual time: rounds, timers, pacers and ciphers as they are, but run by the
 * test's thread, with the test's clock, and with sockets that are lists. For programs that include
 * support/virtual_net.h. */
#ifndef SUPPORT_VIRTUAL_SFU_H
#define SUPPORT_VIRTUAL_SFU_H

#include "net/udp.h"
#include "sfu/sfu.h"

#define VIRTUAL_SFU_WORKERS_MAX 4
#define VIRTUAL_SFU_PORT        7000                /* of worker 0, for config.rtc.udp_port */
#define VIRTUAL_SFU_START_US    INT64_C(1000000000) /* what the clock is set to by virtual_sfu_new */

struct dtls_context;

bool virtual_sfu_is_linked(void); /* is this a program in virtual time? */

/* What a worker sends, at once; path as the server sees it. */
typedef void (*virtual_sfu_send_fn)(void *arg, const struct path *path, const uint8_t *data, size_t len);

/* A context with a certificate of its own, to be freed by dtls_context_free. */
struct dtls_context *virtual_sfu_dtls(void);

/* Sets the clock, and opens a media side, one at a time. Its threads are never started. */
struct sfu *virtual_sfu_new(const struct sfu_config *c, virtual_sfu_send_fn send, void *arg);

/* Ends it as sfu_stop does; goodbyes are sent. */
void virtual_sfu_stop(struct sfu *s);

/* A datagram for a worker, which finds it in its next round. path as the server sees it. */
void virtual_sfu_input(
    struct sfu *s, unsigned worker, const struct path *path, const uint8_t *data, size_t len);

/* What is due now, until all workers are at rest. */
void virtual_sfu_run(struct sfu *s);
int64_t virtual_sfu_next_us(struct sfu *s); /* when that is to be done next; never before now */

/* ---- of virtual_net.h ---- */
int virtual_socket_open(struct udp_socket *s, uint16_t port);
void virtual_socket_close(struct udp_socket *s);
int virtual_socket_recv(
    struct udp_socket *s, struct packet_pool *pool, struct packet **ret, size_t max, int64_t now_us);
size_t virtual_socket_send(struct udp_socket *s, const struct udp_message *messages, size_t n);

#endif
