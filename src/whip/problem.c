#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "whip/internal.h"

void problem(struct http_request *req, int status, const char *title, const char *detail)
{
    json_t *json = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title", title, "status", status,
        "detail", detail && *detail ? detail : title);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text)
        http_respond(req, status, "application/problem+json", text, strlen(text));
    else
        http_respond_text(req, status, title);
    free(text);
}
