"""One Tributary hands its events to another one: two real processes, batches, deaths on both sides."""
import http.client
import json
import threading
import time
import urllib.parse

from blackbox import ALLOW_LOOPBACK, Receiver, Tributary, wait_until

EVENTS = 600
RETRY = {"schedule": ["0s"] + ["300ms"] * 99}


def event(n, **more):
    return {"type": "track", "event": "E", "userId": f"u{n % 7}", "messageId": f"c{n}",
            "timestamp": f"2026-01-31T12:00:{n % 60:02d}.000Z", "properties": {"n": n, "t": "ü€😀"},
            **more}


def send(server, events):
    events = list(events)
    for first in range(0, len(events), 100):
        answer = server.track({"batch": events[first:first + 100]}, path="/v1/batch")
        assert answer.status == 200 and "rejected" not in answer.json(), answer


def kept(server):
    """Every event that a server has, repeats too, oldest first."""
    out, cursor = [], ""
    while cursor is not None:
        page = server.get("/api/v1/events?limit=1000&order=asc&duplicates=true" + cursor).json()
        out += page["data"]
        cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
    return out


def link(server, url, **more):
    server.destination("far", type="tributary", url=url, write_key="demo", retry=RETRY,
                       batch={"size": 50, "wait": "100ms"}, **more)


def whole(server, n, timeout=60):
    wait_until(lambda: server.stats("sink")["delivered"] == n, timeout,
               lambda: f"{n} events there: {server.stats('sink')}")


class Wire:
    """Stands between the two, and passes on what it is told to."""

    def __init__(self, url):
        self.far = urllib.parse.urlsplit(url).netloc
        self.lose_answers = threading.Event()
        self.receiver = Receiver(self.answer)
        self.url = self.receiver.url

    def answer(self, request):
        connection = http.client.HTTPConnection(self.far, timeout=10)
        names = ("content-type", "content-encoding", "authorization")
        headers = {name: request["headers"][name] for name in names if name in request["headers"]}
        connection.request("POST", request["path"], request["body"], headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if self.lose_answers.is_set():
            return 502
        return response.status, {"Content-Type": "application/json"}, body


def test_events_pass_through_kills_of_both_ends_once_and_unchanged(tmp_path):
    near = Tributary(data_dir=tmp_path / "near")
    far = Tributary(data_dir=tmp_path / "far")
    with near, far:
        far.destination("sink", type="null")
        link(near, f"http://{far.host}:{far.port}")
        far.listen = f"{far.host}:{far.port}"  # where it comes back
        near.listen = f"{near.host}:{near.port}"
        events = [event(n) for n in range(EVENTS)]
        send(near, events[:200])
        far.kill()  # in the middle of it, or not: nothing is known of what it answers
        send(near, events[200:300])
        far.start()
        send(near, events[300:400])
        near.kill()
        near.start()
        send(near, events[400:500])
        far.kill()
        near.kill()
        near.start()
        send(near, events[500:])
        far.start()
        whole(far, EVENTS)
        wait_until(lambda: near.stats("far")["delivered"] == EVENTS, 30, "the near end knows it")
        stats = near.stats("far")
        assert (stats["dead_lettered"], stats["dropped"], stats["retrying"]) == (0, 0, 0), stats
        there = [e for e in kept(far) if not e["duplicate"]]
        assert sorted(e["message_id"] for e in there) == sorted(e["messageId"] for e in events)
        sent = {e["messageId"]: e for e in events}
        for found in there:
            was, now = sent[found["message_id"]], found["event"]
            assert {name: now[name] for name in was} == was
            assert found["event_time"].startswith(was["timestamp"][:19]), found
        assert far.get("/api/v1/audit").json()["balanced"]
        assert near.get("/api/v1/audit").json()["balanced"]


def test_what_was_taken_without_an_answer_is_no_second_event_at_the_far_end(tmp_path):
    with Tributary(data_dir=tmp_path / "near") as near, \
            Tributary(data_dir=tmp_path / "far") as far:
        far.destination("sink", type="null")
        wire = Wire(f"http://{far.host}:{far.port}")
        wire.lose_answers.set()
        with wire.receiver:
            link(near, wire.url)
            send(near, [event(n) for n in range(200)])
            whole(far, 200)  # taken, but the near end does not know
            wait_until(lambda: any(e["duplicate"] for e in kept(far)), 20, "a repeat at the far end")
            assert near.stats("far")["delivered"] == 0
            wire.lose_answers.clear()
            wait_until(lambda: near.stats("far")["delivered"] == 200, 30, "the answers")
            requests = wire.receiver.all()
        time.sleep(0.3)
        assert far.stats("sink")["delivered"] == 200
        assert all(r["path"] == "/v1/batch" and r["headers"]["content-encoding"] == "gzip"
                   for r in requests)
        # Few requests for many events, and a batch that is sent again is the same one.
        ids = {r["headers"]["webhook-id"] for r in requests}
        assert len(ids) < 40 and len(requests) > len(ids), (len(ids), len(requests))
        trace = far.get("/api/v1/events/c7").json()
        assert trace["duplicates"] >= 1 and len(trace["deliveries"]) == 1, trace


def test_what_the_far_end_refuses_is_a_dead_letter_and_the_rest_of_its_batch_arrives(tmp_path):
    small = ALLOW_LOOPBACK + "sources:\n- {name: demo, write_key: demo, event_size: 2KiB}\n"
    with Tributary(data_dir=tmp_path / "near") as near, \
            Tributary(data_dir=tmp_path / "far", config=small) as far:
        far.destination("sink", type="null")
        link(near, f"http://{far.host}:{far.port}")
        large = {"properties": {"text": "x" * 3000}}
        send(near, [event(n, **(large if n % 25 == 3 else {})) for n in range(100)])
        whole(far, 96)
        wait_until(lambda: near.stats("far")["delivered"] == 96, 20, "the near end knows it")
        letters = near.get("/api/v1/dead-letters?destination=far").json()
        assert letters["total"] == 4
        assert {e["message_id"] for e in letters["data"]} == {"c3", "c28", "c53", "c78"}
        assert all("event_too_large" in e["reason"] for e in letters["data"]), letters
        assert far.get("/api/v1/events/c3").status == 404
        [pair] = near.get("/api/v1/events/c28").json()["deliveries"]
        assert pair["state"] == "dead_lettered" and "event_too_large" in pair["reason"]
