"""The loads that servers are compared under, and what each has to come to."""

import tempfile
import time
from pathlib import Path

from . import measure
from .measure import median
from .systems import START, TITLES, CannotMeasure, Fanlight

CAMERA = ["--publishers", "1", "--video-kbps", "1500", "--fps", "30", "--no-audio"]


class Context:
    """What was asked for: how many runs of each, how long. report: where figures go. extra: more options of the load."""

    def __init__(self, report, pairs, seconds, systems, extra=()):
        self.report, self.pairs, self.seconds, self.systems, self.extra = report, pairs, seconds, systems, extra
        self.missing = set()  # systems that could not be measured, once at least

    def wanted(self, systems):
        return [s for s in systems if self.systems is None or s.split("-")[0] in self.systems or s in self.systems]


def alternate(context, shape, systems, arguments):
    """Runs the systems in turn, `pairs` times, the order turning round. Figures of each, by system."""
    runs = {s: [] for s in context.wanted(systems)}
    for pair in range(context.pairs):
        order = list(runs) if pair % 2 == 0 else list(reversed(runs))
        for system in order:
            try:
                figures = measure.run(system, [*arguments, *context.extra], context.seconds)
                if not figures["complete"]:
                    raise CannotMeasure(f"only {figures['receiving']} connections came to receive everything; "
                                        f"the run does not count ({figures['first_failure']})")
                runs[system].append(figures)
            except CannotMeasure as e:
                context.report.note(f"{TITLES[system]}: {e}")
                context.missing.add(system)
            measure.pause()
    context.report.data.setdefault("runs", {})[shape] = runs
    return {s: r for s, r in runs.items() if r}


def describe(context, shape, runs):
    """The rows that every shape has: cost, delivery, latency of each system."""
    for system, figures in runs.items():
        title = f"{shape}: {TITLES[system]}"
        context.report.plain(f"{title}, CPU per packet", median(figures, "cpu_us"), "us")
        least, most = min(f["cpu_us"] for f in figures), max(f["cpu_us"] for f in figures)
        lost = 100 * (1 - median(figures, "delivery"))
        context.report.note(
            f"    {len(figures)} runs, {least:.2f} to {most:.2f} us, system {median(figures, 'system_us'):.2f}; "
            f"{median(figures, 'packets_s'):,.0f} packets/s, {median(figures, 'mbit_s'):,.0f} Mbit/s, "
            f"{lost:.3f} % lost; latency p50 {median(figures, 'p50_us') / 1000:.2f} ms, "
            f"p99 {median(figures, 'p99_us') / 1000:.2f} ms; failures {sum(f['failures'] for f in figures)}; "
            f"{figures[0]['srtp']}")
        for f in figures:
            if f["first_failure"]:
                context.report.note(f"    the first failure: {f['first_failure']}")
        busiest, drops = max(f["load_core"] for f in figures), sum(f["load_drops"] for f in figures)
        if busiest > 0.9 or drops:
            context.report.note(f"    the load tester was the bottleneck: {100 * busiest:.0f} % of its processor, "
                                f"{drops} datagrams lost by itself")


def ratio(context, shape, runs, other, target):
    if "fanlight" not in runs or other not in runs:
        context.report.note(f"{shape}: no ratio to {TITLES[other]}, as one of the two has no figures")
        return
    context.report.at_least(f"{shape}: delivered by Fanlight", 100 * median(runs["fanlight"], "delivery"), "%", 99.9)
    value = median(runs["fanlight"], "cpu_us") / median(runs[other], "cpu_us")
    context.report.at_most(f"{shape}: Fanlight over {TITLES[other]}", value, "x", target)


