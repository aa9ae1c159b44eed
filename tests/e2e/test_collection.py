"""The collection door as SDKs meet it: captured requests over real HTTP, and what comes out."""
import datetime
import gzip
import http.client
import json
import socket

import pytest

from blackbox import SHARED, Receiver, Tributary, wait_until

CONFIG = """
sources:
  - name: shop
    write_key: WRITE_KEY
egress:
  allow: [127.0.0.1/32]
"""
FIXTURES = sorted((SHARED / "fixtures" / "collection").glob("*.json"))
OURS = [p for p in FIXTURES if not p.name.startswith("jitsu")
        and p.name != "constructed-seed-destinations.json"]
MADE_BY_CLIENT = {"host", "connection", "content-length", "transfer-encoding"}
pytestmark = pytest.mark.skipif(not FIXTURES, reason="no fixtures beside the sources")


def millis(text):
    """Whole milliseconds since 1970 of an ISO 8601 text."""
    at = datetime.datetime.fromisoformat(text)
    return round(at.timestamp() * 1_000_000) // 1000


@pytest.fixture(scope="module")
def shop():
    with Tributary(config=CONFIG) as server, Receiver() as receiver:
        server.destination("hook", url=receiver.url + "/hook")
        server.receiver = receiver
        yield server


def replay(server, fixture):
    """Sends a captured request as it was: its headers, its encoding, chunked where it was."""
    body = fixture["body"]
    body = b"" if body is None else json.dumps(body).encode()
    if fixture.get("bodyEncoding") == "gzip":
        body = gzip.compress(body)
    chunked = fixture["headers"].get("Transfer-Encoding") == "chunked"
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        connection.putrequest(fixture["method"], fixture["path"], skip_accept_encoding=True)
        for name, value in fixture["headers"].items():
            if name.lower() not in MADE_BY_CLIENT:
                connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body:
            connection.putheader("Content-Length", str(len(body)))
        pieces = iter([body[:100], body[100:]]) if chunked else body or None
        connection.endheaders(pieces, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def received_so_far(shop):
    """How many deliveries there are when none is on its way: what a test before sent has arrived."""
    def nothing_on_its_way():
        stats = shop.stats("hook")
        return stats["lag"] == stats["in_flight"] == stats["retrying"] == 0
    wait_until(nothing_on_its_way, 10, "what was sent before")
    return len(shop.receiver.all())


def expected_event(event, envelope, arrived):
    out = {k: v for k, v in event.items() if k != "writeKey"}
    for name in ("userId", "anonymousId"):
        if out.get(name, "x") in (None, ""):
            del out[name]
    if "context" in envelope:
        out["context"] = {**envelope["context"], **out.get("context", {})}
    out.setdefault("sentAt", envelope.get("sentAt"))
    out["originalTimestamp"] = event.get("timestamp", event.get("originalTimestamp"))
    out["receivedAt"] = arrived["receivedAt"]
    out["timestamp"] = arrived["timestamp"]
    return out


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.stem)
def test_captured_requests_are_answered_and_delivered(shop, path):
    fixture = json.loads(path.read_text())
    before = received_so_far(shop)
    status, headers, body = replay(shop, fixture)
    assert status == (204 if fixture["method"] == "OPTIONS" else 200), (status, body)
    origin = fixture["headers"].get("Origin")
    if origin:
        assert headers["Access-Control-Allow-Origin"] == origin
    sent = fixture["body"] or {}
    if fixture["method"] != "POST" or "series" in sent or fixture["path"] == "/track":
        return
    assert body == b'{"success":true}'
    events = sent.get("batch", [sent])
    wait_until(lambda: len(shop.receiver.all()) >= before + len(events), 10, "the deliveries")
    arrived = {e["messageId"]: e for e in shop.receiver.bodies()[before:]}
    for event in events:
        got = arrived[event["messageId"]]
        wanted = expected_event(event, sent if "batch" in sent else {}, got)
        assert got == wanted
        skew = millis(wanted["sentAt"]) - millis(wanted["originalTimestamp"])
        assert abs(millis(got["timestamp"]) - (millis(got["receivedAt"]) - skew)) <= 1


def test_pixels_arrive_as_events(shop):
    for name in ("constructed-segment-pixel-track-base64", "constructed-segment-pixel-track-flat"):
        fixture = json.loads((SHARED / "fixtures" / "collection" / f"{name}.json").read_text())
        before = received_so_far(shop)
        status, headers, body = replay(shop, fixture)
        assert (status, headers["Content-Type"], len(body)) == (200, "image/gif", 43)
        wait_until(lambda: len(shop.receiver.all()) > before, 5, "the delivery")
        event = shop.receiver.bodies()[before]
        assert event["properties"] == {"subject": "The Electric Daily",
                                       "email": "jane.kim@example.com"}
        assert event["userId"] == "user_123" and event["type"] == "track"


