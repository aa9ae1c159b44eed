#!/usr/bin/env python3
"""Runs the benchmark rows and writes bench/RESULTS.md. See bench/README.md."""

import argparse
import datetime
import os
import shlex
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench.harness import dispatch, kept, latency, looking_back, machine, programs, report  # noqa: E402
from bench.harness import resources, throughput, waiting  # noqa: E402
from bench.harness.process import RunFailed  # noqa: E402
from bench.harness.result import Result  # noqa: E402

BENCH = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(BENCH)

# In the order of the table: what it is, its goal, and what measures it into (settings, filled, result).
ROWS = {
    "single": ("durable single-event POSTs, 64 connections", "≥ 0.6 of the probe",
               lambda s, f, r: throughput.throughput(s, throughput.SINGLE, r)),
    "batch": ("batches of 100, 16 connections", "≥ 0.5 of the probe",
              lambda s, f, r: throughput.throughput(s, throughput.BATCH, r)),
    "ack": ("acknowledgement latency, one connection", "p50 ≤ 1.5 × (fdatasync p50 + loopback round trip)",
            lambda s, f, r: latency.acknowledgement(s, r)),
    "e2e": ("one event to one webhook, end to end at 1,000 events/s",
            "p50 ≤ 2 × (fdatasync + 2 round trips), p99 ≤ 10 ms", lambda s, f, r: latency.end_to_end(s, r)),
    "start": ("start on an empty directory (exec to `listening`)", "≤ 50 ms",
              lambda s, f, r: resources.start_empty(s, r)),
    "start_filled": ("start with 10 million events in the log", "≤ 1 s", resources.start_filled),
    "idle": ("resident memory, idle", "≤ 25 MiB", lambda s, f, r: resources.memory_idle(s, r)),
    "flood": ("peak resident memory, flooded with batches of 100 at capacity and at ten times it", "≤ 256 MiB",
              lambda s, f, r: resources.memory_flooded(s, r)),
    "disk": ("bytes on disk per event", "log ≤ 300 after recompression, dedupe and index ≤ 48", resources.disk),
    "delivery": ("one lane emptying a backlog to a webhook, 64 in flight", "none",
                 lambda s, f, r: latency.delivery(s, r)),
    "webhooks": ("one event to four webhooks, signed, delivery log on", "≥ 0.5 of the bare libcurl loop's requests/s",
                 dispatch.webhooks),
    "isolation": ("ten destinations at 0.7 of the all-healthy rate, one hangs, one answers 500",
                  "the other eight keep ≥ 0.95 of the offered rate, p99 ≤ 1.5 ×", dispatch.isolation),
    "replay": ("replay to a `null` destination; with a native pattern on one property",
               "≥ 1,000,000 events/s; ≥ 400,000", looking_back.replay),
    "outcome": ("a first-try success on disk", "≤ 24 B per (event, destination)", looking_back.outcome_bytes),
    "trace": ("trace of one event among 10 million", "p99 ≤ 5 ms", looking_back.trace),
    "dead": ("10 million events waiting for a dead destination",
             "memory flat (± 5 %), acknowledgement p99 ≤ 1.2 ×, catch-up ≥ 3 × the offered rate", waiting.dead),
    "thousand": ("1,000 destinations, 990 of which match nothing", "cost per event ≤ 2 × that of ten",
                 dispatch.thousand),
    "control": ("control: the load generator against a canned answer", "≥ 1.1 of the probe",
                lambda s, f, r: throughput.control(s, r)),
}


