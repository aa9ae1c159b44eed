"""Rows of what the server needs: time to start, memory, bytes on disk."""

import os
import pathlib
import time

from tests.support import preload

from . import programs
from .process import RunFailed, bytes_below
from .programs import refusals
from .result import count, median
from .tributary import DataDir, Tributary, remove

FLOOD_CONNECTIONS = 256
FLOOD_TIMES = 10
OPEN_CONNECTIONS = 2048  # far more than wait for the disk, so that the loop stays open
SLOW_SYNC_S = 0.5


def ms(seconds):
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def start_empty(settings, result):
    took, on_cpu = [], []
    for _ in range(settings.runs):
        with DataDir(settings, "start") as data_dir, Tributary(settings, data_dir) as server:
            on_cpu.append(server.on_cpu_s())
            took.append(server.started_s)
    result.figure = ms(median(took))
    result.met = median(took) <= 0.05
    result.bounded_by = what_start_waits_for(on_cpu)
    result.command = "tributary serve --listen 127.0.0.1:0 --data-dir EMPTY"
    result.raw = {"seconds": took}


def what_start_waits_for(on_cpu):
    return f"{ms(median(on_cpu))} of it processor time"


def memory_idle(settings, result):
    got = []
    for _ in range(settings.runs):
        with DataDir(settings, "idle") as data_dir, Tributary(settings, data_dir) as server:
            server.add_null()
            time.sleep(2 if settings.quick else 10)
            got.append(server.memory_mib())
    resident = median([m["VmRSS"] for m in got])
    result.figure = f"{resident:.1f} MiB"
    result.met = resident <= 25
    result.bounded_by = what_memory_holds(got[-1])
    result.command = "VmRSS of an empty server with one `null` destination"
    result.raw = {"mib": got}


def what_memory_holds(memory):
    return "{RssAnon:.1f} MiB anonymous, {RssFile:.1f} MiB pages of program and libraries".format(**memory)


def memory_flooded(settings, result):
    """Twice: as many batches as the server can take, and at least ten times as many as it can. No
    generator beside it on this machine offers ten times what it takes on a quick disk, so that its
    disk is slowed then; the figure is the worse of both."""
    seconds = settings.seconds or (10 if settings.quick else 60)
    quick = flooded_at_capacity(settings, seconds, result)
    slow, times = flooded_beyond(settings, seconds, result)
    peak = max(quick["VmHWM"], slow["VmHWM"])
    worse = quick if quick["VmHWM"] == peak else slow
    result.figure = f"{peak:.1f} MiB"
    result.met = peak <= 256 if times >= FLOOD_TIMES or peak > 256 else None
    result.bounded_by = what_memory_holds(worse) + " at the end of the flood"
    result.raw.update(at_capacity_mib=quick, beyond_mib=slow, times_capacity=times)


def flooded_at_capacity(settings, seconds, result):
    with DataDir(settings, "flood") as data_dir, Tributary(settings, data_dir) as server:
        server.add_null()
        got = programs.load(settings, server.url, FLOOD_CONNECTIONS, batch=100, duration=seconds,
                            warmup=settings.warmup)
        server.check_alive()
        flooded = server.memory_mib()
        lag, drain_s = server.drain()
        after = server.memory_mib()["VmRSS"]
    result.command = f"bench_load --connections {FLOOD_CONNECTIONS} --batch 100 --duration {seconds}; VmHWM"
    result.notes.append(f"at capacity: {flooded['VmHWM']:.1f} MiB with {count(got['events_per_s'])} events/s accepted; "
                        f"{after:.1f} MiB after; lag at the end {count(lag)}, drained in {drain_s:.1f} s")
    if refused := refusals([got]):
        result.notes.append("answers that did not count: " + refused)
    result.raw["at_capacity"] = got
    return flooded


