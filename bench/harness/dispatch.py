"""Rows of delivery: four webhooks, isolation, a thousand destinations."""

import json
import time

from . import programs
from .process import Cpu, RunFailed
from .result import count, median, micros
from .tributary import DataDir, Tributary

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WINDOW = 64
WEBHOOKS = 4


# ---- One event to four webhooks --------------------------------------------------------------------

def webhooks(settings, filled, result):
    """Four signed webhooks emptying the same backlog, delivery log on, beside a bare libcurl loop."""
    bounds, ours, cpu = [], [], []
    for run in range(settings.runs):
        with programs.sink(settings) as receiver:
            bounds.append(programs.curl_loop(settings, receiver.url, WINDOW)["requests_per_s"])
        rate, share = four_webhooks(settings)
        ours.append(rate)
        cpu.append(share)
        settings.say(f"webhooks {run + 1}/{settings.runs}: libcurl {count(bounds[-1])}/s, "
                     f"tributary {count(rate)}/s")
    result.figure = f"{count(median(ours))} deliveries/s"
    result.bound = f"bare libcurl loop {count(median(bounds))} requests/s"
    result.ratio = median([o / b for o, b in zip(ours, bounds)])
    result.met = result.ratio >= 0.5
    result.bounded_by = f"server {median(cpu):.0%} of its core"
    result.command = f"bench_curl_loop --window {WINDOW}"
    result.notes.append(f"{WEBHOOKS} destinations, {WINDOW // WEBHOOKS} requests in flight each, signed, delivery log "
                        "on; what a crash may repeat is what a group commit of at most 50 ms holds")
    result.raw = {"bounds": bounds, "ours": ours}


def four_webhooks(settings):
    names = [f"hook{i}" for i in range(WEBHOOKS)]
    with DataDir(settings, "webhooks") as data_dir, programs.sink(settings) as receiver, \
            Tributary(settings, data_dir, allow_loopback=True) as server:
        for name in names:
            server.add_destination(name=name, type="webhook", url=f"{receiver.url}/{name}",
                                   concurrency=WINDOW // WEBHOOKS, signing_secret=SECRET)
            server.call("POST", f"/api/v1/destinations/{name}/pause")
        programs.load(settings, server.url, 16, batch=100, requests=programs.batches(settings, 300, 3000))
        for name in names:
            server.call("POST", f"/api/v1/destinations/{name}/resume")
        before, began = delivered(server, names), time.monotonic()
        with Cpu(server) as cpu:
            for name in names:
                server.drain(name)
        done, took = delivered(server, names) - before, time.monotonic() - began
    return done / took, cpu.share


def delivered(server, names):
    return sum(server.stats(name)["delivered"] for name in names)


# ---- Isolation ---------------------------------------------------------------------------------------

def isolation(settings, filled, result):
    """Ten destinations at 0.7 of what ten healthy ones take; then one hangs and one answers 500."""
    seconds = settings.seconds or (10 if settings.quick else 300)
    rate = 0.7 * healthy_rate(settings)
    calm = ten_destinations(settings, rate, seconds, bad=False)
    hurt = ten_destinations(settings, rate, seconds, bad=True)
    kept = min(hurt["kept"])
    ratio = hurt["p99_us"] / max(calm["p99_us"], 1)
    result.figure = f"slowest of eight keeps {kept:.2f} of {count(rate)} events/s; p99 {micros(hurt['p99_us'])}"
    result.bound = f"all healthy: p99 {micros(calm['p99_us'])}"
    result.ratio = ratio
    result.met = kept >= 0.95 and ratio <= 1.5
    result.bounded_by = f"server {hurt['cpu']:.0%} of its core, {calm['cpu']:.0%} when all are healthy"
    result.command = f"bench_e2e --rate {rate:.0f} --duration {seconds}"
    result.notes.append("p99 is from sending an event to its arrival at one of the healthy webhooks; "
                        f"missing there: {hurt['missing']}")
    result.raw = {"rate": rate, "calm": calm, "hurt": hurt}


def healthy_rate(settings):
    """Events per second that ten healthy webhooks take from a backlog."""
    names = [f"d{i}" for i in range(10)]
    with DataDir(settings, "healthy") as data_dir, programs.sink(settings) as receiver, \
            Tributary(settings, data_dir, allow_loopback=True) as server:
        for name in names:
            server.add_destination(name=name, type="webhook", url=f"{receiver.url}/{name}")
        programs.load(settings, server.url, 16, batch=100, requests=programs.batches(settings, 100, 1000))
        before, began = delivered(server, names), time.monotonic()
        for name in names:
            server.drain(name)
        done = delivered(server, names) - before
        return max(100, done / 10 / max(time.monotonic() - began, 0.001))


def ten_destinations(settings, rate, seconds, bad):
    with DataDir(settings, "isolation") as data_dir, programs.sink(settings) as receiver, \
            programs.sink(settings, 0 if bad else 204) as hanging, \
            programs.sink(settings, 500 if bad else 204) as failing, \
            Tributary(settings, data_dir, allow_loopback=True) as server, \
            programs.EndToEnd(settings, server.url, rate, seconds, settings.warmup) as ends:
        urls = [ends.url] + [receiver.url] * 7 + [hanging.url, failing.url]
        for i, url in enumerate(urls):
            server.add_destination(name=f"d{i}", type="webhook", url=f"{url}/d{i}")
        with Cpu(server) as cpu:
            got = json.loads(ends.go())
        got["counts"] = [server.stats(f"d{i}")["delivered"] for i in range(8)]
    arrived = got["end_to_end"]["count"]
    if arrived == 0:
        raise RunFailed(f"nothing arrived: {got}")
    # The warm-up's events were delivered too.
    sent = rate * (seconds + settings.warmup)
    return {"kept": [n / sent for n in got["counts"]], "p99_us": got["end_to_end"]["p99_us"],
            "missing": got["missing"], "cpu": cpu.share}


# ---- A thousand destinations -------------------------------------------------------------------------

def thousand(settings, filled, result):
    """Processor time per event with ten destinations, and with 990 more that want none of them."""
    ten, all_of_them = [], []
    for run in range(settings.runs):
        ten.append(cost_per_event(settings, 0))
        all_of_them.append(cost_per_event(settings, 990))
        settings.say(f"thousand {run + 1}/{settings.runs}: ten {ten[-1] * 1e6:.2f} µs, "
                     f"a thousand {all_of_them[-1] * 1e6:.2f} µs per event")
    result.figure = f"{median(all_of_them) * 1e6:.2f} µs of processor time per event"
    result.bound = f"ten destinations {median(ten) * 1e6:.2f} µs"
    result.ratio = median([a / t for a, t in zip(all_of_them, ten)])
    result.met = result.ratio <= 2
    result.bounded_by = "every lane looks at every window of the log"
    result.command = "bench_load --connections 16 --batch 100; processor time of the server until no lane lags"
    result.raw = {"ten": ten, "thousand": all_of_them}


def cost_per_event(settings, others):
    requests = programs.batches(settings, 1000, 20_000)
    with DataDir(settings, "thousand") as data_dir, Tributary(settings, data_dir) as server:
        for i in range(10):
            server.add_destination(name=f"null{i}", type="null")
        for i in range(others):
            server.add_destination(name=f"never{i}", type="null", names=[f"Never {i}"])
        before = server.cpu_seconds()
        got = programs.load(settings, server.url, 16, batch=100, requests=requests)
        for i in range(10):
            server.drain(f"null{i}")
        for i in range(0, others, 99):
            server.drain(f"never{i}")
        used = server.cpu_seconds() - before
    return used / got["accepted_events_in_all"]
