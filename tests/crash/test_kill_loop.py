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
FINISHED_S = 0.05  # outcomes are synced at least this often
SYNC_S = 0.02  # and this long the sync of one commit may take; over all rounds it does not matter
# From a request's arrival here to its outcome's sync: the answer on its way, a slow disk.
TOLERANCE_S = 0.1


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


def arrivals(receiver):
    """When, and on which connection, each message id arrived: every time, in order."""
    at = {}
    for request in receiver.all():
        at.setdefault(json.loads(request["body"])["messageId"], []).append(
            (request["at"], request["peer"]))
    return at


def killed_while_in_flight(receiver, peer, at, kills):
    """The last kill before an arrival, if what arrived had been sent before it (this process may be
    slow to read): its connection ended at once, and whoever lives keeps his connections."""
    ends = [end for end in receiver.ended.get(peer, []) if end >= at]
    last = max((i for i, killed_at in enumerate(kills) if at - 1 < killed_at < at), default=None)
    if last is None or not ends or any(at < killed_at < min(ends) for killed_at in kills):
        return []
    return [last]


def repeats_by_kill(receiver, kills):
    """How many repeats each kill made.

    A repeat is excused by a kill that came between both arrivals, and so soon after the first that
    its outcome was not yet synced, or before the first and it was in flight: there must be one."""
    counts = [0] * len(kills)
    for message_id, times in arrivals(receiver).items():
        for (before, peer), (again, _) in zip(times, times[1:]):
            excuses = [i for i, killed_at in enumerate(kills) if killed_at < again
                       and before - TOLERANCE_S <= killed_at <= before + FINISHED_S + TOLERANCE_S]
            excuses = excuses or killed_while_in_flight(receiver, peer, before, kills)
            near = [f"{k:.3f}" for k in kills if before - 2 < k < again + 1]
            assert excuses, f"{message_id} came at {before:.3f} and again at {again:.3f}, and " \
                f"nothing was killed just after the first; kills: {near}; its connection ended " \
                f"{receiver.ended.get(peer)}"
            counts[excuses[-1]] += 1
    return counts


def recent_at(receiver, moment, window_s):
    return sum(1 for r in receiver.all() if moment - window_s <= r["at"] <= moment + 0.05)


def test_nothing_acknowledged_is_lost_over_kills(tmp_path):
    oracle, chance = Oracle(), random.Random(20261121)
    receivers = [Receiver() for _ in range(DESTINATIONS)]
    server = Tributary(data_dir=tmp_path / "data").start()
    for i, receiver in enumerate(receivers):
        server.destination(f"d{i}", url=receiver.url, concurrency=WINDOW)
    ready, kills, allowed, allowed_repeats = [], [], [[] for _ in receivers], 0
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
        kills.append(killed_at)
        allowed_repeats += sum(WINDOW + recent_at(r, killed_at, FINISHED_S) for r in receivers)
        for i, receiver in enumerate(receivers):
            allowed[i].append(WINDOW + recent_at(receiver, killed_at, FINISHED_S + SYNC_S))
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
                  f"repeated {len(receiver.all()) - len(seen)}")
    for receiver in receivers:
        for body in receiver.bodies():
            assert body["properties"] == oracle.issued[body["messageId"]], "altered"
    made = [repeats_by_kill(receiver, kills) for receiver in receivers]
    least = min(most - count for counts, bounds in zip(made, allowed)
                for count, most in zip(counts, bounds))
    for i, counts in enumerate(made):
        for round, (count, most) in enumerate(zip(counts, allowed[i])):
            assert count <= most, f"d{i}: {count} repeats of kill {round}, at most {most} may be"
    repeated = sum(map(sum, made))
    assert repeated <= allowed_repeats, f"{repeated} repeats, at most {allowed_repeats} allowed"
    ready.sort()
    print(f"rounds {ROUNDS}, acknowledged {len(acknowledged)}, repeats {repeated} of at most "
          f"{allowed_repeats}, of one kill at most {max(map(max, made))}, "
          f"{least} below its bound at the closest, ready p99 {ready[int(len(ready) * 0.99) - 1]:.3f} s")
    assert ready[-1] <= 2.0
    assert server.stop() == 0
    for receiver in receivers:
        receiver.close()
