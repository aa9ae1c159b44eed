"""Filters, patterns, `integrations` and mappings of destinations, over real HTTP."""
import json
import os
import signal
import subprocess
import time

import pytest
from blackbox import Receiver, Tributary, wait_until

SECOND = 1.0


@pytest.fixture(scope="module")
def server():
    with Tributary() as running:
        yield running


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


_names = iter(range(1_000_000))


def make(server, receiver, **fields):
    """A destination of its own for a test, that sees only what its test sends."""
    name = f"d{next(_names)}"
    server.destination(name, url=f"{receiver.url}/{name}", retry={"schedule": ["0s", "100ms"]},
                       **fields)
    return name


def send(server, event):
    event = {"userId": "u1", "messageId": f"f{next(_names)}", **event}
    answer = server.track(event)
    assert answer.status == 200, answer
    return event["messageId"]


def state(server, message_id, destination):
    trace = server.get(f"/api/v1/events/{message_id}").json()
    for delivery in trace["deliveries"]:
        if delivery["destination"] == destination:
            return delivery["state"]
    return None


def reason(server, message_id, destination):
    """Why the pair was given up: the same wherever it is shown."""
    trace = server.get(f"/api/v1/events/{message_id}").json()["deliveries"]
    [said] = [d["reason"] for d in trace if d["destination"] == destination]
    query = f"destination={destination}&message_id={message_id}"
    for path in (f"/api/v1/deliveries?state=dead_lettered&{query}",
                 f"/api/v1/dead-letters?{query}"):
        [one] = server.get(path).json()["data"]
        assert one["reason"] == said, (path, one)
        assert server.get(f"/api/v1/deliveries/{one['id']}").json()["reason"] == said
    return said


def settled(server, message_id, destination):
    return wait_until(lambda: (lambda s: s if s not in (None, "pending", "retrying") else None)(
        state(server, message_id, destination)), 20, f"{message_id} at {destination} is settled")


def outcomes(server, receiver, events, **fields):
    """What becomes of each event at one new destination with these fields."""
    name = make(server, receiver, **fields)
    ids = [send(server, event) for event in events]
    states = [settled(server, i, name) for i in ids]
    server.request("DELETE", f"/api/v1/destinations/{name}")
    return states


def track(event="Order Completed", **properties):
    return {"event": event, "properties": properties}


def refused(server, **fields):
    answer = server.post("/api/v1/destinations", {"name": "never", "type": "webhook",
                                                  "url": "http://127.0.0.1:9/x", **fields})
    assert answer.status == 400, answer
    return answer.json()["message"]


def test_jq_condition_decides_what_is_sent(server, receiver):
    assert outcomes(server, receiver, [track(total=150), track(total=50), track()],
                    filter=".properties.total >= 100") == ["delivered", "filtered", "filtered"]
    assert [b["properties"]["total"] for b in receiver.bodies()] == [150]


def test_first_output_counts_and_none_is_no(server, receiver):
    assert outcomes(server, receiver, [track(), track()], filter="empty") == ["filtered"] * 2
    assert outcomes(server, receiver, [track()], filter='null, true') == ["filtered"]
    assert outcomes(server, receiver, [track()], filter='0, error("never reached")') == \
        ["delivered"]


def test_failing_condition_dead_letters_with_jqs_message(server, receiver):
    name = make(server, receiver, filter=".properties.total.cents > 1")
    message_id = send(server, track(total=5))
    assert settled(server, message_id, name) == "dead_lettered"
    stats = server.stats(name)
    assert stats["dead_lettered"] == 1 and stats["breaker"] == "closed", stats
    said = reason(server, message_id, name)
    assert said.startswith("filter: Cannot index number with ") and '"cents"' in said
    assert receiver.all() == []


