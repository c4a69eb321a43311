/* One line an event: "time level event key=value ...", to stderr or a file; journald-friendly (a "<6>"
 * priority prefix instead of the time where stderr is the journal's stream). Any thread; a line is one write.
 * Control code names the object it speaks of (room=..., participant=...). Packet code counts instead, and
 * logs at most once a second. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

/* Sends lines of at least this level to path (NULL: stderr). 0 or -errno (the old target stays). */
int log_open(enum log_level level, const char *path);

/* Opens the file again after it was rotated. 0 or -errno. */
int log_reopen(void);

/* "error", "warn", "info", "debug" -> level; -EINVAL otherwise. */
int log_level_parse(const char *name, enum log_level *ret);

bool log_enabled(enum log_level level);

/* The event is a short name ("peer.connected"); fmt gives "key=value" pairs. Control characters in the line
 * are replaced by '?', so foreign text cannot forge lines; lines are cut at 2,048 bytes. */
void log_line(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(event, ...) log_line(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_line(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_line(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)                                                                                \
    do {                                                                                                     \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                                    \
            log_line(LOG_LEVEL_DEBUG, event, __VA_ARGS__);                                                   \
    } while (0)

/* Lets one line a second through. Zero-initialised; owned by one thread. */
struct log_limit {
    long long next_us;
    unsigned held;       /* lines held back since the last one that passed */
    unsigned suppressed; /* after a pass: lines held back before this one */
};
bool log_limit_pass(struct log_limit *l, long long now_us);

#endif
