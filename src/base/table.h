/* Hash tables of structs: uthash, keyed against collisions that strangers could choose (base/hash.h).
 * Members embed a UT_hash_handle. HASH_ADD_INT and HASH_FIND_INT are for 32-bit keys, HASH_ADD_KEYPTR and
 * HASH_FIND_STR for text. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdlib.h>
#include "base/hash.h"

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash_bytes((keyptr), (keylen)))
#include <uthash.h>

#endif
