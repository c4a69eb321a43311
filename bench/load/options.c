#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/limits.h"
#include "targets.h"

#define ROOM_MAX 20 /* bytes of --room */

const char options_help[] =
    "fanlight-load --target livekit|whip|janus --url URL [options]\n"
    "\n"
    "Drives a media server with real clients in one process: signalling, ICE, DTLS, SRTP, RTP and RTCP.\n"
    "\n"
    "  --target KIND        livekit: LiveKit's protocol (Fanlight, LiveKit); whip: WHIP and WHEP;\n"
    "                       janus: the VideoRoom plugin of Janus\n"
    "  --url URL            http://HOST:PORT[/PATH], or ws://\n"
    "  --api-key KEY        with --api-secret: what tokens are signed with\n"
    "  --api-secret SECRET\n"
    "\n"
    "  --rooms N            rooms (1)\n"
    "  --room NAME          what they are called: NAME-0, NAME-1, ... (load); for two of this program at "
    "once\n"
    "  --publishers N       publishers in each room (1)\n"
    "  --subscribers N      subscribers in each room (1; 0 with --meeting)\n"
    "  --meeting            publishers receive each other\n"
    "  --speakers N         only N publishers of a room speak, without a pause; the others' microphones are "
    "open\n"
    "                       and send nothing. The room forwards N voices (audio_top_n of Fanlight)\n"
    "  --visible            subscribers are announced to the others in the room; without it they are an\n"
    "                       audience that nobody is told of (livekit)\n"
    "\n"
    "  --video-kbps N       bit rate of a publisher's video; 0: no video (1500)\n"
    "  --fps N              pictures a second (30)\n"
    "  --simulcast          three layers; N is the rate of the highest one\n"
    "  --media FILE         send this VP8 (.ivf) or H.264 (.h264, Annex B) file, over and over\n"
    "  --audio, --no-audio  with Opus, 50 packets a second; without (the default)\n"
    "  --burst              all packets of a picture at once; otherwise they are paced\n"
    "  --srtp gcm|cm        AES-GCM, or AES-CM with HMAC-SHA1; otherwise the server's choice\n"
    "\n"
    "  --join-rate N        connections begun a second (50)\n"
    "  --duration SECONDS   of measuring, once everybody receives everything (10)\n"
    "  --server-pid PID     measure this process, too: its CPU and memory\n"
    "  --json FILE          write what was measured (- is standard output)\n"
    "  --help               this text\n"
    "\n"
    "Ctrl-C ends the measuring and prints what there is. Exit status: 0; 1 if anything failed on the way;\n"
    "2 for a bad command line; 130 after Ctrl-C.\n";

enum option_code {
    OPTION_TARGET = 256,
    OPTION_URL,
    OPTION_KEY,
    OPTION_SECRET,
    OPTION_ROOM,
    OPTION_ROOMS,
    OPTION_PUBLISHERS,
    OPTION_SUBSCRIBERS,
    OPTION_MEETING,
    OPTION_SPEAKERS,
    OPTION_VISIBLE,
    OPTION_KBPS,
    OPTION_FPS,
    OPTION_SIMULCAST,
    OPTION_MEDIA,
    OPTION_AUDIO,
    OPTION_NO_AUDIO,
    OPTION_BURST,
    OPTION_SRTP,
    OPTION_RATE,
    OPTION_DURATION,
    OPTION_PID,
    OPTION_JSON,
    OPTION_HELP,
};

