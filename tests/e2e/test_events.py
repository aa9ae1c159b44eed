"""What came in, from outside: lists, filters and pages of events."""
import http.client
import json
import socket
import time

from blackbox import Tributary, wait_until

SOURCES = """
sources:
  - {name: web, write_key: web-key}
  - {name: app, write_key: app-key}
"""


def ids(page):
    return [entry["message_id"] for entry in page["data"]]


def test_an_event_is_listed_as_soon_as_it_is_acknowledged():
    with Tributary() as tributary:
        for i in range(50):
            assert tributary.track({"userId": "u", "event": "E", "messageId": f"m{i}"}).status == 200
            page = tributary.get("/api/v1/events?limit=1").json()
            assert ids(page) == [f"m{i}"]
        entry = page["data"][0]
        assert entry["source"] == "demo" and entry["type"] == "track" and entry["name"] == "E"
        assert entry["key"] == "u" and entry["kind"] == "event" and entry["duplicate"] is False
        assert entry["event"]["messageId"] == "m49" and entry["event"]["userId"] == "u"
        assert entry["offset"] == 49 and entry["partition"] == 0


def test_filters_and_pages():
    with Tributary(config=SOURCES) as tributary:
        for i in range(30):
            key = "web-key" if i % 3 else "app-key"
            event = {"userId": f"u{i % 5}", "event": "Order Paid" if i % 2 else "Order Sent",
                     "messageId": f"m{i}"}
            assert tributary.track(event, key=key).status == 200
        assert tributary.post("/v1/page", {"userId": "u0", "name": "Home", "messageId": "p"},
                              headers={"Authorization": "Basic d2ViLWtleTo="}).status == 200

        def every(query):
            found, cursor = [], None
            while True:
                page = tributary.get(f"/api/v1/events?limit=4&{query}" +
                                     (f"&cursor={cursor}" if cursor else "")).json()
                found += ids(page)
                cursor = page["next_cursor"]
                if not cursor:
                    return found

        assert every("order=asc") == [f"m{i}" for i in range(30)] + ["p"]
        assert every("source=app") == [f"m{i}" for i in reversed(range(0, 30, 3))]
        assert every("name=Order%20P*&order=asc") == [f"m{i}" for i in range(1, 30, 2)]
        assert every("type=page") == ["p"]
        assert every("key=u3&order=asc") == [f"m{i}" for i in range(3, 30, 5)]


def test_repeats_are_left_out_unless_asked_for():
    with Tributary() as tributary:
        for _ in range(3):
            tributary.track({"userId": "u", "event": "E", "messageId": "same"})
        assert len(tributary.get("/api/v1/events").json()["data"]) == 1
        entries = tributary.get("/api/v1/events?duplicates=true").json()["data"]
        assert [entry["duplicate"] for entry in entries] == [True, True, False]


def test_times_divide_the_list_and_a_restart_changes_nothing(tmp_path):
    with Tributary(data_dir=tmp_path / "data") as tributary:
        tributary.track({"userId": "u", "event": "E", "messageId": "before"})
        time.sleep(0.05)
        tributary.track({"userId": "u", "event": "E", "messageId": "after"})
        entries = tributary.get("/api/v1/events").json()["data"]
        middle = entries[0]["received_at"]
        assert ids(tributary.get(f"/api/v1/events?since={middle}").json()) == ["after"]
        assert ids(tributary.get(f"/api/v1/events?until={middle}").json()) == ["before"]
        assert tributary.stop() == 0
        tributary.start()
        assert tributary.get("/api/v1/events").json()["data"] == entries


def test_bad_questions_name_the_parameter():
    with Tributary() as tributary:
        for query, field in (("limit=0", "limit"), ("limit=1001", "limit"), ("since=soon", "since"),
                             ("cursor=zzz", "cursor"), ("source=nobody", "source"),
                             ("type=TRACK", "type"), ("sources=demo", "sources")):
            answer = tributary.get(f"/api/v1/events?{query}")
            assert answer.status == 400, (query, answer)
            assert answer.json()["field"] == field and answer.json()["success"] is False