def parse(arguments):
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rows", default=",".join(ROWS), help="comma-separated, of: " + ", ".join(ROWS))
    p.add_argument("--quick", action="store_true", help="short rows, 3 runs, 500,000 events instead of 10 million")
    p.add_argument("--runs", type=int, help="alternating runs of each row (5; quick 3)")
    p.add_argument("--seconds", type=float, default=0, help="length of a row (60, batches 10; quick 5)")
    p.add_argument("--no-hold", dest="hold", action="store_false", help="skip the search for the rate that is held")
    p.add_argument("--hold-steps", type=int, default=1, help="halvings after the first try at 0.5")
    p.add_argument("--hold-seconds", dest="hold_s", type=float, help="180; quick 15")
    p.add_argument("--fill-events", type=int, help="10,000,000; quick 500,000")
    p.add_argument("--tributary", default=os.path.join(REPOSITORY, "build", "tributary"))
    p.add_argument("--programs", default=os.path.join(REPOSITORY, "build", "bench"))
    p.add_argument("--dir", default=os.path.join(REPOSITORY, "build", "bench", "data"), help="on the disk to measure")
    p.add_argument("--server-core", type=int, default=0)
    p.add_argument("--load-core", type=int, default=1)
    p.add_argument("--out", help="bench/RESULTS.md; quick: build/bench/RESULTS-quick.md")
    p.add_argument("--results", default=os.path.join(BENCH, "results.json"),
                   help="where raw results are kept, from which rows that are not run are filled in (not with --quick)")
    s = p.parse_args(arguments)
    quick = s.quick
    usual = ("runs", "seconds", "hold", "hold_steps", "hold_s", "fill_events")
    shorter = any(getattr(s, name) != p.get_default(name) for name in usual)
    s.mode = "quick" if quick else "shortened" if shorter else "full"
    s.runs = s.runs or (3 if quick else 5)
    s.hold_s = s.hold_s or (15 if quick else 180)
    s.fill_events = s.fill_events or (500_000 if quick else 10_000_000)
    s.warmup = 0.5 if quick else 2
    s.out = s.out or (os.path.join(s.programs, "RESULTS-quick.md") if quick else os.path.join(BENCH, "RESULTS.md"))
    asked = [row for row in s.rows.split(",") if row]
    unknown = [row for row in asked if row not in ROWS]
    if unknown:
        p.error(f"no such row: {', '.join(unknown)} (of: {', '.join(ROWS)})")
    # In the order of the table: rows that share the filled directory leave it as the next one may find it.
    s.rows = [row for row in ROWS if row in asked]
    s.say = lambda text: print(time.strftime("%H:%M:%S ") + text, file=sys.stderr, flush=True)
    return s


def check(settings):
    """Refuses what would give figures that mean nothing."""
    for program in (settings.tributary, os.path.join(settings.programs, "bench_load")):
        if not os.access(program, os.X_OK):
            sys.exit(f"{program} is missing: build `tributary` and `bench_programs` first")
    os.makedirs(settings.dir, exist_ok=True)
    if machine.file_system_of(settings.dir) in ("tmpfs", "ramfs"):
        sys.exit(f"{settings.dir} is in memory, where a sync costs nothing: give --dir on a disk")
    free_gib = shutil.disk_usage(settings.dir).free / 2**30
    if not settings.quick and free_gib < 60:
        settings.say(f"warning: {free_gib:.0f} GiB free; three minutes of batches can write 60")
    if (os.cpu_count() or 1) < 2:
        settings.say("warning: one core only: server and load share it, and the figures are of both")
        settings.load_core = settings.server_core


def run_row(settings, filled, name):
    what, goal, measure = ROWS[name]
    settings.say(f"== {name}: {what}")
    result = Result(name, what, goal)
    try:
        measure(settings, filled, result)
    except (RunFailed, OSError, KeyError, ValueError) as error:
        result.failed, result.met = f"{type(error).__name__}: {error}", False
        settings.say(f"{name} FAILED: {error}")
    settings.say(f"{name}: {result.figure} ({result.verdict()})")
    return result


def run_rows(settings, origin, known):
    """Measures the rows asked for into `known`, which is kept after each of them: a run that is stopped loses only
    the row it was at. Gives the names of those that failed."""
    filled = resources.Filled(settings)
    failed = []
    try:
        for name in settings.rows:
            known[name] = result = run_row(settings, filled, name)
            vars(result).update(origin, date=datetime.date.today().isoformat(),
                                commit=machine.commit_of(REPOSITORY), mode=settings.mode)
            failed += [name] if result.failed else []
            if not settings.quick:
                kept.save(settings.results, [known[n] for n in ROWS if n in known])
    finally:
        filled.remove()
    return failed


def main(arguments):
    settings = parse(arguments)
    check(settings)
    if settings.quick:
        settings.say("quick run: the figures are for trying the harness, not for comparing")
    facts, sync = machine.describe(settings.dir), programs.sync_loop(settings)
    origin = {"machine": report.machine_text(facts, sync),
              "run": " ".join(["python3 bench/run.py", *(shlex.quote(a) for a in arguments)])}
    settings.say(origin["machine"])
    known = {} if settings.quick else kept.load(settings.results)
    failed = run_rows(settings, origin, known)
    results = [known.get(name) or Result(name, *ROWS[name][:2]) for name in ROWS]
    report.write(settings.out, results, settings.quick)
    print(report.table(results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
