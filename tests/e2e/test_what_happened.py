"""What became of an event: dead letters, deliveries, the audit; over HTTP only."""
import json

import pytest

from blackbox import ALLOW_LOOPBACK, Receiver, Tributary, wait_until

RETRY = {"schedule": ["0s", "100ms"]}


def send(server, n, prefix="m", **fields):
    for i in range(n):
        answer = server.track({"event": "Order", "userId": "u", "messageId": f"{prefix}{i}", **fields})
        assert answer.status == 200, answer


def all_pages(server, path, limit=7):
    entries, cursor = [], None
    while True:
        sep = "&" if "?" in path else "?"
        page = server.get(f"{path}{sep}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert page.status == 200, page
        entries += page.json()["data"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return entries


@pytest.fixture
def broken():
    """A receiver that refuses until told otherwise."""
    state = {"status": 400}
    with Receiver(lambda request: state["status"]) as receiver:
        receiver.state = state
        yield receiver


def test_dead_letters_are_listed_redriven_and_deleted(broken):
    with Tributary() as server:
        server.destination("hook", url=broken.url, retry=RETRY)
        send(server, 20)
        wait_until(lambda: server.stats("hook")["dead_lettered"] == 20)
        letters = all_pages(server, "/api/v1/dead-letters?destination=hook")
        assert sorted(one["message_id"] for one in letters) == sorted(f"m{i}" for i in range(20))
        ats = [one["at"] for one in letters]
        assert ats == sorted(ats, reverse=True)
        one = letters[0]
        assert one["state"] == "dead_lettered" and one["source"] == "demo"
        assert one["attempts"][0]["status"] == 400 and one["next_attempt_at"] is None
        whole = server.get("/api/v1/dead-letters/" + one["id"]).json()
        assert whole["event"]["messageId"] == one["message_id"]
        first_ids = {json.loads(r["body"])["messageId"]: r["headers"]["webhook-id"]
                     for r in broken.all()}

        broken.state["status"] = 204
        answer = server.post("/api/v1/dead-letters/redrive", {"ids": [one["id"]]})
        assert answer.status == 200 and answer.json()["redriven"] == 1, answer
        wait_until(lambda: server.stats("hook")["delivered"] == 1)
        again = broken.all()[-1]
        assert json.loads(again["body"])["messageId"] == one["message_id"]
        assert again["headers"]["webhook-id"] == first_ids[one["message_id"]]

        gone = letters[1]
        assert server.request("DELETE", "/api/v1/dead-letters/" + gone["id"]).status == 204
        assert server.request("DELETE", "/api/v1/dead-letters/" + gone["id"]).status == 404
        trace = server.get("/api/v1/events/" + gone["message_id"]).json()["deliveries"][0]
        assert trace["state"] == "dropped" and trace["rule"] == "deleted"

        answer = server.post("/api/v1/dead-letters/redrive", {"destination": "hook"})
        assert answer.json()["redriven"] == 18, answer
        wait_until(lambda: server.stats("hook")["delivered"] == 19)
        stats = server.stats("hook")
        assert (stats["dead_lettered"], stats["dropped"]) == (0, 1)
        assert server.get("/api/v1/dead-letters").json()["total"] == 0


def test_a_large_redrive_has_progress_and_survives_a_kill(broken):
    with Tributary() as server:
        server.destination("hook", url=broken.url, retry=RETRY, concurrency=100)
        batch = [{"type": "track", "event": "E", "userId": "u", "messageId": f"m{i}"}
                 for i in range(1500)]
        for at in range(0, 1500, 500):
            assert server.track({"batch": batch[at:at + 500]}, path="/v1/batch").status == 200
        wait_until(lambda: server.stats("hook")["dead_lettered"] == 1500, 60)
        broken.state["status"] = 204
        answer = server.post("/api/v1/dead-letters/redrive", {})
        assert answer.status == 202 and answer.json()["total"] == 1500, answer
        server.kill()
        server.start()
        wait_until(lambda: server.stats("hook")["delivered"] == 1500, 60)
        path = "/api/v1/dead-letters/redrives/" + answer.json()["id"]
        wait_until(lambda: server.get(path).json()["state"] == "done")
        assert server.get(path).json()["done"] == 1500
        assert server.stats("hook")["dead_lettered"] == 0


def test_dead_letters_leave_past_their_byte_limit(broken):
    config = ALLOW_LOOPBACK + "dead_letters: {size: 2KiB, age: 1d}\n"
    with Tributary(config=config) as server:
        server.destination("hook", url=broken.url, retry=RETRY)
        send(server, 30)
        wait_until(lambda: server.stats("hook")["dropped"] > 0, 25)
        stats = server.stats("hook")
        assert stats["dead_lettered"] + stats["dropped"] == 30
        oldest = server.get("/api/v1/events/m0").json()["deliveries"][0]
        assert (oldest["state"], oldest["rule"]) == ("dropped", "dead_letter_size")


@pytest.mark.parametrize("query, field", [
    ("since=yesterday", "since"), ("until=x", "until"), ("limit=0", "limit"),
    ("destination=nobody", "destination"), ("cursor=x", "cursor"), ("source=nobody", "source"),
    ("colour=red", "colour")])
def test_a_wrong_parameter_is_named(shared_server, query, field):
    answer = shared_server.get("/api/v1/dead-letters?" + query)
    assert answer.status == 400 and answer.json()["field"] == field, answer


@pytest.mark.parametrize("body, field", [
    ({"destination": "nobody"}, "destination"), ({"ids": ["x"]}, "ids[0]"), ({"since": "x"}, "since"),
    ({"destinations": "x"}, "destinations"), ({"all": 1}, "all")])
def test_a_wrong_selection_is_named(shared_server, body, field):
    for verb in ("redrive", "delete"):
        answer = shared_server.post("/api/v1/dead-letters/" + verb, body)
        assert answer.status == 400 and answer.json()["field"] == field, answer


@pytest.fixture(scope="module")
def shared_server():
    with Tributary() as server:
        yield server
