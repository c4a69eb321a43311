#include "http/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/digest.h"

enum {
    DEPTH_MAX = 16, /* directories within each other */
};

/* The web client's files. Only the list is read at start: what is not in it cannot be asked for, whatever the
 * path, and what is sent is the file that was listed, or an error. */
struct http_static {
    struct http_file *files; /* sorted by path */
    size_t count, cap;
    int root; /* the directory, open for finding files below it; -1: none */
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

void static_free(struct http_static *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->files[i].path);
    free(s->files);
    if (s->root >= 0)
        close(s->root);
    free(s);
}

/* Copies the file; takes its path over, also on failure. */
static int add(struct http_static *s, const struct http_file *f)
{
    int err = s->count == HTTP_STATIC_FILES ? -EFBIG : 0;
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
    if (err)
        free(f->path);
    else
        s->files[s->count++] = *f;
    return err;
}

static int64_t mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

static void describe(const struct stat *st, const char *mark, struct http_form *ret)
{
    ret->present = true;
    ret->len = (size_t)st->st_size;
    ret->mtime_ns = mtime_ns(st);
    snprintf(ret->etag, sizeof ret->etag, "\"%" PRIx64 "-%zx%s\"", (uint64_t)ret->mtime_ns, ret->len, mark);
}

static bool ends_in_gz(const char *name)
{
    size_t len = strlen(name);
    return len > 3 && strcmp(name + len - 3, ".gz") == 0;
}

/* Looks for the compressed form beside the file: name.gz. One that is older is of an earlier file. */
static void find_gzip(int dir, const char *name, const struct stat *plain, struct http_file *f)
{
    char gz[NAME_MAX + 1];
    struct stat st;
    int len = snprintf(gz, sizeof gz, "%s.gz", name);
    if (len >= (int)sizeof gz || fstatat(dir, gz, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return;
    if (st.st_mtim.tv_sec >= plain->st_mtim.tv_sec)
        describe(&st, "-gz", &f->gzip);
    else
        log_warn("http.static_skipped", "path=%s.gz reason=\"older than the file itself\"", f->path);
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
    if (S_ISREG(st.st_mode)) {
        struct http_file f = {.path = path, .type = type_of(path)};
        describe(&st, "", &f.plain);
        find_gzip(dir, name, &st, &f);
        err = add(s, &f); /* takes path over */
    } else {
        log_warn("http.static_skipped", "path=%s reason=\"neither a file nor a directory of these\"", path);
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
        if (e->d_name[0] != '.' && !ends_in_gz(e->d_name)) /* neither . nor .. nor what is hidden */
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

static int add_missing_page(struct http_static *s)
{
    struct http_file f = {.path = strdup("/index.html"), .type = type_of("index.html"), .body = missing_page};
    uint8_t digest[DIGEST_SHA256_SIZE];
    char hex[17];
    if (!f.path)
        return -ENOMEM;
    f.plain.present = true;
    f.plain.len = sizeof missing_page - 1;
    digest_sha256(missing_page, f.plain.len, digest);
    hex_encode(digest, 8, hex, sizeof hex);
    snprintf(f.plain.etag, sizeof f.plain.etag, "\"%s\"", hex);
    return add(s, &f);
}

static int read_list(struct http_static *s, const char *dir)
{
    s->root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = s->root < 0 ? -1 : openat(s->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : scan(s, fd, "/", DEPTH_MAX);
}

static void sort(struct http_static *s)
{
    if (s->count > 0)
        qsort(s->files, s->count, sizeof *s->files, compare);
}

struct http_static *static_load(const char *dir)
{
    struct http_static *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->root = -1;
    int err = dir && *dir ? read_list(s, dir) : 0;
    if (err)
        log_warn("http.static_unreadable", "dir=%s reason=\"%s\"", dir, strerror(-err));
    sort(s);
    if (!static_find(s, "/")) {
        if (add_missing_page(s) != 0) {
            static_free(s);
            return NULL;
        }
        sort(s);
    }
    return s;
}

/* Opens a file below the root. No component may have become a symbolic link. */
static int open_below(const struct http_static *s, const char *path)
{
    char copy[PATH_MAX], *rest = NULL;
    if (s->root < 0 || snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return -ENOENT;
    int dir = s->root, fd = -ENOENT;
    char *name = strtok_r(copy, "/", &rest);
    while (name) {
        char *next = strtok_r(NULL, "/", &rest);
        int flags = next ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK; /* not to wait for a pipe's writer */
        fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            fd = -errno;
        if (dir != s->root)
            close(dir);
        if (fd < 0)
            return fd;
        dir = fd;
        name = next;
    }
    return fd;
}

/* Opens what was listed as this form. */
static int open_form(const struct http_static *s, const char *path, const struct http_form *form)
{
    struct stat st;
    int fd = open_below(s, path);
    if (fd < 0)
        return fd;
    int err = fstat(fd, &st) < 0 ? -errno : 0;
    if (!err && (!S_ISREG(st.st_mode) || (size_t)st.st_size != form->len || mtime_ns(&st) != form->mtime_ns))
        err = -ESTALE;
    if (err)
        close(fd);
    return err ? err : fd;
}

int static_open(const struct http_static *s, const struct http_file *f, const struct http_form **form)
{
    int fd = open_form(s, f->path, &f->plain); /* also when its compressed form is wanted: it speaks for it */
    if (fd < 0 || *form == &f->plain)
        return fd;
    char gz[PATH_MAX];
    int compressed = snprintf(gz, sizeof gz, "%s.gz", f->path) < (int)sizeof gz ? open_form(s, gz, &f->gzip)
                                                                                : -ENAMETOOLONG;
    if (compressed < 0) {
        *form = &f->plain;
        return fd;
    }
    close(fd);
    return compressed;
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
