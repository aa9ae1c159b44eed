"""What became of an event: dead letters, deliveries, the audit; over HTTP only."""
import json
import os
import re
import subprocess
import time

import pytest

from blackbox import ALLOW_LOOPBACK, BINARY, Receiver, Tributary, wait_until

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


def counted(server, query, limit=4):
    """How many deliveries there are: every page says the same, and that it is exact."""
    entries, totals, cursor = 0, set(), ""
    while cursor is not None:
        page = server.get(f"/api/v1/deliveries?limit={limit}{query}{cursor}").json()
        entries += len(page["data"])
        totals.add((page["total"], page["total_exact"]))
        cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
    assert totals == {(entries, True)}, (query, totals, entries)
    return entries


def test_deliveries_are_counted_by_whatever_selects_them(broken):
    broken.state["status"] = 204
    with Receiver(lambda request: 400) as refusing, Tributary() as server:
        server.destination("good", url=broken.url, filter=".properties.n % 3 == 0")
        server.destination("bad", url=refusing.url, retry={"schedule": ["0s"]}, names=["Order"])
        for n in range(10):
            if n == 5:
                time.sleep(0.05)  # times are of a millisecond: none before shares this one's
            send(server, 1, f"n{n}-", properties={"n": n})
        wait_until(lambda: server.stats("bad")["dead_lettered"] == 10, 20)
        wait_until(lambda: server.stats("good")["delivered"] == 4, 20)
        wait_until(lambda: server.stats("good")["filtered"] == 6, 20)
        middle = server.get("/api/v1/events/n5-0").json()["received_at"]
        assert counted(server, "") == 20
        assert counted(server, "&destination=bad") == 10
        assert counted(server, "&state=filtered") == counted(server, "&state=filtered", 3) == 6
        assert counted(server, "&state=delivered&destination=good") == 4
        assert counted(server, f"&state=dead_lettered&since={middle}") == 5
        assert counted(server, f"&until={middle}") == 10
        assert counted(server, f"&destination=good&state=delivered&until={middle}") == 2
        assert counted(server, "&message_id=n3-0") == 2
        assert counted(server, "&message_id=n4-0&state=filtered") == 1
        assert counted(server, "&message_id=nothing") == counted(server, "&state=dropped") == 0
        assert counted(server, "&source=demo&state=dead_lettered") == 10


def test_deliveries_are_found_in_every_state(broken):
    broken.state["status"] = 204
    with Receiver(lambda request: 500) as failing, Tributary() as server:
        server.destination("good", url=broken.url, events=["track"])
        server.destination("bad", url=failing.url, retry={"schedule": ["0s", "1h"]})
        server.destination("picky", url=broken.url, names=["Nothing *"])
        send(server, 15)  # fewer than open the breaker
        wait_until(lambda: server.stats("good")["delivered"] == 15)
        wait_until(lambda: server.stats("bad")["retrying"] == 15, 20)
        wait_until(lambda: server.stats("picky")["filtered"] == 15)
        entries = all_pages(server, "/api/v1/deliveries")
        assert len(entries) == 45 and len({e["id"] for e in entries}) == 45
        assert [e["message_id"] for e in entries[:3]] == ["m14"] * 3
        by_destination = {"good": "delivered", "bad": "retrying", "picky": "filtered"}
        for entry in entries:
            assert entry["state"] == by_destination[entry["destination"]], entry
            assert entry["source"] == "demo"
        for name, state in by_destination.items():
            some = all_pages(server, f"/api/v1/deliveries?destination={name}&state={state}", 8)
            assert len(some) == 15
            assert not all_pages(server, f"/api/v1/deliveries?destination={name}&state=dropped")
        delivered = all_pages(server, "/api/v1/deliveries?state=delivered")[0]
        assert delivered["attempts"][0]["status"] == 204 and delivered["next_attempt_at"] is None
        retrying = all_pages(server, "/api/v1/deliveries?state=retrying")[0]
        assert retrying["attempts"][0]["status"] == 500 and retrying["next_attempt_at"]
        traced = server.get("/api/v1/events/" + retrying["message_id"]).json()["deliveries"]
        [waits] = [pair for pair in traced if pair["destination"] == "bad"]
        assert waits["state"] == "retrying" and waits["next_attempt_at"] == retrying["next_attempt_at"]
        mine = all_pages(server, "/api/v1/deliveries?message_id=m7")
        assert sorted(e["destination"] for e in mine) == ["bad", "good", "picky"]
        assert all_pages(server, "/api/v1/deliveries?message_id=nothing") == []
        one = server.get("/api/v1/deliveries/" + delivered["id"])
        assert one.status == 200 and one.json()["webhook_id"] == delivered["webhook_id"]
        assert server.get("/api/v1/deliveries/dlv_" + "0" * 32).status == 404
        assert server.get("/api/v1/deliveries/x").status == 400