static const struct option table[] = {
    {"target", required_argument, NULL, OPTION_TARGET},
    {"url", required_argument, NULL, OPTION_URL},
    {"api-key", required_argument, NULL, OPTION_KEY},
    {"api-secret", required_argument, NULL, OPTION_SECRET},
    {"room", required_argument, NULL, OPTION_ROOM},
    {"rooms", required_argument, NULL, OPTION_ROOMS},
    {"publishers", required_argument, NULL, OPTION_PUBLISHERS},
    {"subscribers", required_argument, NULL, OPTION_SUBSCRIBERS},
    {"meeting", no_argument, NULL, OPTION_MEETING},
    {"speakers", required_argument, NULL, OPTION_SPEAKERS},
    {"visible", no_argument, NULL, OPTION_VISIBLE},
    {"video-kbps", required_argument, NULL, OPTION_KBPS},
    {"fps", required_argument, NULL, OPTION_FPS},
    {"simulcast", no_argument, NULL, OPTION_SIMULCAST},
    {"media", required_argument, NULL, OPTION_MEDIA},
    {"audio", no_argument, NULL, OPTION_AUDIO},
    {"no-audio", no_argument, NULL, OPTION_NO_AUDIO},
    {"burst", no_argument, NULL, OPTION_BURST},
    {"srtp", required_argument, NULL, OPTION_SRTP},
    {"join-rate", required_argument, NULL, OPTION_RATE},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"server-pid", required_argument, NULL, OPTION_PID},
    {"json", required_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static const char *option_name(int code)
{
    for (size_t i = 0; table[i].name; i++)
        if (table[i].val == code)
            return table[i].name;
    return "?";
}

/* ---- values ---- */

struct reading {
    struct options *o;
    char *why;
    size_t why_size;
    bool subscribers_told;
};

static int bad(struct reading *r, int code, const char *text, const char *wanted)
{
    snprintf(r->why, r->why_size, "--%s %s: %s", option_name(code), text, wanted);
    return -EINVAL;
}

static int read_double(struct reading *r, int code, const char *text, double min, double max, double *ret)
{
    char *end, wanted[64];
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || *end || errno || isnan(v) || v < min || v > max) {
        snprintf(wanted, sizeof wanted, "not a number from %g to %g", min, max);
        return bad(r, code, text, wanted);
    }
    *ret = v;
    return 0;
}

static int read_unsigned(
    struct reading *r, int code, const char *text, unsigned min, unsigned max, unsigned *ret)
{
    char *end, wanted[64];
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || v < min || v > max) {
        snprintf(wanted, sizeof wanted, "not a whole number from %u to %u", min, max);
        return bad(r, code, text, wanted);
    }
    *ret = (unsigned)v;
    return 0;
}

static int read_room(struct reading *r, const char *text)
{
    size_t len = strlen(text);
    if (!len || len > ROOM_MAX || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return bad(r, OPTION_ROOM, text, "not 1 to 20 of a-z, 0-9 and -");
    r->o->room = text;
    return 0;
}

static int look_up(const char *host, const char *port, struct addr *ret, char *why, size_t why_size)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int err = getaddrinfo(host, port, &hints, &list);
    if (err) {
        snprintf(why, why_size, "%s: %s", host, gai_strerror(err));
        return -EINVAL;
    }
    const struct addrinfo *best = list;
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        if (a->ai_family == AF_INET) { /* media servers have IPv4 candidates before others */
            best = a;
            break;
        }
    err = addr_from_sockaddr(best->ai_addr, ret);
    freeaddrinfo(list);
    if (err)
        snprintf(why, why_size, "%s: neither IPv4 nor IPv6", host);
    return err ? -EINVAL : 0;
}

