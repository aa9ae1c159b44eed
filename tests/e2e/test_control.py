"""The control API from outside: destinations, traces, the simple API, who may, configuration."""
import json
import os
import socket
import subprocess
import uuid

import pytest

from blackbox import ALLOW_LOOPBACK, BINARY, Receiver, Tributary, fixture, wait_until

SECRET = "whsec_" + "QUFB" * 10


def names(server):
    return [d["name"] for d in server.get("/api/v1/destinations").json()["data"]]


def seed_id(answer):
    return json.loads(answer.json()["body"])["messageId"]


# ---- Destinations ----

def test_a_destination_is_made_shown_changed_replaced_and_removed(tributary):
    made = tributary.post("/api/v1/destinations", {
        "name": "hook", "type": "webhook", "url": "https://example.com/h",
        "headers": {"X-Token": "CANARY"}, "signing_secret": SECRET, "events": ["track"]})
    assert made.status == 201, made
    assert made.json()["headers"] == {"X-Token": "***"}
    assert made.json()["signing_secret"] == "***"
    path = "/api/v1/destinations/hook"
    assert tributary.get(path).json()["url"] == "https://example.com/h"
    patched = tributary.request("PATCH", path, {"concurrency": 3, "signing_secret": "***"})
    assert patched.status == 200 and patched.json()["concurrency"] == 3, patched
    assert patched.json()["events"] == ["track"] and patched.json()["signing_secret"] == "***"
    put = tributary.request("PUT", path, {"type": "webhook", "url": "https://example.com/2"})
    assert put.status == 200, put
    assert put.json()["concurrency"] == 16 and put.json()["events"] == []
    assert tributary.request("PUT", "/api/v1/destinations/new", {"type": "null"}).status == 201
    assert names(tributary) == ["hook", "new"]
    assert tributary.request("DELETE", path).status == 204
    assert tributary.request("DELETE", path).status == 404
    assert tributary.get(path).status == 404
    assert names(tributary) == ["new"]


def test_destinations_are_listed_in_pages(tributary):
    for i in range(7):
        tributary.destination(f"d{i}", type="null")
    seen, cursor = [], ""
    for _ in range(10):
        page = tributary.get("/api/v1/destinations?limit=3" + cursor).json()
        assert len(page["data"]) <= 3
        seen += [d["name"] for d in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = "&cursor=" + page["next_cursor"]
    assert seen == [f"d{i}" for i in range(7)]


GOOD = {"name": "x", "type": "webhook", "url": "https://example.com/"}
BAD = [
    ("name", {**GOOD, "name": ""}),
    ("name", {k: v for k, v in GOOD.items() if k != "name"}),
    ("type", {**GOOD, "type": "carrier-pigeon"}),
    ("url", {**GOOD, "url": "ftp://example.com/"}),
    ("url", {**GOOD, "url": 5}),
    ("url", {**GOOD, "url": "http://169.254.169.254/latest"}),
    ("url", {**GOOD, "url": "http://user:pw@example.com/"}),
    ("timeout", {**GOOD, "timeout": "soon"}),
    ("concurrency", {**GOOD, "concurrency": 0}),
    ("concurrency", {**GOOD, "concurrency": "4"}),
    ("order", {**GOOD, "order": "sometimes"}),
    ("retry.schedule[1]", {**GOOD, "retry": {"schedule": ["0s", "5x"]}}),
    ("headers.Host", {**GOOD, "headers": {"Host": "evil"}}),
    ("signing_secret", {**GOOD, "signing_secret": "whsec_short"}),
    ("singing_secret", {**GOOD, "singing_secret": SECRET}),
    ("retry.shedule", {**GOOD, "retry": {"shedule": []}}),
]


@pytest.fixture(scope="module")
def shared_server():
    with Tributary() as process:
        yield process


@pytest.mark.parametrize("field, body", BAD, ids=[f"{i}-{f}" for i, (f, _) in enumerate(BAD)])
def test_bad_input_is_400_names_the_field_and_changes_nothing(shared_server, field, body):
    before = shared_server.get("/api/v1/destinations").body
    answer = shared_server.post("/api/v1/destinations", body)
    assert answer.status == 400, answer
    error = answer.json()
    assert error["success"] is False and error["code"] and error["message"]
    assert error.get("field") == field or field in error["message"], error
    assert shared_server.get("/api/v1/destinations").body == before


def test_a_slip_of_the_pen_gets_a_suggestion(shared_server):
    answer = shared_server.post("/api/v1/destinations", {**GOOD, "singing_secret": SECRET})
    assert "signing_secret" in answer.json()["message"], answer
    assert "limit" in shared_server.get("/api/v1/destinations?limt=1").json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"name":"a","name":"b"}', b"\xff",
                                  b"[" * 100000, b'{"name":' + b'"x"' * 2])
