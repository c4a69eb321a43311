/* An independent implementation against ours: libnice's full agent over loopback sockets, in real time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <nice/agent.h>
#include "ice/control.h"
#include "ice/lite.h"

#define DEADLINE_US 10000000

static GMainContext *context;
static NiceAgent *agent;
static guint stream;
static struct ice_stun *stun;
static struct ice_lite lite;
static struct ice_control control;
static bool we_control;
static int udp_fd, listen_fd, tcp_fd;
static struct addr udp_local, tcp_local, tcp_remote;
static uint8_t frame[2 + PACKET_SIZE_MAX];
static size_t frame_len;
static char agent_got[64], we_got[64];

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int open_loopback(int type, struct addr *ret)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &len) < 0 || (type == SOCK_STREAM && listen(fd, 4) < 0))
        return -1;
    addr_from_sockaddr((struct sockaddr *)&name, ret);
    return fd;
}

static void on_agent_data(NiceAgent *a, guint s, guint component, guint len, gchar *buf, gpointer arg)
{
    (void)a, (void)s, (void)component, (void)arg;
    memset(agent_got, 0, sizeof agent_got);
    memcpy(agent_got, buf, len < sizeof agent_got ? len : sizeof agent_got - 1);
}

static void on_gathered(NiceAgent *a, guint s, gpointer done)
{
    (void)a, (void)s;
    *(bool *)done = true;
}

static int setup(void **state)
{
    (void)state;
    stun = ice_stun_new();
    context = g_main_context_new();
    udp_fd = open_loopback(SOCK_DGRAM, &udp_local);
    listen_fd = open_loopback(SOCK_STREAM, &tcp_local);
    tcp_fd = -1;
    frame_len = 0;
    return stun && udp_fd >= 0 && listen_fd >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    g_clear_object(&agent);
    while (g_main_context_iteration(context, FALSE))
        ;
    g_main_context_unref(context);
    ice_stun_free(stun);
    close(udp_fd);
    close(listen_fd);
    if (tcp_fd >= 0)
        close(tcp_fd);
    return 0;
}

static void we_send(const struct path *p, const void *data, size_t len)
{
    if (p->conn) {
        uint8_t buf[2 + PACKET_SIZE_MAX];
        struct writer w = writer_of(buf, sizeof buf);
        writer_u16(&w, (uint16_t)len);
        writer_bytes(&w, data, len);
        assert_int_equal(send(tcp_fd, buf, w.len, MSG_NOSIGNAL), w.len);
        return;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->remote.port)};
    memcpy(&to.sin_addr, p->remote.ip + 12, 4);
    sendto(udp_fd, data, len, 0, (struct sockaddr *)&to, sizeof to);
}

static void we_receive(const struct path *p, const uint8_t *data, size_t len)
{
    uint8_t reply[ICE_REPLY_MAX];
    struct writer w = writer_of(reply, sizeof reply);
    uint32_t events;
    if (len > 0 && data[0] > 3) { /* not STUN: media */
        memset(we_got, 0, sizeof we_got);
        memcpy(we_got, data, len < sizeof we_got ? len : sizeof we_got - 1);
        if (!we_control)
            ice_lite_media(&lite, p, true, now_us());
        return;
    }
    if (we_control)
        ice_control_input(&control, stun, p, data, len, now_us(), &w);
    else
        ice_lite_input(&lite, stun, p, data, len, now_us(), &w, &events);
    if (w.len)
        we_send(p, reply, w.len);
}

static void udp_turn(void)
{
    uint8_t buf[PACKET_SIZE_MAX];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t n;
    while ((n = recvfrom(udp_fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &from_len)) >= 0) {
        struct path p = {.local = udp_local};
        addr_from_sockaddr((struct sockaddr *)&from, &p.remote);
        we_receive(&p, buf, (size_t)n);
    }
}

