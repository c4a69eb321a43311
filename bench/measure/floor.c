#include "floor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/rand.h"
#include "net/udp.h"
#include "rtp/header.h"
#include "series.h"
#include "server.h"

#define ADDRESSES    40
#define PACKET_SIZE  1000 /* bytes of RTP */
#define WIRE_SIZE    (PACKET_SIZE + SRTP_RTP_TRAILER_MAX)
#define ROUNDS       1000 /* of one packet to everybody */
#define RUNS         5
#define RUN_SEGMENTS 16
#define BUFFER_BYTES (16 << 20)
#define SMALL_BUFFER 4096

struct floor {
    struct udp_socket sender;
    struct srtp_tx *crypto[ADDRESSES];
    struct path paths[ADDRESSES];
    int receivers[ADDRESSES];
    uint64_t next_index;
    size_t len[ADDRESSES]; /* bytes of out in use */
    uint8_t payload[PACKET_SIZE];
    uint8_t out[ADDRESSES][WIRE_SIZE];
    uint8_t run[RUN_SEGMENTS * WIRE_SIZE];
};

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void open_receiver(struct floor *f, int i)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int small = SMALL_BUFFER;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = f->receivers[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || getsockname(fd, (struct sockaddr *)&a, &len) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) ||
        addr_from_sockaddr((struct sockaddr *)&a, &f->paths[i].remote) ||
        addr_parse("127.0.0.1", f->sender.port, &f->paths[i].local))
        bench_fail("a socket to send to: %s", strerror(errno));
}

static void prepare(struct floor *f)
{
    uint8_t key[SRTP_KEY_MAX], salt[SRTP_SALT_MAX];
    memset(f, 0, sizeof *f);
    rand_bytes(f->payload, sizeof f->payload);
    if (udp_open(&f->sender, 0, BUFFER_BYTES))
        bench_fail("a socket to send from: %s", strerror(errno));
    for (int i = 0; i < ADDRESSES; i++) {
        rand_bytes(key, sizeof key);
        rand_bytes(salt, sizeof salt);
        if (srtp_tx_new(SRTP_PROFILE_AEAD_AES_128_GCM, key, salt, &f->crypto[i]))
            bench_fail("no memory");
        open_receiver(f, i);
    }
}

static void tear_down(struct floor *f)
{
    for (int i = 0; i < ADDRESSES; i++) {
        srtp_tx_free(f->crypto[i]);
        close(f->receivers[i]);
    }
    udp_close(&f->sender);
}

static void encrypt(struct floor *f)
{
    struct srtp_tx_job jobs[ADDRESSES];
    uint8_t header[RTP_HEADER_LEN];
    const struct rtp_fields fields = {.pt = 96, .seq = (uint16_t)f->next_index, .ssrc = 1};
    struct rtp_extmap none;
    rtp_extmap_init(&none);
    rtp_write_header(header, sizeof header, &fields, &none, NULL, 0);
    for (int i = 0; i < ADDRESSES; i++)
        jobs[i] = (struct srtp_tx_job){.tx = f->crypto[i],
            .index = f->next_index,
            .header = header,
            .header_len = RTP_HEADER_LEN,
            .payload = f->payload,
            .payload_len = PACKET_SIZE - RTP_HEADER_LEN,
            .out = f->out[i],
            .out_cap = sizeof f->out[i],
            .ssrc = 1};
    f->next_index++;
    if (srtp_tx_run(jobs, ADDRESSES) != ADDRESSES)
        bench_fail("encryption failed");
    for (int i = 0; i < ADDRESSES; i++)
        f->len[i] = jobs[i].ret_len;
}

static void send_round(struct floor *f)
{
    struct udp_message m[ADDRESSES];
    for (int i = 0; i < ADDRESSES; i++)
        m[i] = (struct udp_message){.path = f->paths[i], .data = f->out[i], .len = f->len[i]};
    if (udp_send(&f->sender, m, ADDRESSES) != ADDRESSES)
        bench_fail("sending failed");
}

static bool send_run(struct floor *f, int i)
{
    struct sockaddr_in6 name;
    struct iovec v = {f->run, sizeof f->run};
    const uint16_t segment = WIRE_SIZE;
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof segment)];
    } control = {0};
    addr_to_sockaddr(&f->paths[i].remote, &name);
    struct msghdr m = {.msg_name = &name,
        .msg_namelen = sizeof name,
        .msg_iov = &v,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
    return sendmsg(f->sender.fd, &m, MSG_DONTWAIT) == (ssize_t)sizeof f->run;
}

/* One packet to everybody, or a run of them. */
static bool work_once(struct floor *f, enum floor_work work)
{
    if (work == FLOOR_ENCRYPT || work == FLOOR_BOTH)
        encrypt(f);
    if (work == FLOOR_SEND || work == FLOOR_BOTH)
        send_round(f);
    for (int i = 0; work == FLOOR_SEND_RUNS && i < ADDRESSES; i++)
        if (!send_run(f, i))
            return false;
    return true;
}

double floor_cost_ns(enum floor_work work)
{
    static struct floor f;
    struct series s = {0};
    int packets = work == FLOOR_SEND_RUNS ? RUN_SEGMENTS : 1, rounds = ROUNDS / packets;
    bool able = true;
    prepare(&f);
    encrypt(&f);
    for (int run = 0; run < RUNS && able; run++) {
        double from = cpu_ns();
        for (int round = 0; round < rounds && able; round++)
            able = work_once(&f, work);
        series_add(&s, (cpu_ns() - from) / ((double)rounds * packets * ADDRESSES));
    }
    tear_down(&f);
    return able ? series_at(&s, 0.5) : -1;
}