def test_a_body_that_is_no_json_object_is_400(shared_server, body):
    before = shared_server.get("/api/v1/destinations").body
    answer = shared_server.post("/api/v1/destinations", body,
                                headers={"Content-Type": "application/json"})
    assert answer.status == 400, answer
    assert answer.json()["success"] is False
    assert shared_server.get("/api/v1/destinations").body == before


@pytest.mark.parametrize("method, path, begin, end", [
    ("POST", "/api/v1/replays", "", ""), ("POST", "/api/v1/dead-letters/redrive", "", ""),
    ("POST", "/api/v1/dead-letters/delete", "", ""), ("POST", "/api/v1/destinations", "", ""),
    ("PUT", "/api/v1/destinations/deep", '{"type":"null","x":', "}"),
    ("PUT", "/api/v1/destinations/deep", '{"type":"null","pattern":{"a":', "}}"),
    ("PATCH", "/api/v1/destinations/deep", '{"x":', "}"), ("POST", "/api/v1/sources", "", ""),
    ("PUT", "/api/v1/sources/deep", '{"x":', "}"), ("POST", "/api/v1/plan", '{"text":', "}"),
    ("POST", "/api/v1/destinations/deep/dry-run", '{"event":', "}"),
    ("POST", "/api/v1/destinations/deep/test", '{"event":', "}"), ("POST", "/api/v1/backup", "", ""),
    ("POST", "/track", '{"properties":', "}"), ("POST", "/destinations", "", "")])
def test_depth_breaks_nothing(shared_server, method, path, begin, end):
    """A quarter of a million levels would be as many frames of a stack."""
    for levels in (2_000, 120_000):
        body = begin + "[" * levels + "]" * levels + end
        answer = shared_server.request(method, path, body.encode(),
                                       headers={"Content-Type": "application/json"})
        assert 400 <= answer.status < 500, (answer.status, answer.body[:200])
    assert shared_server.get("/readyz").status == 200


def test_a_body_past_the_limit_is_413(shared_server):
    big = b'{"name":"' + b"x" * (1 << 20) + b'"}'
    answer = shared_server.post("/api/v1/destinations", big,
                                headers={"Content-Type": "application/json"})
    assert answer.status == 413, answer


def test_the_same_name_twice_is_409(tributary):
    tributary.destination("a", type="null")
    assert tributary.post("/api/v1/destinations", {"name": "a", "type": "null"}).status == 409


def test_a_refused_address_names_the_option_that_would_allow_it():
    with Tributary(config="") as server:
        answer = server.post("/api/v1/destinations", {**GOOD, "url": "http://127.0.0.1:9/"})
        assert answer.status == 400 and "egress" in answer.json()["message"], answer
        assert "127.0.0.1/32" in answer.json()["message"]
        assert names(server) == []