def test_the_seeds_track_reaches_other_destinations_as_the_common_model(shop):
    before = received_so_far(shop)
    body = {"userId": "12345", "event": "user_clicked_promo", "timestamp": "2025-08-08T16:30:00Z",
            "metadata": {"promoId": "PROMO_001", "device": "mobile", "preferredChannel": "email"}}
    answer = shop.post("/track", body)
    assert answer.status == 200
    text = json.loads(answer.json()["body"])["messageId"]
    assert text.startswith("messageId ")
    wait_until(lambda: len(shop.receiver.all()) > before, 5, "the delivery")
    event = shop.receiver.bodies()[before]
    assert event["messageId"] == text.removeprefix("messageId ")
    assert event["type"] == "track" and event["properties"] == body["metadata"]
    assert event["timestamp"] == "2025-08-08T16:30:00.000Z" and "metadata" not in event


@pytest.mark.parametrize("body, field", [
    ('{"event":"e"}', "userId"), ('{"userId":"u"}', "event"),
    ('{"userId":"u","event":"e","timestamp":"no"}', "timestamp"),
    ('{"userId":"u","event":"e","metadata":1}', "metadata")])
def test_the_seeds_bad_input_names_the_field(shop, body, field):
    answer = shop.post("/track", body)
    assert answer.status == 400
    assert answer.json()["error"].startswith(f"Validation error: {field} ")


@pytest.mark.parametrize("body, code", [
    (b"{", "invalid_json"), (b'{"userId":"\xff"}', "invalid_json"),
    (b"[" * 200_000, "invalid_json"), (b'{"event":"e"}', "no_user_anon_id"),
    (b'{"userId":"u"}', "event_not_defined"), (b'{"userId":"u","event":1}', "event_not_string"),
    (b'{"userId":"u","event":"' + b"e" * 33_000 + b'"}', "event_too_large"),
    (b'{"x":"' + b"x" * 600_000 + b'"}', "body_too_large")])
def test_a_refused_single_event_is_400_with_code_and_message(shop, body, code):
    answer = shop.post("/v1/track", body, headers={"X-Write-Key": "WRITE_KEY"})
    assert answer.status == 400
    assert answer.json()["code"] == code and isinstance(answer.json()["message"], str)


@pytest.mark.parametrize("body", [
    b"Content-Length: 20000000\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n" + (b"ffff\r\n" + b"x" * 0xffff + b"\r\n") * 18])
def test_a_body_that_is_cut_off_is_400_too(shop, body):
    with socket.create_connection((shop.host, shop.port), timeout=10) as client:
        client.sendall(b"POST /v1/batch?writeKey=WRITE_KEY HTTP/1.1\r\nHost: x\r\n" + body)
        answer = client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 400") and b'"code":"too_large"' in answer


def test_without_a_known_key_nothing_is_taken(shop):
    event = '{"userId":"u","event":"e"}'
    for headers in ({}, {"X-Write-Key": "unknown"}, {"Authorization": "Bearer token"}):
        answer = shop.post("/v1/track", event, headers=headers)
        assert answer.status == 401 and isinstance(answer.json()["code"], str)


def test_a_batch_reports_what_it_refused(shop):
    before = received_so_far(shop)
    answer = shop.post("/v1/batch?writeKey=WRITE_KEY", json.dumps({"batch": [
        {"type": "track", "userId": "u", "event": "good"},
        {"type": "track", "userId": "u", "messageId": "bad"}]}))
    assert answer.status == 200 and answer.json()["success"] is True
    (refused,) = answer.json()["rejected"]
    assert (refused["index"], refused["messageId"], refused["code"]) == \
        (1, "bad", "event_not_defined")
    wait_until(lambda: len(shop.receiver.all()) > before, 5, "the good one")
    assert shop.receiver.bodies()[before]["event"] == "good"


def test_a_gzip_bomb_costs_a_refusal(shop):
    bomb = gzip.compress(b" " * (200 << 20))
    answer = shop.post("/v1/batch?writeKey=WRITE_KEY", bomb,
                       headers={"Content-Encoding": "gzip"})
    assert answer.status == 400 and answer.json()["code"] == "body_too_large"


def test_pipelined_requests_are_answered_in_order(shop):
    one = ('POST /v1/track?writeKey=WRITE_KEY HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s')
    bodies = ['{"userId":"u","event":"e%d"}' % i if i % 3 else "{" for i in range(30)]
    with socket.create_connection((shop.host, shop.port), timeout=10) as client:
        client.sendall("".join(one % (len(b), b) for b in bodies).encode())
        stream = client.makefile("rb")
        for body in bodies:
            status = int(stream.readline().split()[1])
            length = 0
            while (line := stream.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
            assert status == (400 if body == "{" else 200)


def test_expect_100_continue_is_honoured(shop):
    body = b'{"userId":"u","event":"e"}'
    with socket.create_connection((shop.host, shop.port), timeout=10) as client:
        client.sendall(b"POST /v1/track?writeKey=WRITE_KEY HTTP/1.1\r\nHost: x\r\n"
                       b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(body)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
