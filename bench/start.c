// link: net
/* How fast the server starts, and what it takes when nobody is there. */
#include <stdlib.h>
#include <time.h>
#include "measure/rows.h"
#include "measure/series.h"
#include "measure/server.h"

#define STARTS 20
#define IDLE_S 2

int main(void)
{
    struct series start_ms = {0};
    struct server s;
    rows_heading("Start and idle");
    for (int i = 0; i < STARTS; i++) {
        server_start(&s, -1, NULL);
        server_wait(&s);
        series_add(&start_ms, (double)(s.health_us - s.fork_us) / 1000);
        if (i < STARTS - 1)
            server_stop(&s);
    }
    const struct timespec idle = {.tv_sec = IDLE_S};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &idle, NULL);
    double resident = server_resident_mib(&s, "VmRSS"), own = server_resident_mib(&s, "RssAnon");
    int64_t user_us, system_us, before_us = server_cpu_us(&s, &user_us, &system_us);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &idle, NULL);
    int64_t used_us = server_cpu_us(&s, &user_us, &system_us) - before_us;
    server_stop(&s);
    rows_below("start to GET /health 200, median of 20", series_at(&start_ms, 0.5), "ms", 100);
    rows_plain("start to GET /health 200, fastest of 20", series_at(&start_ms, 0), "ms");
    rows_below("resident memory, idle for 2 s", resident, "MiB", 20);
    rows_plain("of that the process's own (RssAnon)", own, "MiB");
    rows_plain("CPU while idle, of one processor", (double)used_us / IDLE_S / 10000, "%");
    return EXIT_SUCCESS;
}
