"""The servers that are compared: how each is started, and what the operating system says about its process."""

import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("B", TOP / "build")).resolve()
FANLIGHT = Path(os.environ.get("FANLIGHT", BUILD / "fanlight"))
LOAD = BUILD / "fanlight-load"
OWNERS = BUILD / "bench" / "owners.so"
FLOOR = BUILD / "fanlight-floor"
JANUS_SRTP = TOP / "build" / "janus-srtp"

PORT_FIRST = int(os.environ.get("BENCH_PORT", "23000"))
START_S = 15
STOP_S = 10
TICKS = os.sysconf("SC_CLK_TCK")


class CannotMeasure(Exception):
    """A sentence for people: what is missing, or what went wrong."""


def raise_files():
    """Thousands of sockets a process: this one and those it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    """The first of a block of ports that nobody uses."""
    for port in range(PORT_FIRST, PORT_FIRST + 100, 10):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise CannotMeasure(f"no port from {PORT_FIRST} to {PORT_FIRST + 100} is free")


class Server:
    """A running server. target, url and keys are what fanlight-load is told."""

    keys = []

    def __init__(self, name, command, target, url, ready):
        self.name, self.target, self.url = name, target, url
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        self.pid = None
        end = time.monotonic() + START_S
        while not self._answers(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise CannotMeasure(f"{name} did not start:\n{self.last_words()}")
            time.sleep(0.05)
        self.pid = self._find_pid()

    @staticmethod
    def _answers(url):
        try:
            with urllib.request.urlopen(url, timeout=1) as r:
                return r.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def _find_pid(self):
        return self.process.pid

    def last_words(self):
        self.log.seek(0)
        return self.log.read()[-2000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def thread_seconds(self):
        """CPU seconds of each thread so far, the busiest first."""
        times = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            times.append((int(fields[11]) + int(fields[12])) / TICKS)
        return sorted(times, reverse=True)

    def resident_kib(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise CannotMeasure(f"{self.name} is gone:\n{self.last_words()}")


class Fanlight(Server):
    keys = ["--api-key", "devkey", "--api-secret", "secret"]

    """owners: a file that is told whose memory is in use."""

    def __init__(self, cpus="0", workers=1, owners=None):
        if not FANLIGHT.exists():
            raise CannotMeasure(f"{FANLIGHT} is not there; make builds it")
        port = free_port()
        command = ["taskset", "-c", cpus, str(FANLIGHT), "--dev", "--port", str(port), "--log-level", "warn",
                   "--set", f"rtc.workers={workers}", "--set", "http.connections_per_address_max=16384"]
        if os.environ.get("BENCH_SET"):
            command += ["--set", os.environ["BENCH_SET"]]
        if owners:
            command = ["env", f"OWNERS_FILE={owners}", f"LD_PRELOAD={OWNERS}", *command]
        super().__init__("fanlight", command, "livekit", f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/health")


class Janus(Server):
    """loops: its event loops; 0 is a thread a session. srtp: the library of `make deps-bench`, otherwise Debian's."""

    def __init__(self, name="janus", cpu="0", loops=1, srtp=True):
        port = free_port()
        command = [str(TOP / "bench/janus/start"), "--port", str(port), "--cpu", cpu, "--loops", str(loops),
                   "--rtp-ports", f"{PORT_FIRST + 100}-{PORT_FIRST + 999}"]
        if srtp:
            if not (JANUS_SRTP / "libsrtp2.so.1").exists():
                raise CannotMeasure("Janus's SRTP library is not built; make deps-bench does that")
            command += ["--srtp", str(JANUS_SRTP)]
        super().__init__(name, command, "janus", f"http://127.0.0.1:{port + 1}", f"http://127.0.0.1:{port}/janus/info")

    def _find_pid(self):
        for line in self.last_words().splitlines():
            if line.startswith("janus is process "):
                return int(line.rsplit(" ", 1)[1])
        raise CannotMeasure(f"{self.name} does not say which process it is:\n{self.last_words()}")


START = {
    "fanlight": Fanlight,
    "fanlight-both-cores": lambda: Fanlight(cpus="0,1", workers=1),
    "fanlight-2-workers": lambda: Fanlight(cpus="0,1", workers=2),
    "janus": lambda: Janus("janus"),
    "janus-debian": lambda: Janus("janus-debian", srtp=False),
    "janus-default": lambda: Janus("janus-default", srtp=False, loops=0),
}
TITLES = {
    "fanlight": "Fanlight",
    "fanlight-both-cores": "Fanlight, 1 worker",
    "fanlight-2-workers": "Fanlight, 2 workers",
    "janus": "Janus in its fastest configuration",
    "janus-debian": "Janus with Debian's libsrtp2",
    "janus-default": "Janus as configured by Debian",
}
