"""Meta events from outside: what the program tells of itself, to those who ask for it."""
import time

import pytest

from blackbox import Receiver, Tributary, wait_until


def send(server, ids, event="Order"):
    batch = [{"type": "track", "userId": "u", "event": event, "messageId": i} for i in ids]
    assert server.track({"batch": batch}, path="/v1/batch").status == 200


def told(receiver, type):
    return [b for b in receiver.bodies() if b["type"] == type]


def test_a_dead_letter_is_told_to_who_asked_and_to_nobody_else(tributary):
    with Receiver() as ops, Receiver(lambda r: 400) as bad, Receiver() as fine:
        tributary.destination("ops", url=ops.url, kind="system")
        tributary.destination("bad", url=bad.url)
        tributary.destination("fine", url=fine.url)
        send(tributary, ["m1"])
        wait_until(lambda: told(ops, "event.dead_lettered"), message="the notice")
        notice = told(ops, "event.dead_lettered")[0]
        assert notice["data"]["destination"] == "bad" and notice["data"]["count"] == 1
        assert notice["data"]["reason"] == "HTTP 400" and notice["messageId"].startswith("sys_")
        assert notice["timestamp"].endswith("Z")
        assert fine.message_ids() == ["m1"]  # no notice reaches who did not ask
        assert ops.all()[0]["headers"]["webhook-id"].startswith("msg_")
        stats = tributary.stats("ops")
        assert (stats["delivered"], stats["filtered"]) == (1, 0)  # events form no pair with it
        assert tributary.stats("fine")["filtered"] == 0  # nor notices with the others


def test_a_breaker_and_a_disabled_destination_are_told(tributary):
    gone = []
    with Receiver() as ops, Receiver(lambda r: 410 if gone else 500) as bad:
        tributary.destination("ops", url=ops.url, kind="system",
                              names=["destination.*"])
        tributary.destination("bad", url=bad.url, retry={"schedule": ["0s", "1h"]})
        send(tributary, [f"m{i}" for i in range(40)])
        wait_until(lambda: told(ops, "destination.breaker_opened"), message="the breaker")
        assert told(ops, "destination.breaker_opened")[0]["data"]["destination"] == "bad"
        gone.append(True)
        send(tributary, [f"n{i}" for i in range(5)])
        wait_until(lambda: told(ops, "destination.disabled"), message="disabled")
        assert told(ops, "destination.disabled")[0]["data"]["reason"] == "HTTP 410"
        shown = tributary.get("/api/v1/destinations/bad").json()
        assert shown["status"] == "disabled" and shown["status_reason"] == "HTTP 410", shown
        assert not told(ops, "event.dead_lettered")  # not among the names it wants


def test_failing_to_tell_is_never_told(tributary):
    with Receiver() as ops, Receiver(lambda r: 400) as broken, Receiver(lambda r: 400) as bad:
        tributary.destination("ops", url=ops.url, kind="system")
        tributary.destination("broken-ops", url=broken.url, kind="system")
        tributary.destination("bad", url=bad.url)
        send(tributary, ["m1"])
        wait_until(lambda: tributary.stats("broken-ops")["dead_lettered"] == 1)
        time.sleep(2.5)  # two flushes: a loop would show
        assert len(ops.all()) == 1
        assert len(broken.all()) == 1


NOTICE_AS_EVENT = ('{type: "track", event: "Notice", userId: "ops", messageId: ("n" + .messageId), '
                   'properties: .data}')


@pytest.mark.parametrize("own", [
    {"type": "webhook", "path": "/v1/track", "headers": {"Authorization": "Basic ZGVtbzo="}},
    {"type": "tributary", "path": "", "write_key": "demo"}])
def test_a_notice_never_becomes_an_event_of_its_own_server(tributary, own):
    """It would be refused by `bad` like the first event, and that be told, and so on."""
    own = dict(own)
    url = f"http://127.0.0.1:{tributary.port}{own.pop('path')}"
    with Receiver(lambda r: 400) as bad, Receiver() as ops:
        tributary.destination("own", own.pop("type"), url=url, kind="system",
                              mapping=NOTICE_AS_EVENT, **own)
        tributary.destination("ops", url=ops.url, kind="system")
        tributary.destination("bad", url=bad.url)
        send(tributary, ["m1"])
        wait_until(lambda: tributary.stats("own")["dead_lettered"] == 1)
        time.sleep(2.5)  # two flushes: a loop would show
        assert len(bad.all()) == 1
        assert len(ops.all()) == 1
        assert "Tributary-Notice-From" in {name.title() for name in ops.all()[0]["headers"]}
        reason = tributary.get("/api/v1/dead-letters?destination=own").json()["data"][0]["reason"]
        assert "400" in reason, reason


def test_no_notice_goes_in_a_circle_over_two_servers(tmp_path):
    """Each takes the other's notices as events; the one has a destination that refuses everything."""
    near = Tributary(data_dir=tmp_path / "near")
    far = Tributary(data_dir=tmp_path / "far")
    with near, far, Receiver(lambda r: 400) as bad, Receiver() as ops:
        near.destination("bad", url=bad.url)
        near.destination("ops", url=ops.url, kind="system", names=["event.*"])
        near.destination("to-far", url=f"http://{far.host}:{far.port}/v1/track", kind="system",
                         mapping=NOTICE_AS_EVENT, headers={"Authorization": "Basic ZGVtbzo="})
        far.destination("to-near", type="tributary", url=f"http://{near.host}:{near.port}",
                        write_key="demo", batch={"size": 10, "wait": "0s"})
        send(near, ["m1"])
        wait_until(lambda: near.stats("bad")["dead_lettered"] == 2,
                   message="the notice, which came back as an event")
        time.sleep(3.5)  # three flushes: a loop would show
        assert near.stats("bad")["dead_lettered"] == 2
        assert far.stats("to-near")["delivered"] == 1
        assert [b["data"]["count"] for b in ops.bodies()] == [1]
        send(near, ["m2"])  # of others it is still told
        wait_until(lambda: len(ops.all()) == 2, message="the notice of another event")


def test_a_storm_of_dead_letters_is_a_few_notices(tributary):
    with Receiver() as ops, Receiver(lambda r: 400) as bad:
        tributary.destination("ops", url=ops.url, kind="system")
        tributary.destination("bad", url=bad.url)
        for batch in range(4):
            send(tributary, [f"{batch}-{i}" for i in range(250)])
        wait_until(lambda: sum(b["data"]["count"] for b in told(ops, "event.dead_lettered")) == 1000)
        assert len(ops.all()) <= 10


def test_kind_is_checked_and_stays(tributary):
    bad = tributary.post("/api/v1/destinations", {"name": "d", "type": "null", "kind": "queue"})
    assert bad.status == 400 and bad.json()["field"] == "kind", bad
    made = tributary.destination("d", type="null", kind="system")
    assert made["kind"] == "system"
    moved = tributary.request("PATCH", "/api/v1/destinations/d", {"kind": "event"})
    assert moved.status == 400 and moved.json()["field"] == "kind", moved
    assert tributary.destination("e", type="null")["kind"] == "event"
