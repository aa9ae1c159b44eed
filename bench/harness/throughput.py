"""Rows that flood the collection API: single events and batches, beside the probe."""

import json
import time

from . import programs
from .process import Cpu, RunFailed
from .programs import refusals
from .result import count, median, what_bounds
from .tributary import DataDir, Tributary

DESTINATION_LAG_SLACK_S = 0.5  # a flat lag may end this many seconds of events above where it began


class Shape:
    """What a throughput row sends, and the share of the probe that it is to reach."""

    def __init__(self, name, batch, connections, ratio_goal):
        self.name, self.batch = name, batch
        self.connections, self.ratio_goal = connections, ratio_goal
        self.events = max(batch, 1)


SINGLE = Shape("single", 0, 64, 0.6)
BATCH = Shape("batch", 100, 16, 0.5)


def seconds_of(settings, shape):
    if settings.seconds:
        return settings.seconds
    full = 10 if shape.batch else 60
    return min(full, 5) if settings.quick else full


def flood(settings, shape, server):
    """Closed loop; the generator's figures plus the server's share of its core."""
    with Cpu(server) as cpu:
        got = programs.load(settings, server.url, shape.connections, batch=shape.batch,
                            duration=seconds_of(settings, shape), warmup=settings.warmup)
    if got["accepted_requests"] == 0:
        raise RunFailed(f"{server.name} accepted nothing: {got}")
    got["server_cpu"] = cpu.share
    return got


def flood_tributary(settings, shape):
    with DataDir(settings, shape.name) as data_dir, Tributary(settings, data_dir) as server:
        server.add_null()
        got = flood(settings, shape, server)
        got["lag"], got["drain_s"] = server.drain()
        got["delivered"] = delivered_after_drain(server, got["accepted_events_in_all"])
    return got


def delivered_after_drain(server, wanted):
    """What the destination counts; it may be published a moment after the lag that it belongs to."""
    deadline = time.monotonic() + 2
    while (delivered := server.stats()["delivered"]) < wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return delivered


def throughput(settings, shape, result):
    bounds, ours = [], []
    for run in range(settings.runs):
        with programs.probe(settings) as server:
            bounds.append(flood(settings, shape, server))
        ours.append(flood_tributary(settings, shape))
        settings.say(f"{shape.name} {run + 1}/{settings.runs}: probe {count(bounds[-1]['events_per_s'])}, "
                     f"tributary {count(ours[-1]['events_per_s'])} events/s, lag {count(ours[-1]['lag'])}, "
                     f"drained in {ours[-1]['drain_s']:.1f} s")
    first = median([o["events_per_s"] for o in ours])
    result.figure = f"{count(first)} events/s"
    result.bound = f"probe {count(median([b['events_per_s'] for b in bounds]))} events/s"
    result.ratio = median([o["events_per_s"] / b["events_per_s"] for o, b in zip(ours, bounds)])
    result.met = result.ratio >= shape.ratio_goal
    result.bounded_by = what_bounds(median([o["server_cpu"] for o in ours]),
                                    median([o["load_cpu"] for o in ours]))
    result.command = programs.shown(settings.load_core, programs.load_command(
        settings, "HOST:PORT", shape.connections, batch=shape.batch,
        duration=seconds_of(settings, shape), warmup=settings.warmup))
    result.raw = {"bounds": bounds, "ours": ours}
    note_quality(result, ours)
    if settings.hold:
        hold(settings, shape, result, first)
    else:
        result.notes.append("highest rate held with flat lag: not measured (--no-hold)")


