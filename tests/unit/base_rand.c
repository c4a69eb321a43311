/* Random numbers and identifiers, keyed hashing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "base/rand.h"

/* A repeatable source (splitmix64). */
static void seeded(void *arg, void *buf, size_t len)
{
    uint64_t *seed = arg;
    for (uint8_t *p = buf; len > 0; len--) {
        uint64_t z = *seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        *p++ = (uint8_t)((z ^ z >> 27) * 0x94d049bb133111ebu >> 33);
    }
}

static void a_source_of_the_tests_repeats(void **state)
{
    uint64_t seed = 1;
    char first[33], second[33];
    (void)state;
    rand_source_set(seeded, &seed);
    rand_id(first, 32);
    uint64_t number = rand_u64();
    seed = 1;
    rand_id(second, 32);
    assert_string_equal(first, second);
    assert_true(rand_u64() == number);
    rand_source_set(NULL, NULL);
    rand_id(second, 32);
    assert_string_not_equal(first, second);
}

static void identifiers_have_no_look_alikes(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        char id[13];
        memset(id, 'x', sizeof id);
        assert_ptr_equal(rand_id(id, 12), id);
        assert_int_equal(strlen(id), 12);
        assert_null(strpbrk(id, "01IOl"));
        assert_int_equal(strspn(id, "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"), 12);
    }
    char none[1];
    assert_string_equal(rand_id(none, 0), "");
}

/* Chi-squared over the 57 letters: far beyond chance only if the modulo favours some of them. */
static void letters_are_equally_likely(void **state)
{
    enum { N = 57 * 4000 };
    static char text[N + 1];
    uint64_t seed = 7;
    unsigned count[256] = {0};
    (void)state;
    rand_source_set(seeded, &seed);
    rand_id(text, N);
    rand_source_set(NULL, NULL);
    for (int i = 0; i < N; i++)
        count[(unsigned char)text[i]]++;
    double chi = 0;
    for (int c = 0; c < 256; c++)
        if (count[c])
            chi += (count[c] - 4000.0) * (count[c] - 4000.0) / 4000.0;
    assert_true(chi < 56 + 5 * sqrt(2 * 56)); /* a plain modulo of a byte gives some 7,800 */
}

static void an_alphabet_may_be_anything(void **state)
{
    char out[101];
    (void)state;
    rand_text(out, 100, "z");
    assert_int_equal(strspn(out, "z"), 100);
    rand_text(out, 100, "01");
    assert_int_equal(strspn(out, "01"), 100);
    assert_non_null(strchr(out, '0'));
    assert_non_null(strchr(out, '1'));
}

/* Vectors of an independent SipHash-1-3: CPython 3.11's hash of bytes(range(n)) with PYTHONHASHSEED=0. */
static void hashes_are_siphash_1_3(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {1, 0x68a914128e01e473},
        {7, 0x2f098ab0c751325a},
        {8, 0xead411e67ebe2eea},
        {9, 0x75927f9d95124362},
        {15, 0xf30eb725bb91c9ea},
        {16, 0x8972188433a5c5b7},
        {31, 0x169739443111d49b},
        {64, 0x75e05fd5bbc870c6},
    };
    static const uint64_t key[2];
    uint8_t data[64];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(hash_keyed(key, data, cases[i].len) == cases[i].hash);
    assert_true(hash_keyed(key, "fanlight", 8) == 0xc35b420f791d9160);
}

static void the_process_has_a_key_of_its_own(void **state)
{
    static const uint64_t zero[2];
    (void)state;
    assert_true(hash_text("fanlight") == hash_bytes("fanlight", 8));
    assert_true(hash_text("fanlight") != hash_keyed(zero, "fanlight", 8));
    assert_true(hash_bytes("", 0) == hash_bytes(NULL, 0));
}

static void secrets_are_compared_whole(void **state)
{
    (void)state;
    assert_int_equal(hash_equal("abcd", "abcd", 4), 1);
    assert_int_equal(hash_equal("abcd", "abce", 4), 0);
    assert_int_equal(hash_equal("\x80"
                                "bcd",
                         "abcd", 4),
        0);
    assert_int_equal(hash_equal("abcd", "abcx", 3), 1);
    assert_int_equal(hash_equal("a", "b", 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_of_the_tests_repeats),
        cmocka_unit_test(identifiers_have_no_look_alikes),
        cmocka_unit_test(letters_are_equally_likely),
        cmocka_unit_test(an_alphabet_may_be_anything),
        cmocka_unit_test(hashes_are_siphash_1_3),
        cmocka_unit_test(the_process_has_a_key_of_its_own),
        cmocka_unit_test(secrets_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
