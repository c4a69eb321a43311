/* Certificates: made, loaded, kept, reloaded, refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tls/cert_openssl.h"
#include "tls/digest.h"

#define DAY_US ((int64_t)86400 * 1000000)

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/fl-cert.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *p = paths[next++ % 4];
    (void)snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int64_t wall_us(void)
{
    return (int64_t)time(NULL) * 1000000;
}

static const struct cert_subject plain = {.days = 30};
static const char *const web_names[] = {"localhost", "machine-7", "192.0.2.9", "2001:db8::9"};
static const struct cert_subject web = {
    .common_name = "Fanlight", .names = web_names, .name_count = 4, .days = 365};

static void a_new_certificate_is_p256_and_signs_itself(void **state)
{
    struct cert *c = NULL;
    char why[CERT_WHY_SIZE] = "x";
    char group[32];
    (void)state;
    assert_int_equal(cert_make(&plain, &c, why), 0);
    assert_string_equal(why, "");
    assert_int_equal(EVP_PKEY_get_group_name(cert_pkey(c), group, sizeof group, NULL), 1);
    assert_string_equal(group, "prime256v1");
    assert_int_equal(X509_verify(cert_x509(c), cert_pkey(c)), 1);
    assert_int_equal(X509_get_signature_nid(cert_x509(c)), NID_ecdsa_with_SHA256);
    assert_int_equal(X509_check_private_key(cert_x509(c), cert_pkey(c)), 1);
    assert_int_equal(X509_get_ext_count(cert_x509(c)), 0);
    assert_in_range(cert_expires_wall_us(c), wall_us() + 28 * DAY_US, wall_us() + 30 * DAY_US);
    assert_true(X509_cmp_current_time(X509_get0_notBefore(cert_x509(c))) < 0);
    cert_free(c);
}

static void the_fingerprint_is_sha256_of_the_der_form(void **state)
{
    struct cert *c = NULL;
    uint8_t *der = NULL, hash[DIGEST_SHA256_SIZE];
    char text[CERT_FINGERPRINT_SIZE] = "";
    (void)state;
    assert_int_equal(cert_make(&plain, &c, NULL), 0);
    int len = i2d_X509(cert_x509(c), &der);
    digest_sha256(der, (size_t)len, hash);
    for (int i = 0; i < DIGEST_SHA256_SIZE; i++)
        (void)snprintf(text + strlen(text), 4, "%s%02X", i ? ":" : "", hash[i]);
    assert_string_equal(cert_fingerprint(c), text);
    assert_int_equal(strlen(text), CERT_FINGERPRINT_SIZE - 1);
    OPENSSL_free(der);
    cert_free(c);
}

static void two_certificates_differ_in_key_name_and_serial(void **state)
{
    struct cert *a = NULL, *b = NULL;
    (void)state;
    assert_int_equal(cert_make(&plain, &a, NULL), 0);
    assert_int_equal(cert_make(&plain, &b, NULL), 0);
    assert_string_not_equal(cert_fingerprint(a), cert_fingerprint(b));
    assert_int_not_equal(EVP_PKEY_eq(cert_pkey(a), cert_pkey(b)), 1);
    assert_int_not_equal(
        X509_NAME_cmp(X509_get_subject_name(cert_x509(a)), X509_get_subject_name(cert_x509(b))), 0);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(cert_x509(a)), X509_get0_serialNumber(cert_x509(b))), 0);
    cert_free(a);
    cert_free(b);
}

static void names_and_addresses_are_alternative_names(void **state)
{
    struct cert *c = NULL;
    (void)state;
    assert_int_equal(cert_make(&web, &c, NULL), 0);
    assert_int_equal(
        X509_check_host(cert_x509(c), "localhost", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL), 1);
    assert_int_equal(
        X509_check_host(cert_x509(c), "machine-7", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert_x509(c), "192.0.2.9", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert_x509(c), "2001:db8::9", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert_x509(c), "192.0.2.8", 0), 0);
    assert_int_equal(X509_get_extension_flags(cert_x509(c)) & EXFLAG_CA, 0);
    assert_int_equal(X509_get_extended_key_usage(cert_x509(c)), XKU_SSL_SERVER);
    cert_free(c);
}

static void bad_subjects_are_refused_with_a_reason(void **state)
{
    static const char *const bad_names[] = {
        "", "a b", "host\n", "10.0.0.1:80", "*.example.org", "fe80::1%eth0"};
    struct cert *c = NULL;
    char why[CERT_WHY_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++) {
        struct cert_subject s = {.names = &bad_names[i], .name_count = 1, .days = 1};
        assert_int_equal(cert_make(&s, &c, why), -EINVAL);
        assert_non_null(strstr(why, "not a host name or address"));
    }
    assert_int_equal(cert_make(&(struct cert_subject){.days = 0}, &c, why), -EINVAL);
    assert_int_equal(cert_make(&(struct cert_subject){.days = 40000}, &c, why), -EINVAL);
    assert_int_equal(cert_make(&(struct cert_subject){.common_name = "", .days = 1}, &c, why), -EINVAL);
    assert_null(c);
}

static void what_is_written_loads_again(void **state)
{
    struct cert *made = NULL, *loaded = NULL, *again = NULL;
    char why[CERT_WHY_SIZE];
    (void)state;
    assert_int_equal(cert_make(&web, &made, NULL), 0);
    assert_int_equal(cert_reload(made, &again, why), -ENOENT);
    write_text(path_of("c.pem"), cert_chain_pem(made));
    write_text(path_of("k.pem"), cert_key_pem(made));
    assert_int_equal(cert_load(path_of("c.pem"), path_of("k.pem"), &loaded, why), 0);
    assert_string_equal(why, "");
    assert_string_equal(cert_fingerprint(loaded), cert_fingerprint(made));
    assert_string_equal(cert_chain_pem(loaded), cert_chain_pem(made));
    assert_string_equal(cert_key_pem(loaded), cert_key_pem(made));
    cert_free(made);

    /* Renewed on disk: the reload has the new one, the old one stays usable. */
    assert_int_equal(cert_make(&plain, &made, NULL), 0);
    write_text(path_of("c.pem"), cert_chain_pem(made));
    assert_int_equal(cert_reload(loaded, &again, why), -EKEYREJECTED);
    assert_non_null(strstr(why, "does not belong"));
    assert_null(again);
    write_text(path_of("k.pem"), cert_key_pem(made));
    assert_int_equal(cert_reload(loaded, &again, why), 0);
    assert_string_equal(cert_fingerprint(again), cert_fingerprint(made));
    assert_string_not_equal(cert_fingerprint(loaded), cert_fingerprint(again));
    cert_free(made);
    cert_free(loaded);
    cert_free(again);
}

