"""Sources and write keys at run time: they count at once, on every loop, also after a crash."""
import base64
import json
import threading
import time

from blackbox import ALLOW_LOOPBACK, Receiver, Tributary, wait_until

CONFIG = ALLOW_LOOPBACK + "threads: 4\n"


def event(number, **more):
    return {"type": "track", "userId": "u", "event": "E", "messageId": f"m-{number}", **more}


def make(server, name, **fields):
    answer = server.post("/api/v1/sources", {"name": name, **fields})
    assert answer.status == 201, answer
    return answer.json()


def test_a_source_takes_events_from_the_answer_on_and_not_after_its_end():
    with Tributary(config=CONFIG) as server:
        for round in range(30):
            source = make(server, "ios")
            key = source["write_key"]
            # Each request comes by a connection of its own, so by any of the four loops.
            for number in range(4):
                assert server.track(event(f"{round}-{number}"), key=key).status == 200
            assert server.request("DELETE", "/api/v1/sources/ios").status == 204
            for number in range(4):
                assert server.track(event("late"), key=key).status == 401


def test_keys_are_made_rotated_disabled_and_shown_once():
    with Tributary(config=CONFIG) as server:
        first = make(server, "web")["write_key"]
        keys = "/api/v1/sources/web/write-keys"
        made = server.post(keys, {"scopes": ["track"]}).json()
        assert server.track(event(1), key=made["key"]).status == 200
        refused = server.track({"type": "identify", "userId": "u"}, key=made["key"],
                               path="/v1/identify")
        assert refused.status == 403 and refused.json()["code"] == "write_key_scope", refused
        batch = server.track({"batch": [event(2), {"type": "identify", "userId": "u"}]},
                             key=made["key"], path="/v1/batch")
        assert batch.status == 200 and batch.json()["rejected"][0]["code"] == "write_key_scope"
        imported = server.track({"batch": [event(3)]}, key=made["key"], path="/v1/import")
        assert imported.status == 403, imported
        rotated = server.post(keys + "/rotate", {"overlap": "1s"})
        assert rotated.status == 201, rotated
        assert server.track(event(4), key=first).status == 200
        time.sleep(1.1)
        ended = server.track(event(5), key=first)
        assert ended.status == 401 and ended.json()["code"] == "invalid_write_key", ended
        new = rotated.json()
        assert server.track(event(6), key=new["key"]).status == 200
        one = f"{keys}/{new['id']}"
        assert server.post(one + "/disable").status == 200
        assert server.track(event(7), key=new["key"]).status == 401
        assert server.post(one + "/enable").status == 200
        assert server.track(event(8), key=new["key"]).status == 200
        everything = server.get("/api/v1/sources").body + server.get(keys).body
        for key in (first, made["key"], new["key"]):
            assert key.encode() not in everything
        assert {k["status"] for k in server.get(keys).json()["data"]} == {"active", "expired"}


def test_sources_survive_a_kill_and_no_key_is_on_disk(tmp_path):
    server = Tributary(data_dir=tmp_path / "data", config=CONFIG).start()
    key = make(server, "ios")["write_key"]
    server.kill()
    server.port = None
    server.start()
    assert server.track(event(1), key=key).status == 200
    server.kill()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path


def test_a_deleted_source_is_still_named_by_its_events():
    with Tributary(config=CONFIG) as server:
        old = make(server, "shop")
        assert server.track(event("old"), key=old["write_key"]).status == 200
        assert server.request("DELETE", "/api/v1/sources/shop").status == 204
        assert server.get("/api/v1/events/m-old").json()["source"] == "shop"
        new = make(server, "shop")
        assert new["id"] != old["id"]
        assert server.track(event("new"), key=new["write_key"]).status == 200
        for name in ("old", "new"):
            found = server.get(f"/api/v1/events/m-{name}?source=shop")
            assert found.status == 200 and found.json()["source"] == "shop", found
        assert server.get("/responses/m-old").status == 200