def flooded_beyond(settings, seconds, result):
    """(memory, how many times what it takes was offered), from an open loop."""
    slow_sync = preload.sync_fault(pathlib.Path(settings.dir), f"usleep({int(SLOW_SYNC_S * 1e6)});")
    flag = os.path.join(settings.dir, "slow_sync.flag")
    with DataDir(settings, "flood") as data_dir, \
            Tributary(settings, data_dir, environment=(f"LD_PRELOAD={slow_sync}", f"FAULT_FLAG={flag}")) as server:
        server.add_null()
        try:
            pathlib.Path(flag).touch()
            load = lambda connections, **more: programs.load(settings, server.url, connections, batch=100,
                                                             warmup=settings.warmup, **more)
            capacity = load(FLOOD_CONNECTIONS, duration=10)["events_per_s"]
            rate = 1.2 * FLOOD_TIMES * capacity / 100
            got = load(OPEN_CONNECTIONS, rate=rate, duration=seconds)
        finally:
            os.remove(flag)
        server.check_alive()
        flooded = server.memory_mib()
    answered = got["accepted_requests"] + sum(got["other_statuses"].values())
    offered = 100 * answered / got["seconds"]
    times = offered / capacity if capacity else 0
    result.notes.append(
        f"beyond it: {flooded['VmHWM']:.1f} MiB with {count(offered)} events/s offered over {OPEN_CONNECTIONS} "
        f"connections in an open loop, {times:.1f} times the {count(capacity)} that it takes when each sync of the "
        f"log takes {SLOW_SYNC_S} s longer; {refusals([got])}")
    result.command += f"; the same with --connections {OPEN_CONNECTIONS} --rate {rate:.0f} and a slowed fdatasync"
    result.raw["beyond"] = got
    return flooded, times


class Filled:
    """A data directory with many events, shared by the rows that need one: filled once, on demand."""

    def __init__(self, settings):
        self._settings = settings
        self.path = os.path.join(settings.dir, "filled")
        self.events = 0
        self.sizes = {}

    def fill(self):
        if self.events:
            return
        settings = self._settings
        remove(self.path)
        settings.say(f"filling a directory with {settings.fill_events:,} events")
        with Tributary(settings, self.path) as server:
            server.add_null()
            accepted = programs.fill(settings, server.url, settings.fill_events)
            server.drain()
            server.rest()
            self.sizes = {name: bytes_below(os.path.join(self.path, name))
                          for name in sorted(os.listdir(self.path))}
        if accepted == 0:
            raise RunFailed("nothing was accepted while filling")
        self.events = accepted

    def remove(self):
        remove(self.path)


def start_filled(settings, filled, result):
    filled.fill()
    clean, killed, on_cpu = [], [], []
    for _ in range(settings.runs):
        with Tributary(settings, filled.path) as server:
            on_cpu.append(server.on_cpu_s())
            clean.append(server.started_s)
    for _ in range(settings.runs):
        server = Tributary(settings, filled.path)
        killed.append(server.started_s)
        server.kill()
    worst = max(median(clean), median(killed))
    result.figure = f"{ms(worst)} with {count(filled.events)} events"
    result.met = worst <= 1 if filled.events >= 10_000_000 or worst > 1 else None
    result.bounded_by = what_start_waits_for(on_cpu)
    result.command = "tributary serve on the filled directory"
    result.notes.append(f"after a clean stop {ms(median(clean))}, after SIGKILL {ms(median(killed))}; "
                        "files in page cache")
    result.raw = {"clean_s": clean, "killed_s": killed}


def disk(settings, filled, result):
    filled.fill()
    each = {name: (a / filled.events, d / filled.events) for name, (a, d) in filled.sizes.items()}
    log, dedupe = each.get("log"), each.get("dedupe")
    if log is None or dedupe is None:
        raise RunFailed(f"no `log` and `dedupe` below the data directory: {sorted(each)}")
    result.figure = f"log {log[1]:.0f}, dedupe and index {dedupe[1]:.0f}"
    result.met = log[1] <= 300 and dedupe[1] <= 48
    result.bounded_by = "what compresses: an event is 843 bytes as sent, with two random UUIDs"
    result.command = "allocated bytes (du) below DATA/log and DATA/dedupe"
    result.notes.append(f"of {count(filled.events)} events")
    result.notes.append("apparent sizes: log {:.0f}, dedupe {:.0f} bytes; includes the active segment and the "
                        "one made ready, which weigh more the fewer the events".format(log[0], dedupe[0]))
    result.raw = {"events": filled.events, "bytes": filled.sizes}
