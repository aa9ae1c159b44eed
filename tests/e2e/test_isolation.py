"""One bad destination hurts nobody else, and no end of the process loses or repeats anything.

TRIBUTARY_TERMS sets how often the process is ended under load (default 20), TRIBUTARY_STORM_EVENTS
how many events the healthy destinations must get beside the bad ones (default 400).
"""
import base64
import collections
import http.client
import json
import os
import random
import threading
import time

from blackbox import Receiver, Tributary, wait_until

TERMS = int(os.environ.get("TRIBUTARY_TERMS", "20"))
EVENTS = int(os.environ.get("TRIBUTARY_STORM_EVENTS", "400"))
HEADERS = {"Authorization": "Basic " + base64.b64encode(b"demo:").decode()}


def event(number, **fields):
    return {"type": "track", "event": "E", "userId": f"u{number % 20}",
            "messageId": f"m{number}", **fields}


class Sender:
    """Posts single events over one connection and remembers which were acknowledged, and how fast."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=15)
        self.acknowledged, self.seconds = [], []

    def send(self, number):
        began = time.monotonic()
        self.connection.request("POST", "/v1/track", json.dumps(event(number)), HEADERS)
        answer = self.connection.getresponse()
        answer.read()
        if answer.status == 200:
            self.seconds.append(time.monotonic() - began)
            self.acknowledged.append(f"m{number}")
        return answer.status


def at(seconds, share):
    return sorted(seconds)[int((len(seconds) - 1) * share)]


def counts(receiver):
    return collections.Counter(receiver.message_ids())


def test_of_ten_destinations_one_hangs_and_one_fails_and_eight_do_not_notice():
    end = threading.Event()
    healthy = [Receiver() for _ in range(8)]
    # Takes the request and says nothing until the test is over.
    hanging = Receiver(lambda request: 204 if end.wait(60) else 204)
    failing = Receiver(lambda request: 500)
    with Tributary() as server:
        for i, receiver in enumerate(healthy):
            server.destination(f"h{i}", url=receiver.url)
        alone = Sender(server)
        for number in range(EVENTS // 4):
            assert alone.send(number) == 200
        server.destination("hangs", url=hanging.url, timeout="2s")
        server.destination("fails", url=failing.url, retry={"schedule": ["0s", "1s", "1s", "1s"]})
        beside = Sender(server)
        for number in range(EVENTS // 4, EVENTS):
            assert beside.send(number) == 200
        expected = {f"m{number}": 1 for number in range(EVENTS)}
        for i, receiver in enumerate(healthy):
            wait_until(lambda r=receiver: len(r.all()) >= EVENTS, 30, f"everything at h{i}")
            assert counts(receiver) == expected
            assert server.stats(f"h{i}")["retrying"] == 0
        assert server.stats("hangs")["delivered"] == 0 and server.stats("fails")["delivered"] == 0
        assert len(failing.all()) < 4 * EVENTS, "the breaker took no load off"
        # Python plays nine receivers beside the client: the bound is generous.
        assert at(beside.seconds, 0.99) < max(0.5, 10 * at(alone.seconds, 0.99))
        assert server.get("/readyz").status == 200
        end.set()
        assert server.stop() == 0
    for receiver in (*healthy, hanging, failing):
        receiver.close()


def test_a_kill_in_the_middle_of_retries_loses_nothing_and_recovers_below_the_rate(tmp_path):
    rate, total = 100, 300
    tries, lock = collections.Counter(), threading.Lock()

    # Every third event is refused twice: too few for the breaker, which would hide the rate.
    def twice_not(request):
        message_id = json.loads(request["body"])["messageId"]
        with lock:
            tries[message_id] += 1
            return 500 if int(message_id[1:]) % 3 == 0 and tries[message_id] <= 2 else 204

    with Receiver(twice_not) as receiver:
        server = Tributary(data_dir=tmp_path / "data").start()
        server.destination("d", url=receiver.url, rate_limit=rate,
                           retry={"schedule": ["0s"] + ["1s"] * 20})
        sender = Sender(server)
        for number in range(total):
            assert sender.send(number) == 200
        for seconds in (0.4, 0.8, 0.8):
            time.sleep(seconds)
            assert server.stats("d")["delivered"] < total, "nothing was left to recover"
            server.kill()
            server.start()
        wait_until(lambda: server.stats("d")["delivered"] == total, 60, "every event")
        ends = [r["at"] for r in receiver.all()]
        busiest = max(sum(1 for other in ends if begin <= other < begin + 1) for begin in ends)
        assert busiest <= 1.2 * rate + 16, f"{busiest} requests in one second"
        stats = server.stats("d")
        assert stats["retrying"] == 0 and stats["dead_lettered"] == 0
        # A kill repeats what was in flight or ended in the last 50 ms, and nothing else.
        repeated = sum(tries.values()) - total - 2 * (total // 3)
        assert 0 <= repeated <= 3 * (16 + rate // 10), repeated
        assert server.stop() == 0


def load_until(stop, server, acknowledged, lock, numbers):
    sender = Sender(server)
    try:
        while not stop.is_set():
            sender.send(next(numbers))
    except (OSError, http.client.HTTPException):
        pass  # ended: what was not answered is no obligation
    with lock:
        acknowledged.update(sender.acknowledged)


def counter():
    number = 0
    while True:
        number += 1
        yield number


class Numbers:
    def __init__(self):
        self.lock, self.numbers = threading.Lock(), counter()

    def __next__(self):
        with self.lock:
            return next(self.numbers)


def test_sigterm_under_load_drains_and_repeats_nothing(tmp_path):
    chance, lock = random.Random(4), threading.Lock()
    acknowledged, numbers, longest = set(), Numbers(), 0

    def slowly(request):
        time.sleep(chance.uniform(0, 0.03))
        return 204

    with Receiver(slowly) as receiver:
        server = Tributary(data_dir=tmp_path / "data").start()
        server.destination("d", url=receiver.url)
        for _ in range(TERMS):
            stop = threading.Event()
            clients = [threading.Thread(target=load_until,
                                        args=(stop, server, acknowledged, lock, numbers))
                       for _ in range(3)]
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0.1, 0.4))
            began = time.monotonic()
            assert server.stop(12) == 0
            longest = max(longest, time.monotonic() - began)
            stop.set()
            for client in clients:
                client.join()
            server.start()
        assert longest < 10
        assert len(acknowledged) > 10 * TERMS
        wait_until(lambda: acknowledged <= set(counts(receiver)), 60, "every acknowledged event")
        repeated = {m: n for m, n in counts(receiver).items() if n > 1}
        assert not repeated, f"every request was answered, yet these came again: {repeated}"
        assert server.stop() == 0


def test_sigterm_with_a_destination_that_never_answers(tmp_path):
    end, held = threading.Event(), []

    def never(request):
        held.append(json.loads(request["body"])["messageId"])
        end.wait(60)
        return 204

    hanging, healthy = Receiver(never), Receiver()
    server = Tributary(data_dir=tmp_path / "data").start()
    server.destination("hangs", url=hanging.url, concurrency=4)
    server.destination("healthy", url=healthy.url)
    sender = Sender(server)
    for number in range(50):
        assert sender.send(number) == 200
    wait_until(lambda: len(held) == 4 and len(healthy.all()) == 50, 20, "a full window")
    began = time.monotonic()
    assert server.stop(12) == 0
    assert time.monotonic() - began < 10
    unanswered = set(held)
    end.set()
    server.start()
    wait_until(lambda: server.stats("hangs")["delivered"] == 50, 20, "the rest")
    wait_until(lambda: server.stats("healthy")["lag"] == 0, 20, "nothing more")
    again = {m for m, n in counts(hanging).items() if n > 1}
    assert again == unanswered, "what was not answered comes again, and nothing else"
    assert all(n == 1 for n in counts(healthy).values())
    assert server.stop() == 0
    hanging.close()
    healthy.close()
