"""SIGKILL under load, again and again, with an oracle outside the process.

An acknowledged event is an obligation: after the last restart every one must have reached every
destination, unaltered. What is sent twice must be what was in flight at the kill or had finished in
the 50 ms before it (the outcome's own group commit). A kill cannot see a missing sync: the page
cache survives. That is what tests/sim is for.

TRIBUTARY_KILLS sets the number of rounds (default 100).
"""
import hashlib
import http.client
import json
import os
import random
import threading
import time

from blackbox import Receiver, Tributary, wait_until

ROUNDS = int(os.environ.get("TRIBUTARY_KILLS", "100"))
SENDERS = 4
DESTINATIONS = 2
WINDOW = 16  # the default `concurrency`: requests in flight per destination
FINISHED_MS = 50  # outcomes are synced at least this often


class Oracle:
    """Issues events and remembers which of them were acknowledged."""

    def __init__(self):
        self.lock = threading.Lock()
        self.issued, self.next = {}, 0
        self.acknowledged = {}

    def issue(self):
        with self.lock:
            number = self.next
            self.next += 1
        event = {"type": "track", "event": "Crash Test", "userId": f"u{number % 50}",
                 "messageId": f"crash-{number}",
                 "properties": {"number": number, "noise": hashlib.sha256(str(number).encode()).hexdigest()}}
        with self.lock:
            self.issued[event["messageId"]] = event["properties"]
        return event

    def acknowledge(self, event):
        with self.lock:
            self.acknowledged[event["messageId"]] = time.monotonic()


def send_until(stop, port, oracle):
    """Posts at full speed until the process is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {"Authorization": "Basic ZGVtbzo="}
    try:
        while not stop.is_set():
            event = oracle.issue()
            connection.request("POST", "/v1/track", json.dumps(event), headers)
            response = connection.getresponse()
            body = response.read()
            if response.status == 200 and json.loads(body)["success"] is True:
                oracle.acknowledge(event)
    except (OSError, http.client.HTTPException):
        pass  # killed: what was not answered is no obligation
    finally:
        connection.close()


def repeats(receiver):
    """Deliveries beyond the first per message id."""
    count = {}
    for request in receiver.all():
        message_id = json.loads(request["body"])["messageId"]
        count[message_id] = count.get(message_id, 0) + 1
    return {k: v for k, v in count.items() if v > 1}


def recent_at(receiver, moment, window_s):
    return sum(1 for r in receiver.all() if moment - window_s <= r["at"] <= moment + 0.05)


def test_nothing_acknowledged_is_lost_over_kills(tmp_path):
    oracle, chance = Oracle(), random.Random(20261121)
    receivers = [Receiver() for _ in range(DESTINATIONS)]
    server = Tributary(data_dir=tmp_path / "data").start()
    for i, receiver in enumerate(receivers):
        server.destination(f"d{i}", url=receiver.url, concurrency=WINDOW)
    ready, allowed_repeats = [], 0
    for _ in range(ROUNDS):
        stop = threading.Event()
        senders = [threading.Thread(target=send_until, args=(stop, server.port, oracle))
                   for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(chance.uniform(0.05, 0.5))
        killed_at = time.monotonic()
        server.kill()
        stop.set()
        for sender in senders:
            sender.join()
        # In flight at the kill, or finished in the last outcome commit before it.
        allowed_repeats += sum(WINDOW + recent_at(r, killed_at, FINISHED_MS / 1000)
                               for r in receivers)
        server.port = None
        server.start()
        ready.append(server.ready_after)
    acknowledged = set(oracle.acknowledged)
    assert len(acknowledged) > ROUNDS, "the load did not run"

    def all_there():
        return all(acknowledged <= {json.loads(r["body"])["messageId"] for r in receiver.all()}
                   for receiver in receivers)

    try:
        wait_until(all_there, 60, "every acknowledged event at every destination")
    finally:
        for i, receiver in enumerate(receivers):
            seen = {json.loads(r["body"])["messageId"] for r in receiver.all()}
            print(f"d{i}: acknowledged {len(acknowledged)}, missing {len(acknowledged - seen)}, "
                  f"repeated {sum(v - 1 for v in repeats(receiver).values())}")
    for receiver in receivers:
        for body in receiver.bodies():
            assert body["properties"] == oracle.issued[body["messageId"]], "altered"
    repeated = sum(v - 1 for r in receivers for v in repeats(r).values())
    assert repeated <= allowed_repeats, f"{repeated} repeats, at most {allowed_repeats} allowed"
    ready.sort()
    print(f"rounds {ROUNDS}, acknowledged {len(acknowledged)}, repeats {repeated} of at most "
          f"{allowed_repeats}, ready p99 {ready[int(len(ready) * 0.99) - 1]:.3f} s")
    assert ready[-1] <= 2.0
    assert server.stop() == 0
    for receiver in receivers:
        receiver.close()