def test_deliveries_of_an_id_that_several_sources_sent(broken):
    broken.state["status"] = 204
    with Tributary() as server:
        server.destination("hook", url=broken.url)

        def send_as(source):
            made = server.post("/api/v1/sources", {"name": source})
            assert made.status == 201, made
            answer = server.track({"event": "Order", "userId": "u", "messageId": "42"},
                                  key=made.json()["write_key"])
            assert answer.status == 200, answer

        send_as("web")
        send_as("app")
        assert server.request("DELETE", "/api/v1/sources/app").status == 204
        send_as("app")
        wait_until(lambda: server.stats("hook")["delivered"] == 3)
        for query, sources in (("", ["app", "app", "web"]), ("&source=app", ["app", "app"]),
                               ("&source=web", ["web"]), ("&state=delivered", ["app", "app", "web"]),
                               ("&state=retrying", [])):
            mine = all_pages(server, "/api/v1/deliveries?message_id=42" + query, 2)
            assert sorted(e["source"] for e in mine) == sources, query
            assert counted(server, "&message_id=42" + query, 1) == len(sources)


def test_a_successful_attempt_is_remembered_across_a_restart(broken):
    broken.state["status"] = 204
    with Tributary() as server:
        server.destination("hook", url=broken.url, concurrency=50)
        batch = [{"type": "track", "event": "E", "userId": "u", "messageId": f"m{i}"}
                 for i in range(500)]
        assert server.track({"batch": batch}, path="/v1/batch").status == 200
        wait_until(lambda: server.stats("hook")["delivered"] == 500, 30)

        def attempts(message):
            return server.get(f"/api/v1/events/{message}").json()["deliveries"][0]["attempts"]
        assert attempts("m0")[0]["status"] == 204  # more than the lane remembers
        assert server.stop() == 0
        server.start()
        for message in ("m0", "m250", "m499"):
            assert attempts(message)[0]["status"] == 204, message
        assert "tributary_delivery_log_attempts 500" in server.get("/metrics").body.decode()


@pytest.mark.parametrize("query, field", [
    ("state=lost", "state"), ("since=x", "since"), ("until=x", "until"), ("limit=0", "limit"),
    ("destination=nobody", "destination"), ("cursor=x", "cursor"), ("source=nobody", "source"),
    ("colour=red", "colour")])
def test_a_wrong_parameter_of_deliveries_is_named(shared_server, query, field):
    answer = shared_server.get("/api/v1/deliveries?" + query)
    assert answer.status == 400 and answer.json()["field"] == field, answer


def test_the_audit_adds_up_and_says_so(broken):
    with Tributary() as server:
        server.destination("dead", url=broken.url, retry=RETRY)
        server.destination("picky", "null", names=["Nothing"])
        server.destination("all", "null")
        send(server, 40)
        send(server, 10)  # repeats
        server.post("/api/v1/destinations/picky/pause")
        wait_until(lambda: server.stats("dead")["dead_lettered"] == 40)
        wait_until(lambda: server.stats("all")["delivered"] == 40)
        server.post("/api/v1/dead-letters/delete", {"ids": [
            server.get("/api/v1/dead-letters?limit=1").json()["data"][0]["id"]]})
        report = server.get("/api/v1/audit").json()
        assert report["balanced"] is True and report["duplicates"] == 10, report
        lines = {line["destination"]: line for line in report["destinations"]}
        assert lines["dead"]["dead_lettered"] == 39 and lines["dead"]["dropped"] == 1
        assert lines["all"]["delivered"] == 40 and lines["picky"]["filtered"] == 40
        for line in lines.values():
            assert line["events"] == 40 and line["counts_checked"], line
        part = server.get("/api/v1/audit?from=5&to=15&destination=all").json()
        line = part["destinations"][0]  # meta events may lie in between
        assert part["records"] == 10 and 0 < line["delivered"] == line["events"] <= 10
        done = subprocess.run([BINARY, "audit", "--url", f"http://127.0.0.1:{server.port}"],
                              capture_output=True, text=True)
        assert done.returncode == 0 and "every delivery adds up" in done.stdout, done


