"""Replays from outside: range, filter, header, ids, pause, cancel, what survives a SIGKILL."""
import datetime
import json
import time

import pytest

from blackbox import Receiver, Tributary, wait_until

REPLAYS = "/api/v1/replays"


def now():
    time.sleep(0.01)
    at = datetime.datetime.now(datetime.timezone.utc).isoformat()
    time.sleep(0.01)
    return at


def send(server, ids, event="Order Completed", **properties):
    batch = [{"type": "track", "userId": "u", "event": event, "messageId": i,
              "properties": properties} for i in ids]
    assert server.track({"batch": batch}, path="/v1/batch").status == 200


def replay(server, **fields):
    made = server.post(REPLAYS, fields)
    assert made.status == 201, made
    return made.json()


def show(server, id):
    answer = server.get(f"{REPLAYS}/{id}")
    assert answer.status == 200, answer
    return answer.json()


def ends(server, id, timeout=20):
    wait_until(lambda: show(server, id)["finished_at"], timeout, f"{id} ends")
    return show(server, id)


def delivered(server, name, n):
    wait_until(lambda: server.stats(name)["delivered"] == n, message=f"{n} delivered to {name}")


def of(receiver, id):
    return [r for r in receiver.all() if r["headers"].get("tributary-replay") == id]


def test_only_the_range_is_sent_again_with_the_same_ids_and_a_header(tributary):
    with Receiver() as hook:
        tributary.destination("hook", url=hook.url)
        send(tributary, [f"before-{i}" for i in range(5)])
        start = now()
        send(tributary, [f"in-{i}" for i in range(7)])
        end = now()
        send(tributary, [f"after-{i}" for i in range(5)])
        delivered(tributary, "hook", 17)
        live = {r["body"]: r["headers"]["webhook-id"] for r in hook.all()}
        assert not any("tributary-replay" in r["headers"] for r in hook.all())

        made = replay(tributary, destination="hook", **{"from": start, "to": end})
        assert made["destination"] == "hook" and made["total"] == 7
        done = ends(tributary, made["id"])
        assert done["state"] == "done"
        assert (done["scanned"], done["delivered"], done["filtered"], done["lag"]) == (7, 7, 0, 0)
        again = of(hook, made["id"])
        assert sorted(r["body"] for r in again) == sorted(b for b in live if b'"in-' in b)
        assert all(r["headers"]["webhook-id"] == live[r["body"]] for r in again)
        assert len(hook.all()) == 24
        assert tributary.stats("hook")["delivered"] == 17  # live pairs are not reopened


def test_the_rule_at_its_making_decides_and_nothing_live_is_disturbed(tributary):
    with Receiver() as hook:
        send(tributary, ["old-1", "old-2"])
        send(tributary, ["other"], event="Else")
        tributary.destination("hook", url=hook.url, names=["Order *"])
        made = replay(tributary, destination="hook", **{"from": "1h"})
        done = ends(tributary, made["id"])
        assert (done["delivered"], done["filtered"]) == (2, 1)
        assert sorted(hook.message_ids()) == ["old-1", "old-2"]  # also from before it was made
        send(tributary, ["new"])
        delivered(tributary, "hook", 1)
        assert tributary.stats("hook")["filtered"] == 0