def test_the_reason_goes_with_the_dead_letter(server, receiver):
    name = make(server, receiver, filter='error("never")')
    message_id = send(server, track())
    assert settled(server, message_id, name) == "dead_lettered"
    assert "never" in reason(server, message_id, name)
    assert server.post("/api/v1/dead-letters/delete", {"destination": name}).status == 200
    [pair] = server.get(f"/api/v1/deliveries?destination={name}").json()["data"]
    assert (pair["state"], pair["rule"]) == ("dropped", "deleted") and "reason" not in pair


def test_mapping_makes_the_body(server, receiver):
    assert outcomes(server, receiver, [track(total=5, note="ä €")],
                    mapping="{who: .userId, cents: (.properties.total * 100), "
                            "note: .properties.note}") == ["delivered"]
    request = receiver.all()[0]
    assert request["body"].decode() == '{"who":"u1","cents":500,"note":"ä €"}'
    assert request["headers"]["content-type"].startswith("application/json")


def test_mapping_has_exactly_one_output_or_the_pair_is_a_dead_letter(server, receiver):
    for mapping, said in {"empty": "output", "1, 2": "output", 'error("no")': "no",
                          ".properties.total.x": "Cannot index number with "}.items():
        name = make(server, receiver, mapping=mapping)
        message_id = send(server, track(total=5))
        assert settled(server, message_id, name) == "dead_lettered"
        assert said in reason(server, message_id, name), mapping
        server.request("DELETE", f"/api/v1/destinations/{name}")
    assert receiver.all() == []


def test_mended_mapping_mends_what_waits(server):
    failing = [True]
    with Receiver(lambda r: 500 if failing[0] else 204) as receiver:
        name = f"d{next(_names)}"
        server.destination(name, url=receiver.url, mapping='{v: "old"}',
                           retry={"schedule": ["0s", "1s", "1s", "1s"]})
        send(server, track())
        wait_until(receiver.all, 5, "the first attempt")
        answer = server.request("PATCH", f"/api/v1/destinations/{name}", {"mapping": '{v: "new"}'})
        assert answer.status == 200, answer
        failing[0] = False
        wait_until(lambda: server.stats(name)["delivered"] == 1, 10, "the retry")
    assert receiver.bodies()[0] == {"v": "old"} and receiver.bodies()[-1] == {"v": "new"}
    server.request("DELETE", f"/api/v1/destinations/{name}")


def test_numbers_that_jq_would_change_are_never_sent_changed(server, receiver):
    for big in ("9007199254740993", "0.12345678901234567890", "1e400"):
        for fields in ({"filter": "true"}, {"mapping": "."}):
            name = make(server, receiver, **fields)
            body = ('{"userId":"u1","event":"E","messageId":"n%d","properties":{"big":%s}}'
                    % (next(_names), big))
            answer = server.request("POST", "/v1/track", body, headers={
                "Authorization": "Basic ZGVtbzo=", "Content-Type": "application/json"})
            assert answer.status == 200, answer
            wait_until(lambda: server.stats(name)["dead_lettered"] == 1, 10, f"{big} {fields}")
            server.request("DELETE", f"/api/v1/destinations/{name}")
    assert receiver.all() == []
    assert outcomes(server, receiver, [track(fine=9007199254740992, price=0.1)], mapping=".") == \
        ["delivered"]