def over_floor(context, shape, runs, receivers, srtp, target):
    """The floor at the run length that Fanlight had, and how far above it Fanlight is."""
    if "fanlight" not in runs:
        return
    figures = runs["fanlight"]
    length, size = median(figures, "run"), median(figures, "size")
    floor_ns = measure.floor(receivers, size, srtp, length)
    single_ns = measure.floor(receivers, size, srtp, 1)
    context.report.plain(f"{shape}: run length that left Fanlight", length, "packets")
    context.report.plain(f"{shape}: floor at that run length", floor_ns / 1000, "us")
    context.report.plain(f"{shape}: floor without runs", single_ns / 1000, "us")
    over = median(figures, "cpu_us") * 1000 / floor_ns
    if target is None:
        context.report.plain(f"{shape}: Fanlight over the floor", over, "x")
    else:
        context.report.at_most(f"{shape}: Fanlight over the floor", over, "x", target)


def floor(context):
    """Encryption and sending and nothing else, for 500 receivers."""
    for srtp, title in (("gcm", "AES-GCM"), ("cm", "AES-CM")):
        for length in (1, 2, 4, 8, 16):
            ns = measure.floor(500, 1100, srtp, length)
            context.report.plain(f"floor: 500 receivers, {title}, runs of {length}", ns / 1000, "us")


# ---- one publisher ----


def camera_gcm(context):
    """A publisher of 1.5 Mbit/s and 30 frames a second, 200 subscribers, AES-GCM."""
    shape = "1 camera x 200, GCM"
    runs = alternate(context, shape, ["fanlight", "janus"], [*CAMERA, "--subscribers", "200", "--srtp", "gcm"])
    describe(context, shape, runs)
    ratio(context, shape, runs, "janus", 0.2)
    over_floor(context, shape, runs, 200, "gcm", 1.6)


def camera_cm(context):
    """The same with AES-CM and HMAC-SHA1, against the library that Debian gives Janus."""
    shape = "1 camera x 200, AES-CM"
    runs = alternate(context, shape, ["fanlight", "janus-debian"], [*CAMERA, "--subscribers", "200", "--srtp", "cm"])
    describe(context, shape, runs)
    ratio(context, shape, runs, "janus-debian", 0.125)
    over_floor(context, shape, runs, 200, "cm", None)


def packets_40(context):
    """40 subscribers of a publisher of 8.8 Mbit/s, about a thousand packets a second."""
    shape = "40 x 1,000 packets/s"
    arguments = ["--publishers", "1", "--subscribers", "40", "--video-kbps", "8800", "--fps", "30", "--no-audio",
                 "--srtp", "gcm"]
    runs = alternate(context, shape, ["fanlight", "janus"], arguments)
    describe(context, shape, runs)
    if "fanlight" in runs:
        context.report.at_most(f"{shape}: Fanlight, CPU per packet, median", median(runs["fanlight"], "cpu_us"), "us",
                               1.5)
    over_floor(context, shape, runs, 40, "gcm", None)


def quality(context, shape, runs, delivery, p50_ms, p99_ms, core):
    if "fanlight" not in runs:
        return
    figures = runs["fanlight"]
    context.report.at_least(f"{shape}: delivered", 100 * median(figures, "delivery"), "%", delivery)
    if p50_ms:
        context.report.at_most(f"{shape}: latency p50", median(figures, "p50_us") / 1000, "ms", p50_ms)
    context.report.at_most(f"{shape}: latency p99", median(figures, "p99_us") / 1000, "ms", p99_ms)
    if core:
        context.report.at_most(f"{shape}: of a core", 100 * median(figures, "core"), "%", core)


def camera_500(context):
    """A publisher, 500 subscribers: delivery, latency, share of the processor."""
    shape = "1 camera x 500"
    runs = alternate(context, shape, ["fanlight", "janus"], [*CAMERA, "--subscribers", "500", "--srtp", "gcm"])
    describe(context, shape, runs)
    quality(context, shape, runs, 99.99, 3, 8, 20)