static void tcp_turn(void)
{
    if (tcp_fd < 0) {
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        tcp_fd = accept4(listen_fd, (struct sockaddr *)&from, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (tcp_fd < 0)
            return;
        addr_from_sockaddr((struct sockaddr *)&from, &tcp_remote);
    }
    ssize_t n;
    while ((n = recv(tcp_fd, frame + frame_len, sizeof frame - frame_len, 0)) > 0) {
        frame_len += (size_t)n;
        size_t len;
        while (frame_len >= 2 && frame_len >= 2 + (len = (size_t)(frame[0] << 8 | frame[1]))) {
            struct path p = {.local = tcp_local, .remote = tcp_remote, .conn = 1};
            we_receive(&p, frame + 2, len);
            memmove(frame, frame + 2 + len, frame_len - 2 - len);
            frame_len -= 2 + len;
        }
    }
}

/* Both sides run until the condition holds. */
static void run_until(bool (*done)(void))
{
    int64_t end_us = now_us() + DEADLINE_US;
    while (!done() && now_us() < end_us) {
        udp_turn();
        tcp_turn();
        uint8_t buf[ICE_REQUEST_MAX];
        struct path p;
        struct writer w = writer_of(buf, sizeof buf);
        while (we_control && ice_control_poll(&control, stun, now_us(), &p, &w)) {
            we_send(&p, buf, w.len);
            w = writer_of(buf, sizeof buf);
        }
        g_main_context_iteration(context, FALSE);
        struct pollfd wait[] = {{.fd = udp_fd, .events = POLLIN}};
        poll(wait, 1, 1); /* the agent's own sockets and timers are looked at every millisecond */
    }
    assert_true(done());
}

static bool gathered;

static bool is_gathered(void)
{
    return gathered;
}

static void agent_start(NiceAgentOption options, bool controlling, bool tcp)
{
    NiceAddress loopback;
    gathered = false;
    agent = nice_agent_new_full(context, NICE_COMPATIBILITY_RFC5245, options);
    g_object_set(agent, "upnp", FALSE, "controlling-mode", (gboolean)controlling, "ice-udp", (gboolean)!tcp,
        "ice-tcp", (gboolean)tcp, NULL);
    nice_address_init(&loopback);
    nice_address_set_from_string(&loopback, "127.0.0.1");
    nice_agent_add_local_address(agent, &loopback);
    g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(on_gathered), &gathered);
    stream = nice_agent_add_stream(agent, 1);
    nice_agent_attach_recv(agent, stream, 1, context, on_agent_data, NULL);
    assert_true(nice_agent_gather_candidates(agent, stream));
    run_until(is_gathered);
}