def test_a_filter_and_a_pattern_choose_within_the_rule(tributary):
    """Real jq: the destination's condition and the replay's both decide, whatever they are made of."""
    with Receiver() as hook:
        for n in range(20):
            send(tributary, [f"m-{n}"], n=n, text='a "#" b' if n % 2 else "even")
        rule = "def big: .properties.n >= 4; big # not the first\n# nor this"
        tributary.destination("hook", url=hook.url, filter=rule)
        live = [n for n in range(20) if n >= 4]

        def again(**fields):
            made = replay(tributary, destination="hook", **{"from": "earliest"}, **fields)
            done = ends(tributary, made["id"])
            assert done["state"] == "done" and done["dead_lettered"] == 0, done
            assert (done["scanned"], done["delivered"] + done["filtered"]) == (20, 20), done
            ids = sorted(int(json.loads(r["body"])["messageId"][2:]) for r in of(hook, made["id"]))
            assert len(ids) == done["delivered"]
            return ids

        assert again() == live
        few = "# a comment first\ndef big: .properties.n < 9; big and true # and last"
        assert again(filter=few) == [4, 5, 6, 7, 8]
        assert again(filter="empty, true") == live  # the first output counts
        assert again(filter='.properties.text | contains("#")') == [n for n in live if n % 2]
        pattern = {"properties": {"n": [{"numeric": [">", 2, "<=", 7]}]}}
        assert again(pattern=pattern) == [4, 5, 6, 7]
        assert again(pattern=pattern, filter=".properties.n % 2 == 0") == [4, 6]
        made = replay(tributary, destination="hook", **{"from": "earliest"},
                      filter='if .properties.n == 5 then error("five") else .properties.n == 6 end')
        done = ends(tributary, made["id"])
        assert (done["delivered"], done["dead_lettered"], done["filtered"]) == (1, 1, 18), done
        letters = tributary.get("/api/v1/dead-letters?message_id=m-5").json()["data"]
        assert [("five" in one["reason"]) for one in letters] == [True], letters


