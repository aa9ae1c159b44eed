"""Lanes from outside: order by key through failures and restarts, batches, splitting, overload."""
import json
import threading
import time

import pytest

from blackbox import Receiver, Tributary, wait_until


def event(number, user="u", **properties):
    return {"type": "track", "event": "E", "userId": user, "messageId": f"m{number}",
            "properties": {"n": number, **properties}}


def send(server, *events):
    for one in events:
        answer = server.track(one)
        assert answer.status == 200, answer


def numbers(request):
    body = json.loads(request["body"])
    return [e["properties"]["n"] for e in (body if isinstance(body, list) else [body])]


def state(server, number, destination="hook"):
    trace = server.get(f"/api/v1/events/m{number}").json()
    return next(d for d in trace["deliveries"] if d["destination"] == destination)


def test_order_by_a_path_holds_through_failures_and_a_kill(tmp_path):
    """The head of car A fails; what follows it waits, car B does not, and a kill changes nothing."""
    broken = threading.Event()
    broken.set()
    taken = []

    def answer(request):
        n = numbers(request)[0]
        if n == 0 and broken.is_set():
            return 500
        taken.append(n)
        return 204

    with Receiver(answer) as receiver, Tributary(tmp_path / "data") as server:
        server.destination("hook", url=receiver.url, order="key", order_by="properties.vin",
                           retry={"schedule": ["0s"] + ["500ms"] * 40})
        send(server, event(0, vin="A"), event(1, vin=7), event(2, vin="A"), event(3, vin=7),
             event(4, vin="A"))
        wait_until(lambda: taken == [1, 3])
        wait_until(lambda: server.stats("hook")["followers"] == 2)
        assert state(server, 2)["state"] == "pending"
        assert state(server, 0)["state"] == "retrying"
        time.sleep(0.2)
        server.kill()
        server.start()
        time.sleep(0.7)
        assert 2 not in taken and 4 not in taken
        broken.clear()
        wait_until(lambda: server.stats("hook")["delivered"] == 5, timeout=20)
        assert [n for n in taken if n in (0, 2, 4)] == [0, 2, 4]


def test_a_head_that_holds_up_others_for_too_long_is_dead_lettered():
    def answer(request):
        return 500 if numbers(request)[0] == 0 else 204

    with Receiver(answer) as receiver, Tributary() as server:
        server.destination("hook", url=receiver.url, order="key", order_wait="1s",
                           retry={"schedule": ["0s", "1h"]})
        send(server, event(0), event(1))
        wait_until(lambda: server.stats("hook")["delivered"] == 1, timeout=10)
        assert state(server, 0)["state"] == "dead_lettered"
        assert server.stats("hook")["followers"] == 0


def test_a_batch_is_an_array_with_one_id_that_a_kill_does_not_change(tmp_path):
    broken = threading.Event()
    broken.set()
    with Receiver(lambda request: 503 if broken.is_set() else 200) as receiver, \
            Tributary(tmp_path / "data") as server:
        server.destination("hook", url=receiver.url, batch={"size": 3, "wait": "30s"},
                           retry={"schedule": ["0s"] + ["500ms"] * 40})
        send(server, *[event(n) for n in range(3)])
        wait_until(lambda: len(receiver.requests) >= 2, timeout=10)
        trace = state(server, 1)
        assert trace["state"] == "retrying"
        assert trace["webhook_id"] == receiver.requests[0]["headers"]["webhook-id"]
        server.kill()
        server.start()
        broken.clear()
        wait_until(lambda: server.stats("hook")["delivered"] == 3, timeout=20)
        assert {r["headers"]["webhook-id"] for r in receiver.requests} == {trace["webhook_id"]}
        assert all(numbers(r) == [0, 1, 2] for r in receiver.requests)
        assert trace["webhook_id"].startswith("msg_")