def note_quality(result, ours):
    latency = [o["latency"] for o in ours]
    result.notes.append("acknowledgement p50 {:.0f} µs, p99 {:.0f} µs, largest {:.0f} µs".format(
        median([x["p50_us"] for x in latency]), median([x["p99_us"] for x in latency]),
        max(x["max_us"] for x in latency)))
    result.notes.append("lag at the end {}, time to drain {:.2f} s (medians; worst {} and {:.2f} s)".format(
        count(median([o["lag"] for o in ours])), median([o["drain_s"] for o in ours]),
        count(max(o["lag"] for o in ours)), max(o["drain_s"] for o in ours)))
    refused = refusals(ours)
    if refused:
        result.notes.append("answers that did not count: " + refused)
    for o in ours:
        if o["delivered"] != o["accepted_events_in_all"]:
            result.notes.append(f"FAULT: {o['accepted_events_in_all']} events accepted, but "
                                f"{o['delivered']} delivered once the lag was 0")
            result.met = False


def hold(settings, shape, result, first):
    """The highest rate held with flat lag, halving between 0.5 and 1 of `first` (events/s)."""
    low, high, held = 0.5, 1.0, 0.0
    share = 0.5
    for _ in range(settings.hold_steps + 1):
        verdict = held_flat(settings, shape, share * first)
        settings.say(f"{shape.name} hold {share:.2f} × first: {verdict or 'flat'}")
        result.raw.setdefault("hold", []).append({"share": share, "verdict": verdict or "flat"})
        if verdict and share == 0.5:
            break
        low, high = (low, share) if verdict else (share, high)
        held = held if verdict else share
        share = (low + high) / 2
    figure = f"{count(held * first)} events/s ({held:.2f} of the first figure)" if held else "below half"
    result.notes.append(f"highest rate held for {settings.hold_s} s with flat lag: {figure}; goal ≥ 0.5: "
                        + ("met" if held >= 0.5 else "**missed**"))


def held_flat(settings, shape, events_per_s):
    """Empty when the rate was held, else why not."""
    with DataDir(settings, shape.name + "-hold") as data_dir, Tributary(settings, data_dir) as server:
        server.add_null()
        load = programs.start_load(settings, server.url, shape.connections, batch=shape.batch,
                                   rate=events_per_s / shape.events, duration=settings.hold_s, warmup=5)
        lags = []
        try:
            while load.poll() is None:
                server.check_alive()
                lags.append(server.stats()["lag"])
                time.sleep(settings.hold_s / 180)
        finally:
            load.kill()
        out, error = load.communicate()
    if load.returncode != 0:
        raise RunFailed(f"bench_load failed: {error[-300:]}")
    return judge_hold(out, lags, events_per_s)


def judge_hold(load_output, lags, events_per_s):
    got = json.loads(load_output)
    if got["events_per_s"] < 0.99 * events_per_s:
        return f"only {count(got['events_per_s'])} of {count(events_per_s)} events/s were acknowledged"
    if refused := refusals([got]):
        return "answers that did not count: " + refused
    sixth = max(len(lags) // 6, 1)
    begin, end = median(lags[sixth:2 * sixth] or lags), median(lags[-sixth:])
    if end > begin + DESTINATION_LAG_SLACK_S * events_per_s:
        return f"the lag grew from {count(begin)} to {count(end)}"
    return ""


def control(settings, result):
    """Shows that the generator is not what bounds the rows above."""
    shapes = {"single": SINGLE, "batch": BATCH}
    ratios, figures, bounds, raw = [], [], [], {}
    for name, shape in shapes.items():
        pairs = []
        for _ in range(settings.runs):
            with programs.canned(settings) as server:
                canned = flood(settings, shape, server)
            with programs.probe(settings) as server:
                pairs.append((canned, flood(settings, shape, server)))
        raw[name] = pairs
        ratios.append(median([c["events_per_s"] / p["events_per_s"] for c, p in pairs]))
        figures.append(f"{name} {count(median([c['events_per_s'] for c, _ in pairs]))}")
        bounds.append(f"{name} {count(median([p['events_per_s'] for _, p in pairs]))}")
    result.figure = "; ".join(figures) + " events/s"
    result.bound = "probe: " + "; ".join(bounds) + " events/s"
    result.ratio, result.met, result.raw = min(ratios), min(ratios) >= 1.1, raw
    result.bounded_by = "loopback TCP"
    result.command = "bench_probe --no-sync --no-parse"