@pytest.mark.parametrize("body, field", [
    ({"from": "1h"}, "destination"),
    ({"destination": "none", "from": "1h"}, "destination"),
    ({"destination": "hook"}, "from"),
    ({"destination": "hook", "from": "soon"}, "from"),
    ({"destination": "hook", "from": 5}, "from"),
    ({"destination": "hook", "from": "2021-02-30T00:00:00Z"}, "from"),
    ({"destination": "hook", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
    ({"destination": "hook", "from": "1h", "to": "never"}, "to"),
    ({"destination": "hook", "from": "1h", "rate": "fast"}, "rate"),
    ({"destination": "hook", "from": "1h", "rate": -1}, "rate"),
    ({"destination": "hook", "from": "1h", "filtre": "."}, "filtre"),
])
def test_bad_input_names_its_field_and_makes_nothing(tributary, body, field):
    tributary.destination("hook", type="null")
    refused = tributary.post(REPLAYS, body)
    assert 400 <= refused.status < 500, refused
    assert refused.json()["success"] is False and refused.json()["field"] == field, refused
    assert tributary.get(REPLAYS).json() == {"data": [], "next_cursor": None}


def test_unknown_ids_are_404_everywhere(tributary):
    for method, path in [("GET", "/rpl_9"), ("POST", "/rpl_9/pause"), ("POST", "/x/resume"),
                         ("POST", "/rpl_9/cancel"), ("DELETE", "/rpl_9")]:
        assert tributary.request(method, REPLAYS + path).status == 404, path


def test_pages_newest_first(tributary):
    tributary.destination("a", type="null")
    made = [replay(tributary, destination="a", **{"from": "now"})["id"] for _ in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        page = tributary.get(f"{REPLAYS}?limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        seen += [r["id"] for r in page["data"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    unknown = tributary.get(f"{REPLAYS}?destination=b")
    assert unknown.status == 400 and unknown.json()["field"] == "destination"
    tributary.destination("b", type="null")
    assert tributary.get(f"{REPLAYS}?destination=b").json()["data"] == []


def test_pause_resume_cancel_and_delete(tributary):
    with Receiver() as hook:
        tributary.destination("hook", url=hook.url)
        send(tributary, [f"m{i}" for i in range(100)])
        delivered(tributary, "hook", 100)
        id = replay(tributary, destination="hook", rate=20, **{"from": "earliest"})["id"]
        assert tributary.request("DELETE", f"{REPLAYS}/{id}").status == 409  # it runs
        wait_until(lambda: of(hook, id), message="it has begun")
        paused = tributary.post(f"{REPLAYS}/{id}/pause")
        assert paused.status == 200 and paused.json()["state"] == "paused", paused
        wait_until(lambda: show(tributary, id)["in_flight"] == 0)
        sent = len(of(hook, id))
        time.sleep(0.5)
        assert len(of(hook, id)) == sent < 100
        assert tributary.post(f"{REPLAYS}/{id}/resume").json()["state"] == "running"
        wait_until(lambda: len(of(hook, id)) > sent)
        cancelled = tributary.post(f"{REPLAYS}/{id}/cancel")
        assert cancelled.status == 200 and cancelled.json()["state"] == "cancelled", cancelled
        done = ends(tributary, id)
        assert done["state"] == "cancelled" and done["lag"] == 0
        assert done["delivered"] + done["dropped"] == 100 and done["dropped"] > 0
        assert tributary.post(f"{REPLAYS}/{id}/resume").status == 409
        assert tributary.request("DELETE", f"{REPLAYS}/{id}").status == 204
        assert tributary.get(f"{REPLAYS}/{id}").status == 404


def test_it_waits_for_its_destination_and_goes_with_it(tributary):
    with Receiver() as hook:
        tributary.destination("hook", url=hook.url)
        send(tributary, [f"m{i}" for i in range(20)])
        delivered(tributary, "hook", 20)
        assert tributary.post("/api/v1/destinations/hook/pause").status == 200
        id = replay(tributary, destination="hook", **{"from": "earliest"})["id"]
        time.sleep(0.3)
        assert not of(hook, id) and "paused" in show(tributary, id)["reason"]
        assert tributary.request("DELETE", "/api/v1/destinations/hook").status == 204
        assert show(tributary, id)["state"] == "cancelled"
        gone = ends(tributary, id)  # once what is left is counted
        assert (gone["lag"], gone["dropped"]) == (0, 20) and not of(hook, id), gone


def test_failures_are_retried_and_dead_lettered_in_its_own_lane(tributary):
    broken = []
    with Receiver(lambda r: 500 if broken and r["body"].find(b'"m1"') > 0 else 204) as hook:
        tributary.destination("hook", url=hook.url, retry={"schedule": ["0s", "50ms"]})
        send(tributary, ["m0", "m1", "m2"])
        delivered(tributary, "hook", 3)
        broken.append(True)
        id = replay(tributary, destination="hook", **{"from": "earliest"})["id"]
        done = ends(tributary, id)
        assert (done["delivered"], done["dead_lettered"]) == (2, 1)
        assert len([r for r in of(hook, id) if b'"m1"' in r["body"]]) == 2
        assert tributary.stats("hook")["dead_lettered"] == 0


def test_after_a_sigkill_it_goes_on_where_it_was(tmp_path):
    with Receiver() as hook:
        server = Tributary(data_dir=tmp_path / "data").start()
        try:
            server.destination("hook", url=hook.url, concurrency=2)
            ids = [f"m{i}" for i in range(300)]
            send(server, ids)
            delivered(server, "hook", 300)
            id = replay(server, destination="hook", rate=150, **{"from": "earliest"})["id"]
            paused = replay(server, destination="hook", rate=1, **{"from": "earliest"})["id"]
            assert server.post(f"{REPLAYS}/{paused}/pause").status == 200
            wait_until(lambda: show(server, id)["delivered"] > 60, message="some of it is done")
            before = show(server, id)["delivered"]
            time.sleep(0.1)  # what is older than the last commits must not be sent again
            early = [r["body"] for r in of(hook, id)][:before]
            server.kill()
            seen = len(of(hook, id))
            server.start()
            done = ends(server, id)
            assert done["state"] == "done" and done["delivered"] == 300, done
            bodies = [r["body"] for r in of(hook, id)]
            assert len(set(bodies)) == 300
            assert not set(early) & set(bodies[seen:])
            assert show(server, paused)["state"] == "paused"
        finally:
            server.kill()
