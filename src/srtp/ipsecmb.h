/* What the files of the libipsec-mb back end share. For those that are built with it. */
#ifndef SRTP_IPSECMB_H
#define SRTP_IPSECMB_H

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#include "srtp/session.h"

#define IPSECMB_LINE     64  /* bytes that keys are aligned to */
#define IPSECMB_SCHEDULE 176 /* bytes of AES-128 round keys */

/* For calls that keep no state; any thread. */
IMB_MGR *srtp_ipsecmb_common(void);

/* This thread's, or NULL without memory. Nothing waits in it between calls. */
IMB_MGR *srtp_ipsecmb_own(void);

/* Round keys. The caller wipes them. */
void srtp_ipsecmb_expand_gcm(enum srtp_profile p, const struct srtp_session *s, struct gcm_key_data *ret);
void srtp_ipsecmb_expand_cm(const struct srtp_session *s, uint8_t ret[IPSECMB_SCHEDULE]);

/* As in struct srtp_backend. */
int srtp_ipsecmb_rx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret);
void srtp_ipsecmb_rx_free(void *state);
int srtp_ipsecmb_rx_rtp(
    void *state, uint32_t ssrc, uint64_t index, size_t header_len, uint8_t *packet, size_t *len);
int srtp_ipsecmb_rx_rtcp(void *state, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len);
void srtp_ipsecmb_rx_ssrc_del(void *state, uint32_t ssrc);

#endif
