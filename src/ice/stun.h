/* STUN messages on libnice's STUN library (RFC 8489; ICE attributes of RFC 8445). No I/O, no clock.
 *
 * Everything foreign is walked by a bounded cursor before the library sees it, because libnice 0.1.21 reads
 * 20 bytes of a MESSAGE-INTEGRITY however short it is, and pads three bytes past the buffer that it writes
 * to. */
#ifndef ICE_STUN_H
#define ICE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/cursor.h"
#include "base/limits.h"

/* libnice's agent, 13 KB and without state of any peer: one a thread, handed to each call of this folder. */
struct ice_stun;

struct ice_stun *ice_stun_new(void); /* NULL: no memory */
void ice_stun_free(struct ice_stun *s);

struct ice_credentials {
    char ufrag[ICE_LOCAL_UFRAG_MAX + 1];
    char pwd[ICE_LOCAL_PWD_MAX + 1];
};

/* New credentials from rand_bytes, 8 and 24 letters and digits ('+' and '/' are legal too, but not liked by
 * all): 47 and 142 bits, of which RFC 8839, section 5.4 asks 24 and 128. */
void ice_credentials_make(struct ice_credentials *ret);

/* Is s a legal ufrag (4 to 256 characters) or password (22 to 256; RFC 8839, section 5.4)? */
bool ice_ufrag_valid(const char *s);
bool ice_pwd_valid(const char *s);

/* The receiver's part of a Binding request's USERNAME ("receiver:sender"), which tells whose request it is;
 * nothing is authenticated. out gets a zero. 0; -EINVAL: not a well-formed Binding request; -ENOENT: no such
 * name in it. */
int ice_stun_ufrag(const uint8_t *data, size_t len, char out[ICE_UFRAG_MAX + 1]);

/* For a request whose ufrag nobody has: appends the error reply, 401, or 400 where there is no USERNAME or no
 * MESSAGE-INTEGRITY; never larger than the request. Nothing is written for anything else, for messages
 * without a correct FINGERPRINT, or when the reply would be larger. Returns whether something was written. */
bool ice_stun_refuse(struct ice_stun *s, const uint8_t *data, size_t len, struct writer *reply);

#endif
