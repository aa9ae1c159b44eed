"""The row of events that wait for a dead destination, beside the same load on a server whose destination is well.

What fills up with events whether or not they wait (the window of dedupe, up to its bound `dedupe.max_ids`) is no cost
of waiting. So what counts is how much more the server with the dead destination holds than the other one, and that
this does not change with how many events wait; that it holds more at all (connections, attempts, what its lane read
last) is shown. For the second half dedupe's filters, which the server states, are taken off its own curve, and what
is left has to be flat by itself. Both are measured at rest, once recompression is done."""

import socket
import time

from . import programs
from .process import Cpu, RunFailed
from .result import count, median, micros
from .tributary import DataDir, Tributary

OFFERED = 2_000  # events/s while latency is taken, and while the backlog is caught up
WINDOW = 64
MARKS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
FILTERS = "tributary_dedupe_filter_bytes"


def dead(settings, filled, result):
    """Events that wait for a destination that is away: memory, acknowledgement, then catching up."""
    seconds = settings.seconds or (5 if settings.quick else 60)
    with DataDir(settings, "dead") as away_dir, DataDir(settings, "well") as well_dir, \
            Tributary(settings, away_dir, allow_loopback=True) as away, Tributary(settings, well_dir) as well:
        address = f"127.0.0.1:{quiet_port()}"
        away.add_destination(name="away", type="webhook", url=f"http://{address}/away", concurrency=WINDOW)
        well.add_null()
        curve = curves(settings, {"away": away, "well": well})
        waiting = away.stats("away")["lag"]
        calm, hurt = latencies(settings, well, away, seconds)
        caught = catch_up(settings, away, address, seconds)
    judge(result, curve, waiting, (calm, hurt), caught)
    result.command = f"bench_load --batch 100 up to each mark; bench_load --rate {OFFERED} --duration {seconds}"


def judge(result, curve, waiting, ack, caught):
    more = [point["away"]["rss"] - point["well"]["rss"] for point in curve]
    grown = max((extra - more[0]) / point["away"]["rss"] for extra, point in zip(more, curve))
    flat = spread([point["away"]["rss"] - point["away"]["filters"] for point in curve if point["share"] >= 0.5])
    calm, hurt = (median([run["latency"]["p99_us"] for run in runs]) for runs in ack)
    slower = median([h["latency"]["p99_us"] / c["latency"]["p99_us"] for c, h in zip(*ack)])
    result.figure = (f"memory + {grown:.1%} by waiting, ± {flat:.1%} in the second half; acknowledgement p99 "
                     f"× {slower:.2f}; catch-up × {caught / OFFERED:.1f}")
    result.bound = f"healthy: {curve[-1]['well']['rss']:.1f} MiB, p99 {micros(calm)}"
    result.met = grown <= 0.05 and flat <= 0.05 and slower <= 1.2 and caught >= 3 * OFFERED
    if curve[-1]["events"] < 10_000_000 and result.met:
        result.met = None
    result.bounded_by = f"{count(caught)} deliveries/s while {count(OFFERED)} events/s come in"
    result.notes.append(f"{count(waiting)} events that its lane has not come to, besides those it tries; "
                        f"acknowledgement p99 {micros(hurt)}, beside {micros(calm)} of the healthy one, alternating")
    result.notes += [line(point) for point in curve]
    result.raw = {"curve": curve, "calm": ack[0], "hurt": ack[1], "caught": caught}


def spread(values):
    """How far the values are from the middle of the lowest and the highest, as a share of it."""
    middle = (min(values) + max(values)) / 2
    return (max(values) - middle) / middle


def line(point):
    away, well = point["away"], point["well"]
    return (f"{count(point['events'])} events: dead {away['rss']:.1f} MiB ({away['anonymous']:.1f} anonymous, of it "
            f"dedupe's filters {away['filters']:.1f}), healthy {well['rss']:.1f} MiB ({well['anonymous']:.1f}, "
            f"{well['filters']:.1f}); {away['rss'] - well['rss']:+.1f} MiB")


def quiet_port():
    """A free port that no connection gets by itself, so that nobody answers there until we do."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="utf-8") as file:
        lowest_given = int(file.read().split()[0])
    for port in range(lowest_given - 1, 1024, -1):
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RunFailed("no free port below those that the system gives to connections")


# ---- Memory ------------------------------------------------------------------------------------------

def curves(settings, servers):
    """What each server holds at the marks."""
    curve, events = [], 0
    for server in servers.values():
        server.rest()  # what start-up needed is given back at the first rest, on both before the first event
    for share in MARKS:
        wanted = max(100, int(settings.fill_events * share) // 100 * 100)
        more, events = wanted - events, wanted
        point = {"share": share, "events": wanted}
        for name, server in servers.items():
            programs.fill(settings, server.url, more)
            server.rest()
            point[name] = memory(server)
        curve.append(point)
        settings.say("dead: " + line(point))
    return curve


def memory(server):
    now = server.memory_mib()
    return {"rss": now["VmRSS"], "anonymous": now["RssAnon"], "peak": now["VmHWM"],
            "filters": server.metric(FILTERS) / 2**20}


# ---- Acknowledgement ---------------------------------------------------------------------------------

def latencies(settings, well, away, seconds):
    """One run of the offered rate on each in turn, as often as rows are run."""
    got = ([], [])
    for run in range(settings.runs):
        for server, runs in ((well, got[0]), (away, got[1])):
            runs.append(programs.load(settings, server.url, 16, rate=OFFERED, duration=seconds / settings.runs,
                                      warmup=settings.warmup))
        settings.say(f"dead: acknowledgement {run + 1}/{settings.runs}: p99 with a healthy destination "
                     f"{micros(got[0][-1]['latency']['p99_us'])}, with a dead one "
                     f"{micros(got[1][-1]['latency']['p99_us'])}")
    return got


# ---- Catching up -------------------------------------------------------------------------------------

def catch_up(settings, server, address, seconds):
    """Deliveries per second once the destination is back, while events still come in."""
    with programs.sink(settings, listen=address):
        deadline = time.monotonic() + 60  # the breaker looks again after 30 s at most
        while server.stats("away")["delivered"] == 0:
            if time.monotonic() > deadline:
                raise RunFailed("the destination is back and nothing was delivered within a minute")
            time.sleep(0.05)
        running = programs.start_load(settings, server.url, 16, rate=OFFERED, duration=seconds, warmup=0)
        with Cpu(server) as cpu:
            before, began = server.stats("away")["delivered"], time.monotonic()
            while time.monotonic() - began < seconds and server.stats("away")["lag"] > OFFERED:
                time.sleep(0.1)
            done, took = server.stats("away")["delivered"] - before, time.monotonic() - began
        running.communicate(timeout=seconds + programs.SPARE_S)
    settings.say(f"dead: caught up {count(done)} events in {took:.0f} s, server {cpu.share:.0%} of its core")
    return done / took
