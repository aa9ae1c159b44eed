"""Rows of what was: replays, bytes of an outcome, the trace of one event."""

import http.client
import json
import os
import random
import time
import urllib.parse

from . import programs
from .process import RunFailed, bytes_below
from .result import count, micros
from .tributary import DataDir, Tributary

PATTERN = {"properties": {"currency": ["EUR"]}}  # every fourth event of event_maker.cc
PAIRS_PER_EVENT = 4


# ---- Replay ---------------------------------------------------------------------------------------------

def replay(settings, filled, result):
    filled.fill()
    with Tributary(settings, filled.path) as server:
        size = for_each_file(filled.path, forget)
        cold = replay_rate(server, {})
        for_each_file(filled.path, read_whole)
        plain = replay_rate(server, {})
        picky = replay_rate(server, {"pattern": PATTERN})
    result.figure = f"{count(plain['rate'])} events/s; with a pattern {count(picky['rate'])} events/s"
    result.met = plain["rate"] >= 1_000_000 and picky["rate"] >= 400_000
    if filled.events < 10_000_000 and result.met:
        result.met = None
    result.bounded_by = "one lane on one thread: reading the log, and with a pattern walking its JSON"
    result.command = "POST /api/v1/replays on the filled directory"
    result.notes.append(f"{count(plain['delivered'])} events replayed; of them the pattern wants "
                        f"{count(picky['delivered'])}")
    result.notes.append(f"files in page cache; from the disk {count(cold['rate'])} events/s, which reads "
                        f"{size / cold['seconds'] / 1e6:.0f} MB/s for it")
    result.raw = {"plain": plain, "pattern": picky, "cold": cold}


def for_each_file(path, act):
    """Calls act(descriptor) for each file of the log, and returns their bytes."""
    size = 0
    for directory, _, names in os.walk(os.path.join(path, "log")):
        for name in names:
            descriptor = os.open(os.path.join(directory, name), os.O_RDONLY)
            try:
                size += os.fstat(descriptor).st_size
                act(descriptor)
            finally:
                os.close(descriptor)
    return size


def forget(descriptor):
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def read_whole(descriptor):
    while os.read(descriptor, 1 << 20):
        pass


def replay_rate(server, fields):
    began = time.monotonic()
    replay_id = server.call("POST", "/api/v1/replays",
                            {"destination": "null", "from": "earliest", "to": "now", **fields})["id"]
    while True:
        now = server.call("GET", f"/api/v1/replays/{replay_id}")
        if now["state"] not in ("running", "paused"):
            break
        time.sleep(0.02)
    took = time.monotonic() - began
    if now["state"] != "done":
        raise RunFailed(f"the replay ended as {now}")
    return {"rate": now["scanned"] / took, "seconds": took, "delivered": now["delivered"]}


# ---- Bytes of a first-try success -----------------------------------------------------------------------

def outcome_bytes(settings, filled, result):
    """What the disk holds more after four webhooks have taken each event at the first try."""
    requests = programs.batches(settings, 300, 5000)
    names = [f"hook{i}" for i in range(PAIRS_PER_EVENT)]
    with DataDir(settings, "outcomes") as data_dir, programs.sink(settings) as receiver:
        with Tributary(settings, data_dir, allow_loopback=True) as server:
            for name in names:
                server.add_destination(name=name, type="webhook", url=f"{receiver.url}/{name}", concurrency=64)
                server.call("POST", f"/api/v1/destinations/{name}/pause")
            events = programs.load(settings, server.url, 16, batch=100,
                                   requests=requests)["accepted_events_in_all"]
        before = kept_bytes(data_dir)
        with Tributary(settings, data_dir, allow_loopback=True) as server:
            for name in names:
                server.call("POST", f"/api/v1/destinations/{name}/resume")
            for name in names:
                server.drain(name, timeout_s=1800)
            retried = sum(server.stats(name)["retrying"] for name in names)
        # A start and a stop, so that what is only gathered in memory is on the disk, compacted.
        with Tributary(settings, data_dir, allow_loopback=True) as server:
            server.settle(quiet_s=3 if settings.quick else 20, timeout_s=600)
        after = kept_bytes(data_dir)
    if retried:
        raise RunFailed(f"{retried} pairs were not delivered at the first try")
    pairs = events * PAIRS_PER_EVENT
    more = {name: after[name] - before.get(name, 0) for name in after}
    result.figure = f"{sum(more.values()) / pairs:.1f} B"
    result.met = sum(more.values()) / pairs <= 24
    result.bounded_by = ", ".join(f"{name} {size / pairs:.1f} B" for name, size in sorted(more.items()))
    result.command = "bytes below DATA, but for log/ and dedupe/, after delivery less those before it"
    result.notes.append(f"{count(pairs)} pairs")
    result.raw = {"before": before, "after": after, "pairs": pairs}


def kept_bytes(data_dir):
    """Bytes per entry of the data directory that outcomes and attempts may be in."""
    names = [n for n in os.listdir(data_dir) if n not in ("log", "dedupe", "LOCK", "FORMAT")]
    return {name: bytes_below(os.path.join(data_dir, name))[0] for name in names
            if os.path.isdir(os.path.join(data_dir, name))}


# ---- The trace of one event ------------------------------------------------------------------------------

def trace(settings, filled, result):
    filled.fill()
    asked = 500 if settings.quick else 5000
    with Tributary(settings, filled.path) as server:
        for i in range(4):
            server.add_destination(name=f"trace{i}", type="null", start="earliest")
            server.drain(f"trace{i}", timeout_s=1800)
        host = urllib.parse.urlsplit(server.url).netloc
        ids = some_ids(host, filled.events, asked)
        took = sorted(ask(host, [f"/api/v1/events/{message_id}" for message_id in ids]))
        for i in range(4):
            server.call("DELETE", f"/api/v1/destinations/trace{i}")
    p50, p99 = (took[int((len(took) - 1) * share)] * 1e6 for share in (0.5, 0.99))
    result.figure = f"p50 {micros(p50)}, p99 {micros(p99)} among {count(filled.events)} events"
    result.met = p99 <= 5_000 if filled.events >= 10_000_000 or p99 > 5_000 else None
    result.bounded_by = "a look into each file of the message-id index that may have it, one read of the log"
    result.command = f"GET /api/v1/events/ID, {count(asked)} events chosen at random, five destinations"
    result.notes.append(f"largest {micros(took[-1] * 1e6)}; files in page cache")
    result.raw = {"p50_us": p50, "p99_us": p99, "events": filled.events}


def some_ids(host, events, wanted):
    """Message ids of random places in the log: the list is asked for one event below each."""
    chance = random.Random(1)
    paths = [f"/api/v1/events?limit=1&cursor=d-{chance.randrange(1, events)}" for _ in range(wanted)]
    ids = []
    ask(host, paths, lambda body: ids.extend(entry["message_id"] for entry in body["data"]))
    return ids


def ask(host, paths, use=lambda body: None):
    """Seconds of each answer, over one connection."""
    connection = http.client.HTTPConnection(host, timeout=30)
    took = []
    try:
        for path in paths:
            began = time.monotonic()
            connection.request("GET", path)
            response = connection.getresponse()
            text = response.read()
            took.append(time.monotonic() - began)
            if response.status != 200:
                raise RunFailed(f"GET {path} answered {response.status}: {text[:300]}")
            use(json.loads(text))
    finally:
        connection.close()
    return took
