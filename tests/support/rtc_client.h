/* The client's end of a peer connection: the controlling side of ICE, DTLS and SRTP, on datagrams and a time
 * that are handed in. It has no sockets: tests put it on a virtual link or on real ones. Failures of its own
 * making end the test (assert of cmocka). */
#ifndef SUPPORT_RTC_CLIENT_H
#define SUPPORT_RTC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dtls/session.h"
#include "ice/control.h"
#include "rtp/header.h"
#include "srtp/srtp.h"

struct rtc_client_ops {
    void (*send)(void *arg, const struct path *path, const uint8_t *data, size_t len);
    /* Decrypted packets. h is what rtp_parse says with the client's extmap. May be NULL. */
    void (*rtp)(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h);
    void (*rtcp)(void *arg, const uint8_t *data, size_t len);
    void (*data)(void *arg, const uint8_t *data, size_t len); /* a DTLS application record */
};

struct rtc_client {
    const struct rtc_client_ops *ops;
    void *arg;
    struct ice_stun *stun;
    struct ice_control ice;
    struct dtls_session *dtls;
    struct srtp_rx *rx;
    struct srtp_tx *tx;
    struct rtp_extmap extmap; /* for parsing and writing */
    bool remote_known, started, established, closed;
    bool data_paused; /* DTLS is kept back: a client whose answer takes its time */
    enum dtls_close why;
    char text[128];
    uint64_t refused; /* SRTP and SRTCP that did not pass */
    int64_t now_us;
};

void rtc_client_init(struct rtc_client *c, struct dtls_context *dtls, enum dtls_role role,
    const struct rtc_client_ops *ops, void *arg, int64_t now_us);
void rtc_client_done(struct rtc_client *c);

/* The server's credentials and "AB:CD:..." of its certificate. */
void rtc_client_remote(
    struct rtc_client *c, const char *ufrag, const char *pwd, const char *fingerprint, int64_t now_us);

/* ICE restart: new credentials of our own (c->ice.local), the server's new ones. */
void rtc_client_restart(struct rtc_client *c, const char *ufrag, const char *pwd, int64_t now_us);

void rtc_client_input(
    struct rtc_client *c, const struct path *path, const uint8_t *data, size_t len, int64_t now_us);

/* Does what time asks for; to be called at rtc_client_next_timeout, after input and after every change. */
void rtc_client_run(struct rtc_client *c, int64_t now_us);
int64_t rtc_client_next_timeout(const struct rtc_client *c);

/* Where media goes: the nominated path, or as browsers do before there is one, the first that answered; else
 * NULL. */
const struct path *rtc_client_path(const struct rtc_client *c);

/* Encrypts one packet into out (PACKET_SIZE_MAX); returns its length. index: rollover counter << 16 |
 * sequence. */
size_t rtc_client_protect(struct rtc_client *c, const struct rtp_fields *f, uint64_t index,
    const struct rtp_ext_out *exts, size_t ext_count, const uint8_t *payload, size_t len, uint8_t *out);
size_t rtc_client_protect_rtcp(struct rtc_client *c, const uint8_t *data, size_t len, uint8_t *out);

/* The same, and sends it on the selected path. */
void rtc_client_rtp(struct rtc_client *c, const struct rtp_fields *f, uint64_t index,
    const struct rtp_ext_out *exts, size_t ext_count, const uint8_t *payload, size_t len);
void rtc_client_rtcp(struct rtc_client *c, const uint8_t *data, size_t len);

#endif