/* Tells the agent our credentials and our one candidate. */
static void agent_meet(const struct ice_credentials *ours, bool tcp)
{
    const struct addr *a = tcp ? &tcp_local : &udp_local;
    NiceCandidate *c = nice_candidate_new(NICE_CANDIDATE_TYPE_HOST);
    c->transport = tcp ? NICE_CANDIDATE_TRANSPORT_TCP_PASSIVE : NICE_CANDIDATE_TRANSPORT_UDP;
    c->component_id = 1;
    c->stream_id = stream;
    c->priority = 2130706431;
    g_strlcpy(c->foundation, "1", sizeof c->foundation);
    nice_address_set_from_string(&c->addr, "127.0.0.1");
    nice_address_set_port(&c->addr, a->port);
    GSList *list = g_slist_append(NULL, c);
    assert_true(nice_agent_set_remote_credentials(agent, stream, ours->ufrag, ours->pwd));
    assert_int_equal(nice_agent_set_remote_candidates(agent, stream, 1, list), 1);
    g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

static void agent_name(char ufrag[64], char pwd[64])
{
    gchar *u, *p;
    assert_true(nice_agent_get_local_credentials(agent, stream, &u, &p));
    g_strlcpy(ufrag, u, 64);
    g_strlcpy(pwd, p, 64);
    g_free(u);
    g_free(p);
}

static bool agent_ready(void)
{
    return nice_agent_get_component_state(agent, stream, 1) == NICE_COMPONENT_STATE_READY;
}

static bool lite_and_agent_ready(void)
{
    return lite.state == ICE_CONNECTED && agent_ready();
}

static bool control_and_agent_ready(void)
{
    return control.state == ICE_CONTROL_CONNECTED && agent_ready();
}

static bool both_got(void)
{
    return strcmp(agent_got, "hello agent") == 0 && strcmp(we_got, "~hello lite") == 0;
}

static void exchange(const struct path *p)
{
    assert_non_null(p);
    memset(agent_got, 0, sizeof agent_got);
    memset(we_got, 0, sizeof we_got);
    we_send(p, "hello agent", 11);
    assert_int_equal(nice_agent_send(agent, stream, 1, 11, "~hello lite"), 11);
    run_until(both_got);
}

static void lite_against(NiceAgentOption options, bool tcp)
{
    char ufrag[64], pwd[64];
    we_control = false;
    agent_start(options, true, tcp);
    agent_name(ufrag, pwd);
    ice_lite_init(&lite, NULL, ufrag, now_us());
    agent_meet(ice_lite_local(&lite), tcp);
    run_until(lite_and_agent_ready);
    assert_int_equal(ice_lite_selected(&lite)->conn, tcp);
    exchange(ice_lite_selected(&lite));
}

static void the_full_agent_connects_with_regular_nomination(void **state)
{
    (void)state;
    lite_against(NICE_AGENT_OPTION_REGULAR_NOMINATION, false);
}

static void the_full_agent_connects_with_aggressive_nomination(void **state)
{
    (void)state;
    lite_against(NICE_AGENT_OPTION_NONE, false);
}

static void the_full_agent_connects_over_tcp(void **state)
{
    (void)state;
    lite_against(NICE_AGENT_OPTION_REGULAR_NOMINATION, true);
}

static void the_full_agent_restarts(void **state)
{
    char ufrag[64], pwd[64], first[ICE_LOCAL_UFRAG_MAX + 1];
    (void)state;
    lite_against(NICE_AGENT_OPTION_REGULAR_NOMINATION, false);
    memcpy(first, ice_lite_local(&lite)->ufrag, sizeof first);
    assert_true(nice_agent_restart(agent));
    agent_name(ufrag, pwd);
    assert_string_not_equal(ufrag, lite.current.remote_ufrag);
    ice_lite_restart(&lite, NULL, ufrag, now_us());
    agent_meet(ice_lite_local(&lite), false);
    run_until(lite_and_agent_ready);
    exchange(ice_lite_selected(&lite));
    assert_false(ice_lite_has_ufrag(&lite, first));
}

static void our_controlling_side_connects_to_a_full_agent(void **state)
{
    char ufrag[64], pwd[64];
    (void)state;
    we_control = true;
    agent_start(NICE_AGENT_OPTION_NONE, false, false);
    agent_name(ufrag, pwd);
    ice_control_init(&control, now_us());
    assert_int_equal(ice_control_set_remote(&control, ufrag, pwd), 0);
    GSList *candidates = nice_agent_get_local_candidates(agent, stream, 1);
    for (GSList *i = candidates; i; i = i->next) {
        NiceCandidate *c = i->data;
        struct path p = {.local = udp_local};
        addr_parse("127.0.0.1", (uint16_t)nice_address_get_port(&c->addr), &p.remote);
        ice_control_add_path(&control, &p, now_us());
    }
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
    agent_meet(&control.local, false);
    run_until(control_and_agent_ready);
    exchange(ice_control_selected(&control));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_full_agent_connects_with_regular_nomination, setup, teardown),
        cmocka_unit_test_setup_teardown(the_full_agent_connects_with_aggressive_nomination, setup, teardown),
        cmocka_unit_test_setup_teardown(the_full_agent_connects_over_tcp, setup, teardown),
        cmocka_unit_test_setup_teardown(the_full_agent_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(our_controlling_side_connects_to_a_full_agent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
