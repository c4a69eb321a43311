#include "http/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "http/encoding.h"
#include "net/clock.h"

/* What the web client's pages may do: their own files, and talk to this server's WebSocket under any of its
 * names. */
static const char content_policy[] =
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self'";

static void json_string(struct strbuf *out, const char *text)
{
    bool utf8 = text_is_utf8(text, strlen(text));
    strbuf_add(out, "\"");
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            strbuf_addf(out, "\\%c", c);
        else if (c < ' ' || (c >= 0x80 && !utf8))
            strbuf_addf(out, "\\u%04x", c < ' ' ? c : 0xfffdu);
        else
            strbuf_addn(out, p, 1);
    }
    strbuf_add(out, "\"");
}

char *error_json(const char *code, const char *message)
{
    struct strbuf out = {0};
    strbuf_add(&out, "{\"error\":{\"code\":");
    json_string(&out, code);
    strbuf_add(&out, ",\"message\":");
    json_string(&out, message);
    strbuf_add(&out, "}}");
    return strbuf_take(&out);
}

static bool add(struct MHD_Response *r, const char *name, const char *value)
{
    return MHD_add_response_header(r, name, value) == MHD_YES;
}

static bool add_cors(struct http_request *req, struct MHD_Response *r)
{
    const char *allowed = req->http->cors_origin, *origin = header_find(&req->headers, "Origin");
    if (!*allowed)
        return true;
    if (strcmp(allowed, "*") == 0)
        allowed = origin && *origin && !strchr(origin, '\t') ? origin : "*";
    return add(r, "Access-Control-Allow-Origin", allowed) && add(r, "Vary", "Origin");
}

int answer_common_headers(struct http_request *req, struct MHD_Response *response)
{
    bool ok = add_cors(req, response) && add(response, "X-Content-Type-Options", "nosniff");
    list_for_each(item, &req->response_headers)
    {
        const struct header *h = list_entry(item, struct header, link);
        ok = ok && add(response, h->name, h->value);
    }
    return ok ? 0 : -ENOMEM;
}

/* Takes the response over. Without one, for lack of memory, the connection is closed. */
static void decide(struct http_request *req, int status, struct MHD_Response *response)
{
    if (response && answer_common_headers(req, response) != 0) {
        MHD_destroy_response(response);
        response = NULL;
    }
    if (req->response)
        MHD_destroy_response(req->response);
    req->status = status;
    req->response = response;
}

void answer_body(struct http_request *req, int status, const char *content_type, const void *body, size_t len)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(len, (void *)body, MHD_RESPMEM_MUST_COPY);
    if (r && content_type && !add(r, "Content-Type", content_type)) {
        MHD_destroy_response(r);
        r = NULL;
    }
    decide(req, status, r);
}

void answer_error(struct http_request *req, int status, const char *code, const char *message)
{
    char *json = error_json(code, message);
    answer_body(req, status, "application/json", json ? json : "", json ? strlen(json) : 0);
    free(json);
}

void answer_empty(struct http_request *req, int status)
{
    answer_body(req, status, NULL, "", 0);
}

/* Any method and any header that a page may want to use (Fetch standard, section 4.8). */
void answer_preflight(struct http_request *req)
{
    const char *headers = header_find(&req->headers, "Access-Control-Request-Headers");
    struct MHD_Response *r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (r && (!add(r, "Access-Control-Allow-Methods", "OPTIONS, HEAD, GET, POST, PATCH, DELETE") ||
                 !add(r, "Access-Control-Allow-Headers",
                     headers && *headers && !strchr(headers, '\t') ? headers : "*") ||
                 !add(r, "Access-Control-Max-Age", "86400"))) {
        MHD_destroy_response(r);
        r = NULL;
    }
    decide(req, MHD_HTTP_NO_CONTENT, r);
}

