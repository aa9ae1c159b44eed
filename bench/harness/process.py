"""Starting, pinning, measuring and stopping the programs of a run. Linux only."""

import json
import os
import re
import select
import signal
import subprocess
import threading
import time

LISTENING = re.compile(rb"listening on (http://[0-9.]+:[0-9]+)")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class RunFailed(Exception):
    """A program did not do what the row needs; the row is reported as failed, with this sentence."""


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


def run_json(core, command, timeout_s):
    """Runs a bench program to its end and gives what it printed."""
    try:
        done = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise RunFailed(f"{os.path.basename(command[0])} was not done within {timeout_s:.0f} s") from None
    if done.returncode != 0:
        raise RunFailed(f"{os.path.basename(command[0])} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


class Server:
    """A program that says `listening on http://HOST:PORT` on standard error, pinned to one core.

    `started_s` is the time from exec to that line. Leaving the `with` block stops it.
    """

    def __init__(self, core, command, start_timeout_s=120, stdin=subprocess.DEVNULL):
        self.name = os.path.basename(command[0])
        began = time.monotonic()
        self.process = subprocess.Popen(pinned(core, command), stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)
        self._tail = b""
        try:
            self.url = self._wait_for_line(began + start_timeout_s)
        except RunFailed:
            self.kill()
            self._close_pipes()
            raise
        self.started_s = time.monotonic() - began
        self._drain = threading.Thread(target=self._read_rest, daemon=True)
        self._drain.start()

    def _wait_for_line(self, deadline):
        pipe = self.process.stderr
        seen = b""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([pipe], [], [], deadline - time.monotonic())
            chunk = os.read(pipe.fileno(), 65536) if ready else b""
            if ready and not chunk:
                break
            seen += chunk
            found = LISTENING.search(seen)
            if found and b"\n" in seen[found.end():]:
                self._tail = seen
                return found.group(1).decode()
        raise RunFailed(f"{self.name} did not listen: {seen.decode(errors='replace').strip()[-800:]}")

    def _read_rest(self):
        # Nobody else reads the pipe, and a full one would stop the server in the middle of a run.
        while chunk := self.process.stderr.read(65536):
            self._tail = (self._tail + chunk)[-4000:]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()
        self._drain.join()
        self._close_pipes()

    def _close_pipes(self):
        self.process.stdout.close()
        self.process.stderr.close()

    @property
    def pid(self):
        return self.process.pid

    def check_alive(self):
        if self.process.poll() is not None:
            said = self._tail.decode(errors="replace").strip()[-800:]
            raise RunFailed(f"{self.name} ended by itself with {self.process.returncode}: {said}")

    def stop(self, timeout_s=30):
        """SIGTERM; gives what the program printed on standard output."""
        self.check_alive()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RunFailed(f"{self.name} did not stop within {timeout_s} s of SIGTERM") from None
        return self.process.stdout.read().decode()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def cpu_seconds(self):
        """Processor time of all its threads so far."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def on_cpu_s(self):
        """The same to the nanosecond, for what takes less than a tick."""
        tasks = f"/proc/{self.pid}/task"
        total_ns = 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="utf-8") as stat:
                total_ns += int(stat.read().split()[0])
        return total_ns / 1e9

    def memory_mib(self):
        """Resident now (`VmRSS`), of that anonymous and of files, and most ever resident (`VmHWM`)."""
        values = {}
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
            for line in status:
                name, _, value = line.partition(":")
                if name in ("VmRSS", "VmHWM", "RssAnon", "RssFile"):
                    values[name] = int(value.split()[0]) / 1024
        return values


class Cpu:
    """Share of one core that `server` used while the block ran, in `share`."""

    def __init__(self, server):
        self._server = server
        self.share = 0.0

    def __enter__(self):
        self._began = time.monotonic()
        self._before = self._server.cpu_seconds()
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._server.check_alive()
            used = self._server.cpu_seconds() - self._before
            self.share = used / (time.monotonic() - self._began)


def bytes_below(path):
    """(apparent, really allocated) bytes of the files below `path`."""
    apparent = allocated = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                status = os.lstat(os.path.join(folder, name))
            except FileNotFoundError:  # a segment that was replaced while we walked
                continue
            apparent += status.st_size
            allocated += status.st_blocks * 512
    return apparent, allocated