def test_a_change_is_in_force_for_the_next_event_and_for_none_before(tributary, receiver):
    count = 20
    for i in range(count):
        assert tributary.track({"userId": "u", "event": "E", "messageId": f"m{i}"}).status == 200
        tributary.destination(f"d{i}", url=receiver.url + f"/{i}")
    assert tributary.track({"userId": "u", "event": "E", "messageId": f"m{count}"}).status == 200
    # The destination made after event i is sent every later one and no earlier one.
    expected = {(f"/{i}", f"m{j}") for i in range(count) for j in range(i + 1, count + 1)}
    wait_until(lambda: len(receiver.all()) >= len(expected), 10, "all deliveries")
    got = [(r["path"], json.loads(r["body"])["messageId"]) for r in receiver.all()]
    assert sorted(got) == sorted(expected)


def test_a_deleted_destination_is_sent_nothing_more(tributary, receiver):
    for i in range(20):
        tributary.destination("hook", url=receiver.url)
        assert tributary.request("DELETE", "/api/v1/destinations/hook").status == 204
        assert tributary.track({"userId": "u", "event": "E", "messageId": f"m{i}"}).status == 200
    tributary.destination("last", url=receiver.url + "/last")
    assert tributary.track({"userId": "u", "event": "E", "messageId": "last"}).status == 200
    wait_until(receiver.all, 5, "the last event")
    assert receiver.message_ids() == ["last"]


def test_calls_without_options_refuse_a_query(tributary):
    tributary.destination("hook", url="http://127.0.0.1:9/")
    for path in ("destinations/hook/pause", "destinations/hook/resume",
                 "replays/1/pause", "replays/1/resume", "replays/1/cancel"):
        refused = tributary.post(f"/api/v1/{path}?foo=1")
        assert refused.status == 400 and refused.json()["field"] == "foo", (path, refused)
    assert tributary.get("/api/v1/destinations/hook").json()["status"] == "active"


def test_hop_by_hop_headers_are_refused_at_both_doors(tributary):
    to = {"url": "http://127.0.0.1:9/"}
    for name in ("Proxy-Connection", "http2-settings"):
        for path, body in (("/api/v1/destinations", {"name": "h", "type": "CDP"}),
                           ("/destinations", {"destinationName": "h", "type": "CDP"})):
            refused = tributary.post(path, {**to, **body, "headers": {name: "x"}})
            assert refused.status == 400, (name, path, refused)
            assert f"headers.{name} is set by" in refused.body.decode(), refused


