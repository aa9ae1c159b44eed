#!/usr/bin/env python3
"""What would make the figures lie: answers counted that are none, losses unseen, a growing lag called flat.
Needs the bench programs: `ninja -C build bench_programs`, then `python3 bench/selftest/test_harness.py`."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import types
import unittest

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(BENCH))

from bench.harness import kept, programs, report, throughput, waiting  # noqa: E402
from bench.harness.process import RunFailed, Server, run_json  # noqa: E402
from bench.harness.result import Result  # noqa: E402

PROGRAMS = os.environ.get("BENCH_PROGRAMS", os.path.join(os.path.dirname(BENCH), "build", "bench"))
FAKE = os.path.join(BENCH, "selftest", "fake_tributary.py")
NO_FAILURES = {"other_statuses": {}, "wrong_bodies": 0, "broken_answers": 0, "disconnects": 0}


def fake(mode, data_dir):
    os.environ["FAKE_MODE"] = mode
    try:
        return Server(0, [FAKE, "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir])
    finally:
        del os.environ["FAKE_MODE"]


def load(url, *flags):
    return run_json(1, [os.path.join(PROGRAMS, "bench_load"), "--target", url, "--connections", "2", *flags], 60)


class LoadCountsOnlySuccess(unittest.TestCase):
    def sent_to(self, mode):
        with tempfile.TemporaryDirectory() as data_dir, fake(mode, data_dir) as server:
            return load(server.url, "--requests", "20")

    def test_good_answers_all_count(self):
        got = self.sent_to("")
        self.assertEqual(got["accepted_requests"], 20)
        self.assertEqual({k: got[k] for k in NO_FAILURES}, NO_FAILURES)

    def test_503_does_not(self):
        got = self.sent_to("refuse")
        self.assertEqual((got["accepted_requests"], got["other_statuses"]), (0, {"503": 20}))

    def test_202_does_not(self):
        got = self.sent_to("accepted")
        self.assertEqual((got["accepted_requests"], got["other_statuses"]), (0, {"202": 20}))

    def test_200_with_rejected_events_does_not(self):
        got = self.sent_to("wrong_body")
        self.assertEqual((got["accepted_requests"], got["wrong_bodies"]), (0, 20))

    def test_closed_connections_do_not(self):
        got = self.sent_to("close")
        self.assertEqual((got["accepted_requests"], got["disconnects"]), (0, 20))

    def test_ids_file_names_each_accepted_event_once(self):
        with tempfile.TemporaryDirectory() as data_dir, fake("", data_dir) as server:
            ids = os.path.join(data_dir, "ids")
            load(server.url, "--requests", "30", "--batch", "7", "--ids-file", ids)
            with open(ids, encoding="utf-8") as file:
                written = file.read().split()
        self.assertEqual((len(written), len(set(written))), (210, 210))


class EndToEndSeesLossAndRepeats(unittest.TestCase):
    def measured(self, mode):
        settings = types.SimpleNamespace(programs=PROGRAMS, load_core=1)
        with tempfile.TemporaryDirectory() as data_dir, fake(mode, data_dir) as server:
            with programs.EndToEnd(settings, server.url, 200, 1, 0.2) as ends:
                from bench.harness.tributary import Tributary
                status, _ = Tributary.request(server, "POST", "/api/v1/destinations",
                                              {"name": "hook", "url": ends.url + "/hook"})
                self.assertEqual(status, 201)
                return json.loads(ends.go())

    def test_all_arrive(self):
        got = self.measured("")
        self.assertEqual((got["missing"], got["repeated"]), (0, 0))
        self.assertGreater(got["end_to_end"]["count"], 150)

    def test_lost_deliveries_are_missing(self):
        self.assertGreater(self.measured("drop")["missing"], 10)

    def test_second_deliveries_are_repeats(self):
        self.assertGreater(self.measured("twice")["repeated"], 100)


class ProbeDoesTheWork(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        file = os.path.join(self.folder.name, "probe.dat")
        self.probe = Server(0, [os.path.join(PROGRAMS, "bench_probe"), "--file", file, "--file-mib", "16"])

    def tearDown(self):
        self.probe.__exit__(RunFailed, None, None)
        self.folder.cleanup()

    def exchange(self, bytes_out, answers):
        host, port = self.probe.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(bytes_out)
            got = b""
            while got.count(b"HTTP/1.1 ") < answers or not got.endswith((b"}", b"\r\n\r\n")):
                got += connection.recv(65536)
        return got

    def request(self, event):
        body = json.dumps(event).encode()
        return b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    EVENT = {"type": "track", "event": "E", "messageId": "m", "userId": "u", "timestamp": "t"}

    def test_pipelined_requests_are_all_answered_and_counted(self):
        got = self.exchange(self.request(self.EVENT) * 300, 300)
        self.assertEqual(got.count(b'{"success":true}'), 300)
        tally = json.loads(self.probe.stop())
        self.assertEqual((tally["requests"], tally["events"]), (300, 300))
        self.assertGreater(tally["syncs"], 0)

    def test_event_without_a_field_is_refused(self):
        for field in self.EVENT:
            lacking = {k: v for k, v in self.EVENT.items() if k != field}
            self.assertIn(b" 400 ", self.exchange(self.request(lacking), 1), field)


class HoldIsJudgedByLag(unittest.TestCase):
    def judge(self, lags, rate=1000.0, **failures):
        return throughput.judge_hold(json.dumps({"events_per_s": rate, **NO_FAILURES, **failures}), lags, 1000.0)

    def test_flat_is_held(self):
        self.assertEqual(self.judge([100, 120, 90] * 20), "")

    def test_growing_is_not(self):
        self.assertIn("lag grew", self.judge([50 * i for i in range(60)]))

    def test_slower_than_asked_is_not(self):
        self.assertIn("only", self.judge([0] * 60, rate=980.0))

    def test_refusals_are_not(self):
        self.assertIn("status 503", self.judge([0] * 60, other_statuses={"503": 1}))


class DeadIsJudgedBesideTheHealthyOne(unittest.TestCase):
    def judge(self, away, well, filters=(0, 0, 0), hurt=100.0, caught=10_000):
        curve = [{"share": share, "events": 10_000_000 * share,
                  "away": {"rss": a, "anonymous": a, "filters": f}, "well": {"rss": w, "anonymous": w, "filters": f}}
                 for share, a, w, f in zip((0.1, 0.6, 1.0), away, well, filters)]
        result = Result("dead", "", "")
        runs = [[{"latency": {"p99_us": p99}}] for p99 in (100.0, hurt)]
        waiting.judge(result, curve, 10_000_000, runs, caught)
        return result.met

    def test_what_grows_with_events_on_both_is_no_cost_of_waiting(self):
        self.assertTrue(self.judge((60, 80, 100), (60, 80, 100), filters=(0, 20, 40)))

    def test_what_it_holds_from_the_beginning_is_none(self):
        self.assertTrue(self.judge((70, 90, 110), (60, 80, 100), filters=(0, 20, 40)))

    def test_more_and_more_than_the_healthy_one_is(self):
        self.assertFalse(self.judge((60, 80, 106), (60, 80, 100), filters=(0, 20, 46)))

    def test_growth_of_both_that_is_no_filter_is(self):
        self.assertFalse(self.judge((60, 80, 100), (60, 80, 100)))

    def test_slower_answers_and_a_slow_return_are_missed(self):
        flat = ((60, 60, 60), (60, 60, 60))
        self.assertTrue(self.judge(*flat, hurt=120.0))
        self.assertFalse(self.judge(*flat, hurt=121.0))
        self.assertFalse(self.judge(*flat, caught=5_999))


class RowsThatAreNotRunAreKept(unittest.TestCase):
    def test_with_their_own_date_and_commit(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            self.assertEqual(kept.load(path), {})
            old = Result("idle", "memory", "≤ 25", figure="20", date="2026-01-01", commit="abc", mode="full",
                         machine="one core", run="run.py --rows idle", raw={"mib": [1.5]})
            kept.save(path, [old])
            self.assertEqual(kept.load(path), {"idle": old})
            new = Result("ack", "latency", "none", figure="9", date="2026-02-02", commit="def", mode="full",
                         machine="two cores")
            out = os.path.join(folder, "RESULTS.md")
            report.write(out, [kept.load(path)["idle"], new], quick=False)
            with open(out, encoding="utf-8") as file:
                text = file.read()
        for said in ("2026-01-01, full, abc", "2026-02-02, full, def", "Machine of `idle`: one core",
                     "Machine of `ack`: two cores", "`run.py --rows idle`"):
            self.assertIn(said, text)


class ServerThatFails(unittest.TestCase):
    def test_that_never_listens_is_reported_with_its_words(self):
        with self.assertRaisesRegex(RunFailed, "no such disk"):
            Server(0, ["/bin/sh", "-c", "echo no such disk >&2; exit 3"])


class WholeRun(unittest.TestCase):
    def test_every_row_is_measured(self):
        with tempfile.TemporaryDirectory(dir=PROGRAMS) as folder:
            out = os.path.join(folder, "RESULTS.md")
            subprocess.run([sys.executable, os.path.join(BENCH, "run.py"), "--quick", "--runs", "1", "--seconds", "1",
                            "--hold-seconds", "2", "--hold-steps", "0", "--fill-events", "2000", "--tributary", FAKE,
                            "--programs", PROGRAMS, "--dir", folder, "--out", out], check=True, timeout=300)
            with open(out, encoding="utf-8") as file:
                text = file.read()
        self.assertNotIn("not measured", text)
        self.assertNotIn("FAILED", text)
        self.assertIn("A quick run", text)


if __name__ == "__main__":
    unittest.main()