PATTERNS = [
    ({"event": ["Order Completed", "Order Paid"]}, True),
    ({"event": ["Order"]}, False),
    ({"type": ["track"], "properties": {"total": [100]}}, True),
    ({"properties": {"total": [{"numeric": [">", 99.5, "<=", 100]}]}}, True),
    ({"properties": {"total": [{"numeric": ["<", 100]}]}}, False),
    ({"properties": {"total": ["100"]}}, False),
    ({"properties": {"plan": [{"prefix": "pro"}]}}, True),
    ({"properties": {"plan": [{"suffix": "PLUS"}]}}, False),
    ({"properties": {"plan": [{"suffix": {"equals-ignore-case": "PLUS"}}]}}, True),
    ({"properties": {"plan": [{"equals-ignore-case": "PRO-plus"}]}}, True),
    ({"properties": {"plan": [{"wildcard": "p*-*s"}]}}, True),
    ({"properties": {"plan": [{"anything-but": ["free", "trial"]}]}}, True),
    ({"properties": {"plan": [{"anything-but": "pro-plus"}]}}, False),
    ({"properties": {"plan": [{"anything-but": {"prefix": "pro"}}]}}, False),
    ({"properties": {"plan": [{"anything-but": {"wildcard": "x*"}}]}}, True),
    ({"properties": {"coupon": [{"exists": False}]}}, True),
    ({"properties": {"coupon": [{"exists": True}]}}, False),
    ({"properties": {"coupon": [{"anything-but": "x"}]}}, False),
    ({"properties": {"paid": [True], "note": [None]}}, True),
    ({"properties": {"tags": ["b"]}}, True),
    ({"properties": {"tags": ["z"]}}, False),
    ({"properties": {"items": {"sku": ["B"], "n": [2]}}}, True),
    ({"properties": {"items": {"sku": ["A"], "n": [2]}}}, False),
    ({"$or": [{"event": ["x"]}, {"properties": {"total": [100]}}]}, True),
    ({"$or": [{"event": ["x"]}, {"event": ["y"]}]}, False),
    ({"context": {"library": {"name": ["pytest"]}}, "userId": ["u1"]}, True),
]


def test_patterns_decide_natively(server, receiver):
    event = track(total=100, plan="pro-plus", paid=True, note=None, tags=["a", "b"],
                  items=[{"sku": "A", "n": 1}, {"sku": "B", "n": 2}])
    event["context"] = {"library": {"name": "pytest"}}
    names = [make(server, receiver, pattern=pattern) for pattern, _ in PATTERNS]
    message_id = send(server, event)
    for name, (pattern, wanted) in zip(names, PATTERNS):
        assert settled(server, message_id, name) == ("delivered" if wanted else "filtered"), pattern
        server.request("DELETE", f"/api/v1/destinations/{name}")


def test_pattern_numbers_are_exact(server, receiver):
    body = '{"userId":"u1","event":"E","messageId":"%s","properties":{"id":9007199254740993}}'
    same = make(server, receiver, pattern={"properties": {"id": [9007199254740993]}})
    other = make(server, receiver, pattern={"properties": {"id": [9007199254740992]}})
    message_id = f"x{next(_names)}"
    assert server.request("POST", "/v1/track", body % message_id,
                          headers={"Authorization": "Basic ZGVtbzo="}).status == 200
    assert settled(server, message_id, same) == "delivered"
    assert settled(server, message_id, other) == "filtered"


def test_integrations_object_of_the_event_is_heeded(server, receiver):
    name = make(server, receiver)
    cases = [({"All": False}, "filtered"), ({"All": False, name: True}, "delivered"),
             ({name: False}, "filtered"), ({"All": False, name: {"k": 1}}, "delivered"),
             ({name.upper(): False}, "delivered"), ({"all": False}, "delivered"),
             ({"webhook": False}, "filtered"), ({"Webhook": False}, "filtered"),
             ({"All": True, name: False}, "filtered"), ({"Other": False}, "delivered"),
             ({}, "delivered"), ({"All": False, "Other": True}, "filtered")]
    for integrations, expected in cases:
        message_id = send(server, {**track(), "integrations": integrations})
        assert settled(server, message_id, name) == expected, integrations


def test_what_is_wrong_is_said_at_creation_with_its_place(server):
    assert refused(server, filter=".a +").startswith("filter: jq: error: syntax error")
    assert "line 2" in refused(server, mapping="1 |\nnonsense")
    assert "now is not available" in refused(server, filter=".timestamp > now")
    assert refused(server, filter="1" + " " * 65536).startswith("filter")
    message = refused(server, pattern={"properties": {"plan": [{"prefix": 7}]}})
    assert message.startswith("pattern.properties.plan[0].prefix "), message
    assert refused(server, pattern={"a": "x"}).startswith("pattern.a ")
    assert refused(server, pattern={"a": []}).startswith("pattern.a ")
    assert refused(server, pattern={"a": [{"like": "x"}]}).startswith("pattern.a[0].like ")
    assert refused(server, pattern=[1]).startswith("pattern ")