def test_paused_keeps_the_backlog_and_resume_sends_it(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    assert tributary.post("/api/v1/destinations/hook/pause").json()["status"] == "paused"
    for i in range(20):
        assert tributary.track({"userId": "u", "event": "E", "messageId": f"m{i}"}).status == 200
    assert not receiver.all()
    wait_until(lambda: tributary.stats("hook")["lag"] == 20, 5, "the backlog is counted")
    assert tributary.post("/api/v1/destinations/hook/resume").json()["status"] == "active"
    wait_until(lambda: len(receiver.all()) == 20, 5, "the backlog")
    wait_until(lambda: tributary.stats("hook")["delivered"] == 20, 5, "the count")


# ---- Events ----

def test_an_acknowledged_event_is_never_404(tributary):
    for i in range(100):
        assert tributary.track({"userId": "u", "event": "E", "messageId": f"m{i}"}).status == 200
        assert tributary.get(f"/api/v1/events/m{i}").status == 200
    assert tributary.get("/api/v1/events/never").status == 404


def test_the_trace_tells_what_became_of_an_event(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    tributary.destination("pages", url=receiver.url, events=["page"])
    event = {"userId": "u1", "event": "Order", "messageId": "m1", "properties": {"n": 1}}
    for _ in range(3):
        assert tributary.track(event).status == 200

    def settled():
        trace = tributary.get("/api/v1/events/m1?source=demo").json()
        states = {d["destination"]: d["state"] for d in trace["deliveries"]}
        return trace if states == {"hook": "delivered", "pages": "filtered"} else None
    trace = wait_until(settled, 5, "both states")
    assert trace["message_id"] == "m1" and trace["source"] == "demo"
    assert trace["event"]["properties"] == {"n": 1}
    assert trace["received_at"].endswith("Z")
    assert trace["duplicates"] == 2
    delivery = trace["deliveries"][0]
    assert delivery["attempts"][0]["status"] == 204
    assert delivery["webhook_id"] == receiver.all()[0]["headers"]["webhook-id"]
    assert tributary.get("/api/v1/events/m1?source=nobody").status == 400
    assert tributary.get("/api/v1/events/m1?sorce=demo").status == 400


# ---- The simple API ----

def test_the_simple_api_answers_in_its_own_shapes(receiver):
    with Tributary() as server:
        made = server.post("/destinations", {"destinationName": "Braze12", "url": receiver.url,
                                             "type": "CDP", "headers": ""})
        assert made.status == 200
        assert made.json() == {"body": '{"Destination created status": "success"}'}
        event = {"userId": "u1", "event": "purchase", "timestamp": "2026-01-02T03:04:05Z",
                 "metadata": {"promoId": "p", "device": "d", "preferredChannel": "email"}}
        sent = server.post("/track", event)
        assert sent.status == 200, sent
        word, message_id = seed_id(sent).split(" ")
        assert word == "messageId" and str(uuid.UUID(message_id)) == message_id

        def row(path):
            answer = server.get(path)
            assert answer.status == 200, answer
            return answer.json()
        wait_until(lambda: row(f"/responses/{message_id}")["destinations"] == {"Braze12": True}, 5,
                   "delivered")
        shown = row(f"/responses/messageId%20{message_id}")
        assert shown == {"responseId": message_id, "responseBody": event,
                         "destinations": {"Braze12": True}}
        assert receiver.all()[0]["path"] == "/email"
        assert receiver.bodies()[0] == event


def test_the_row_is_there_from_acceptance_and_false_until_a_2xx(tributary):
    with Receiver(answer=lambda request: 503) as failing:
        tributary.post("/destinations", {"destinationName": "a", "url": failing.url,
                                         "type": "analytics"})
        sent = tributary.post("/track", {"userId": "u", "event": "e"})
        message_id = seed_id(sent).split(" ")[1]
        assert tributary.get(f"/responses/{message_id}").json()["destinations"] == {"a": False}
        wait_until(failing.all, 5, "an attempt")
        assert tributary.get(f"/responses/{message_id}").json()["destinations"] == {"a": False}
    assert tributary.get(f"/responses/{uuid.uuid4()}").status == 404


def test_the_documented_destination_call_works_as_printed(tributary):
    call = fixture("collection/constructed-seed-destinations.json")
    answer = tributary.request(call["method"], call["path"], call["body"])
    assert answer.status == call["expect"]["status"]
    assert answer.json() == call["expect"]["body"]
    assert names(tributary) == ["Braze12"]
    again = {**call["body"], "type": "analytics", "url": "https://example.com/again"}
    assert tributary.request(call["method"], call["path"], again).status == 200
    assert tributary.get("/api/v1/destinations/Braze12").json()["type"] == "analytics"


@pytest.mark.parametrize("field, change", [
    ("destinationName", {"destinationName": ""}), ("destinationName", {"destinationName": None}),
    ("url", {"url": "nowhere"}), ("url", {"url": "http://10.0.0.1/"}),
    ("url", {"url": "http://u:p@example.com/"}), ("type", {"type": "webhook"}),
    ("headers", {"headers": "x"}), ("headers", {"headers": {"a": 1}}),
    ("Content-Length", {"headers": {"Content-Length": "1"}})])
def test_bad_input_of_the_simple_api_is_400_in_its_shape(shared_server, field, change):
    before = shared_server.get("/api/v1/destinations").body
    good = {"destinationName": "b", "url": "https://example.com/", "type": "CDP"}
    answer = shared_server.post("/destinations", {**good, **change})
    assert answer.status == 400, answer
    assert answer.json()["error"].startswith("Validation error: "), answer
    assert field in answer.json()["error"]
    assert shared_server.get("/api/v1/destinations").body == before


# ---- Who may ----

HOSTILE = [{"Host": "evil.example"}, {"Host": "127.0.0.1.nip.io"}, {"Origin": "https://evil.example"},
           {"Origin": "http://localhost:1"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
           {"X-Forwarded-For": "1.2.3.4"}, {"Forwarded": "for=1.2.3.4"}, {"X-Real-IP": "1.2.3.4"},
           {"Via": "1.1 proxy"}]
GUARDED = [("GET", "/api/v1/destinations", None), ("POST", "/api/v1/destinations", GOOD),
           ("DELETE", "/api/v1/destinations/x", None), ("GET", "/api/v1/events/m", None),
           ("GET", "/metrics", None), ("GET", "/api/v1/openapi.json", None),
           ("POST", "/destinations", {"destinationName": "x", "url": "https://example.com/",
                                      "type": "CDP"}),
           ("GET", "/responses/m", None)]


@pytest.mark.parametrize("headers", HOSTILE, ids=[f"{k}={v}" for h in HOSTILE for k, v in h.items()])
def test_web_pages_and_proxies_cannot_reach_an_open_control_api(shared_server, headers):
    for method, path, body in GUARDED:
        answer = shared_server.request(method, path, body, headers=headers)
        assert answer.status == 403, (method, path, answer)
    assert names(shared_server) == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded",
                                  "multipart/form-data", None])
def test_a_form_cannot_change_anything(shared_server, kind):
    for path in ("/api/v1/destinations", "/destinations"):
        body = json.dumps({**GOOD, "destinationName": "x"}).encode()
        answer = shared_server.post(path, body, headers={"Content-Type": kind} if kind else {})
        assert answer.status == 415, answer
    assert names(shared_server) == []


def test_a_preflight_of_another_origin_is_not_allowed(shared_server):
    answer = shared_server.request("OPTIONS", "/api/v1/destinations", headers={
        "Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert "Access-Control-Allow-Origin" not in answer.headers, answer.headers


TOKENS = ALLOW_LOOPBACK + """
tokens:
  - {token: t-read, scopes: [read]}
  - {token: t-write, scopes: [write]}
  - {token: t-admin, scopes: [admin]}
"""


def test_with_tokens_scopes_decide():
    with Tributary(config=TOKENS) as server:
        def status(method, path, body, token):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return server.request(method, path, body, headers=headers).status
        for method, path, body in GUARDED:
            writes = method != "GET"
            assert status(method, path, body, None) == 401, path
            assert status(method, path, body, "t-reed") == 401, path
            assert (status(method, path, body, "t-read") == 403) == writes, path
            assert status(method, path, body, "t-write") not in (401, 403), path
            assert status(method, path, body, "t-admin") not in (401, 403), path
        assert server.track({"userId": "u", "event": "e"}).status == 200
        assert server.get("/healthz").status == 200 and server.get("/readyz").status == 200


def run(*arguments, env=None, timeout=20):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})})


