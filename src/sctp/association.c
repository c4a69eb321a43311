#include "sctp/association.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sctp/private.h"

#define READS_MAX 256 /* messages and notifications taken before the others get their turn */

/* How much of its send buffer an association uses. usrsctp has had this option since its beginnings, but
 * tells of it in netinet/sctp.h only. */
#define GET_SNDBUF_USE 0x00001101
struct sndbuf_use {
    sctp_assoc_t id;
    uint32_t send_bytes, receive_bytes;
};

/* Of the message at hand; one thread owns every association. */
static uint8_t message[SCTP_MESSAGE_MAX + 1];

int sctp_association_new(struct sctp_thread *t, const struct sctp_ops *ops, void *arg, uint16_t port,
    struct sctp_association **ret)
{
    struct sctp_association *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->thread = t;
    a->ops = ops;
    a->arg = arg;
    a->port = port;
    a->streams_out = SCTP_STREAMS;
    a->queue_tail = &a->queue_head;
    list_init(&a->pending);
    *ret = a;
    return 0;
}

/* ---- the socket ---- */

/* Something arrived, or there is room again. Comes from inside usrsctp. */
static void on_upcall(struct socket *socket, void *arg, int flags)
{
    struct stack_slot *s = arg;
    (void)socket;
    (void)flags;
    if (s->owner)
        stack_mark(s->owner);
}

static int set(struct socket *so, int level, int name, const void *value, socklen_t len)
{
    return usrsctp_setsockopt(so, level, name, value, len) < 0 ? -errno : 0;
}

static int configure_events(struct socket *so)
{
    static const uint16_t types[] = {
        SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT, SCTP_PARTIAL_DELIVERY_EVENT, SCTP_SHUTDOWN_EVENT};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof types / sizeof types[0]; i++) {
        struct sctp_event e = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = types[i], .se_on = 1};
        r = set(so, IPPROTO_SCTP, SCTP_EVENT, &e, sizeof e);
    }
    return r;
}

/* Paths are as fast as those of the media: no initial wait of 3 s, and SACKs of the other side come within
 * 200 ms. */