static void a_chain_and_its_key_may_share_one_file(void **state)
{
    struct cert *a = NULL, *b = NULL, *c = NULL;
    char text[16384];
    (void)state;
    assert_int_equal(cert_make(&web, &a, NULL), 0);
    assert_int_equal(cert_make(&plain, &b, NULL), 0);
    (void)snprintf(text, sizeof text, "%s%s%s", cert_chain_pem(a), cert_chain_pem(b), cert_key_pem(a));
    write_text(path_of("all.pem"), text);
    assert_int_equal(cert_load(path_of("all.pem"), path_of("all.pem"), &c, NULL), 0);
    assert_string_equal(cert_fingerprint(c), cert_fingerprint(a));
    (void)snprintf(text, sizeof text, "%s%s", cert_chain_pem(a), cert_chain_pem(b));
    assert_string_equal(cert_chain_pem(c), text);
    cert_free(a);
    cert_free(b);
    cert_free(c);
}

static void expect_refused(const char *cert_text, const char *key_text, int err, const char *part)
{
    struct cert *c = NULL;
    char why[CERT_WHY_SIZE];
    write_text(path_of("bad-c.pem"), cert_text);
    write_text(path_of("bad-k.pem"), key_text);
    assert_int_equal(cert_load(path_of("bad-c.pem"), path_of("bad-k.pem"), &c, why), err);
    assert_non_null(strstr(why, part));
    assert_null(strchr(why, '\n'));
    assert_null(c);
}

static char *pem_of_key(EVP_PKEY *pkey, const EVP_CIPHER *cipher, const char *pass)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, pass, pass ? (int)strlen(pass) : 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &data);
    char *text = malloc((size_t)len + 1);
    assert_non_null(text);
    memcpy(text, data, (size_t)len); /* no string: it ends without a NUL */
    text[len] = 0;
    BIO_free(bio);
    return text;
}