def test_a_public_address_without_a_token_does_not_start(tmp_path):
    done = run("serve", "--listen", "0.0.0.0:0", "--data-dir", str(tmp_path / "d"))
    assert done.returncode == 2 and "token" in done.stderr, done
    assert not (tmp_path / "d").exists()


def test_a_public_address_with_a_token_guards_the_simple_api_too():
    with Tributary(config=TOKENS, listen="0.0.0.0:0") as server:
        server.host = "127.0.0.1"
        for method, path, body in GUARDED:
            assert server.request(method, path, body).status == 401, path
        assert server.post("/track", {"userId": "u", "event": "e"}).status == 401
        assert server.track({"userId": "u", "event": "e"}).status == 200


def test_control_on_a_port_of_its_own():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with Tributary(config=ALLOW_LOOPBACK + f"admin: {{listen: '127.0.0.1:{port}'}}\n") as server:
        assert server.get("/api/v1/destinations").status == 404
        assert server.track({"userId": "u", "event": "e"}).status == 200
        server.port = port
        assert server.get("/api/v1/destinations").status == 200
        assert server.get("/readyz").status == 200
        assert server.track({"userId": "u", "event": "e"}).status == 404


# ---- What is shown of the program itself ----

def test_readyz_and_healthz(tributary):
    assert tributary.get("/healthz").status == 200
    ready = tributary.get("/readyz")
    assert ready.status == 200
    assert ready.json()["accepting"] is True and ready.json()["sync"] == "always"


