"""Rows of one event at a time: acknowledgement, and end to end to a webhook."""

import json
import time

from . import programs
from .process import Cpu, RunFailed
from .programs import refusals
from .result import count, median, micros
from .tributary import DataDir, Tributary

E2E_RATE = 1000


def seconds_of(settings):
    return settings.seconds or (5 if settings.quick else 60)


def disk_and_loopback(settings):
    """(p50 of write + fdatasync, p50 of a request that is answered at once), µs."""
    sync = programs.sync_loop(settings)
    with programs.canned(settings) as server:
        trip = programs.load(settings, server.url, 1, duration=2 if settings.quick else 5, warmup=0.5)
    return sync, trip["latency"]


def acknowledgement(settings, result):
    bounds, ours, raw = [], [], []
    for run in range(settings.runs):
        sync, trip = disk_and_loopback(settings)
        with DataDir(settings, "ack") as data_dir, Tributary(settings, data_dir) as server:
            server.add_null()
            got = programs.load(settings, server.url, 1, duration=seconds_of(settings),
                                warmup=settings.warmup)
        if got["accepted_requests"] == 0:
            raise RunFailed(f"nothing was accepted: {got}")
        bounds.append(sync["p50_us"] + trip["p50_us"])
        ours.append(got["latency"]["p50_us"])
        raw.append({"sync": sync, "round_trip": trip, "ours": got})
        settings.say(f"ack {run + 1}/{settings.runs}: fdatasync {sync['p50_us']:.0f} + round trip "
                     f"{trip['p50_us']:.0f} µs, tributary {ours[-1]:.0f} µs")
    result.figure = f"p50 {micros(median(ours))}, p99 {micros(median([r['ours']['latency']['p99_us'] for r in raw]))}"
    result.bound = "fdatasync {} + round trip {}".format(
        micros(median([r["sync"]["p50_us"] for r in raw])),
        micros(median([r["round_trip"]["p50_us"] for r in raw])))
    result.ratio = median([o / b for o, b in zip(ours, bounds)])
    result.met = result.ratio <= 1.5
    result.bounded_by = what_is_left(median(ours), median(bounds))
    result.command = f"bench_load --connections 1 --duration {seconds_of(settings)}"
    if refused := refusals([r["ours"] for r in raw]):
        result.notes.append("answers that did not count: " + refused)
    result.raw = {"runs": raw}


def what_is_left(p50, bound):
    return f"{micros(bound)} of it is disk and loopback; {micros(max(p50 - bound, 0))} is work and hand-overs"


def measure_e2e(settings):
    with DataDir(settings, "e2e") as data_dir, \
            Tributary(settings, data_dir, allow_loopback=True) as server, \
            programs.EndToEnd(settings, server.url, E2E_RATE, seconds_of(settings), settings.warmup) as ends:
        server.add_destination(name="hook", type="webhook", url=ends.url + "/hook")
        with Cpu(server) as cpu:
            got = json.loads(ends.go())
        got["server_cpu"] = cpu.share
    if got["end_to_end"]["count"] == 0:
        raise RunFailed(f"nothing arrived: {got}")
    return got


def end_to_end(settings, result):
    raw = []
    for run in range(settings.runs):
        sync, trip = disk_and_loopback(settings)
        raw.append({"sync": sync, "round_trip": trip, "ours": measure_e2e(settings)})
        ours = raw[-1]["ours"]
        settings.say(f"e2e {run + 1}/{settings.runs}: p50 {ours['end_to_end']['p50_us']:.0f} µs, p99 "
                     f"{ours['end_to_end']['p99_us']:.0f} µs, missing {ours['missing']}")
    bounds = [r["sync"]["p50_us"] + 2 * r["round_trip"]["p50_us"] for r in raw]
    p50 = [r["ours"]["end_to_end"]["p50_us"] for r in raw]
    p99 = median([r["ours"]["end_to_end"]["p99_us"] for r in raw])
    result.figure = f"p50 {micros(median(p50))}, p99 {micros(p99)}"
    result.bound = f"fdatasync + 2 round trips {micros(median(bounds))}"
    result.ratio = median([o / b for o, b in zip(p50, bounds)])
    missing = sum(r["ours"]["missing"] for r in raw)
    repeated = sum(r["ours"]["repeated"] for r in raw)
    result.met = result.ratio <= 2 and p99 <= 10_000 and missing == 0
    result.bounded_by = what_is_left(median(p50), median(bounds))
    result.notes.append("server {:.0%} of its core".format(median([r["ours"]["server_cpu"] for r in raw])))
    result.command = f"bench_e2e --rate {E2E_RATE} --duration {seconds_of(settings)}"
    result.notes.append(f"missing {missing}, delivered twice {repeated}")
    if refused := refusals([r["ours"] for r in raw]):
        result.notes.append("answers that did not count: " + refused)
    result.raw = {"runs": raw}


def delivery(settings, result):
    """How fast one lane empties a backlog to a webhook, beside a bare libcurl loop. No goal is set."""
    window = 64
    bounds, ours, cpu = [], [], []
    for run in range(settings.runs):
        with programs.sink(settings) as receiver:
            bounds.append(programs.curl_loop(settings, receiver.url, window)["requests_per_s"])
        rate, share = drain_rate(settings, window)
        ours.append(rate)
        cpu.append(share)
        settings.say(f"delivery {run + 1}/{settings.runs}: libcurl {count(bounds[-1])}/s, "
                     f"tributary {count(ours[-1])}/s")
    result.figure = f"{count(median(ours))} deliveries/s"
    result.bound = f"bare libcurl loop {count(median(bounds))} requests/s"
    result.ratio = median([o / b for o, b in zip(ours, bounds)])
    result.bounded_by = f"server {median(cpu):.0%} of its core"
    result.command = f"bench_curl_loop --window {window}"
    result.raw = {"bounds": bounds, "ours": ours}


def drain_rate(settings, window):
    with DataDir(settings, "delivery") as data_dir, programs.sink(settings) as receiver, \
            Tributary(settings, data_dir, allow_loopback=True) as server:
        server.add_destination(name="hook", type="webhook", url=receiver.url + "/hook", concurrency=window)
        programs.load(settings, server.url, 16, batch=100, requests=programs.batches(settings, 1000, 5000))
        before, began = server.stats("hook"), time.monotonic()
        if before["lag"] == 0:
            raise RunFailed("the backlog was gone before it could be measured")
        with Cpu(server) as cpu:
            server.drain("hook")
        after, took = server.stats("hook"), time.monotonic() - began
    return (after["delivered"] - before["delivered"]) / took, cpu.share
