#include "support/http_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    uint8_t buf[65536]; /* read and not yet consumed */
    size_t at, len;
    char digest[65];
};

static struct client *open_with(uint16_t port, int rcvbuf)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    struct timeval wait = {.tv_sec = 10};
    int one = 1;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (rcvbuf)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
    return c;
}

int client_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {.tv_sec = 10};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

struct client *client_open(uint16_t port, bool tls)
{
    struct client *c = open_with(port, 0);
    if (tls) {
        c->ctx = SSL_CTX_new(TLS_client_method());
        c->ssl = SSL_new(c->ctx);
        SSL_set_fd(c->ssl, c->fd);
        assert_int_equal(SSL_connect(c->ssl), 1);
    }
    return c;
}

struct client *client_open_small(uint16_t port)
{
    return open_with(port, 4096);
}

void client_close(struct client *c)
{
    if (!c)
        return;
    if (c->ssl)
        SSL_free(c->ssl);
    if (c->ctx)
        SSL_CTX_free(c->ctx);
    close(c->fd);
    free(c);
}

int client_fd(const struct client *c)
{
    return c->fd;
}

bool client_try_send(struct client *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t at = 0; at < len;) {
        ssize_t n =
            c->ssl ? SSL_write(c->ssl, p + at, (int)(len - at)) : send(c->fd, p + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

void client_send(struct client *c, const void *data, size_t len)
{
    assert_true(client_try_send(c, data, len));
}

void client_sendf(struct client *c, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    assert_true(len >= 0);
    client_send(c, text, (size_t)len);
    free(text);
}

const char *client_peer_certificate(struct client *c)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    X509 *x = SSL_get1_peer_certificate(c->ssl);
    assert_non_null(x);
    assert_int_equal(X509_digest(x, EVP_sha256(), digest, &len), 1);
    X509_free(x);
    for (unsigned i = 0; i < len && i < 32; i++)
        snprintf(c->digest + 2 * i, 3, "%02x", digest[i]);
    return c->digest;
}

/* More bytes into buf: their number, 0 at the end, negative on a reset; a time-out fails the test. */
static ssize_t fill(struct client *c)
{
    if (c->at == c->len)
        c->at = c->len = 0;
    ssize_t n = c->ssl ? SSL_read(c->ssl, c->buf + c->len, (int)(sizeof c->buf - c->len))
                       : recv(c->fd, c->buf + c->len, sizeof c->buf - c->len, 0);
    if (n < 0 && !c->ssl && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("the peer sent nothing for ten seconds");
    if (n > 0)
        c->len += (size_t)n;
    return n;
}

static int read_byte(struct client *c)
{
    if (c->at == c->len && fill(c) <= 0)
        return -1;
    return c->buf[c->at++];
}

static void read_exactly(struct client *c, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (c->at == c->len && fill(c) <= 0)
            fail_msg("the connection ended after %zu of %zu bytes", i, len);
        size_t n = c->len - c->at < len - i ? c->len - c->at : len - i;
        memcpy(to + i, c->buf + c->at, n);
        c->at += n;
        i += n;
    }
}

bool client_at_end(struct client *c)
{
    return read_byte(c) < 0;
}

/* ---- HTTP ---- */

static char *read_head(struct client *c)
{
    size_t len = 0, cap = 65536;
    char *head = malloc(cap);
    assert_non_null(head);
    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        int b = read_byte(c);
        if (b < 0)
            fail_msg("the connection ended inside a response head: \"%.*s\"", (int)len, head);
        assert_true(len + 1 < cap);
        head[len++] = (char)b;
    }
    head[len] = '\0';
    return head;
}

void client_response(struct client *c, bool head, struct response *ret)
{
    *ret = (struct response){.head = read_head(c)};
    assert_int_equal(sscanf(ret->head, "HTTP/1.%*d %d ", &ret->status), 1);
    const char *length = response_header(ret, "Content-Length");
    size_t len = length && !head && ret->status != 304 ? strtoul(length, NULL, 10) : 0;
    ret->body = malloc(len + 1);
    assert_non_null(ret->body);
    read_exactly(c, (uint8_t *)ret->body, len);
    ret->body[len] = '\0';
    ret->body_len = len;
}

const char *response_header(const struct response *r, const char *name)
{
    static _Thread_local char value[8192];
    size_t n = strlen(name);
    for (const char *line = strstr(r->head, "\r\n"); line && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
            continue;
        const char *from = line + 3 + n + strspn(line + 3 + n, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r"), from);
        return value;
    }
    return NULL;
}

void response_done(struct response *r)
{
    free(r->head);
    free(r->body);
    *r = (struct response){0};
}

/* ---- WebSocket ---- */

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, section 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void client_send_handshake(struct client *c, const char *target, const char *extra)
{
    client_sendf(c,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n%s\r\n",
        target, extra);
}

void client_upgrade(struct client *c, const char *target, const char *extra)
{
    struct response r;
    client_send_handshake(c, target, extra);
    client_response(c, true, &r);
    assert_int_equal(r.status, 101);
    assert_string_equal(response_header(&r, "Sec-WebSocket-Accept"), ACCEPT);
    response_done(&r);
}

void client_frame(struct client *c, int first, const void *data, size_t len)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t *frame = malloc(len + 14);
    assert_non_null(frame);
    size_t at = 0;
    frame[at++] = (uint8_t)first;
    if (len < 126) {
        frame[at++] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        frame[at++] = 0x80 | 126;
        frame[at++] = (uint8_t)(len >> 8);
        frame[at++] = (uint8_t)len;
    } else {
        frame[at++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            frame[at++] = (uint8_t)((uint64_t)len >> shift);
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++)
        frame[at++] = ((const uint8_t *)data)[i] ^ mask[i % 4];
    client_send(c, frame, at);
    free(frame);
}

void client_read_frame(struct client *c, struct frame *ret)
{
    uint8_t head[2], more[8];
    read_exactly(c, head, 2);
    ret->first = head[0];
    assert_int_equal(head[1] & 0x80, 0); /* a server does not mask */
    ret->len = head[1];
    size_t n = ret->len == 126 ? 2 : ret->len == 127 ? 8 : 0;
    if (n) {
        read_exactly(c, more, n);
        ret->len = 0;
        for (size_t i = 0; i < n; i++)
            ret->len = ret->len << 8 | more[i];
    }
    ret->data = malloc(ret->len + 1);
    assert_non_null(ret->data);
    read_exactly(c, ret->data, ret->len);
    ret->data[ret->len] = 0;
}

int client_read_close(struct client *c)
{
    for (;;) {
        struct frame f;
        client_read_frame(c, &f);
        int code = f.len >= 2 ? f.data[0] << 8 | f.data[1] : 1005;
        free(f.data);
        if ((f.first & 0xf) == CLOSE)
            return code;
    }
}
