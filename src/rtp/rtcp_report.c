#include <errno.h>
#include "rtp/rtcp.h"

#define REPORT_LEN 24

static int reports_start(const struct rtcp_block *b, struct cursor *c, struct cursor *ret)
{
    struct cursor reports = cursor_sub(c, REPORT_LEN * (size_t)b->count);
    if (c->bad)
        return -EBADMSG;
    *ret = reports; /* a profile's extension may follow them: not looked at */
    return 0;
}

int rtcp_sr_parse(const struct rtcp_block *b, struct rtcp_sr *ret, struct cursor *ret_reports)
{
    struct cursor c = cursor_of(b->body, b->len);
    struct rtcp_sr sr = {.ssrc = cursor_u32(&c)};
    sr.ntp = cursor_u64(&c);
    sr.ts = cursor_u32(&c);
    sr.packets = cursor_u32(&c);
    sr.octets = cursor_u32(&c);
    int r = reports_start(b, &c, ret_reports);
    if (r == 0)
        *ret = sr;
    return r;
}

int rtcp_rr_parse(const struct rtcp_block *b, uint32_t *ret_ssrc, struct cursor *ret_reports)
{
    struct cursor c = cursor_of(b->body, b->len);
    uint32_t ssrc = cursor_u32(&c);
    int r = reports_start(b, &c, ret_reports);
    if (r == 0)
        *ret_ssrc = ssrc;
    return r;
}

bool rtcp_report_next(struct cursor *reports, struct rtcp_report *ret)
{
    if (cursor_left(reports) < REPORT_LEN)
        return false;
    struct rtcp_report r = {.ssrc = cursor_u32(reports)};
    r.fraction_lost = cursor_u8(reports);
    uint32_t lost = cursor_u24(reports);
    r.total_lost = lost & 0x800000 ? (int32_t)lost - 0x1000000 : (int32_t)lost;
    r.highest_seq = cursor_u32(reports);
    r.jitter = cursor_u32(reports);
    r.lsr = cursor_u32(reports);
    r.dlsr = cursor_u32(reports);
    *ret = r;
    return true;
}

static void reports_write(struct writer *w, const struct rtcp_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct rtcp_report *r = &reports[i];
        int32_t lost = r->total_lost;
        if (lost > 0x7fffff)
            lost = 0x7fffff;
        if (lost < -0x800000)
            lost = -0x800000;
        writer_u32(w, r->ssrc);
        writer_u8(w, r->fraction_lost);
        writer_u24(w, (uint32_t)lost & 0xffffff);
        writer_u32(w, r->highest_seq);
        writer_u32(w, r->jitter);
        writer_u32(w, r->lsr);
        writer_u32(w, r->dlsr);
    }
}

void rtcp_sr_write(
    struct writer *w, const struct rtcp_sr *sr, const struct rtcp_report *reports, size_t count)
{
    if (count > RTCP_REPORTS_MAX) {
        w->bad = true;
        return;
    }
    size_t at = rtcp_begin(w, RTCP_SR, (unsigned)count);
    writer_u32(w, sr->ssrc);
    writer_u64(w, sr->ntp);
    writer_u32(w, sr->ts);
    writer_u32(w, sr->packets);
    writer_u32(w, sr->octets);
    reports_write(w, reports, count);
    rtcp_end(w, at);
}

void rtcp_rr_write(struct writer *w, uint32_t ssrc, const struct rtcp_report *reports, size_t count)
{
    if (count > RTCP_REPORTS_MAX) {
        w->bad = true;
        return;
    }
    size_t at = rtcp_begin(w, RTCP_RR, (unsigned)count);
    writer_u32(w, ssrc);
    reports_write(w, reports, count);
    rtcp_end(w, at);
}