def saturation(context):
    """A publisher, 2,500 subscribers: as much as a processor can."""
    shape = "1 camera x 2,500"
    arguments = [*CAMERA, "--subscribers", "2500", "--srtp", "gcm", "--join-rate", "200"]
    runs = alternate(context, shape, ["fanlight"], arguments)
    context.report.note("Janus is past its core at 600 subscribers, and is not run here")
    describe(context, shape, runs)
    quality(context, shape, runs, 99.9, None, 25, None)
    if "fanlight" in runs:
        context.report.plain(f"{shape}: of a core", 100 * median(runs["fanlight"], "core"), "%")


# ---- everybody speaks ----


def meeting(context):
    """20 rooms of 5, all of whom publish sound and 600 kbit/s of video."""
    shape = "20 rooms x 5, audio and video"
    arguments = ["--rooms", "20", "--publishers", "5", "--subscribers", "0", "--meeting", "--audio", "--video-kbps",
                 "600", "--srtp", "gcm"]
    runs = alternate(context, shape, ["fanlight", "janus"], arguments)
    describe(context, shape, runs)
    ratio(context, shape, runs, "janus", 0.333)


def audio(context):
    """A room of 40 who all speak."""
    shape = "1 room x 40, audio"
    arguments = ["--publishers", "40", "--subscribers", "0", "--meeting", "--audio", "--video-kbps", "0", "--srtp",
                 "gcm"]
    runs = alternate(context, shape, ["fanlight", "janus"], arguments)
    describe(context, shape, runs)
    ratio(context, shape, runs, "janus", 0.333)


# ---- coming and going ----


def joins(context):
    """A hundred receive while three hundred more come within three seconds, into a room of their own."""
    shape = "300 joins in 3 s"
    shown = []
    for _ in range(context.pairs):
        with Fanlight() as server:
            seconds = max(context.seconds, 12)
            running = measure.Load(server, [*CAMERA, "--subscribers", "100", "--srtp", "gcm"], seconds)
            time.sleep(5)  # a hundred have joined; they are measured for so long that the joins fall into it
            coming = measure.Load(server, [*CAMERA, "--room", "coming", "--video-kbps", "100", "--subscribers", "300", "--join-rate",
                                           "100", "--srtp", "gcm"], 2)
            later = coming.figures()
            shown.append((running.figures(), later))
        measure.pause()
    base, later = [a for a, _ in shown], [b for _, b in shown]
    context.report.data.setdefault("runs", {})[shape] = shown
    context.report.at_most(f"{shape}: failures", sum(f["failures"] for f in base + later), "", 0)
    context.report.at_most(f"{shape}: latency p99 of those who were there", median(base, "p99_us") / 1000, "ms", 20)
    context.report.at_least(f"{shape}: delivered to those who were there", 100 * median(base, "delivery"), "%", 99.9)
    context.report.plain(f"{shape}: join p50", median(later, "join_p50_ms"), "ms")
    context.report.plain(f"{shape}: join p99", median(later, "join_p99_ms"), "ms")