static int configure_times(struct socket *so)
{
    const struct sctp_rtoinfo rto = {.srto_initial = 500, .srto_min = 400, .srto_max = 5000};
    const struct sctp_initmsg init = {.sinit_num_ostreams = SCTP_STREAMS,
        .sinit_max_instreams = SCTP_STREAMS,
        .sinit_max_init_timeo = 2000};
    struct sctp_paddrparams path;

    memset(&path, 0, sizeof path);
    path.spp_address.ss_family = AF_CONN;
    path.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE; /* ICE knows whether the peer is there */
    path.spp_pathmtu = SCTP_MTU - sizeof(struct sctp_common_header);
    int r = set(so, IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof rto);
    if (r == 0)
        r = set(so, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init);
    return r ? r : set(so, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
}

static int configure(struct socket *so)
{
    const int on = 1, send = SCTP_LOSSY_BUFFER + SCTP_MESSAGE_MAX, receive = SCTP_RECV_BUFFER;
    const struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* closing is an ABORT, and at once */
    const struct sctp_assoc_value reset = {
        .assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    const struct {
        int level, name;
        const void *value;
        socklen_t len;
    } options[] = {
        {SOL_SOCKET, SO_LINGER, &linger, sizeof linger},
        {SOL_SOCKET, SO_SNDBUF, &send, sizeof send},
        {SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive},
        {IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on},
        {IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on},
        {IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset},
    };
    int r = usrsctp_set_non_blocking(so, 1) < 0 ? -errno : 0;
    for (size_t i = 0; r == 0 && i < sizeof options / sizeof options[0]; i++)
        r = set(so, options[i].level, options[i].name, options[i].value, options[i].len);
    if (r == 0)
        r = configure_events(so);
    return r ? r : configure_times(so);
}

/* Both sides connect, as WebRTC has it: whose INIT comes first does not matter. */
static int connect_socket(struct sctp_association *a)
{
    struct sockaddr_conn address = stack_address(a->slot, a->port);

    a->socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (!a->socket)
        return -errno;
    int r = configure(a->socket);
    if (r < 0)
        return r;
    if (usrsctp_set_upcall(a->socket, on_upcall, a->slot) < 0 ||
        usrsctp_bind(a->socket, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    if (usrsctp_connect(a->socket, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        return -errno;
    return 0;
}

/* Lets go of everything of usrsctp's. An ABORT goes out if the peer may think that the association lives. */
static void disconnect(struct sctp_association *a)
{
    if (a->socket) {
        usrsctp_close(a->socket);
        a->socket = NULL;
    }
    if (a->slot) {
        stack_slot_give(a->slot);
        a->slot = NULL;
    }
    list_del(&a->pending);
}

int sctp_association_start(struct sctp_association *a, bool dtls_client)
{
    if (a->state != ASSOCIATION_NEW)
        return -EALREADY;
    a->dtls_client = dtls_client;
    a->slot = stack_slot_take(a);
    if (!a->slot)
        return -ENOMEM;
    a->state = ASSOCIATION_CONNECTING;
    int r = connect_socket(a);
    if (r < 0) {
        disconnect(a);
        a->state = ASSOCIATION_NEW;
    }
    return r;
}

/* ---- the end ---- */

static void end(struct sctp_association *a, enum sctp_close why)
{
    if (a->state == ASSOCIATION_OVER)
        return;
    disconnect(a);
    a->state = ASSOCIATION_OVER;
    channel_free_all(a);
    a->ops->closed(a->arg, why);
}

void sctp_association_close(struct sctp_association *a)
{
    end(a, SCTP_CLOSED_LOCAL);
}

void sctp_association_free(struct sctp_association *a)
{
    if (!a)
        return;
    disconnect(a);
    channel_free_all(a);
    free(a->partial);
    free(a);
}

/* Why did the association go? usrsctp leaves the answer in the socket's error. */
static enum sctp_close cause(struct sctp_association *a)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)usrsctp_getsockopt(a->socket, SOL_SOCKET, SO_ERROR, &error, &len);
    return error == ECONNREFUSED || error == ECONNRESET ? SCTP_CLOSED_PEER : SCTP_FAILED_TIMEOUT;
}

/* ---- notifications ---- */

static void on_change(struct sctp_association *a, const struct sctp_assoc_change *change)
{
    switch (change->sac_state) {
    case SCTP_COMM_UP:
        if (a->state != ASSOCIATION_CONNECTING)
            break;
        a->state = ASSOCIATION_UP;
        a->streams_out =
            change->sac_outbound_streams < SCTP_STREAMS ? change->sac_outbound_streams : SCTP_STREAMS;
        a->ops->up(a->arg);
        if (a->state == ASSOCIATION_UP)
            channel_up(a);
        break;
    case SCTP_RESTART:
    case SCTP_SHUTDOWN_COMP:
        end(a, SCTP_CLOSED_PEER);
        break;
    default: /* SCTP_COMM_LOST, SCTP_CANT_STR_ASSOC */
        end(a, cause(a));
        break;
    }
}

static void on_reset(struct sctp_association *a, const struct sctp_stream_reset_event *reset)
{
    size_t count = (reset->strreset_length - sizeof *reset) / sizeof reset->strreset_stream_list[0];
    bool in = reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN;
    bool out = reset->strreset_flags & SCTP_STREAM_RESET_OUTGOING_SSN;
    bool refused = reset->strreset_flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED);

    for (size_t i = 0; i < count; i++)
        channel_reset(a, reset->strreset_stream_list[i], in, out, refused);
    for (uint16_t stream = 0; count == 0 && stream < SCTP_STREAMS; stream++) /* none means all */
        channel_reset(a, stream, in, out, refused);
}

static void on_notification(struct sctp_association *a, const union sctp_notification *n, size_t len)
{
    if (len < sizeof n->sn_header || n->sn_header.sn_length > len)
        return;
    switch (n->sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
        if (len >= sizeof n->sn_assoc_change)
            on_change(a, &n->sn_assoc_change);
        break;
    case SCTP_STREAM_RESET_EVENT:
        if (n->sn_header.sn_length >= sizeof n->sn_strreset_event)
            on_reset(a, &n->sn_strreset_event);
        break;
    case SCTP_PARTIAL_DELIVERY_EVENT: /* the rest of the message will not come */
        a->partial_len = 0;
        break;
    case SCTP_SHUTDOWN_EVENT:
        end(a, SCTP_CLOSED_PEER);
        break;
    default:
        break;
    }
}

/* ---- messages ---- */

/* Adds a piece; when it is the last one, hands on the whole. */
static void on_piece(
    struct sctp_association *a, const struct sctp_rcvinfo *info, const uint8_t *data, size_t len, bool last)
{
    if (a->partial_len == 0 && last && len <= SCTP_MESSAGE_MAX) {
        channel_receive(a, info->rcv_sid, stack_wire_u32(info->rcv_ppid), data, len);
        return;
    }
    if (!a->partial)
        a->partial = malloc(SCTP_MESSAGE_MAX);
    if (a->partial && a->partial_len + len <= SCTP_MESSAGE_MAX) {
        memcpy(a->partial + a->partial_len, data, len);
        a->partial_len += len;
    } else {
        a->partial_len = SCTP_MESSAGE_MAX + 1;
    }
    if (!last)
        return;
    uint8_t *whole = a->partial;
    size_t whole_len = a->partial_len;
    a->partial = NULL;
    a->partial_len = 0;
    if (whole_len <= SCTP_MESSAGE_MAX)
        channel_receive(a, info->rcv_sid, stack_wire_u32(info->rcv_ppid), whole, whole_len);
    else
        a->stats.oversized++;
    free(whole);
}

/* One message, piece or notification. False: nothing is left, or the association is over. */
static bool read_one(struct sctp_association *a)
{
    struct sctp_rcvinfo info = {0};
    socklen_t info_len = sizeof info;
    unsigned info_type = 0;
    int flags = 0;

    ssize_t n =
        usrsctp_recvv(a->socket, message, sizeof message, NULL, NULL, &info, &info_len, &info_type, &flags);
    if (n < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            end(a, errno == ECONNREFUSED || errno == ECONNRESET ? SCTP_CLOSED_PEER : SCTP_FAILED_TIMEOUT);
        return false;
    }
    if (flags & MSG_NOTIFICATION) {
        union sctp_notification n_copy; /* aligned; a list of streams may be longer */
        if ((size_t)n <= sizeof n_copy) {
            memcpy(&n_copy, message, (size_t)n);
            on_notification(a, &n_copy, (size_t)n);
        } else {
            on_notification(a, (const union sctp_notification *)(const void *)message, (size_t)n);
        }
    } else if (n == 0) {
        end(a, SCTP_CLOSED_PEER);
    } else if (info_type == SCTP_RECVV_RCVINFO) {
        on_piece(a, &info, message, (size_t)n, flags & MSG_EOR);
    }
    return a->state != ASSOCIATION_OVER;
}

void association_attend(struct sctp_association *a)
{
    for (int i = 0; a->socket && i < READS_MAX; i++) {
        if (!read_one(a)) {
            if (a->state == ASSOCIATION_UP)
                channel_flush(a);
            return;
        }
    }
    if (a->socket)
        stack_mark(a);
}

void sctp_association_input(struct sctp_association *a, const uint8_t *packet, size_t len)
{
    if (!a->slot || len < sizeof(struct sctp_common_header) || len > DTLS_RECORD_MAX)
        return;
    a->stats.packets_in++;
    usrsctp_conninput(stack_address(a->slot, a->port).sconn_addr, packet, len, 0);
    if (a->state == ASSOCIATION_UP)
        stack_mark(a); /* a SACK may have made room without an upcall */
    stack_drain();
}

int association_pass(struct sctp_association *a, const struct channel *ch, uint16_t stream, enum ppid ppid,
    const uint8_t *data, size_t len)
{
    static const uint8_t nothing = 0;
    struct sctp_sendv_spa spa;

    memset(&spa, 0, sizeof spa);
    spa.sendv_flags = SCTP_SEND_SNDINFO_VALID;
    spa.sendv_sndinfo.snd_sid = stream;
    spa.sendv_sndinfo.snd_ppid = stack_wire_u32(ppid);
    if (ppid != PPID_DCEP && ch) {
        /* Unordered messages could overtake the OPEN: not before the peer has it (RFC 8832, section 6). */
        if (!ch->open.ordered && ch->acked)
            spa.sendv_sndinfo.snd_flags = SCTP_UNORDERED;
        if (ch->open.reliability != DCEP_RELIABLE) {
            spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
            spa.sendv_prinfo.pr_policy =
                ch->open.reliability == DCEP_MAX_RETRANSMITS ? SCTP_PR_SCTP_RTX : SCTP_PR_SCTP_TTL;
            spa.sendv_prinfo.pr_value = ch->open.limit;
        }
    }
    /* SCTP has no empty messages: one byte stands for none (RFC 8831, section 6.6). */
    ssize_t n = usrsctp_sendv(
        a->socket, len ? data : &nothing, len ? len : 1, NULL, 0, &spa, sizeof spa, SCTP_SENDV_SPA, 0);
    if (n >= 0)
        return 0;
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

size_t sctp_association_buffered(const struct sctp_association *a)
{
    struct sndbuf_use use = {.id = SCTP_FUTURE_ASSOC};
    socklen_t len = sizeof use;

    if (!a->socket || a->state != ASSOCIATION_UP ||
        usrsctp_getsockopt(a->socket, IPPROTO_SCTP, GET_SNDBUF_USE, &use, &len) < 0)
        use.send_bytes = 0;
    return a->queue_bytes + use.send_bytes;
}

void sctp_association_stats(const struct sctp_association *a, struct sctp_stats *ret)
{
    *ret = a->stats;
    ret->packets_dropped = atomic_load_explicit(&a->input_dropped, memory_order_relaxed);
}