def test_metrics_parse_and_every_series_is_there_once(tributary):
    tributary.destination("a\"b", type="null")
    tributary.track({"userId": "u", "event": "e"})
    text = tributary.get("/metrics").body.decode()
    series = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    assert len(series) > 5
    assert len({name for name, _ in series}) == len(series)
    for name, value in series:
        assert name.startswith("tributary_"), name
        float(value)


def test_openapi_describes_what_answers(tributary):
    document = tributary.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/api/v1/destinations", "/api/v1/events/{message_id}", "/track", "/v1/batch",
            "/readyz", "/metrics"} <= set(document["paths"])
    for path, methods in document["paths"].items():
        if path.endswith("/tail"):
            continue  # it answers for as long as one listens: test_events.py
        for method in methods:
            answer = tributary.request(method.upper(), path.replace("{", "").replace("}", ""))
            assert answer.status not in (405, 501), (method, path, answer)


def test_sources_are_shown_without_their_keys(tributary):
    source = tributary.get("/api/v1/sources/demo").json()
    assert source["name"] == "demo" and [k["key"] for k in source["write_keys"]] == ["***"]
    assert [s["name"] for s in tributary.get("/api/v1/sources").json()["data"]] == ["demo"]
    assert tributary.get("/api/v1/sources/nobody").status == 404


# ---- Configuration ----

