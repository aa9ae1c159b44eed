"""POST /api/v1/destinations/{name}/test: one real request, shown as it was."""
import gzip
import json
import socket
import time

import pytest

from blackbox import Tributary, wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def trial(tributary, body=None, name="hook", **kwargs):
    return tributary.post(f"/api/v1/destinations/{name}/test", body, **kwargs)


def test_a_sample_is_sent_signed_and_shown_with_its_answer(tributary, receiver):
    tributary.destination("hook", url=receiver.url + "/in", signing_secret=SECRET,
                          headers={"X-Team": "s3cret-team"}, enabled=False)
    shown = trial(tributary).json()
    [request] = receiver.all()
    assert shown["verdict"] == "delivered" and shown["error"] is None
    assert shown["request"]["method"] == "POST" and shown["request"]["url"] == receiver.url + "/in"
    assert shown["request"]["body"].encode() == request["body"]
    assert json.loads(request["body"]) == shown["event"]
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert shown["request"]["headers"][name] == request["headers"][name]
    assert shown["request"]["headers"]["X-Team"] == "***"
    assert request["headers"]["x-team"] == "s3cret-team"
    assert shown["response"]["status"] == 204 and shown["duration_ms"] >= 0


def test_neither_lane_nor_counts_hear_of_it_and_pause_does_not_stop_it(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    assert tributary.post("/api/v1/destinations/hook/pause").status == 200
    before = tributary.stats("hook")
    for _ in range(30):
        assert trial(tributary).json()["verdict"] == "delivered"
    assert tributary.stats("hook") == before
    assert len(receiver.all()) == 30


def test_a_failing_receiver_is_shown_and_opens_no_breaker(tributary, receiver):
    from blackbox import Receiver
    with Receiver(lambda r: (503, {"Retry-After": "7", "X-Why": "tired"}, b"later, " * 20000)) as bad:
        tributary.destination("hook", url=bad.url)
        for _ in range(25):
            shown = trial(tributary).json()
        assert shown["verdict"] == "retry" and shown["error"] == "HTTP 503"
        assert shown["response"]["status"] == 503
        assert shown["response"]["headers"]["X-Why"] == "tired"
        assert len(shown["response"]["body"]) == 64 * 1024
        assert tributary.stats("hook")["breaker"] == "closed"


def test_the_given_event_goes_out_byte_for_byte(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    event = '{"type": "track", "userId":"u", "event":"E", "n": 39.950, "big": 123456789012345678901, "messageId":"m1"}'
    answer = trial(tributary, '{"event": ' + event + "}", headers={"Content-Type": "application/json"})
    assert answer.status == 200, answer
    assert receiver.all()[0]["body"].decode() == event


ODD = '{"userId":"u","event":"Odd","messageId":"odd-1","n":[1e400,12345678901234567890123,1.10,-0],"d":1,"d":2}'


def test_the_event_is_shown_byte_for_byte(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    as_json = {"Content-Type": "application/json"}
    given = trial(tributary, '{"event":' + ODD + "}", headers=as_json)
    assert given.status == 200 and ODD.encode() in given.body, given.body
    assert json.loads(given.body)["verdict"] == "delivered"
    key = {"Authorization": "Basic ZGVtbzo="}
    assert tributary.request("POST", "/v1/track", ODD, headers={**as_json, **key}).status == 200
    kept = trial(tributary, {"message_id": "odd-1"})
    assert kept.status == 200 and b'1e400,12345678901234567890123,1.10,-0],"d":1,"d":2' in kept.body
    assert json.loads(kept.body)["event"]["messageId"] == "odd-1"


def test_an_event_without_an_id_is_a_new_one_each_time(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    event = {"userId": "u", "event": "E"}
    shown = [trial(tributary, {"event": event}).json() for _ in range(3)]
    assert len({s["webhook_id"] for s in shown}) == 3
    assert {r["headers"]["webhook-id"] for r in receiver.all()} == {s["webhook_id"] for s in shown}
    named = [trial(tributary, {"event": {**event, "messageId": "m"}}).json() for _ in range(2)]
    assert named[0]["webhook_id"] == named[1]["webhook_id"]


@pytest.mark.parametrize("event", [
    {}, {"type": "bogus", "userId": "u"}, {"event": "E"},
    {"userId": "u", "event": "E", "messageId": "m" * 2000},
    {"userId": "u", "event": "E", "messageId": 5},
])
def test_what_no_source_would_take_is_refused_as_a_dry_run_refuses_it(tributary, receiver, event):
    tributary.destination("hook", url=receiver.url)
    refused = trial(tributary, {"event": event})
    assert refused.status == 400 and refused.json()["field"] == "event", refused
    assert tributary.post("/api/v1/destinations/hook/dry-run", {"event": event}).json() \
        == refused.json()
    assert receiver.all() == []


def test_a_kept_event_goes_out_with_the_id_its_delivery_had(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    assert tributary.track({"userId": "u", "event": "Kept", "messageId": "kept-1"}).status == 200
    wait_until(lambda: len(receiver.all()) == 1, message="the delivery")
    shown = trial(tributary, {"message_id": "kept-1"}).json()
    first, second = receiver.all()
    assert second["body"] == first["body"]
    assert second["headers"]["webhook-id"] == first["headers"]["webhook-id"] == shown["webhook_id"]
    answer = trial(tributary, {"message_id": "ghost"})
    assert answer.status == 404 and answer.json()["field"] == "message_id", answer


def test_of_an_id_at_several_sources_the_source_says_whose_event_goes_out(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    keys = {name: tributary.post("/api/v1/sources", {"name": name}).json()["write_key"]
            for name in ("web", "ios", "idle")}
    for name in ("web", "ios"):
        event = {"userId": "u", "event": "From " + name, "messageId": "shared"}
        assert tributary.track(event, key=keys[name]).status == 200
    wait_until(lambda: len(receiver.all()) == 2, message="the deliveries")
    first = {json.loads(r["body"])["event"]: r["headers"]["webhook-id"] for r in receiver.all()}
    assert len(set(first.values())) == 2
    for name in ("web", "ios"):
        shown = trial(tributary, {"message_id": "shared", "source": name}).json()
        assert shown["event"]["event"] == "From " + name
        assert shown["webhook_id"] == first["From " + name]
    assert trial(tributary, {"message_id": "shared"}).json()["event"]["event"] == "From ios"
    absent = trial(tributary, {"message_id": "shared", "source": "idle"})
    assert absent.status == 404 and absent.json()["field"] == "message_id", absent
    # One that is given is of that source too: its delivery would have the same id.
    given = {"event": {"userId": "u", "event": "Given", "messageId": "shared"}, "source": "web"}
    assert trial(tributary, given).json()["webhook_id"] == first["From web"]
    assert tributary.request("DELETE", "/api/v1/sources/web").status == 204
    shown = trial(tributary, {"message_id": "shared", "source": "web"}).json()
    assert shown["event"]["event"] == "From web"


@pytest.mark.parametrize("body, field", [
    ({"message_id": "m", "source": "ghost"}, "source"), ({"message_id": "m", "source": 5}, "source"),
    ({"message_id": "m", "source": ""}, "source"), ({"source": "demo"}, "source"),
    ({"event": {}, "source": "ghost"}, "source"),
    ({"event": 5}, "event"), ({"event": {"messageId": 5}}, "event"),
    ({"message_id": 5}, "message_id"), ({"message_id": ""}, "message_id"),
    ({"event": {}, "message_id": "m"}, "message_id"), ({"evnt": {}}, "evnt"),
])
def test_bad_requests_name_the_field(tributary, body, field):
    tributary.destination("hook", url="http://127.0.0.1:9/")
    answer = trial(tributary, body)
    assert answer.status == 400 and answer.json()["field"] == field, answer
    assert trial(tributary, name="ghost").status == 404


def test_no_connection_and_a_file_destination(tributary):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        tributary.destination("hook", url=f"http://127.0.0.1:{s.getsockname()[1]}/")
        shown = trial(tributary).json()
    assert shown["verdict"] == "retry" and shown["error"].startswith("EREFUSED")
    assert shown["response"] is None and shown["request"]["method"] == "POST"
    tributary.destination("lines", type="file")
    shown = trial(tributary, name="lines").json()
    assert shown["verdict"] == "delivered" and shown["request"] is None
    assert json.loads((tributary.data_dir / "files" / "lines.ndjson").read_text()) == shown["event"]


def test_the_mapping_is_applied_and_its_failure_is_the_answer(tributary, receiver):
    tributary.destination("hook", url=receiver.url, mapping="{name: .event, n: (.n + 1)}")
    shown = trial(tributary, {"event": {"userId": "u", "event": "E", "n": 1}}).json()
    assert json.loads(receiver.all()[0]["body"]) == {"name": "E", "n": 2}
    assert json.loads(shown["request"]["body"]) == {"name": "E", "n": 2}
    assert shown["event"] == {"userId": "u", "event": "E", "n": 1}
    shown = trial(tributary, {"event": {"userId": "u", "event": "E", "n": []}}).json()
    assert shown["verdict"] == "rejected" and shown["error"].startswith("mapping: "), shown
    assert shown["request"] is None and len(receiver.all()) == 1


def test_authorization_is_not_shown(tributary, receiver):
    tributary.destination("hook", url=receiver.url, auth={"type": "bearer", "token": "t0ps3cret"})
    answer = trial(tributary)
    assert answer.json()["request"]["headers"]["Authorization"] == "***"
    assert b"t0ps3cret" not in answer.body
    assert receiver.all()[0]["headers"]["authorization"] == "Bearer t0ps3cret"


def test_another_tributary_takes_it(tmp_path):
    with Tributary(data_dir=tmp_path / "a") as near, Tributary(data_dir=tmp_path / "b") as far:
        near.destination("far", type="tributary", url=f"http://{far.host}:{far.port}",
                         write_key="demo")
        shown = trial(near, name="far").json()
        assert shown["verdict"] == "delivered", shown
        assert shown["response"]["body"] == '{"success":true}'
        kept = wait_until(lambda: far.get("/api/v1/events/" + shown["event"]["messageId"]))
        assert kept.status == 200 and kept.json()["event"]["event"] == "Test Event"