static bool add_file_headers(const struct http_file *f, const struct http_form *form, struct MHD_Response *r)
{
    return add(r, "Content-Type", f->type) && add(r, "ETag", form->etag) &&
           (!f->gzip.present || add(r, "Vary", "Accept-Encoding")) &&
           (form != &f->gzip || add(r, "Content-Encoding", "gzip")) &&
           add(r, "Cache-Control",
               static_immutable(f) ? "public, max-age=31536000, immutable" : "no-cache") &&
           add(r, "Referrer-Policy", "no-referrer") &&
           (!static_is_page(f) || add(r, "Content-Security-Policy", content_policy));
}

/* Does a list of entity tags (RFC 9110, section 13.1.2) name this one? */
static bool tag_listed(const char *list, const char *etag)
{
    return list && (strcmp(list, "*") == 0 || strstr(list, etag) != NULL);
}

/* A path whose last segment has a dot names a file; the others are pages of the web client. */
static bool names_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strchr(slash ? slash : path, '.') != NULL;
}

/* The file that a path stands for: itself, or the client's page for what only the client knows. */
static const struct http_file *file_for(const struct http_request *req)
{
    const struct http_file *f = static_find(req->http->files, req->path);
    if (f)
        return f;
    if (strstr(req->path, "/.") || strchr(req->path, '\\') || names_file(req->path) ||
        route_table_reserved(&req->http->routes, req->target.path, req->target.path_len))
        return NULL;
    return static_find(req->http->files, "/");
}

/* The response to a request for a file that is not there any more as it was listed. */
static void answer_lost(struct http_request *req, const struct http_file *f, int err)
{
    struct log_limit *limit = &req->http->lost_limit;
    if (log_limit_pass(limit, clock_now_us()))
        log_warn("http.static_lost", "path=%s reason=\"%s\" suppressed=%u", f->path,
            err == -ESTALE ? "it was changed" : strerror(-err), limit->suppressed);
    if (err == -ENOENT || err == -ENOTDIR || err == -ELOOP)
        answer_error(req, MHD_HTTP_NOT_FOUND, "not_found", "There is nothing at this address any more.");
    else
        answer_error(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "file_changed",
            err == -ESTALE ? "This file was changed while the server ran. Restart the server."
                           : "This file cannot be read.");
}

/* NULL: no memory. Takes fd over, which is -1 for a body of our own. */
static struct MHD_Response *file_response(const struct http_file *f, size_t len, int fd)
{
    if (fd < 0 || len == 0) {
        if (fd >= 0)
            close(fd);
        return MHD_create_response_from_buffer(len, (void *)(f->body ? f->body : ""), MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *r = MHD_create_response_from_fd64(len, fd);
    if (!r)
        close(fd);
    return r;
}

static bool accepts_gzip(const struct http_request *req)
{
    struct encoding_taste taste = {0};
    list_for_each(item, &req->headers)
    {
        const struct header *h = list_entry(item, struct header, link);
        if (strcasecmp(h->name, "Accept-Encoding") == 0)
            encoding_read(&taste, h->value, strlen(h->value));
    }
    return encoding_takes_gzip(&taste);
}

static void send_file(struct http_request *req, const struct http_file *f)
{
    const struct http_form *form = f->gzip.present && accepts_gzip(req) ? &f->gzip : &f->plain;
    bool same = tag_listed(header_find(&req->headers, "If-None-Match"), form->etag);
    int fd = -1;
    if (!same && !f->body) {
        fd = static_open(req->http->files, f, &form);
        if (fd < 0) {
            answer_lost(req, f, fd);
            return;
        }
    }
    struct MHD_Response *r = file_response(f, same ? 0 : form->len, fd);
    if (r && !add_file_headers(f, form, r)) {
        MHD_destroy_response(r);
        r = NULL;
    }
    decide(req, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r);
}

void answer_file(struct http_request *req)
{
    const struct http_file *f = upgrade_wanted(req) ? NULL : file_for(req);
    if (!f) {
        answer_error(req, MHD_HTTP_NOT_FOUND, "not_found", "There is nothing at this address.");
        return;
    }
    if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0) {
        if (header_add(&req->response_headers, "Allow", "GET, HEAD, OPTIONS") != 0)
            return;
        answer_error(
            req, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "This address can only be read.");
        return;
    }
    send_file(req, f);
}
