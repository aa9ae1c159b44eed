"""A SIGKILL in the middle of retries, ordered keys, a replay and batches.

What a receiver sees: nothing is lost, a key's events come in their order, and after a restart no
more requests come in any second than the configured rate and its burst allow.
"""
import collections
import json
import threading
import time

import pytest

from blackbox import Receiver, Tributary, wait_until

RATE = 10  # requests a second: slow, so that a pause of this process moves no request into a window
BURST = 1  # a tenth of a second's worth, at least one
KEYS = 6
AGAIN = {"schedule": ["0s"] + ["1s"] * 20}


def event(number):
    return {"type": "track", "event": "E", "userId": f"u{number % KEYS}",
            "messageId": f"m{number}", "properties": {"n": number}}


def numbers(request):
    body = json.loads(request["body"])
    return [e["properties"]["n"] for e in (body if isinstance(body, list) else [body])]


class Sometimes(Receiver):
    """Refuses about every third request twice; the others it takes, slowly.

    That is too little for the breaker, which would hide the rate.
    """

    def __init__(self):
        self.tries, self.guard, self.taken = collections.Counter(), threading.Lock(), []
        self.refuses = True
        super().__init__(self.answer_to)

    def answer_to(self, request):
        ours = numbers(request)
        name = (request["headers"].get("tributary-replay"), *ours)
        with self.guard:
            self.tries[name] += 1
            refused = self.refuses and ours[0] % 9 in (0, 4, 8) and self.tries[name] <= 2
        if refused:
            return 500
        time.sleep(0.03)
        with self.guard:
            self.taken.append((request["at"], ours))
        return 204

    def seen(self):
        with self.guard:
            return {n for _, ours in self.taken for n in ours}


class Case:
    """One way to be in the middle of something. `total` events make about 40 requests."""
    total, options, replay = 40, {}, None

    def start(self, server, receiver):
        server.destination("d", url=receiver.url, rate_limit=RATE, retry=AGAIN, **self.options)
        self.send(server)

    def send(self, server):
        for number in range(self.total):
            assert server.track(event(number)).status == 200

    def progress(self, server):
        return server.stats("d")

    def in_the_middle(self, server):
        now = self.progress(server)
        return 0 < now["delivered"] < self.total and now["retrying"] > 0

    def check(self, runs):
        pass


class Retries(Case):
    pass


class OrderedKeys(Case):
    options = {"order": "key"}

    def in_the_middle(self, server):
        return super().in_the_middle(server) and server.stats("d")["followers"] > 0

    def check(self, runs):
        newest = collections.defaultdict(lambda: -1)
        for run in runs:
            in_run = collections.defaultdict(lambda: -1)
            for _, ours in run:
                for n in ours:
                    assert n > in_run[n % KEYS], f"{n} after {in_run[n % KEYS]}"
                    # A kill may repeat what was not yet durable, but nothing is skipped.
                    assert n <= newest[n % KEYS] + KEYS or newest[n % KEYS] == -1 and n < KEYS
                    in_run[n % KEYS] = n
                    newest[n % KEYS] = max(newest[n % KEYS], n)


class Replay(Case):
    def start(self, server, receiver):
        receiver.refuses = False
        server.destination("d", url=receiver.url, retry=AGAIN)
        self.send(server)
        wait_until(lambda: server.stats("d")["delivered"] == self.total, 20, "live delivery")
        with receiver.lock, receiver.guard:
            receiver.requests.clear()
            receiver.taken.clear()
        receiver.refuses = True
        answer = server.post("/api/v1/replays",
                             {"destination": "d", "from": "earliest", "rate": RATE})
        assert answer.status == 201, answer
        self.replay = answer.json()["id"]

    def progress(self, server):
        return server.get(f"/api/v1/replays/{self.replay}").json()


class Batches(Case):
    total, options = 120, {"batch": {"size": 3, "wait": "5s"}}

    def check(self, runs):
        # A composition outlives the kill: whatever is sent of it again is the same request.
        of = {}
        for run in runs:
            for _, ours in run:
                for n in ours:
                    assert of.setdefault(n, ours) == ours


def busiest_second(times):
    return max((sum(1 for other in times if begin <= other < begin + 1) for begin in times),
               default=0)


@pytest.mark.parametrize("case", [Retries, OrderedKeys, Replay, Batches])
def test_a_kill_in_the_middle_loses_nothing_and_recovery_stays_below_the_rate(case, tmp_path):
    case, kills = case(), []
    with Sometimes() as receiver, Tributary(tmp_path / "data") as server:
        case.start(server, receiver)
        for share in (0.2, 0.5):
            wait_until(lambda: case.progress(server)["delivered"] >= share * case.total, 30,
                       "progress")
            wait_until(lambda: case.in_the_middle(server), 10, "the middle of it")
            server.kill()
            kills.append(time.monotonic())
            server.start()
        wait_until(lambda: case.progress(server)["delivered"] == case.total, 60, "every event")
        stats = case.progress(server)
        assert stats["retrying"] == stats["dead_lettered"] == stats["dropped"] == 0, stats
        if case.replay:
            wait_until(lambda: case.progress(server)["state"] == "done", 10, "its end")
            assert {r["headers"]["tributary-replay"] for r in receiver.all()} == {case.replay}
            assert server.stats("d")["delivered"] == case.total
        assert server.stop() == 0
        assert receiver.seen() == set(range(case.total))
        ends = [*kills, time.monotonic()]
        for begin, end in zip([0.0, *kills], ends):
            times = [r["at"] for r in receiver.all() if begin <= r["at"] < end]
            assert busiest_second(times) <= RATE + BURST, times
            assert begin == 0 or len(times) > RATE, "nothing was left to recover"
        case.check([[t for t in receiver.taken if begin <= t[0] < end]
                    for begin, end in zip([0.0, *kills], ends)])
        # A kill repeats what was in flight, or had ended in the moment before.
        repeated = sum(len(ours) for _, ours in receiver.taken) - case.total
        assert repeated <= len(kills) * (RATE // 2) * (case.total // 40), repeated
