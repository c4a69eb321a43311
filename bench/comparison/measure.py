"""One run of the load tester or the floor, as figures: plain numbers by name."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from .systems import FLOOR, LOAD, START, CannotMeasure

SRTP_TAG = 16
LOAD_CPU = "1"
LEAVING_S = 0.5  # between the end of measuring and the end of the tester
GRACE_S = 240  # beyond the seconds of measuring: joining, leaving


def load_command(server, arguments, seconds, out):
    if not LOAD.exists():
        raise CannotMeasure(f"{LOAD} is not there; make bench-programs builds it")
    return ["taskset", "-c", LOAD_CPU, str(LOAD), "--target", server.target, "--url", server.url, *server.keys,
            *arguments, "--duration", str(seconds), "--server-pid", str(server.pid), "--json", out]


class Load:
    """A load tester at work."""

    def __init__(self, server, arguments, seconds):
        self.server = server
        self.out = tempfile.NamedTemporaryFile(suffix=".json", delete=False)
        self.out.close()
        self.said = tempfile.TemporaryFile(mode="w+")
        self.seconds = seconds
        self.sent = []
        self.process = subprocess.Popen(load_command(server, arguments, seconds, self.out.name),
                                        stdin=subprocess.DEVNULL, stdout=self.said, stderr=subprocess.STDOUT)

    def _wait(self, look):
        """Until it ends, looking ten times a second. Notes how many datagrams the machine has sent meanwhile."""
        end = time.monotonic() + self.seconds + GRACE_S
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                self.process.wait()
            self.sent.append((time.monotonic(), datagrams_sent()))
            if look:
                look()
            time.sleep(0.1)

    def messages_s(self):
        """Messages given to UDP a second by the whole machine, in the middle of the measuring. A run that the kernel
        cuts counts once."""
        last = self.sent[-1][0] - LEAVING_S
        inside = [s for s in self.sent if last - self.seconds * 0.8 < s[0] < last]
        if len(inside) < 2:
            return 0
        (t0, n0), (t1, n1) = inside[0], inside[-1]
        return (n1 - n0) / (t1 - t0)

    def figures(self, look=None):
        """Waits for its end; look is called now and then."""
        self._wait(look)
        try:
            text = Path(self.out.name).read_text(encoding="utf-8")
            os.unlink(self.out.name)
            figures = read(json.loads(text))
        except (OSError, ValueError) as e:
            self.said.seek(0)
            raise CannotMeasure(f"the load on {self.server.name} measured nothing ({e}); exit status "
                                f"{self.process.returncode}, and it said:\n{self.said.read()[-2000:]}") from e
        # what the server's messages carried; others on this machine that send meanwhile make it look smaller
        messages_s = self.messages_s() - figures["load_messages_s"]
        figures["run"] = max(1.0, figures["packets_s"] / messages_s) if messages_s > 0 else 1.0
        return figures


def datagrams_sent():
    for line in Path("/proc/net/snmp").read_text(encoding="utf-8").splitlines():
        if line.startswith("Udp:") and line.split()[4].isdigit():
            return int(line.split()[4])
    raise CannotMeasure("/proc/net/snmp has no UDP")


def read(j):
    """The load tester's JSON, by the names that are used here."""
    if not j["packets_forwarded"] or j["server_cpu_us_per_packet"] is None:
        raise ValueError(f"nothing was forwarded: {j['first_failure'] or j['phase']}")
    seconds, out = j["seconds"], ("packets_sent", "retransmissions_sent", "feedback_sent", "receiver_reports_sent",
                                  "nacks_sent", "plis_sent")
    return {
        "cpu_us": j["server_cpu_us_per_packet"],
        "user_us": j["server_user_us_per_packet"],
        "system_us": j["server_system_us_per_packet"],
        "core": j["server_cpu_percent"] / 100,
        "delivery": j["delivery_ratio"],
        "packets_s": j["forwarded_packets_per_s"],
        "mbit_s": j["forwarded_mbit_per_s"],
        "size": j["forwarded_mbit_per_s"] * 1e6 / 8 / j["forwarded_packets_per_s"] - SRTP_TAG,
        "p50_us": j["latency_us"]["p50"],
        "p99_us": j["latency_us"]["p99"],
        "max_us": j["latency_us"]["max"],
        "join_p50_ms": (j["join_us"]["p50"] or 0) / 1000,
        "join_p99_ms": (j["join_us"]["p99"] or 0) / 1000,
        "rss_kib": j["server_rss_mib"] * 1024,
        "failures": j["failure_count"],
        "first_failure": j["first_failure"],
        "srtp": j["srtp"],
        "load_drops": j["load_send_drops"] + j["load_socket_drops"],
        "load_core": j["load_cpu_percent"] / 100,
        "receiving": f"{j['connections_receiving']} of {j['connections']}",
        "complete": j["connections_receiving"] == j["connections"],
        "load_messages_s": sum(j[name] for name in out) / seconds,
    }


def run(system, arguments, seconds):
    """Starts the system for itself, runs the load, ends it."""
    with START[system]() as server:
        resident = server.resident_kib()
        figures = Load(server, arguments, seconds).figures()
        figures["idle_kib"] = resident
        figures["threads"] = server.thread_seconds()
        return figures


def floor_of(receivers, size, srtp, length, seconds):
    """Nanoseconds of CPU for a packet with nothing but encryption and sending, in runs of `length`."""
    out = subprocess.run([str(FLOOR), "--subscribers", str(receivers), "--size", str(int(size)), "--srtp", srtp,
                          "--run", str(length), "--seconds", str(seconds), "--json", "-"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if out.returncode != 0:
        raise CannotMeasure(out.stderr.decode().strip())
    return json.loads(out.stdout)["runs"][0]["ns"]


def floor(receivers, size, srtp, length, seconds=0.5, times=3):
    """The same, the median of several, for a mean length that need not be whole: what a message costs is shared by its
    packets, so that between two lengths the cost goes with one over the length."""
    short = max(1, int(length))
    ns = [statistics.median(floor_of(receivers, size, srtp, n, seconds) for _ in range(times))
          for n in ((short, short + 1) if length > short else (short,))]
    if len(ns) == 1:
        return ns[0]
    share = (1 / short - 1 / length) / (1 / short - 1 / (short + 1))
    return ns[0] + (ns[1] - ns[0]) * share


def median(all_figures, name):
    return statistics.median(f[name] for f in all_figures)


def pause():
    """Between two servers: sockets and processes of the last one go."""
    time.sleep(0.5)