def test_check_config_says_where_and_what(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("listen: 127.0.0.1:0\nretention:\n  agee: 7d\nsync: allways\n")
    done = run("check-config", str(file))
    assert done.returncode == 2, done
    assert f"{file}:3:3:" in done.stderr and "did you mean 'age'?" in done.stderr, done.stderr
    assert f"{file}:4:1:" in done.stderr
    served = run("serve", "--config", str(file), "--data-dir", str(tmp_path / "d"))
    assert served.returncode == 2 and "agee" in served.stderr
    file.write_text("retention: {age: 7d}\n")
    assert run("check-config", str(file)).returncode == 0
    missing = run("check-config", str(tmp_path / "absent.yaml"))
    assert missing.returncode == 2 and "absent.yaml" in missing.stderr


def test_variables_override_the_file_and_the_command_line_both(tmp_path):
    config = "sources: [{name: web, write_key: '${KEY}'}]\nretention: {age: 1h}\n"
    env = {"KEY": "k-from-env", "TRIBUTARY_TOKENS": "[{token: adm, scopes: [admin]}]",
           "TRIBUTARY_LISTEN": "not an address"}
    with Tributary(config=config, env=env) as server:
        assert server.track({"userId": "u", "event": "e"}, key="k-from-env").status == 200
        assert server.track({"userId": "u", "event": "e"}).status == 401
        assert server.get("/api/v1/sources").status == 401
    done = run("serve", "--data-dir", str(tmp_path / "d"), env={"TRIBUTARY_LISTEN": "nowhere"})
    assert done.returncode == 2 and "TRIBUTARY_LISTEN" in done.stderr, done


def test_a_destination_of_the_file_cannot_be_changed_but_paused(receiver, tmp_path):
    config = ALLOW_LOOPBACK + "destinations:\n  - {name: hook, type: webhook, url: '%s'}\n" % (
        receiver.url)
    with Tributary(data_dir=tmp_path / "data", config=config) as server:
        path = "/api/v1/destinations/hook"
        assert server.get(path).json()["declared"] is True
        assert server.request("PATCH", path, {"concurrency": 1}).status == 409
        assert server.request("PUT", path, {"type": "null"}).status == 409
        assert server.request("DELETE", path).status == 409
        assert server.post(path + "/pause").status == 200
        server.track({"userId": "u", "event": "e"})
        server.stop()
    with Tributary(data_dir=tmp_path / "data", config=config) as server:
        assert server.get(path).json()["status"] == "paused"
        assert server.post(path + "/resume").status == 200
        wait_until(lambda: len(receiver.all()) == 1, 5, "what waited")


def test_secrets_appear_nowhere(tmp_path):
    canaries = [f"CANARY{i:02d}CANARY" for i in range(12)]
    config = ALLOW_LOOPBACK + f"""
logging: {{level: debug}}
tokens: [{{token: {canaries[0]}, scopes: [admin]}}]
sources: [{{name: web, write_keys: [{canaries[1]}, '${{WRITE_KEY}}']}}]
access_keys: [{{id: a, secret: {canaries[2]}}}]
"""
    shown = []
    with Receiver(answer=lambda request: 500) as failing, \
            Tributary(data_dir=tmp_path / "data", config=config,
                      env={"WRITE_KEY": canaries[3]}) as server:
        auth = {"Authorization": f"Bearer {canaries[0]}"}

        def call(method, path, body=None, headers=None):
            answer = server.request(method, path, body, headers={**auth, **(headers or {})})
            shown.append(answer.body.decode(errors="replace") + repr(answer.headers))
            return answer
        secret = "whsec_" + (canaries[4] * 3)[:40]
        assert call("POST", "/api/v1/destinations", {
            "name": "hook", "type": "webhook", "url": failing.url, "signing_secret": secret,
            "headers": {"X-Key": canaries[5]}, "retry": {"schedule": ["0s", "10ms"]}}).status == 201
        assert call("POST", "/destinations", {
            "destinationName": "cdp", "url": failing.url, "type": "CDP", "password": canaries[6],
            "headers": {"X-Key": canaries[7]}}).status == 200
        call("POST", "/api/v1/destinations", b'{"signing_secret": "%s"' % canaries[8].encode(),
             {"Content-Type": "application/json"})
        call("PATCH", "/api/v1/destinations/hook", {"signing_secret": canaries[9]})
        call("PATCH", "/api/v1/destinations/hook", {"headers": {"X-Key": [canaries[10]]}})
        server.get("/api/v1/destinations", headers={"Authorization": f"Bearer {canaries[11]}"})
        assert server.track({"userId": "u", "event": "e", "messageId": "m"},
                            key=canaries[1]).status == 200
        wait_until(lambda: len(failing.all()) >= 3, 5, "failed deliveries")
        for path in ("/api/v1/destinations", "/api/v1/destinations/hook", "/api/v1/sources",
                     "/api/v1/destinations/hook/stats", "/api/v1/events/m", "/metrics", "/readyz",
                     "/api/v1/openapi.json", "/responses/m"):
            call("GET", path)
        shown.append(open(f"/proc/{server.process.pid}/cmdline").read())
        assert server.stop() == 0
        shown.extend(server.log)
        assert failing.all()[0]["headers"].get("x-key") in (canaries[5], canaries[7])
    for text in shown:
        for canary in canaries:
            assert canary not in text, text
        assert (canaries[4] * 3)[:20] not in text, text


def test_a_second_process_on_the_same_directory_is_refused(tributary):
    done = run("serve", "--data-dir", str(tributary.data_dir), "--listen", "127.0.0.1:0")
    assert done.returncode == 1, done
    assert str(tributary.data_dir) in done.stderr or "already" in done.stderr, done.stderr
    assert tributary.get("/readyz").status == 200


def test_sigterm_exits_0(tributary):
    assert tributary.stop(10) == 0