def test_a_deleted_destination_adds_up_right_after_the_answer_and_a_kill(broken):
    with Tributary() as server:
        server.destination("gone", url=broken.url, retry={"schedule": ["0s", "1h"]})
        send(server, 10, "dead")
        wait_until(lambda: server.stats("gone")["dead_lettered"] == 10)
        broken.state["status"] = 500
        send(server, 10, "retry")
        wait_until(lambda: server.stats("gone")["retrying"] == 10)
        server.post("/api/v1/destinations/gone/pause")
        batch = [{"type": "track", "event": "E", "userId": "u", "messageId": f"late{i}"}
                 for i in range(500)]
        assert server.track({"batch": batch}, path="/v1/batch").status == 200
        replay = server.post("/api/v1/replays", {"destination": "gone", "from": "earliest"}).json()
        assert server.request("DELETE", "/api/v1/destinations/gone").status == 204
        server.kill()
        server.start()
        send(server, 5, "after")
        for _ in range(2):
            report = server.get("/api/v1/audit").json()
            line = {one["destination"]: one for one in report["destinations"]}["gone"]
            assert report["balanced"] and line["deleted_at"], report
            assert (line["events"], line["dropped"], line["counts_checked"]) == (520, 520, True)
            dropped = all_pages(server, "/api/v1/deliveries?destination=gone&state=dropped", 100)
            # Beside its own pairs those of its replay, which may still be reading to its end.
            own = [one for one in dropped if one["rule"] == "destination_deleted"]
            assert len(own) == len({one["id"] for one in own}) == 520
            assert {one["rule"] for one in dropped} <= {"destination_deleted", "replay_cancelled"}
            for message in ("dead3", "retry3", "late3"):
                trace = server.get("/api/v1/events/" + message).json()["deliveries"][0]
                assert (trace["destination"], trace["state"]) == ("gone", "dropped")
                assert trace["rule"] == "destination_deleted" and trace["destination_deleted_at"]
            assert server.get("/api/v1/events/after3").json()["deliveries"] == []
            path = "/api/v1/replays/" + replay["id"]
            wait_until(lambda: server.get(path).json()["finished_at"])
            shown = server.get(path).json()
            assert (shown["state"], shown["lag"], shown["dropped"]) == ("cancelled", 0, 520), shown
            assert server.stop() == 0
            server.start()
        # A new one of that name has nothing to do with it.
        broken.state["status"] = 204
        server.destination("gone", url=broken.url)
        send(server, 1, "new")
        wait_until(lambda: server.stats("gone")["delivered"] == 1)
        lines = server.get("/api/v1/audit?destination=gone").json()["destinations"]
        assert [bool(one["deleted_at"]) for one in lines] == [True, False]


def test_the_audit_asks_conditions_again(broken):
    broken.state["status"] = 204
    with Tributary() as server:
        server.destination("some", url=broken.url, filter='.properties.n > 4')
        for i in range(10):
            send(server, 1, f"n{i}-", properties={"n": i})
        wait_until(lambda: server.stats("some")["delivered"] == 5)
        wait_until(lambda: server.stats("some")["filtered"] == 5)
        report = server.get("/api/v1/audit").json()
        line = report["destinations"][0]
        assert (line["delivered"], line["filtered"], line["undecided"]) == (5, 5, 0), line
        assert report["balanced"] and line["counts_checked"] and report["conditions"] == 10
        metrics = server.get("/metrics").body.decode()
        assert 'tributary_audit_pairs{state="events"} 10' in metrics
        assert 'tributary_audit_pairs{state="delivered"} 5' in metrics
        assert "tributary_audit_problems 0" in metrics
        assert "tributary_audit_runs_total 1" in metrics


