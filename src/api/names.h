/* Names of people and rooms, and the identities and codes made for them. Pure functions; randomness from
 * base/rand.h.
 */
#ifndef API_NAMES_H
#define API_NAMES_H

#include <stddef.h>

#define NAMES_CODE_SIZE     13 /* "abc-defg-hij" and the zero */
#define NAMES_IDENTITY_SIZE 38 /* 32 bytes of the name, a dash, four random characters, the zero */

/* What is wrong with a name. */
enum names_fault {
    NAMES_OK,
    NAMES_EMPTY,   /* nothing but spaces */
    NAMES_LONG,    /* more than API_NAME_CHARS characters */
    NAMES_CONTROL, /* control characters, line breaks, overrides of the writing direction */
    NAMES_UTF8,    /* not UTF-8, or with a NUL */
};

/* Finds the name within the spaces around it (Unicode's, and invisible ones): *ret_len bytes from text +
 * *ret_from. Both are untouched unless NAMES_OK. */
enum names_fault names_check(const char *text, size_t len, size_t *ret_from, size_t *ret_len);

/* A sentence about a fault, for the client; static. */
const char *names_fault_text(enum names_fault fault);

/* "Ada Lovelace" -> "ada-lovelace-x7k2": ASCII letters and digits of the name in lower case, a dash for the
 * rest, and four random characters. Where nothing is left of the name: "guest-x7k2". Returns out. */
char *names_identity(char out[NAMES_IDENTITY_SIZE], const char *name);

/* Ten random letters without look-alikes (i, l, o), 3-4-3: 45 bits. Returns out. */
char *names_code(char out[NAMES_CODE_SIZE]);

#endif