int options_read_url(const char *text, struct load_url *ret, char *why, size_t why_size)
{
    struct load_url url = {0};
    char name[256], port[8] = "80";
    const char *rest = strncasecmp(text, "http://", 7) == 0 ? text + 7
                       : strncasecmp(text, "ws://", 5) == 0 ? text + 5
                                                            : NULL;
    if (strncasecmp(text, "https://", 8) == 0 || strncasecmp(text, "wss://", 6) == 0) {
        snprintf(why, why_size, "%s: signalling by TLS is not spoken here; use http://", text);
        return -EINVAL;
    }
    size_t len = rest ? strcspn(rest, "/") : 0;
    if (!rest || !len || len >= sizeof url.host || strpbrk(rest, " \t\r\n@?#")) {
        snprintf(why, why_size, "%s: not http://HOST:PORT or ws://HOST:PORT", text);
        return -EINVAL;
    }
    memcpy(url.host, rest, len);
    rest += len;
    len = strlen(rest);
    while (len && rest[len - 1] == '/')
        len--;
    if (len >= sizeof url.path) {
        snprintf(why, why_size, "the path of --url is too long");
        return -EINVAL;
    }
    memcpy(url.path, rest, len);

    bool literal = url.host[0] == '[';
    const char *close = literal ? strchr(url.host, ']') : NULL;
    const char *colon = literal ? (close && close[1] == ':' ? close + 1 : NULL) : strchr(url.host, ':');
    size_t name_len = literal && close ? (size_t)(close - url.host - 1)
                      : colon          ? (size_t)(colon - url.host)
                                       : strlen(url.host);
    snprintf(name, sizeof name, "%.*s", (int)name_len, url.host + literal);
    if (colon) {
        char *end;
        unsigned long n = strtoul(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end || n < 1 || n > UINT16_MAX) {
            snprintf(why, why_size, "%s: the port is not a number from 1 to 65535", text);
            return -EINVAL;
        }
        snprintf(port, sizeof port, "%lu", n);
    }
    int err = look_up(name, port, &url.addr, why, why_size);
    if (!err)
        *ret = url;
    return err;
}

static int read_target(struct reading *r, const char *text)
{
    r->o->target = target_find(text);
    return r->o->target ? 0 : bad(r, OPTION_TARGET, text, "not livekit, whip or janus");
}

static int read_srtp(struct reading *r, const char *text)
{
    if (strcmp(text, "gcm") != 0 && strcmp(text, "cm") != 0)
        return bad(r, OPTION_SRTP, text, "not gcm or cm");
    r->o->srtp = *text == 'g' ? LOAD_SRTP_GCM : LOAD_SRTP_CM;
    return 0;
}

static int read_pid(struct reading *r, const char *text)
{
    unsigned pid;
    int err = read_unsigned(r, OPTION_PID, text, 1, 1u << 30, &pid);
    if (err)
        return err;
    if (kill((pid_t)pid, 0) && errno == ESRCH)
        return bad(r, OPTION_PID, text, "there is no such process");
    r->o->server_pid = (pid_t)pid;
    return 0;
}

static int read_option(struct reading *r, int code, const char *text)
{
    struct options *o = r->o;
    switch ((enum option_code)code) {
    case OPTION_TARGET:
        return read_target(r, text);
    case OPTION_URL:
        return options_read_url(text, &o->url, r->why, r->why_size);
    case OPTION_KEY:
        o->key = text;
        return *text ? 0 : bad(r, code, text, "empty");
    case OPTION_SECRET:
        o->secret = text;
        return *text ? 0 : bad(r, code, text, "empty");
    case OPTION_ROOM:
        return read_room(r, text);
    case OPTION_ROOMS:
        return read_unsigned(r, code, text, 1, LOAD_LINKS_MAX, &o->rooms);
    case OPTION_PUBLISHERS:
        return read_unsigned(r, code, text, 1, LOAD_LINKS_MAX, &o->publishers);
    case OPTION_SUBSCRIBERS:
        r->subscribers_told = true;
        return read_unsigned(r, code, text, 0, LOAD_LINKS_MAX, &o->subscribers);
    case OPTION_MEETING:
        o->meeting = true;
        return 0;
    case OPTION_SPEAKERS:
        return read_unsigned(r, code, text, 1, 16, &o->speakers);
    case OPTION_VISIBLE:
        o->visible = true;
        return 0;
    case OPTION_KBPS:
        return read_unsigned(r, code, text, 0, 200000, &o->video_kbps);
    case OPTION_FPS:
        return read_unsigned(r, code, text, 1, 500, &o->fps);
    case OPTION_SIMULCAST:
        o->simulcast = true;
        return 0;
    case OPTION_MEDIA:
        o->media = text;
        return access(text, R_OK) ? bad(r, code, text, strerror(errno)) : 0;
    case OPTION_AUDIO:
        o->audio = true;
        return 0;
    case OPTION_NO_AUDIO:
        o->audio = false;
        return 0;
    case OPTION_BURST:
        o->burst = true;
        return 0;
    case OPTION_SRTP:
        return read_srtp(r, text);
    case OPTION_RATE:
        return read_double(r, code, text, 0.1, 10000, &o->join_rate);
    case OPTION_DURATION:
        return read_double(r, code, text, 0.5, 86400, &o->duration_s);
    case OPTION_PID:
        return read_pid(r, text);
    case OPTION_JSON:
        o->json = text;
        return 0;
    case OPTION_HELP:
        break;
    }
    return 0;
}