class Tail:
    """A live tail, read as a client of server-sent events does."""

    def __init__(self, tributary, query="", last_id=None):
        self.socket = socket.create_connection((tributary.host, tributary.port), timeout=10)
        head = f"GET /api/v1/events/tail{query} HTTP/1.1\r\nHost: localhost\r\n"
        if last_id:
            head += f"Last-Event-ID: {last_id}\r\n"
        self.socket.sendall((head + "\r\n").encode())
        self.answer = http.client.HTTPResponse(self.socket)
        self.answer.begin()

    def next(self):
        """The next event as (id, event, data); comments are passed over. None at the end."""
        fields = {}
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif not line and "data" in fields:
                return fields.get("id"), fields["event"], json.loads(fields["data"])
        return None

    def close(self):
        self.answer.close()
        self.socket.close()


def test_a_tail_says_events_as_they_come_and_resumes(tmp_path):
    with Tributary(data_dir=tmp_path / "data") as tributary:
        tributary.track({"userId": "u", "event": "E", "messageId": "old"})
        tail = Tail(tributary, "?name=E*")
        assert tail.answer.status == 200
        assert tail.answer.getheader("Content-Type") == "text/event-stream"
        for name, message_id in (("E1", "a"), ("other", "b"), ("E1", "a"), ("E2", "c")):
            tributary.track({"userId": "u", "event": name, "messageId": message_id})
        seen = [tail.next() for _ in range(2)]
        assert [data["message_id"] for _, _, data in seen] == ["a", "c"]
        assert {event for _, event, _ in seen} == {"event"}
        assert seen[0][0] == "0-1" and seen[0][2]["event"]["event"] == "E1"
        tail.close()
        tributary.track({"userId": "u", "event": "E3", "messageId": "while-away"})
        tributary.kill()
        tributary.start()
        again = Tail(tributary, "?name=E*", last_id=seen[1][0])
        assert again.next()[2]["message_id"] == "while-away"
        tributary.track({"userId": "u", "event": "E4", "messageId": "live"})
        assert again.next()[2]["message_id"] == "live"
        again.close()


def test_tails_end_at_sigterm_and_their_number_is_bounded():
    with Tributary() as tributary:
        tails = [Tail(tributary) for _ in range(64)]
        assert {tail.answer.status for tail in tails} == {200}
        refused = Tail(tributary)
        assert refused.answer.status == 503
        tails.pop().close()
        wait_until(lambda: Tail(tributary).answer.status == 200, message="a place given back")
        began = time.monotonic()
        assert tributary.stop() == 0
        assert time.monotonic() - began < 5
        assert all(tail.next() is None for tail in tails)


def test_a_reader_that_reads_nothing_slows_nobody():
    with Tributary() as tributary:
        stuck, other = Tail(tributary), Tail(tributary)
        event = {"userId": "u", "event": "E", "properties": {"text": "x" * 20_000}}
        before = resident(tributary)
        for i in range(60):
            batch = [{**event, "type": "track", "messageId": f"m{i}-{j}"} for j in range(20)]
            assert tributary.track({"batch": batch}, path="/v1/batch").status == 200
            for j in range(20):
                assert other.next()[2]["message_id"] == f"m{i}-{j}"
        # 24 MB went by the one that reads; of the other one piece and its buffer are held.
        assert resident(tributary) - before < 64_000_000
        stuck.close()
        other.close()


def resident(tributary):
    for line in tributary.get("/metrics").body.decode().splitlines():
        if line.startswith("tributary_resident_bytes"):
            return float(line.split()[-1])
    raise AssertionError("no tributary_resident_bytes")


def test_a_trace_says_what_came_again_and_by_which_rule(receiver):
    with Tributary() as tributary:
        tributary.destination("hook", url=receiver.url)
        for _ in range(3):
            tributary.track({"userId": "u", "event": "E", "messageId": "m", "properties": {"a": 1}})
        assert tributary.request("PATCH", "/api/v1/destinations/hook", {"names": ["X"]}).status == 200
        tributary.track({"userId": "u", "event": "E", "messageId": "later"})
        wait_until(lambda: len(receiver.all()) == 1, message="the first")
        trace = tributary.get("/api/v1/events/m").json()
        assert trace["source"] == "demo" and trace["type"] == "track" and trace["key"] == "u"
        assert trace["duplicates"] == 2 and trace["damaged"] is False
        assert [r["offset"] for r in trace["newest_duplicates"]] == [2, 1]
        assert trace["event"]["properties"] == {"a": 1}
        first, = trace["deliveries"]
        assert first["state"] == "delivered"
        second, = tributary.get("/api/v1/events/later").json()["deliveries"]
        assert second["state"] == "filtered"
        assert second["rule_revision"] > first["rule_revision"] >= 1