def test_hostile_programs_hurt_only_their_own_events(server, receiver):
    bad = [make(server, receiver, filter=program) for program in
           ("def f: f; f", "[range(infinite)] | length", '"x" * 1000000000',
            ".[1000000000]? = 1 | .a[1000000000] = 1", "[limit(1e9; repeat(\"x\"))]",
            "reduce range(1000000) as $i (null; [.])")]
    good = make(server, receiver, filter=".properties.total == 5")
    ids = [send(server, track(total=5)) for _ in range(3)]
    began = time.monotonic()
    for message_id in ids:
        assert settled(server, message_id, good) == "delivered"
    assert time.monotonic() - began < 10 * SECOND
    for name in bad:
        wait_until(lambda: server.stats(name)["dead_lettered"] == 3, 60, name)
        server.request("DELETE", f"/api/v1/destinations/{name}")
    assert server.get("/healthz").status == 200


def test_filter_counts_at_the_events_own_time_across_restart(tmp_path):
    with Receiver() as receiver:
        server = Tributary(data_dir=tmp_path / "data").start()
        server.destination("d", url=receiver.url, filter=".properties.n == 1")
        server.post("/api/v1/destinations/d/pause", {})
        old = [send(server, track(n=1)), send(server, track(n=2))]
        assert server.request("PATCH", "/api/v1/destinations/d",
                              {"filter": ".properties.n == 2"}).status == 200
        new = [send(server, track(n=1)), send(server, track(n=2))]
        server.kill()
        server = Tributary(data_dir=tmp_path / "data").start()
        try:
            server.post("/api/v1/destinations/d/resume", {})
            expected = ["delivered", "filtered", "filtered", "delivered"]
            assert [settled(server, i, "d") for i in old + new] == expected
            stats = server.stats("d")
            assert (stats["delivered"], stats["filtered"]) == (2, 2)
        finally:
            assert server.stop() == 0


def children_of(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(p) for p in out.stdout.split()]


def test_processes_of_programs_come_late_and_go_with_the_server(tmp_path):
    with Receiver() as receiver:
        server = Tributary(data_dir=tmp_path / "data").start()
        server.destination("plain", url=receiver.url)
        wait_until(lambda: settled(server, send(server, track()), "plain"), 5, "delivered")
        assert children_of(server.process.pid) == []
        server.destination("mapped", url=receiver.url, mapping=".")
        assert settled(server, send(server, track()), "mapped") == "delivered"
        children = children_of(server.process.pid)
        assert children
        # A process that is killed from outside is replaced, and costs no event.
        for child in children:
            os.kill(child, signal.SIGKILL)
        assert settled(server, send(server, track()), "mapped") == "delivered"
        children = children_of(server.process.pid)
        server.kill()
        wait_until(lambda: not any(os.path.exists(f"/proc/{c}") for c in children), 5,
                   "no process is left")


def test_declared_destinations_have_filters_too(tmp_path):
    with Receiver() as receiver:
        config = ("egress:\n  allow: [127.0.0.1/32]\ndestinations:\n"
                  f"  - name: d\n    type: webhook\n    url: {receiver.url}\n"
                  "    filter: .properties.total > 10\n    mapping: '{t: .properties.total}'\n"
                  "    pattern: {properties: {plan: [pro]}}\n")
        with Tributary(data_dir=tmp_path / "data", config=config) as server:
            ids = [send(server, track(total=20, plan="pro")), send(server, track(total=20)),
                   send(server, track(total=5, plan="pro"))]
            assert [settled(server, i, "d") for i in ids] == ["delivered", "filtered", "filtered"]
            shown = server.get("/api/v1/destinations/d").json()
            assert shown["filter"] == ".properties.total > 10"
            assert shown["pattern"] == {"properties": {"plan": ["pro"]}}
        assert receiver.bodies() == [{"t": 20}]
