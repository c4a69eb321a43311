#include "http/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/digest.h"

/* The web client's files, all read at start: what is not in the list cannot be asked for, whatever the path.
 */
struct http_static {
    struct http_file *files; /* sorted by path */
    size_t count, cap, bytes;
};

static const struct {
    const char *extension, *type;
} types[] = {
    {"html", "text/html; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"txt", "text/plain; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"wasm", "application/wasm"},
};

static const char *type_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot + 1, types[i].extension) == 0)
            return types[i].type;
    return "application/octet-stream";
}

static void file_free(struct http_file *f)
{
    free(f->path);
    free(f->data);
}

void static_free(struct http_static *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        file_free(&s->files[i]);
    free(s->files);
    free(s);
}

/* Takes path and data over, also on failure. */
static int add(struct http_static *s, char *path, uint8_t *data, size_t len)
{
    struct http_file f = {.path = path, .data = data, .len = len};
    int err = path && data ? 0 : -ENOMEM;
    if (!err && (s->count == HTTP_STATIC_FILES || len > HTTP_STATIC_MAX - s->bytes))
        err = -EFBIG;
    if (!err && s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 32;
        struct http_file *grown = realloc(s->files, cap * sizeof *grown);
        if (grown) {
            s->files = grown;
            s->cap = cap;
        } else {
            err = -ENOMEM;
        }
    }
    if (err) {
        file_free(&f);
        return err;
    }
    f.type = type_of(path);
    uint8_t digest[DIGEST_SHA256_SIZE];
    digest_sha256(data, len, digest);
    char hex[17];
    hex_encode(digest, 8, hex, sizeof hex);
    snprintf(f.etag, sizeof f.etag, "\"%s\"", hex);
    s->files[s->count++] = f;
    s->bytes += len;
    return 0;
}

static uint8_t *read_all(int fd, size_t len)
{
    uint8_t *data = malloc(len + 1);
    for (size_t at = 0; data && at < len;) {
        ssize_t n = read(fd, data + at, len - at);
        if (n <= 0) {
            free(data);
            return NULL;
        }
        at += (size_t)n;
    }
    return data;
}

static int scan(struct http_static *s, int dir, const char *prefix, int depth);

/* One entry of a directory. Symbolic links are not followed, wherever they lead. */
static int scan_entry(struct http_static *s, int dir, const char *prefix, const char *name, int depth)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        log_warn("http.static_skipped", "path=%s%s reason=\"%s\"", prefix, name,
            errno == ELOOP ? "a symbolic link" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return 0;
    }
    char *path = NULL;
    int err = asprintf(&path, "%s%s%s", prefix, name, S_ISDIR(st.st_mode) ? "/" : "") < 0 ? -ENOMEM : 0;
    if (err) {
        close(fd);
        return err;
    }
    if (S_ISDIR(st.st_mode) && depth > 0) {
        err = scan(s, fd, path, depth - 1); /* closes fd */
        free(path);
        return err;
    }
    if (S_ISREG(st.st_mode) && st.st_size <= HTTP_STATIC_FILE_MAX) {
        err = add(s, path, read_all(fd, (size_t)st.st_size), (size_t)st.st_size);
    } else {
        log_warn("http.static_skipped", "path=%s reason=\"not a file of acceptable size\"", path);
        free(path);
    }
    close(fd);
    return err;
}

/* Reads a directory, and those in it up to depth. Closes dir. */
static int scan(struct http_static *s, int dir, const char *prefix, int depth)
{
    DIR *d = fdopendir(dir);
    if (!d) {
        int err = -errno;
        close(dir);
        return err;
    }
    int err = 0;
    for (struct dirent *e = readdir(d); e && !err; e = readdir(d))
        if (e->d_name[0] != '.') /* neither . nor .. nor what is hidden */
            err = scan_entry(s, dir, prefix, e->d_name, depth);
    closedir(d);
    return err;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct http_file *)a)->path, ((const struct http_file *)b)->path);
}

static const char missing_page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Fanlight</title>"
    "<body style=\"font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:4em auto;padding:0 1em\">"
    "<h1>Fanlight is running</h1><p>The server works, but its web client is not installed here. "
    "<code>make web</code> builds it into <code>web/dist</code>; the option <code>web_root</code> names "
    "another "
    "place.</p></body></html>\n";

struct http_static *static_load(const char *dir)
{
    struct http_static *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (dir && *dir) {
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int err = fd < 0 ? -errno : scan(s, fd, "/", 16);
        if (err)
            log_warn("http.static_unreadable", "dir=%s reason=\"%s\"", dir, strerror(-err));
    }
    if (s->count > 0)
        qsort(s->files, s->count, sizeof *s->files, compare);
    if (!static_find(s, "/")) {
        uint8_t *copy = malloc(sizeof missing_page);
        if (copy)
            memcpy(copy, missing_page, sizeof missing_page);
        if (add(s, strdup("/index.html"), copy, sizeof missing_page - 1) != 0) {
            static_free(s);
            return NULL;
        }
        qsort(s->files, s->count, sizeof *s->files, compare);
    }
    return s;
}

const struct http_file *static_find(const struct http_static *s, const char *path)
{
    struct http_file key = {.path = strcmp(path, "/") == 0 ? (char *)"/index.html" : (char *)path};
    return s->count ? bsearch(&key, s->files, s->count, sizeof *s->files, compare) : NULL;
}

bool static_immutable(const struct http_file *f)
{
    return strncmp(f->path, "/assets/", 8) == 0;
}

bool static_is_page(const struct http_file *f)
{
    return strncmp(f->type, "text/html", 9) == 0;
}
