/* JSON in and out of requests. */
#include <stdio.h>
#include <stdlib.h>
#include "api/internal.h"

void api_no_memory(struct http_request *req)
{
    http_respond_error(req, 500, "no_memory", "The server has no memory left.");
}

void api_answer(struct http_request *req, int status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text || http_response_header(req, "Cache-Control", "no-store") != 0) {
        free(text);
        api_no_memory(req);
        return;
    }
    http_respond_json(req, status, text);
    free(text);
}

json_t *api_body(struct http_request *req)
{
    size_t len;
    const char *body = http_request_body(req, &len);
    if (len == 0)
        return json_object();
    json_error_t error;
    char message[JSON_ERROR_TEXT_LENGTH + 64];
    json_t *json = json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!json) {
        snprintf(message, sizeof message, "The body is not JSON: line %d: %s.", error.line, error.text);
        http_respond_error(req, 400, "invalid_json", message);
    } else if (!json_is_object(json)) {
        json_decref(json);
        json = NULL;
        http_respond_error(req, 400, "invalid_json", "The body is not a JSON object.");
    }
    return json;
}