def test_events_of_a_deleted_source_are_traced_listed_and_delivered_on(tmp_path):
    with Receiver() as receiver:
        server = Tributary(data_dir=tmp_path / "data", config=CONFIG).start()
        key = make(server, "shop")["write_key"]
        server.destination("hook", url=receiver.url, sources=["shop"])
        server.destination("late", url=receiver.url, sources=["shop"])
        assert server.post("/api/v1/destinations/late/pause").status == 200
        for number in range(5):
            assert server.track(event(number), key=key).status == 200
        assert server.track(event("demo")).status == 200
        wait_until(lambda: server.stats("hook")["delivered"] == 5)
        assert server.request("DELETE", "/api/v1/sources/shop").status == 204

        def look():
            assert "shop" not in [s["name"] for s in server.get("/api/v1/sources").json()["data"]]
            for path in ("/api/v1/events/m-3", "/api/v1/events/m-3?source=shop"):
                trace = server.get(path)
                assert trace.status == 200 and trace.json()["source"] == "shop", trace
                states = {d["destination"]: d["state"] for d in trace.json()["deliveries"]}
                assert states == {"hook": "delivered", "late": "pending"}, trace
            assert server.get("/api/v1/events/m-3?source=demo").status == 404
            listed = server.get("/api/v1/events?source=shop").json()["data"]
            assert sorted(e["message_id"] for e in listed) == [f"m-{n}" for n in range(5)]
            assert {e["source"] for e in listed} == {"shop"}
            assert len(server.get("/api/v1/events").json()["data"]) == 6
            rows = server.get("/api/v1/deliveries?destination=hook&state=delivered").json()["data"]
            assert {(d["source"], d["state"]) for d in rows} == {("shop", "delivered")}
            assert len(rows) == 5
            one = server.get("/api/v1/deliveries/" + rows[0]["id"])
            assert one.status == 200 and one.json()["source"] == "shop", one
            assert server.get("/responses/m-3").status == 200
            wanted = server.post("/api/v1/destinations/hook/dry-run",
                                 {"message_id": "m-3", "source": "shop"})
            assert wanted.status == 200, wanted
            unknown = server.get("/api/v1/events/m-3?source=ghost")
            assert unknown.status == 400 and unknown.json()["field"] == "source", unknown

        look()
        server.kill()
        server.port = None
        server.start()
        # Outcomes of the last 50 ms before the kill may be made again.
        wait_until(lambda: server.stats("hook")["delivered"] == 5)
        look()
        # What waited for its destination goes out, though nobody may send by the source any more.
        assert server.post("/api/v1/destinations/late/resume").status == 200
        wait_until(lambda: server.stats("late")["delivered"] == 5)
        assert server.track(event(9), key=key).status == 401
        server.kill()


def test_a_destination_that_names_a_deleted_source_can_be_changed():
    with Tributary(config=CONFIG) as server:
        for name in ("shop", "gone"):
            make(server, name)
        server.destination("hook", url="http://127.0.0.1:9/", sources=["shop"])
        for name in ("shop", "gone"):
            assert server.request("DELETE", "/api/v1/sources/" + name).status == 204
        hook = "/api/v1/destinations/hook"
        changed = server.request("PATCH", hook, {"concurrency": 2})
        assert changed.status == 200 and changed.json()["sources"] == ["shop"], changed
        assert server.request("PUT", hook, changed.json()).status == 200
        assert server.post(hook + "/rotate-secret", {}).status == 200
        refused = server.request("PATCH", hook, {"sources": ["shop", "gone"]})
        assert refused.status == 400 and refused.json()["field"] == "sources[1]", refused
        # What it named once and names no more is as gone as any other.
        assert server.request("PATCH", hook, {"sources": []}).status == 200
        assert server.request("PATCH", hook, {"sources": ["shop"]}).status == 400


def test_a_destination_may_name_a_source_made_at_run_time():
    with Receiver() as receiver, Tributary(config=CONFIG) as server:
        assert server.post("/api/v1/destinations", {
            "name": "early", "type": "webhook", "url": receiver.url, "sources": ["ios"]}).status == 400
        key = make(server, "ios")["write_key"]
        server.destination("hook", url=receiver.url, sources=["ios"])
        assert server.track(event(1), key=key).status == 200
        assert server.track(event(2)).status == 200
        wait_until(lambda: server.stats("hook")["filtered"] == 1)
        wait_until(lambda: receiver.message_ids() == ["m-1"])


def test_a_source_with_a_large_batch_size_gets_it():
    with Tributary(config=CONFIG) as server:
        key = make(server, "big", batch_size="4MiB", event_size="1MiB")["write_key"]
        body = {"batch": [event(n, properties={"pad": "x" * 900_000}) for n in range(4)]}
        answer = server.track(body, key=key, path="/v1/batch")
        assert answer.status == 200 and "rejected" not in answer.json(), answer
        assert server.track(body, path="/v1/batch").status == 400


def test_changes_under_load_lose_no_event():
    with Tributary(config=CONFIG) as server:
        key = make(server, "steady")["write_key"]
        failed, stop = [], threading.Event()

        def send(worker):
            number = 0
            while not stop.is_set():
                answer = server.track(event(f"{worker}-{number}"), key=key)
                if answer.status != 200:
                    failed.append(answer)
                number += 1

        workers = [threading.Thread(target=send, args=(w,)) for w in range(4)]
        for worker in workers:
            worker.start()
        for number in range(40):
            make(server, f"other-{number}")
        stop.set()
        for worker in workers:
            worker.join()
        assert not failed, failed[:3]
