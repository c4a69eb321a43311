/* Addresses: reading, writing, classes, the kernel's form. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include "base/addr.h"

static struct addr parsed(const char *ip, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse(ip, port, &a), 0);
    return a;
}

static void text_survives_both_ways(void **state)
{
    static const struct {
        const char *in, *ip, *full;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", "192.0.2.1:7882"},
        {"255.255.255.255", "255.255.255.255", "255.255.255.255:7882"},
        {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:7882"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", "[2001:db8::1]:7882"},
        {"::1", "::1", "[::1]:7882"},
        {"::", "::", "[::]:7882"},
        {"fe80::1%7", "fe80::1", "[fe80::1%7]:7882"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:7882"},
    };
    (void)state;
    char out[ADDR_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct addr a = parsed(cases[i].in, 7882);
        assert_string_equal(addr_ip_text(&a, out), cases[i].ip);
        assert_string_equal(addr_text(&a, out), cases[i].full);
    }
}

static void what_is_no_literal_is_refused_and_leaves_the_result_alone(void **state)
{
    static const char *const bad[] = {"", " ", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4 ",
        "[::1]", "::1:", ":::", "fe80::1%", "fe80::1%no-such-interface", "fe80::1%4294967296", "fe80::1%-1",
        "192.0.2.1:80", "1:2:3:4:5:6:7:8:9", "2001:db8::1/64",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct addr a, before;
        memset(&a, 0xa5, sizeof a);
        memcpy(&before, &a, sizeof a);
        if (addr_parse(bad[i], 1, &a) != -EINVAL)
            fail_msg("accepted \"%s\"", bad[i]);
        assert_memory_equal(&a, &before, sizeof a);
    }
}

static void a_scope_may_be_an_interface_name(void **state)
{
    (void)state;
    unsigned lo = if_nametoindex("lo");
    if (lo == 0) {
        print_message("# no loopback interface here\n");
        skip();
    }
    struct addr a = parsed("fe80::1%lo", 1);
    assert_int_equal(a.scope, lo);
}

static void classes_know_both_families(void **state)
{
    static const struct {
        const char *ip;
        bool v4, loopback, any, link_local;
    } cases[] = {
        {"127.0.0.1", true, true, false, false},
        {"127.255.255.254", true, true, false, false},
        {"128.0.0.1", true, false, false, false},
        {"0.0.0.0", true, false, true, false},
        {"169.254.1.1", true, false, false, true},
        {"169.255.1.1", true, false, false, false},
        {"::1", false, true, false, false},
        {"::2", false, false, false, false},
        {"::", false, false, true, false},
        {"::1.0.0.0", false, false, false, false},
        {"fe80::1", false, false, false, true},
        {"febf::1", false, false, false, true},
        {"fec0::1", false, false, false, false},
        {"1::", false, false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct addr a = parsed(cases[i].ip, 1);
        assert_int_equal(addr_is_v4(&a), cases[i].v4);
        assert_int_equal(addr_is_loopback(&a), cases[i].loopback);
        assert_int_equal(addr_is_any(&a), cases[i].any);
        assert_int_equal(addr_is_link_local(&a), cases[i].link_local);
    }
}

static void equality_looks_at_every_part(void **state)
{
    (void)state;
    struct addr a = parsed("fe80::1%1", 1), b = a;
    assert_true(addr_equal(&a, &b));
    b.port = 2;
    assert_false(addr_equal(&a, &b));
    assert_true(addr_equal_ip(&a, &b));
    b = a;
    b.scope = 2;
    assert_false(addr_equal(&a, &b));
    b = a;
    b.ip[15] ^= 1;
    assert_false(addr_equal(&a, &b));
    assert_false(addr_equal_ip(&a, &b));
    struct path p = {.remote = a, .local = b, .conn = 1}, q;
    memset(&q, 0xff, sizeof q); /* padding differs */
    q.remote = p.remote, q.local = p.local, q.conn = p.conn;
    assert_true(path_equal(&p, &q));
    q.conn = 2;
    assert_false(path_equal(&p, &q));
    q = p, q.local.port++;
    assert_false(path_equal(&p, &q));
    q = p, q.remote.port++;
    assert_false(path_equal(&p, &q));
}

static void the_kernels_form_survives_both_ways(void **state)
{
    (void)state;
    struct sockaddr_in6 sa;
    struct addr a = parsed("192.0.2.7", 65535), b;
    addr_to_sockaddr(&a, &sa);
    assert_int_equal(sa.sin6_family, AF_INET6);
    assert_int_equal(ntohs(sa.sin6_port), 65535);
    assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, &b), 0);
    assert_true(addr_equal(&a, &b));

    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(65535)};
    inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr);
    assert_int_equal(addr_from_sockaddr((struct sockaddr *)&v4, &b), 0);
    assert_true(addr_equal(&a, &b));

    a = parsed("fe80::5%3", 1);
    addr_to_sockaddr(&a, &sa);
    assert_int_equal(sa.sin6_scope_id, 3);
    assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, &b), 0);
    assert_true(addr_equal(&a, &b));

    struct sockaddr other = {.sa_family = AF_UNIX};
    memset(&b, 0x5a, sizeof b);
    assert_int_equal(addr_from_sockaddr(&other, &b), -EAFNOSUPPORT);
    assert_int_equal(b.ip[0], 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_survives_both_ways),
        cmocka_unit_test(what_is_no_literal_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(a_scope_may_be_an_interface_name),
        cmocka_unit_test(classes_know_both_families),
        cmocka_unit_test(equality_looks_at_every_part),
        cmocka_unit_test(the_kernels_form_survives_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