def test_a_trace_finds_its_source_among_thousands():
    sources = "".join(f"  - {{name: s{i}, write_key: key-of-source-number-{i}}}\n"
                      for i in range(2000))
    with Tributary(config=ALLOW_LOOPBACK + "sources:\n" + sources) as server:
        for i in (0, 999, 1999):
            answer = server.track({"event": "E", "userId": "u", "messageId": f"of{i}"},
                                  key=f"key-of-source-number-{i}")
            assert answer.status == 200, answer
        for i in (0, 999, 1999):
            assert server.get(f"/api/v1/events/of{i}").json()["source"] == f"s{i}"
        began = time.monotonic()
        for _ in range(20):
            assert server.get("/api/v1/events/nobody").status == 404
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("query, field", [
    ("from=x", "from"), ("to=-1", "to"), ("from=5&to=4", "to"), ("destination=nobody", "destination"),
    ("cursor=1.0.5", "cursor"), ("cursor=", "cursor"), ("cursor=1.0.5&from=3", "from")])
def test_a_wrong_parameter_of_the_audit_is_named(shared_server, query, field):
    answer = shared_server.get("/api/v1/audit?" + query)
    assert answer.status == 400 and answer.json()["field"] == field, answer


def dropped_by_rule(server, name):
    """What the metrics say: by rule, and in all."""
    rules, total = {}, None
    for line in server.get("/metrics").body.decode().splitlines():
        match = re.fullmatch(r'tributary_delivery_dropped(_by_rule)?_total{destination="(\w+)"'
                             r'(?:,rule="(\w+)")?} (\d+)', line)
        if match and match[2] == name and match[3]:
            rules[match[3]] = int(match[4])
        elif match and match[2] == name:
            total = int(match[4])
    return rules, total


def test_the_metrics_count_what_was_dropped_by_each_rule(broken, tmp_path):
    config = ALLOW_LOOPBACK + "log: {segment_size: 256KiB, first_segment_size: 64KiB}\n" \
        "retention: {size: 2MiB, on_full: drop_oldest}\ndead_letters: {size: 64KiB}\n"
    none = {"retention": 0, "deleted": 0, "dead_letter_age": 0, "dead_letter_size": 0}
    server = Tributary(data_dir=tmp_path / "data", config=config).start()
    server.destination("hook", url=broken.url, retry=RETRY)
    server.destination("fine", type="null")
    assert dropped_by_rule(server, "hook") == (none, 0)
    send(server, 5)
    wait_until(lambda: server.stats("hook")["dead_lettered"] == 5)
    for letter in all_pages(server, "/api/v1/dead-letters?destination=hook")[:2]:
        assert server.request("DELETE", "/api/v1/dead-letters/" + letter["id"]).status == 204
    assert dropped_by_rule(server, "hook") == ({**none, "deleted": 2}, 2)
    send(server, 8, "big", properties={"pad": "x" * 20_000})
    wait_until(lambda: server.stats("hook")["dropped"] > 2, 30, "the limit of dead letters")
    rules, total = dropped_by_rule(server, "hook")
    assert rules["dead_letter_size"] == total - 2 >= 5 and rules["retention"] == 0, rules

    assert server.post("/api/v1/destinations/hook/pause").status == 200
    for i in range(300):
        much = {"event": "Much", "userId": "u", "messageId": f"much{i}",
                "properties": {"pad": os.urandom(10_000).hex()}}
        # Full for the moment, until the oldest has gone.
        wait_until(lambda: server.track(much).status == 200, 20, "room")
    wait_until(lambda: dropped_by_rule(server, "hook")[0]["retention"] > 0, 30, "retention")
    server.kill()
    server.port = None
    server.start(60)
    rules, total = dropped_by_rule(server, "hook")
    assert sum(rules.values()) == total == server.stats("hook")["dropped"]
    assert {r: n for r, n in rules.items() if n} == server.stats("hook")["dropped_by"]
    assert rules["deleted"] == 2 and rules["retention"] > 0 and rules["dead_letter_size"] >= 5
    assert rules["dead_letter_age"] == 0
    assert dropped_by_rule(server, "fine") == (none, 0)
    assert server.stop() == 0

    server.config = config.replace("dead_letters: {", "dead_letters: {age: 1s, ")
    server.port = None
    server.start(60)
    wait_until(lambda: server.stats("hook")["dead_lettered"] == 0, 30, "the age of dead letters")
    rules, total = dropped_by_rule(server, "hook")
    assert rules["dead_letter_age"] > 0 and sum(rules.values()) == total
    server.kill()
