#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static const struct {
    const char *name;
    const char *journal; /* syslog priority, as sd-daemon(3) reads it from standard error */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", "<3>"},
    [LOG_LEVEL_WARN] = {"warn", "<4>"},
    [LOG_LEVEL_INFO] = {"info", "<6>"},
    [LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

static _Atomic int threshold = LOG_LEVEL_INFO;
/* Once a file was opened its descriptor number stays: another target is put in its place with dup3, so a
 * thread in the middle of a write never meets a closed or foreign descriptor. */
static _Atomic int target = STDERR_FILENO;
static _Atomic bool is_file, is_journal;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char file_path[PATH_MAX];
static pthread_once_t journal_once = PTHREAD_ONCE_INIT;

/* JOURNAL_STREAM names device and inode of the stream that systemd connected (systemd.exec(5)). */
static void journal_find(void)
{
    const char *env = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    if (env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0)
        is_journal = st.st_dev == dev && st.st_ino == ino;
}

/* Puts fd (a file, closed here) or standard error (fd < 0) in the target's place; under lock. 0 or -errno. */
static int target_set(int fd)
{
    int slot = atomic_load_explicit(&target, memory_order_relaxed);
    if (slot == STDERR_FILENO) {
        if (fd >= 0)
            atomic_store_explicit(&target, fd, memory_order_relaxed);
        return 0;
    }
    int rc = dup3(fd >= 0 ? fd : STDERR_FILENO, slot, O_CLOEXEC) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int file_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : target_set(fd);
}

int log_open(enum log_level level, const char *path)
{
    if (path && strlen(path) >= sizeof file_path)
        return -ENAMETOOLONG;
    pthread_mutex_lock(&lock);
    int rc = path ? file_open(path) : target_set(-1);
    if (rc == 0) {
        snprintf(file_path, sizeof file_path, "%s", path ? path : "");
        is_file = path != NULL;
        threshold = (int)level;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int log_reopen(void)
{
    pthread_mutex_lock(&lock);
    int rc = is_file ? file_open(file_path) : 0;
    pthread_mutex_unlock(&lock);
    return rc;
}

int log_level_parse(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(name, levels[i].name) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    return -EINVAL;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

static void line_add(char *line, size_t *len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void line_vadd(char *line, size_t *len, const char *fmt, va_list ap)
{
    int n = vsnprintf(line + *len, LINE_MAX_BYTES - *len, fmt, ap);
    if (n > 0)
        *len = (size_t)n < LINE_MAX_BYTES - *len ? *len + (size_t)n : LINE_MAX_BYTES - 1;
}

static void line_add(char *line, size_t *len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    line_vadd(line, len, fmt, ap);
    va_end(ap);
}

static void line_time(char *line, size_t *len)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    *len += strftime(line + *len, LINE_MAX_BYTES - *len, "%Y-%m-%dT%H:%M:%S", &tm);
    line_add(line, len, ".%03ldZ ", now.tv_nsec / 1000000);
}

/* C0, DEL, and C1 in its UTF-8 form (0xc2 0x80 to 0xc2 0x9f). */
static void line_clean(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i], after = i + 1 < len ? (unsigned char)line[i + 1] : 0;
        if (c < 0x20 || c == 0x7f)
            line[i] = '?';
        else if (c == 0xc2 && after >= 0x80 && after <= 0x9f)
            line[i] = line[i + 1] = '?';
    }
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    pthread_once(&journal_once, journal_find);
    char line[LINE_MAX_BYTES];
    size_t len = 0;
    int saved = errno;
    if (is_journal && !is_file)
        line_add(line, &len, "%s", levels[level].journal);
    else
        line_time(line, &len);
    line_add(line, &len, "%s %s ", levels[level].name, event);
    va_list ap;
    va_start(ap, fmt);
    line_vadd(line, &len, fmt, ap);
    va_end(ap);
    line_clean(line, len);
    while (len > 0 && line[len - 1] == ' ')
        len--;
    line[len++] = '\n';
    ssize_t n;
    do {
        n = write(atomic_load_explicit(&target, memory_order_relaxed), line, len);
    } while (n < 0 && errno == EINTR);
    errno = saved;
}

bool log_limit_pass(struct log_limit *l, long long now_us)
{
    if (now_us < l->next_us) {
        l->held++;
        return false;
    }
    l->suppressed = l->held;
    l->held = 0;
    l->next_us = now_us + 1000000;
    return true;
}