static void bad_files_are_refused_with_a_reason(void **state)
{
    struct cert *a = NULL, *b = NULL, *c = NULL;
    char why[CERT_WHY_SIZE], text[8192];
    (void)state;
    assert_int_equal(cert_make(&plain, &a, NULL), 0);
    assert_int_equal(cert_make(&plain, &b, NULL), 0);
    expect_refused("", cert_key_pem(a), -EBADMSG, "bad-c.pem: holds no PEM certificate");
    expect_refused("junk\n", cert_key_pem(a), -EBADMSG, "holds no PEM certificate");
    expect_refused(cert_chain_pem(a), "", -EBADMSG, "bad-k.pem: holds no PEM private key");
    expect_refused(cert_chain_pem(a), cert_chain_pem(a), -EBADMSG, "holds no PEM private key");
    expect_refused(cert_chain_pem(a), cert_key_pem(b), -EKEYREJECTED, "does not belong");
    (void)snprintf(text, sizeof text, "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        cert_chain_pem(a));
    expect_refused(text, cert_key_pem(a), -EBADMSG, "certificate 2 of the chain is broken");

    char *locked = pem_of_key(cert_pkey(a), EVP_aes_128_cbc(), "secret");
    expect_refused(cert_chain_pem(a), locked, -EBADMSG, "pass phrase");
    free(locked);
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    char *weak_text = pem_of_key(weak, NULL, NULL);
    expect_refused(cert_chain_pem(a), weak_text, -EKEYREJECTED, "too weak");
    free(weak_text);
    EVP_PKEY_free(weak);

    assert_int_equal(cert_load(path_of("none.pem"), path_of("none.pem"), &c, why), -ENOENT);
    assert_non_null(strstr(why, "none.pem: No such file or directory"));
    assert_int_equal(cert_load(dir, dir, &c, why), -EIO);
    assert_null(c);
    cert_free(a);
    cert_free(b);
}

static void keep_makes_once_and_loads_ever_after(void **state)
{
    struct cert *first = NULL, *second = NULL;
    char why[CERT_WHY_SIZE];
    struct stat st;
    (void)state;
    assert_int_equal(cert_keep(path_of("a/b"), &web, &first, why), 0);
    assert_int_equal(stat(path_of("a/b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(path_of("a/b/https-key.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(cert_keep(path_of("a/b"), &web, &second, why), 0);
    assert_string_equal(cert_fingerprint(first), cert_fingerprint(second));
    cert_free(second);
    assert_int_equal(cert_reload(first, &second, why), 0);
    assert_string_equal(cert_fingerprint(first), cert_fingerprint(second));
    cert_free(first);
    cert_free(second);
}

static void keep_renews_for_a_new_name_with_the_same_key(void **state)
{
    static const char *const more[] = {"localhost", "198.51.100.1"};
    const struct cert_subject moved = {
        .common_name = "Fanlight", .names = more, .name_count = 2, .days = 365};
    struct cert *first = NULL, *second = NULL, *third = NULL;
    (void)state;
    assert_int_equal(cert_keep(path_of("n"), &web, &first, NULL), 0);
    assert_int_equal(cert_keep(path_of("n"), &moved, &second, NULL), 0);
    assert_string_not_equal(cert_fingerprint(first), cert_fingerprint(second));
    assert_int_equal(EVP_PKEY_eq(cert_pkey(first), cert_pkey(second)), 1);
    assert_int_equal(X509_check_ip_asc(cert_x509(second), "198.51.100.1", 0), 1);
    assert_int_equal(cert_keep(path_of("n"), &moved, &third, NULL), 0);
    assert_string_equal(cert_fingerprint(second), cert_fingerprint(third));
    cert_free(first);
    cert_free(second);
    cert_free(third);
}

static void keep_renews_before_the_end(void **state)
{
    struct cert_subject brief = web;
    struct cert *first = NULL, *second = NULL;
    (void)state;
    brief.days = CERT_RENEW_DAYS;
    assert_int_equal(cert_keep(path_of("e"), &brief, &first, NULL), 0);
    assert_int_equal(cert_keep(path_of("e"), &web, &second, NULL), 0);
    assert_string_not_equal(cert_fingerprint(first), cert_fingerprint(second));
    assert_true(cert_expires_wall_us(second) > wall_us() + 300 * DAY_US);
    cert_free(first);
    cert_free(second);
}

static void keep_mends_a_lost_certificate_but_never_overwrites(void **state)
{
    struct cert *first = NULL, *c = NULL;
    char why[CERT_WHY_SIZE], text[64] = "";
    (void)state;
    assert_int_equal(cert_keep(path_of("m"), &web, &first, NULL), 0);
    assert_int_equal(unlink(path_of("m/https-cert.pem")), 0);
    assert_int_equal(cert_keep(path_of("m"), &web, &c, why), 0);
    assert_int_equal(EVP_PKEY_eq(cert_pkey(first), cert_pkey(c)), 1);
    cert_free(c);
    c = NULL;

    write_text(path_of("m/https-key.pem"), "someone's note\n");
    assert_int_equal(cert_keep(path_of("m"), &web, &c, why), -EBADMSG);
    assert_int_equal(unlink(path_of("m/https-cert.pem")), 0);
    assert_int_equal(cert_keep(path_of("m"), &web, &c, why), -EBADMSG);
    assert_non_null(strstr(why, "https-key.pem: holds no PEM private key"));
    FILE *f = fopen(path_of("m/https-key.pem"), "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_int_equal(fclose(f), 0);
    assert_string_equal(text, "someone's note\n");

    write_text(path_of("file"), "");
    assert_int_equal(cert_keep(path_of("file"), &web, &c, why), -ENOTDIR);
    assert_int_equal(cert_keep(path_of("file/below"), &web, &c, why), -ENOTDIR);
    assert_int_equal(cert_keep("", &web, &c, why), -ENAMETOOLONG);
    assert_null(c);
    cert_free(first);
}

static void *keep_thread(void *path)
{
    struct cert *c = NULL;
    return cert_keep(path, &web, &c, NULL) == 0 ? c : NULL;
}

static void keepers_of_one_directory_agree(void **state)
{
    pthread_t threads[2];
    struct cert *c[2] = {NULL, NULL};
    char *path = strdup(path_of("race"));
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_thread, path), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], (void **)&c[i]), 0);
    assert_non_null(c[0]);
    assert_non_null(c[1]);
    assert_string_equal(cert_fingerprint(c[0]), cert_fingerprint(c[1]));
    free(path);
    cert_free(c[0]);
    cert_free(c[1]);
}

static void an_expired_certificate_loads_with_a_warning(void **state)
{
    struct cert *c = NULL, *old = NULL;
    char why[CERT_WHY_SIZE];
    (void)state;
    assert_int_equal(cert_make(&plain, &c, NULL), 0);
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert_x509(c)), -60));
    assert_true(X509_sign(cert_x509(c), cert_pkey(c), EVP_sha256()) > 0);
    FILE *f = fopen(path_of("old.pem"), "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, cert_x509(c)), 1);
    assert_true(fputs(cert_key_pem(c), f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(cert_load(path_of("old.pem"), path_of("old.pem"), &old, why), 0);
    assert_non_null(strstr(why, "has expired"));
    cert_free(c);
    cert_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_certificate_is_p256_and_signs_itself),
        cmocka_unit_test(the_fingerprint_is_sha256_of_the_der_form),
        cmocka_unit_test(two_certificates_differ_in_key_name_and_serial),
        cmocka_unit_test(names_and_addresses_are_alternative_names),
        cmocka_unit_test(bad_subjects_are_refused_with_a_reason),
        cmocka_unit_test(what_is_written_loads_again),
        cmocka_unit_test(a_chain_and_its_key_may_share_one_file),
        cmocka_unit_test(bad_files_are_refused_with_a_reason),
        cmocka_unit_test(keep_makes_once_and_loads_ever_after),
        cmocka_unit_test(keep_renews_for_a_new_name_with_the_same_key),
        cmocka_unit_test(keep_renews_before_the_end),
        cmocka_unit_test(keep_mends_a_lost_certificate_but_never_overwrites),
        cmocka_unit_test(keepers_of_one_directory_agree),
        cmocka_unit_test(an_expired_certificate_loads_with_a_warning),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