/* What no single option can say. */
static const char *conflict(const struct options *o)
{
    if (!o->target)
        return "--target is missing: livekit, whip or janus";
    if (!o->url.host[0])
        return "--url is missing: http://HOST:PORT";
    if (!o->key != !o->secret)
        return "--api-key and --api-secret go together";
    if (o->target->needs_key && !o->key)
        return "this target wants --api-key and --api-secret";
    if (!o->video_kbps && !o->media && !o->audio)
        return "nothing to send: no video (--video-kbps 0) and no --audio";
    if (!o->video_kbps && o->media)
        return "--media is video, and --video-kbps 0 wants none";
    if (o->simulcast && (o->media || !o->video_kbps))
        return "--simulcast needs made-up video: neither --media nor --video-kbps 0";
    if (!o->subscribers && !o->meeting)
        return "nobody receives: --subscribers 0 without --meeting";
    if (o->speakers && (!o->audio || o->video_kbps || o->speakers > o->publishers))
        return "--speakers is of publishers with --audio and --video-kbps 0";
    if (o->meeting && o->publishers + o->subscribers < 2)
        return "a meeting takes two: --publishers";
    unsigned heard = o->speakers ? o->speakers : o->publishers;
    if (!o->target->one_publisher && heard * (o->audio + (o->video_kbps > 0)) > SDP_MEDIA_MAX)
        return "more than 256 tracks in a room: a session description has no room for them";
    size_t receivers = o->subscribers + (o->meeting ? o->publishers : 0);
    size_t links = o->rooms * (o->publishers + receivers * (o->target->one_publisher ? o->publishers : 1));
    return links > LOAD_LINKS_MAX ? "more than 20,000 connections in one process" : NULL;
}

enum options_verdict options_parse(int argc, char **argv, struct options *ret, char *why, size_t why_size)
{
    struct options o = {.room = "load",
        .rooms = 1,
        .publishers = 1,
        .subscribers = 1,
        .video_kbps = 1500,
        .fps = 30,
        .join_rate = 50,
        .duration_s = 10};
    struct reading r = {.o = &o, .why = why, .why_size = why_size};
    int code;
    optind = 1;
    opterr = 0;
    while ((code = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        if (code == OPTION_HELP)
            return OPTIONS_HELP;
        if (code == '?' || code == ':') {
            snprintf(why, why_size, code == '?' ? "%s: no such option, see --help" : "%s wants a value",
                argv[optind - 1]);
            return OPTIONS_BAD;
        }
        if (read_option(&r, code, optarg))
            return OPTIONS_BAD;
    }
    if (optind < argc) {
        snprintf(why, why_size, "%s: not an option, see --help", argv[optind]);
        return OPTIONS_BAD;
    }
    if (o.meeting && !r.subscribers_told)
        o.subscribers = 0;
    const char *wrong = conflict(&o);
    if (wrong) {
        snprintf(why, why_size, "%s", wrong);
        return OPTIONS_BAD;
    }
    *ret = o;
    return OPTIONS_RUN;
}
