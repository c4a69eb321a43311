/* The nonce law, watched over a whole test program: everything that any srtp_tx of the process encrypts,
 * those of the tests' own clients included, is remembered, and a (key, SSRC, index) that is encrypted a
 * second time aborts the program at once, on whatever thread. */
#ifndef SUPPORT_NONCE_WATCH_H
#define SUPPORT_NONCE_WATCH_H

#include <stdint.h>

/* From here on. To be called before other threads run. */
void nonce_watch_start(void);

/* Packets seen so far, RTP and RTCP. Any thread. */
uint64_t nonce_watch_count(void);

/* The watch is taken off and forgets; other threads have ended. Aborts if nothing was ever encrypted, for
 * then it watched nothing. */
void nonce_watch_stop(void);

#endif
