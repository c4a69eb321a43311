#include "http/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- headers ---- */

const char *header_find(const struct list *headers, const char *name)
{
    list_for_each(item, headers)
    {
        const struct header *h = list_entry(item, struct header, link);
        if (strcasecmp(h->name, name) == 0)
            return h->value;
    }
    return NULL;
}

int header_copy(struct list *headers, const char *name, const char *value)
{
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    struct header *h = malloc(sizeof *h + name_size + value_size);
    if (!h)
        return -ENOMEM;
    memcpy(h->text, name, name_size);
    memcpy(h->text + name_size, value, value_size);
    h->name = h->text;
    h->value = h->text + name_size;
    list_add_tail(headers, &h->link);
    return 0;
}

int header_add(struct list *headers, const char *name, const char *value)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == ':' || *p == 0x7f)
            return -EINVAL;
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return -EINVAL;
    return header_copy(headers, name, value);
}

void headers_free(struct list *headers)
{
    list_for_each_safe(item, headers)
    {
        list_del(item);
        free(list_entry(item, struct header, link));
    }
}

/* ---- its life ---- */

void request_unref(struct http_request *req)
{
    if (atomic_fetch_sub_explicit(&req->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (req->response)
        MHD_destroy_response(req->response);
    route_match_done(&req->match);
    headers_free(&req->headers);
    headers_free(&req->response_headers);
    headers_free(&req->query_values);
    free(req->raw);
    free(req->path);
    free(req->method);
    free(req->body);
    free(req);
}

/* Lets MHD's thread go on with the answer. */
static void resume(struct http_request *req)
{
    struct http *h = req->http;
    pthread_mutex_lock(&h->lock);
    list_del(&req->link);
    pthread_mutex_unlock(&h->lock);
    MHD_resume_connection(req->mhd);
}

void request_send(struct http_request *req)
{
    if (!req->detached)
        resume(req);
    request_unref(req);
}

static void stop_one(struct http_request *req)
{
    req->detached = true;
    answer_error(req, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "The server is stopping.");
    resume(req);
}

void request_stop_all(struct http *h)
{
    for (;;) {
        pthread_mutex_lock(&h->lock);
        struct http_request *req =
            list_empty(&h->pending) ? NULL : list_entry(h->pending.next, struct http_request, link);
        pthread_mutex_unlock(&h->lock);
        if (!req)
            return;
        stop_one(req); /* takes it out of the list */
    }
}

/* ---- what handlers read ---- */

const char *http_request_method(const struct http_request *req)
{
    return req->method;
}

const char *http_request_path(const struct http_request *req)
{
    return req->path;
}

const char *http_request_header(const struct http_request *req, const char *name)
{
    return header_find(&req->headers, name);
}

const char *http_request_query(struct http_request *req, const char *name)
{
    list_for_each(item, &req->query_values)
    {
        const struct header *h = list_entry(item, struct header, link);
        if (strcmp(h->name, name) == 0)
            return h->value;
    }
    size_t name_size = strlen(name) + 1;
    struct header *h = malloc(sizeof *h + name_size + req->target.query_len + 1);
    if (!h)
        return NULL;
    memcpy(h->text, name, name_size);
    if (http_query_find(req->target.query, req->target.query_len, name, h->text + name_size) < 0) {
        free(h);
        return NULL;
    }
    h->name = h->text;
    h->value = h->text + name_size;
    list_add_tail(&req->query_values, &h->link);
    return h->value;
}

const char *http_request_param(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->match.param_count; i++)
        if (strcmp(req->match.params[i].name, name) == 0)
            return req->match.params[i].value;
    return NULL;
}

const char *http_request_body(const struct http_request *req, size_t *ret_len)
{
    *ret_len = req->body_len;
    return req->body ? req->body : "";
}

const struct addr *http_request_remote(const struct http_request *req)
{
    return &req->remote;
}

bool http_request_secure(const struct http_request *req)
{
    return req->secure;
}

/* ---- how they answer ---- */

int http_response_header(struct http_request *req, const char *name, const char *value)
{
    return header_add(&req->response_headers, name, value);
}

void http_respond(
    struct http_request *req, int status, const char *content_type, const void *body, size_t len)
{
    if (!req->detached)
        answer_body(req, status, content_type, body, len);
    request_send(req);
}

void http_respond_json(struct http_request *req, int status, const char *json)
{
    http_respond(req, status, "application/json", json, strlen(json));
}

void http_respond_text(struct http_request *req, int status, const char *text)
{
    http_respond(req, status, "text/plain; charset=utf-8", text, strlen(text));
}

void http_respond_error(struct http_request *req, int status, const char *code, const char *message)
{
    if (!req->detached)
        answer_error(req, status, code, message);
    request_send(req);
}
