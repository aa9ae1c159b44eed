"""What came in, from outside: lists, filters and pages of events."""
import time

from support.blackbox import Tributary, wait_until

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
