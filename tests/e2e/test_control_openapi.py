"""The OpenAPI document against the running server: it is one by the rules of OpenAPI 3.1, every
route is asked in every way that it says it can answer, each answer is held to its schema, and no
answer comes that the document does not name."""
import base64
import http.client
import json
import os
import re
import threading

import pypi
import pytest

from blackbox import ALLOW_LOOPBACK, ROOT, Receiver, Tributary, wait_until
from openapi import BODY_METHODS, Witness, call

TOKENS = ALLOW_LOOPBACK + """
tokens:
  - {name: reader, token: t-read, scopes: [read]}
  - {name: writer, token: t-write, scopes: [write]}
  - {name: boss, token: t-admin, scopes: [admin]}
"""
DECLARED = """
sources:
  - {name: demo, write_key: demo}
  - {name: off, write_key: OFF, enabled: false}
destinations:
  - {name: declared, type: "null"}
"""
HOOK = {"type": "webhook", "url": "https://example.com/", "headers": {"X-A": "b"},
        "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
RANKS = {"read": 1, "write": 2, "admin": 3}
NOBODYS_DELIVERY = "dlv_" + "0" * 32
D, S = "/api/v1/destinations", "/api/v1/sources"
ONE, SOURCE, KEYS = D + "/{name}", S + "/{name}", S + "/{name}/write-keys"
CHANGES = r"(POST|PUT|PATCH|DELETE) (/api/v1/|/destinations$)"
EVENT_POSTS = r"POST /(v1|b|batch|beacon)(/|$)"
# What a server in good health cannot be made to answer from outside in a moment: the status, the
# routes (the first line that fits counts), and the test that shows it.
ELSEWHERE = [
    (503, "GET /readyz$",
     "tests/faults/test_disk.py test_a_failed_sync_acknowledges_nothing_and_is_final"),
    (503, "GET .*pixel/", "src/sources/pixel_api_test.cc PixelApi.WithoutDurabilityNo200"),
    (503, "POST /track$", "src/sources/track_api_test.cc TrackApi.FailuresOfTheLogKeepTheShape"),
    (507, "POST /track$", "src/sources/track_api_test.cc TrackApi.FailuresOfTheLogKeepTheShape"),
    (503, EVENT_POSTS,
     "src/sources/tracking_api_test.cc TrackingApi.BackPressureIs503AtOnceAndNothingIsKept"),
    (507, EVENT_POSTS, "src/sources/tracking_api_test.cc TrackingApi.AFullDiskIs507"),
    (503, "GET /api/v1/events/tail$",
     "src/control/event_tail_test.cc EventTail.ThereAreSoManyAndOneThatLeavesMakesRoom"),
    (503, "GET |POST .*/(dry-run|plan)$",  # whatever a route does, the server's memory is bounded
     "src/http/server_limits_test.cc ServerLimits.BuffersTogether"),
    (503, CHANGES,
     "src/control/front_test.cc Idempotency.OneChangeTooManyIsRefusedBeforeAnythingIsDone"),
    (202, "DELETE /api/v1/dead-letters/{id}$",
     "src/control/dead_letters_test.cc DeadLetterRoutes.ADeletionThatIsPutOffGoesOnAfterTheAnswer"),
    # Routes without conflicts of their own; after_a_death shows this one from outside.
    (409, "POST /api/v1/(dead-letters/(redrive|delete)|destinations/{name}/pause)$",
     "src/control/front_test.cc Idempotency.AfterADeathInBetweenNobodyPretendsToKnow"),
    (410, "GET /responses/", "src/control/control_test.cc Events.ADamagedRecordIsNamedAsSuch"),
    (504, "", "src/control/control_test.cc Events.AnIndexThatStaysBehindIsSaidToBe"),
    (507, "(POST|PUT) /api/v1/destinations(/{name})?$",
     "src/deliver/engine_test.cc Engine.ThereIsAMostOfDestinations"),
    (507, "(PATCH|POST) /api/v1/destinations/{name}(/revert)?$",
     "src/deliver/engine_test.cc Engine.RulesThatTheLogStillNeedsAreLimited"),
]


def judged(witness):
    """What is wrong with the document and with all that was asked, by their schemas."""
    packages = pypi.install("openapi", "openapi-spec-validator==0.7.1", "jsonschema==4.26.0")
    return "\n".join(witness.judge_schemas(packages)[:40])


def document_of(server, token="t-admin"):
    return json.loads(call(server, "GET", "/api/v1/openapi.json", token=token).body)


def nobody(pattern):
    """Names of things that are not there, in a form in which they could be."""
    id = NOBODYS_DELIVERY if pattern.startswith(("/api/v1/deliveries", "/api/v1/dead-letters/{id}")) \
        else "none_1"
    return {"name": "nobody", "id": id, "revision": "1", "message_id": "nobody",
            "messageId": "nobody", "writeKey": "nobody"}


def secured(witness):
    for method, pattern, operation in witness.operations():
        if operation["security"]:
            [scope] = operation["security"][0]["token"]
            yield method, pattern, scope


def probe_with_tokens(witness, server):
    """Every refusal that follows from the kind of a route."""
    for method, pattern, scope in secured(witness):
        names = nobody(pattern)
        if method == "PUT":
            names["name"] = "made-by-put"
        body = "{}" if method in BODY_METHODS else None

        def ask(body=body, query="", **more):
            return witness.ask(server, method, pattern, body, query=query, **more, **names)
        for token in (None, "wrong"):
            assert ask(token=token).status == 401, (method, pattern, token)
        for token, reach in (("t-read", "read"), ("t-write", "write")):
            if RANKS[scope] > RANKS[reach]:
                assert ask(token=token).status == 403, (method, pattern, token)
        ask(query="?nonsense=1") if not pattern.endswith("/metrics") else ask()
        if not pattern.endswith("/tail"):
            ask()
        ask(body="x" * (3 << 20))
        if body:
            ask(body="{broken")
            ask(body='{"nonsense":1}')
        if method == "POST":
            ask(headers={"Idempotency-Key": "k" * 256})
            key = {"Idempotency-Key": f"probe {pattern}"}
            ask(headers=key)
            ask(body='{"other":1}', headers=key)


def probe_without_tokens(witness, server):
    for method, pattern, _ in secured(witness):
        names = nobody(pattern)
        body = "{}" if method in BODY_METHODS else None
        witness.ask(server, method, pattern, body, token=None,
                    headers={"Origin": "https://evil.example"}, **names)
        if body:
            answer = witness.ask(server, method, pattern, body, token=None,
                                 headers={"Content-Type": "text/plain"}, **names)
            assert answer.status == 415, (method, pattern, answer)


def destinations(witness, server, hook):
    def go(method, pattern, body=None, **names):
        return witness.ask(server, method, pattern, body, **names)
    go("POST", D, {"name": "d", **HOOK})
    go("POST", D, {"name": "d", **HOOK})
    for type, more in (("file", {}), ("null", {"order": "key"}), ("CDP", {"url": hook.url}),
                       ("analytics", {"url": hook.url}), ("tributary", {"url": hook.url,
                                                                        "write_key": "k"})):
        go("POST", D, {"name": type, "type": type, **more})
    go("GET", D)
    go("GET", D, query="?limit=1")
    shown = go("GET", ONE, name="d").json()
    go("PUT", ONE, shown, name="d")
    go("PUT", ONE, HOOK, name="new")
    go("PUT", ONE, HOOK, name="declared")
    go("PATCH", ONE, {"concurrency": 2, "mapping": None, "retry": {"total": "1h"}}, name="d")
    go("PATCH", ONE, {"concurrency": 2}, name="declared")
    for verb in ("pause", "resume"):
        go("POST", f"{ONE}/{verb}", name="d")
    go("GET", ONE + "/stats", name="d")
    go("GET", ONE + "/revisions", name="d")
    go("GET", ONE + "/revisions/{revision}", name="d", revision=1)
    go("POST", ONE + "/revert", {"revision": 1}, name="d")
    go("POST", ONE + "/revert", {"revision": 99}, name="d")
    go("POST", ONE + "/revert", {"revision": 1}, name="declared")
    for _ in range(11):
        go("POST", ONE + "/rotate-secret", {"overlap": "1h"}, name="d")
    go("DELETE", ONE, name="declared")
    go("DELETE", ONE, name="new")
    for name in ("simple", "declared"):
        go("POST", "/destinations", {"destinationName": name, "type": "CDP", "headers": "",
                                     "url": "https://example.com/", "password": None})


def trials(witness, server, hook):
    event = {"type": "track", "userId": "u", "event": "E", "messageId": "tried"}
    make = {"type": "webhook", "url": hook.url + "/ok", "filter": ".event == \"E\""}
    witness.ask(server, "POST", D, {"name": "tried", **make})
    for tool in ("/test", "/dry-run"):
        witness.ask(server, "POST", ONE + tool, {"event": event}, name="tried")
        witness.ask(server, "POST", ONE + tool, {"message_id": "m-1"}, name="tried")
        whose = {"message_id": "m-1", "source": "demo"}
        assert witness.ask(server, "POST", ONE + tool, whose, name="tried").status == 200
    witness.ask(server, "POST", ONE + "/dry-run", {"event": {**event, "event": "F"}}, name="tried")
    for name in ("tried", "nobody"):
        witness.ask(server, "POST", ONE + "/dry-run", name=name)


def sources(witness, server):
    def go(method, pattern, body=None, **names):
        return witness.ask(server, method, pattern, body, **names)
    go("POST", S, {"name": "s", "write_key": "KEY"})
    go("POST", S, {"name": "s"})
    go("GET", S, query="?limit=1")
    go("GET", SOURCE, name="s")
    for name in ("s", "t"):
        go("PUT", SOURCE, {}, name=name)
    go("PATCH", SOURCE, {"browser": True}, name="s")
    key = go("POST", KEYS, {"scopes": ["track"], "key": "TRACK-ONLY"}, name="s").json()["id"]
    go("POST", KEYS, {"scopes": ["identify"], "key": "IDENTIFY-ONLY"}, name="s")
    go("GET", KEYS, name="s")
    go("POST", KEYS + "/rotate", {"overlap": "1h"}, name="s")
    for verb in ("disable", "enable"):
        go("POST", KEYS + "/{id}/" + verb, name="s", id=key)
        go("POST", KEYS + "/{id}/" + verb, name="demo", id="config-1")
    go("DELETE", KEYS + "/{id}", name="s", id=key)
    go("DELETE", KEYS + "/{id}", name="demo", id="config-1")
    for pattern, method in ((SOURCE, "PUT"), (SOURCE, "PATCH"), (SOURCE, "DELETE"), (KEYS, "POST"),
                            (KEYS + "/rotate", "POST")):
        go(method, pattern, {} if method != "DELETE" else None, name="demo")
    while go("POST", KEYS, name="t").status == 201:
        pass
    go("POST", KEYS + "/rotate", name="t")
    go("DELETE", SOURCE, name="t")


def events(witness, server):
    event = {"type": "track", "userId": "u", "event": "E", "messageId": "m-1"}
    assert server.track(event).status == 200
    assert server.track(event).status == 200
    for pattern in ("/metrics", "/api/v1/openapi.json", "/api/v1/audit-log", "/api/v1/events",
                    "/api/v1/audit", "/api/v1/deliveries", "/healthz", "/readyz"):
        witness.ask(server, "GET", pattern)
    witness.ask(server, "GET", "/api/v1/events/{message_id}", message_id="m-1")
    witness.ask(server, "GET", "/responses/{messageId}", messageId="m-1")
    [first, *_] = wait_until(
        lambda: server.get("/api/v1/deliveries?state=delivered",
                           headers={"Authorization": "Bearer t-read"}).json()["data"])
    witness.ask(server, "GET", "/api/v1/deliveries/{id}", id=first["id"])


def tail(witness, server):
    """A stream has no end: its head is judged, and its first event as the lists show it."""
    pattern = "/api/v1/events/tail"
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", pattern, headers={"Authorization": "Bearer t-read"})
    response = connection.getresponse()
    described = witness.response("GET", pattern, response.status)
    assert response.headers["Content-Type"] in described["content"]
    witness.seen["GET", pattern].add(response.status)
    assert server.track({"type": "track", "userId": "u", "event": "E"}).status == 200
    for line in iter(response.readline, b""):
        if line.startswith(b"data: "):
            witness.check(line.decode(), {"$ref": "#/components/schemas/Event"}, json.loads(line[6:]))
            break
    connection.close()


def dead_letters(witness, server, hook):
    letters = "/api/v1/dead-letters"
    count = 1001  # one more than are moved before the answer
    witness.ask(server, "POST", D, {"name": "bad", "type": "webhook", "url": hook.url + "/refused",
                                    "retry": {"schedule": ["0s"]}, "concurrency": 64})
    for first in range(0, count, 100):
        batch = [{"type": "track", "userId": "u", "event": "Bad", "messageId": f"b-{first}-{i}"}
                 for i in range(min(100, count - first))]
        assert server.track({"batch": batch}, path="/v1/batch").status == 200

    def all_dead():
        wait_until(lambda: witness.ask(server, "GET", ONE + "/stats", name="bad").json()
                   ["dead_lettered"] == count, 90, "all are dead")
    all_dead()
    listed = witness.ask(server, "GET", letters, query="?limit=3&destination=bad").json()["data"]
    id = listed[0]["id"]
    witness.ask(server, "GET", letters + "/{id}", id=id)
    one = witness.ask(server, "POST", letters + "/redrive", {"ids": [id]})
    assert one.status == 200
    all_dead()
    many = witness.ask(server, "POST", letters + "/redrive", {"destination": "bad"})
    assert many.status == 202, many
    # Until it is done there are letters still, and all may seem to be dead again.
    wait_until(lambda: witness.ask(server, "GET", letters + "/redrives/{id}", id=many.json()["id"])
               .json()["state"] == "done", 60, "the redrive")
    all_dead()
    witness.ask(server, "DELETE", letters + "/{id}", id=id)
    witness.ask(server, "POST", letters + "/delete", {"ids": [listed[1]["id"]]})
    server.track({"batch": [{"type": "track", "userId": "u", "event": "Bad", "messageId": f"c-{i}"}
                            for i in range(2)]}, path="/v1/batch")
    all_dead()
    gone = witness.ask(server, "POST", letters + "/delete", {"all": True})
    assert gone.status == 202, gone
    witness.ask(server, "GET", letters + "/deletions/{id}", id=gone.json()["id"])


def replays(witness, server):
    replays = "/api/v1/replays"
    one = replays + "/{id}"
    witness.ask(server, "POST", D, {"name": "again", "type": "null"})
    made = witness.ask(server, "POST", replays, {"destination": "again", "from": "earliest",
                                                 "filter": ".event == \"E\""}).json()
    wait_until(lambda: witness.ask(server, "GET", one, id=made["id"]).json()["finished_at"])
    for verb in ("pause", "resume", "cancel"):
        witness.ask(server, "POST", f"{one}/{verb}", id=made["id"])
    witness.ask(server, "DELETE", one, id=made["id"])
    witness.ask(server, "POST", ONE + "/pause", name="again")  # its replays wait with it
    ids = []
    while len(ids) < 100:
        answer = witness.ask(server, "POST", replays, {"destination": "again", "from": "earliest"})
        if answer.status != 201:
            break
        ids.append(answer.json()["id"])
    witness.ask(server, "GET", replays, query="?limit=2&destination=again")
    witness.ask(server, "DELETE", one, id=ids[0])
    for verb in ("pause", "resume", "cancel"):
        witness.ask(server, "POST", f"{one}/{verb}", id=ids[0])


def operations_of_the_server(witness, server, tmp_path):
    backups = "/api/v1/backups"

    def back_up(n):
        return witness.ask(server, "POST", backups, {"dir": str(tmp_path / f"backup-{n}")})
    made = back_up(0)
    # One may be over before the next is asked for; hardly every one of so many.
    assert any(back_up(n).status == 409 for n in range(1, 100))
    wait_until(lambda: witness.ask(server, "GET", backups + "/{id}", id=made.json()["id"]).json()
               ["state"] == "done", 60, "the backup")
    witness.ask(server, "GET", backups)
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("somebody's")
    witness.ask(server, "POST", backups, {"dir": str(other)})
    file = server.data_dir.parent / (server.data_dir.name + ".yaml")
    good = file.read_text()
    more = good.replace("destinations:", "destinations:\n  - {name: more, type: \"null\"}")
    witness.ask(server, "POST", "/api/v1/plan", {"file": "f", "text": more})
    witness.ask(server, "POST", "/api/v1/plan", {"text": "lisen: 1\n"})
    file.write_text(more)
    witness.ask(server, "POST", "/api/v1/reload")
    twice = good.replace("destinations:", "destinations:\n  - {name: d, type: \"null\"}")
    for text in (twice, "lisen: 1\n"):
        file.write_text(text)
        witness.ask(server, "POST", "/api/v1/reload", "{}")
    witness.ask(server, "POST", "/api/v1/plan", {"text": twice})
    file.write_text(more)


def basic(key):
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def collection(witness, server):
    """The doors of events: whoever comes, with what key and with what body."""
    for method, pattern, operation in witness.operations():
        if operation["security"]:
            continue

        def ask(body, key, **names):
            witness.ask(server, method, pattern, body, token=None, headers=basic(key), **names)
        if method == "OPTIONS":
            ask(None, "demo", writeKey="demo")
        elif "{writeKey}" in pattern:
            for key in ("demo", "nobody"):
                ask(None, key, writeKey=key)
        elif method == "GET":
            for key in ("demo", "nobody", "OFF"):
                ask(None, key)
        else:
            event = {"userId": "u", "event": "E", "name": "N", "groupId": "g", "previousId": "p",
                     "type": "track", "anonymousId": "a", "properties": {}}
            body = {"batch": [event]} if "b" in pattern.rsplit("/", 1)[-1] or "import" in pattern \
                else event
            ask(body, "demo")
            ask(body, "nobody")
            ask(body, "OFF")
            ask("{broken", "demo")
            ask("x" * (3 << 20), "demo")
            for key in ("TRACK-ONLY", "IDENTIFY-ONLY"):
                ask(json.dumps(body), key)


def every_change_is_recorded(witness, server):
    """Each route that changed something has left an audit record."""
    changing = {f"{method} {pattern}" for method, pattern, _ in secured(witness)
                if method != "GET" and not pattern.endswith(("/dry-run", "/plan"))}
    for action in changing:
        assert any(200 <= s < 300 for s in witness.seen[tuple(action.split(" "))]), action
    recorded, cursor = set(), ""
    while cursor is not None:
        page = call(server, "GET", "/api/v1/audit-log?limit=1000" + cursor, token="t-admin").json()
        recorded |= {record["action"] for record in page["data"]}
        cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
    assert recorded == changing


def after_the_loss_of_its_key(witness, server):
    """Secrets that cannot be opened any more."""
    witness.ask(server, "POST", D, {"name": "sealed", **HOOK})
    assert server.stop() == 0
    (server.data_dir / "secret.key").unlink()
    server.port = None
    server.start()
    assert witness.ask(server, "POST", ONE + "/resume", name="sealed").status == 409


def at_the_limit_of_sources(witness):
    config = TOKENS + "sources:\n" + "".join(f"- {{name: s{i}}}\n" for i in range(9_999))
    with Tributary(config=config) as server:
        assert witness.ask(server, "POST", S, {"name": "last"}).status == 201
        assert witness.ask(server, "POST", S, {"name": "more"}).status == 507
        assert witness.ask(server, "PUT", SOURCE, {}, name="more").status == 507


def after_a_death(witness, tmp_path):
    """Nobody knows whether what was under way with its Idempotency-Key was done."""
    arrived, go = threading.Event(), threading.Event()

    def hang(request):
        arrived.set()
        go.wait(20)
        return 204
    server = Tributary(data_dir=tmp_path / "death", config=TOKENS)
    with Receiver(hang) as hook, server:
        def test():
            return witness.ask(server, "POST", ONE + "/test", "{}", name="h",
                               headers={"Idempotency-Key": "k"})
        witness.ask(server, "POST", D, {"name": "h", "type": "webhook", "url": hook.url})
        asking = threading.Thread(target=lambda: pytest.raises(Exception, test))
        asking.start()
        assert arrived.wait(10)
        server.kill()
        asking.join(20)
        server.port = None
        server.start()
        assert test().status == 409
        go.set()


def without_schema(document):
    """Places of the document that leave open what goes over the wire."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            if not operation.get("summary"):
                yield f"{where}: no summary"
            known = {p["name"] for p in operation.get("parameters", []) if p.get("schema")}
            if set(re.findall(r"{(\w+)}", path)) - known:
                yield f"{where}: parameters"
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for status, response in operation["responses"].items():
                if status == "204" and "content" in response:
                    yield f"{where}: 204 has no body"
                bodies += [response] if status != "204" else []
            for body in bodies:
                if not all("schema" in content for content in body.get("content", {"": {}}).values()):
                    yield f"{where}: {body}"


def test_the_document_is_one_by_the_rules_of_openapi():
    with Tributary(config=TOKENS) as server:
        witness = Witness(document_of(server))
    assert witness.document["openapi"].startswith("3.1")
    assert list(without_schema(witness.document)) == []
    faults = judged(witness)
    assert not faults, faults


def test_what_is_shown_elsewhere_is_shown_there():
    for _, _, where in ELSEWHERE:
        file, name = where.split()
        begin = f"def {name}(" if file.endswith(".py") else f"TEST({name.replace('.', ', ')})"
        assert begin in (ROOT / file).read_text(), where


def test_every_documented_status_and_no_other(tmp_path):
    server = Tributary(data_dir=tmp_path / "data", config=TOKENS + DECLARED)
    with server, Receiver(lambda r: 400 if r["path"] == "/refused" else 204) as hook:
        witness = Witness(document_of(server))
        destinations(witness, server, hook)
        sources(witness, server)
        events(witness, server)
        trials(witness, server, hook)
        tail(witness, server)
        collection(witness, server)
        replays(witness, server)
        dead_letters(witness, server, hook)
        operations_of_the_server(witness, server, tmp_path)
        probe_with_tokens(witness, server)
        every_change_is_recorded(witness, server)
        after_the_loss_of_its_key(witness, server)
        witness.ask(server, "DELETE", SOURCE, name="s")
    with Tributary() as server:
        probe_without_tokens(witness, server)
    after_a_death(witness, tmp_path)
    at_the_limit_of_sources(witness)
    assert not witness.faults, "\n".join(witness.faults[:40])
    never, needed = witness.never(ELSEWHERE)
    assert not never, never
    assert needed == ELSEWHERE, "some of it is provoked here, or documented no more"
    faults = judged(witness)
    assert not faults, faults


HOSTILE = [{"Host": "evil.example"}, {"Origin": "https://evil.example"},
           {"X-Forwarded-For": "1.2.3.4"}, {"Sec-Fetch-Site": "cross-site"}]


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda h: next(iter(h)))
def test_without_tokens_what_acts_for_others_is_refused_everywhere(headers):
    with Tributary() as server:
        witness = Witness(document_of(server, token=None))
        for method, pattern, _ in secured(witness):
            body = "{}" if method in BODY_METHODS else None
            answer = witness.ask(server, method, pattern, body, token=None, headers=headers,
                                 **nobody(pattern))
            assert answer.status == 403, (method, pattern, answer)