def test_a_refused_batch_is_split_until_the_poison_stands_alone():
    def answer(request):
        return 400 if 5 in numbers(request) else 200

    with Receiver(answer) as receiver, Tributary() as server:
        server.destination("hook", url=receiver.url, batch={"size": 8, "wait": "2s"})
        send(server, *[event(n) for n in range(8)])
        wait_until(lambda: server.stats("hook")["delivered"] == 7, timeout=20)
        assert server.stats("hook")["dead_lettered"] == 1
        assert state(server, 5)["state"] == "dead_lettered"
        assert [5] in [numbers(r) for r in receiver.requests]
        ids = [r["headers"]["webhook-id"] for r in receiver.requests]
        assert len(set(ids)) == len(ids)


def test_what_only_gathered_is_sent_after_a_restart(tmp_path):
    with Receiver() as receiver, Tributary(tmp_path / "data") as server:
        server.destination("hook", url=receiver.url, batch={"size": 100, "wait": "60s"})
        send(server, *[event(n) for n in range(3)])
        time.sleep(0.3)
        assert receiver.requests == []
        assert server.stop() == 0
        server.start()
        answer = server.request("PATCH", "/api/v1/destinations/hook", {"batch": {"wait": "100ms"}})
        assert answer.status == 200, answer
        wait_until(lambda: server.stats("hook")["delivered"] == 3, timeout=10)
        assert [numbers(r) for r in receiver.requests] == [[0, 1, 2]]


def test_a_destination_says_which_statuses_are_tried_again():
    answers = {"named": iter([404, 410, 204]), "final": iter([500])}
    with Receiver(lambda request: next(answers[request["path"].rsplit("/", 1)[-1]])) as receiver, \
            Tributary() as server:
        for name in answers:
            server.destination(name, url=f"{receiver.url}/{name}", names=[name], retry={
                "schedule": ["0s", "20ms", "20ms"], "statuses": ["404", "410"]})
        for name in answers:
            assert server.track({"event": name, "userId": "u", "messageId": name}).status == 200
        wait_until(lambda: server.stats("named")["delivered"] == 1)
        wait_until(lambda: server.stats("final")["dead_lettered"] == 1)
        trace = server.get("/api/v1/events/named").json()["deliveries"]
        attempts = next(d for d in trace if d["destination"] == "named")["attempts"]
        assert [a["status"] for a in attempts] == [404, 410, 204]
        assert server.get("/api/v1/destinations/named").json()["status"] == "active"


@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_receiver_gets_fewer_requests_at_a_time(status):
    busy = threading.Event()
    busy.set()
    with Receiver(lambda request: status if busy.is_set() else 200) as receiver, \
            Tributary() as server:
        server.destination("hook", url=receiver.url, concurrency=8,
                           retry={"schedule": ["0s"] + ["100ms"] * 50})
        assert server.stats("hook")["window"] == 8
        send(server, *[event(n) for n in range(10)])
        wait_until(lambda: server.stats("hook")["window"] < 8, timeout=10)
        busy.clear()
        wait_until(lambda: server.stats("hook")["delivered"] == 10, timeout=40)


def test_wrong_options_are_refused_by_name(tributary):
    for field, options in {
            "batch.size": {"batch": {"size": 10001}},
            "batch.wait": {"batch": {"size": 2, "wait": "61s"}},
            "batch.bytes": {"batch": {"size": 2, "bytes": "17MiB"}},
            "order": {"order": "all"},
            "order_by": {"order": "key", "order_by": "a..b"},
            "order_by has a meaning": {"order": "none", "order_by": "properties.vin"},
            "order_wait": {"order": "key", "order_wait": "soon"},
            "retry.statuses[1]": {"retry": {"statuses": ["429", "2xx"]}},
            "retry.total": {"retry": {"total": -1}}}.items():
        answer = tributary.post("/api/v1/destinations", {
            "name": "d", "type": "webhook", "url": "https://example.com/", **options})
        assert answer.status == 400, (field, answer)
        assert field in answer.json()["message"], (field, answer)
    answer = tributary.post("/api/v1/destinations", {
        "name": "d", "type": "CDP", "url": "https://example.com/", "batch": {"size": 2}})
    assert answer.status == 400 and "batch.size" in answer.json()["message"], answer