def workers(context):
    """Two workers against one under the same load, both processors allowed."""
    shape = "two workers"
    arguments = [*CAMERA, "--subscribers", "300", "--srtp", "gcm"]
    runs = alternate(context, shape, ["fanlight-both-cores", "fanlight-2-workers"], arguments)
    describe(context, shape, runs)
    one, two = runs.get("fanlight-both-cores"), runs.get("fanlight-2-workers")
    if one and two:
        context.report.at_most(f"{shape}: CPU per packet over one worker's", median(two, "cpu_us") /
                               median(one, "cpu_us"), "x", 1.15)
        share = sorted(f["threads"][1] / max(f["threads"][0], 0.01) for f in two)[len(two) // 2]
        context.report.at_least(f"{shape}: second busiest thread over the busiest", share, "x", 0.3)


def sizes(context):
    """The cost of a packet against the number of subscribers; the plot is made of this."""
    shape = "size"
    points = {}
    pairs, context.pairs = context.pairs, min(context.pairs, 3)
    for count in (10, 40, 100, 200, 500, 1000, 2500):
        systems = context.wanted(["fanlight", "janus"] if count <= 500 else ["fanlight"])
        rate = ["--join-rate", "200" if count > 500 else "50"]
        runs = alternate(context, f"{shape} {count}", systems,
                         [*CAMERA, "--subscribers", str(count), "--srtp", "gcm", *rate])
        row = {s: median(f, "cpu_us") for s, f in runs.items()}
        if "fanlight" in runs:
            length = median(runs["fanlight"], "run")
            row["floor"] = measure.floor(count, median(runs["fanlight"], "size"), "gcm", length, times=1) / 1000
        points[count] = row
        for system, value in row.items():
            context.report.plain(f"{shape}: {count:,} subscribers, {TITLES.get(system, 'floor')}, CPU per packet", value, "us")
    context.pairs = pairs
    context.report.data["sizes"] = points
    a, b = points[100].get("fanlight"), points[2500].get("fanlight")
    if a and b:
        context.report.at_most(f"{shape}: CPU per packet at 2,500 subscribers over that at 100", b / a, "x", 1.25)


def owners_with(count):
    """Bytes in use by owner, at their most, while so many are there."""
    most = {}

    def look(file):
        words = [line.split() for line in Path(file).read_text(encoding="utf-8").splitlines()]
        now = {module: int(size) for size, module in words}
        if sum(now.values()) > sum(most.values()):
            most.clear()
            most.update(now)

    with tempfile.NamedTemporaryFile() as told, Fanlight(owners=told.name) as server:
        measure.Load(server, [*CAMERA, "--subscribers", str(count), "--srtp", "gcm"], 4).figures(lambda: look(told.name))
    return most


def own_memory(context, shape):
    """What one participant more takes, by owner: what is there once for all of them cancels out."""
    few, many = owners_with(100), owners_with(300)
    each = {m: (many[m] - few.get(m, 0)) / 200 / 1024 for m in many}
    for module, kib in sorted(each.items(), key=lambda item: -item[1]):
        if kib >= 0.5 and module not in ("program", "mapped"):
            context.report.plain(f"{shape}: a participant in {module}", kib, "KiB")
    context.report.at_most(f"{shape}: a participant in Fanlight itself", each["program"] + each["mapped"], "KiB", 48)


def memory(context):
    """What a participant takes, and whether anything stays behind when they go."""
    shape = "memory"
    count = 300
    own_memory(context, shape)
    with START["fanlight"]() as server:
        empty = server.resident_kib()
        figures = measure.Load(server, [*CAMERA, "--subscribers", str(count), "--srtp", "gcm"], 5).figures()
        context.report.at_most(f"{shape}: a participant in all", (figures["rss_kib"] - empty) / (count + 1), "KiB",
                               160)
    churn_s = max(30, context.seconds * context.pairs * 12)
    with START["fanlight"]() as server:
        seen, end = [], time.monotonic() + churn_s
        while time.monotonic() < end:
            measure.Load(server, [*CAMERA, "--subscribers", "100", "--join-rate", "100", "--srtp", "gcm"], 1).figures()
            seen.append(server.resident_kib())
        context.report.data["churn_kib"] = seen
        first = max(seen[: max(3, len(seen) // 10)])  # pools and the allocator are full after a tenth of the time
        context.report.note(f"{len(seen)} times 101 came and went in {churn_s:.0f} s")
        context.report.at_most(f"{shape}: growth over that", (max(seen[-3:]) - first) / first * 100, "%", 3)


SHAPES = {
    "floor": floor,
    "camera-gcm": camera_gcm,
    "camera-cm": camera_cm,
    "packets-40": packets_40,
    "camera-500": camera_500,
    "saturation": saturation,
    "meeting": meeting,
    "audio": audio,
    "joins": joins,
    "workers": workers,
    "sizes": sizes,
    "memory": memory,
}
QUICK = ["floor", "camera-gcm", "packets-40", "camera-500"]
