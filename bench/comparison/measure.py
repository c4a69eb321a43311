"""One run of the load tester or the floor, as figures: plain numbers by name."""

import json
import os
import statistics
import subprocess
import tempfile
import time

from .systems import FLOOR, LOAD, START, CannotMeasure

LOAD_CPU = "1"
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
        self.process = subprocess.Popen(load_command(server, arguments, seconds, self.out.name),
                                        stdin=subprocess.DEVNULL, stdout=self.said, stderr=subprocess.STDOUT)

    def figures(self):
        """Waits for its end."""
        try:
            self.process.wait(self.seconds + GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        try:
            with open(self.out.name, encoding="utf-8") as f:
                text = f.read()
            os.unlink(self.out.name)
            return read(json.loads(text))
        except (OSError, ValueError) as e:
            self.said.seek(0)
            raise CannotMeasure(f"the load on {self.server.name} measured nothing ({e}); exit status "
                                f"{self.process.returncode}, and it said:\n{self.said.read()[-2000:]}") from e


def read(j):
    """The load tester's JSON, by the names that are used here."""
    raise NotImplementedError


def run(system, arguments, seconds):
    """Starts the system for itself, runs the load, ends it."""
    with START[system]() as server:
        before = server.thread_seconds()
        resident = server.resident_kib()
        figures = Load(server, arguments, seconds).figures()
        figures["idle_kib"] = resident
        figures["threads"] = [t for t in server.thread_seconds()]
        figures["threads_before"] = sum(before)
        return figures


def floor(receivers, size, srtp, length, seconds=1.0):
    """Nanoseconds of CPU for a packet with nothing but encryption and sending, in runs of `length`."""
    out = subprocess.run([str(FLOOR), "--subscribers", str(receivers), "--size", str(int(size)), "--srtp", srtp,
                          "--run", str(max(1, round(length))), "--seconds", str(seconds), "--json", "-"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if out.returncode != 0:
        raise CannotMeasure(out.stderr.decode().strip())
    return json.loads(out.stdout)["runs"][0]["ns"]


def median(all_figures, name):
    return statistics.median(f[name] for f in all_figures)


def pause():
    """Between two servers: sockets and processes of the last one go."""
    time.sleep(0.5)
