/* The log: levels, one line an event, foreign text, rotation, many threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"

static char dir[] = "/tmp/base_log.XXXXXX";
static char path[64], other[64];
static char content[1 << 20];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(other, sizeof other, "%s/log.1", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_open(LOG_LEVEL_INFO, NULL);
    unlink(path);
    unlink(other);
    return rmdir(dir);
}

static char *slurp(const char *name)
{
    int fd = open(name, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, content, sizeof content - 1);
    assert_true(n >= 0);
    content[n] = 0;
    close(fd);
    return content;
}

static void fresh(enum log_level level)
{
    unlink(path);
    assert_int_equal(log_open(level, path), 0);
}

/* Comes first: the process looks once whether its standard error is the journal's. */
static void lines_to_the_journal_carry_a_priority(void **state)
{
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct stat st;
        char stream[64];
        dup2(ends[1], STDERR_FILENO);
        fstat(STDERR_FILENO, &st);
        snprintf(
            stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        log_warn("slow", "us=%d", 12);
        log_open(LOG_LEVEL_DEBUG, NULL);
        log_debug("detail", "a=%d", 1);
        _exit(0);
    }
    close(ends[1]);
    ssize_t n, len = 0;
    while ((n = read(ends[0], content + len, 1000)) > 0)
        len += n;
    content[len] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_string_equal(content, "<4>warn slow us=12\n<7>debug detail a=1\n");
}

static void levels_have_names(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    enum log_level level = LOG_LEVEL_DEBUG;
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(log_level_parse("", &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void lines_below_the_level_are_left_out(void **state)
{
    (void)state;
    fresh(LOG_LEVEL_WARN);
    assert_true(log_enabled(LOG_LEVEL_ERROR));
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_error("disk.full", "path=%s", "/x");
    log_warn("slow", "us=%d", 12);
    log_info("peer.connected", "peer=%d", 1);
    log_debug("detail", "a=%d", 1);
    slurp(path);
    assert_non_null(strstr(content, "Z error disk.full path=/x\n"));
    assert_non_null(strstr(content, "Z warn slow us=12\n"));
    assert_null(strstr(content, "peer.connected"));
    assert_null(strstr(content, "detail"));
    int year = 0, len = 0;
    assert_int_equal(sscanf(content, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ error%n", &year, &len), 1);
    assert_true(len > 0 && year >= 2024);
}

static void foreign_text_cannot_forge_lines(void **state)
{
    (void)state;
    fresh(LOG_LEVEL_INFO);
    log_info("join", "name=%s", "eve\nerror disk.full\x1b[2J\x7f\t\r|\xc2\x9b|caf\xc3\xa9");
    slurp(path);
    assert_ptr_equal(strchr(content, '\n'), content + strlen(content) - 1);
    assert_non_null(strstr(content, "name=eve?error disk.full?[2J???|??|caf\xc3\xa9\n"));
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    fresh(LOG_LEVEL_INFO);
    char *text = malloc(5001);
    memset(text, 'x', 5000);
    text[5000] = 0;
    log_info("long", "text=%s", text);
    log_info("next", "%s", "");
    free(text);
    slurp(path);
    char *end = strchr(content, '\n');
    assert_int_equal(end - content, 2047);
    assert_non_null(strstr(end, " info next\n"));
}

static void a_rotated_file_is_opened_again(void **state)
{
    (void)state;
    fresh(LOG_LEVEL_INFO);
    log_info("one", "n=%d", 1);
    assert_int_equal(rename(path, other), 0);
    log_info("two", "n=%d", 2);
    assert_int_equal(log_reopen(), 0);
    log_info("three", "n=%d", 3);
    slurp(other);
    assert_non_null(strstr(content, "one"));
    assert_non_null(strstr(content, "two"));
    assert_null(strstr(content, "three"));
    slurp(path);
    assert_non_null(strstr(content, "three"));
    assert_null(strstr(content, "two"));
}

static void a_target_that_cannot_be_opened_leaves_the_old_one(void **state)
{
    (void)state;
    fresh(LOG_LEVEL_INFO);
    assert_int_equal(log_open(LOG_LEVEL_DEBUG, "/nonexistent/dir/log"), -ENOENT);
    assert_false(log_enabled(LOG_LEVEL_DEBUG));
    log_info("still", "here=%d", 1);
    assert_non_null(strstr(slurp(path), "still here=1"));
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    fresh(LOG_LEVEL_INFO);
    errno = EPROTO;
    log_info("x", "y=%d", 1);
    assert_int_equal(errno, EPROTO);
}

#define THREADS 4
#define LINES   500

static void *writer(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info(
            "thread", "id=%d line=%d filler=%s", *(int *)arg, i, "0123456789012345678901234567890123456789");
    return NULL;
}

static void threads_do_not_tear_lines(void **state)
{
    pthread_t threads[THREADS];
    int ids[THREADS], next[THREADS] = {0};
    (void)state;
    fresh(LOG_LEVEL_INFO);
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        pthread_create(&threads[i], NULL, writer, &ids[i]);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(log_reopen(), 0); /* a target that moves under the writers */
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    slurp(path);
    int count = 0;
    char *rest;
    for (char *line = strtok_r(content, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), count++) {
        int id, n, end = 0;
        char *at = strstr(line, "Z info thread ");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "Z info thread id=%d line=%d filler=%*40[0-9]%n", &id, &n, &end), 2);
        assert_true(end > 0 && at[end] == 0);
        assert_int_equal(n, next[id]++);
    }
    assert_int_equal(count, THREADS * LINES);
}

static void one_line_a_second_passes(void **state)
{
    struct log_limit l = {0};
    (void)state;
    assert_true(log_limit_pass(&l, 5000000));
    assert_int_equal(l.suppressed, 0);
    for (int i = 1; i <= 10; i++)
        assert_false(log_limit_pass(&l, 5000000 + i * 90000));
    assert_true(log_limit_pass(&l, 6000000));
    assert_int_equal(l.suppressed, 10);
    assert_true(log_limit_pass(&l, 9000000));
    assert_int_equal(l.suppressed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_to_the_journal_carry_a_priority),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(lines_below_the_level_are_left_out),
        cmocka_unit_test(foreign_text_cannot_forge_lines),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(a_rotated_file_is_opened_again),
        cmocka_unit_test(a_target_that_cannot_be_opened_leaves_the_old_one),
        cmocka_unit_test(errno_is_left_alone),
        cmocka_unit_test(threads_do_not_tear_lines),
        cmocka_unit_test(one_line_a_second_passes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
