"""The bench programs, one function each: what is run, on which core, and how long it may take."""

import os
import subprocess

from .process import RunFailed, Server, run_json

FILL_PIECE = 1_000_000  # events; after so many a fill says how far it is
SPARE_S = 60  # for making requests before, and the tail after, what is measured


def _program(settings, name):
    return os.path.join(settings.programs, name)


def probe(settings, *flags):
    file = os.path.join(settings.dir, "probe.dat")
    mib = "256" if settings.quick else "1024"
    command = [_program(settings, "bench_probe"), "--file", file, "--file-mib", mib, *flags]
    return Server(settings.server_core, command)


def canned(settings):
    """The probe without work: what the load generator and loopback can do."""
    return probe(settings, "--no-sync", "--no-parse")


def sink(settings, status=204, listen="127.0.0.1:0"):
    """A webhook that answers everything with `status`; 0: never."""
    command = [_program(settings, "bench_sink"), "--status", str(status), "--listen", listen]
    return Server(settings.load_core, command)


def shown(core, command):
    """A command as a reader of the results would type it in the repository."""
    return " ".join(["taskset", "-c", str(core), "build/bench/" + os.path.basename(command[0]), *command[1:]])


def load_command(settings, url, connections, batch=0, rate=0, duration=None, warmup=None, requests=0):
    command = [_program(settings, "bench_load"), "--target", url, "--connections", str(connections)]
    if batch:
        command += ["--batch", str(batch)]
    if requests:
        return command + ["--requests", str(requests)]
    if rate:
        command += ["--rate", f"{rate:.1f}"]
    return command + ["--duration", str(duration), "--warmup", str(warmup)]


def load(settings, url, connections, **options):
    timeout_s = options.get("duration") or 1800
    command = load_command(settings, url, connections, **options)
    return run_json(settings.load_core, command, timeout_s + options.get("warmup", 0) + SPARE_S)


def batches(settings, quick, full):
    """How many batches of 100 a row sends: fewer when --fill-events asks for little."""
    return min(quick if settings.quick else full, max(1, settings.fill_events // 100))


def fill(settings, url, events):
    """Batches of 100 from 16 connections until `events` more were sent, saying how far it is; gives how many were
    accepted."""
    accepted, sent = 0, 0
    while sent < events:
        piece = min(events - sent, FILL_PIECE)
        got = load(settings, url, 16, batch=100, requests=max(piece // 100, 1))
        sent += piece
        accepted += got["accepted_events_in_all"]
        settings.say(f"  {sent:,} of {events:,} events sent, {got['events_per_s']:,.0f}/s")
        if refused := refusals([got]):
            settings.say("  while filling, answers that did not count: " + refused)
    return accepted


def refusals(runs):
    """Everything but `200 {"success":true}`, summed; empty when there was nothing else."""
    sums = {}
    for run in runs:
        for status, number in run["other_statuses"].items():
            sums[f"status {status}"] = sums.get(f"status {status}", 0) + number
        for kind in ("wrong_bodies", "broken_answers", "disconnects"):
            sums[kind.replace("_", " ")] = sums.get(kind.replace("_", " "), 0) + run[kind]
    return ", ".join(f"{kind} × {number}" for kind, number in sums.items() if number)


def start_load(settings, url, connections, **options):
    """The same in the background, for rows that watch something meanwhile."""
    command = ["taskset", "-c", str(settings.load_core),
               *load_command(settings, url, connections, **options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sync_loop(settings):
    command = [_program(settings, "bench_sync_loop"), "--duration", "2" if settings.quick else "5",
               "--file", os.path.join(settings.dir, "sync_loop.dat")]
    return run_json(settings.server_core, command, SPARE_S)


def curl_loop(settings, url, window):
    requests = "50000" if settings.quick else "500000"
    command = [_program(settings, "bench_curl_loop"), "--url", url, "--requests", requests,
               "--window", str(window)]
    return run_json(settings.server_core, command, 10 * SPARE_S)


class EndToEnd(Server):
    """bench_e2e: listens as a webhook, waits for `go`, then sends and measures."""

    def __init__(self, settings, target, rate, duration, warmup):
        command = [_program(settings, "bench_e2e"), "--target", target, "--rate", str(rate),
                   "--duration", str(duration), "--warmup", str(warmup)]
        super().__init__(settings.load_core, command, stdin=subprocess.PIPE)
        self._timeout_s = duration + warmup + SPARE_S

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.close()
        try:
            self.process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            raise RunFailed("bench_e2e did not end") from None
        if self.process.returncode != 0:
            raise RunFailed(f"bench_e2e failed: {self._tail.decode(errors='replace')[-500:]}")
        return self.process.stdout.read().decode()

    def stop(self, timeout_s=30):
        if self.process.poll() is None:
            self.kill()
