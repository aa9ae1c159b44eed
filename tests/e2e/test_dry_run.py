"""Dry runs, and `tributary test`, from outside."""
import json
import pathlib
import re
import subprocess

import pytest
from blackbox import BINARY, ROOT, Tributary, wait_until


@pytest.fixture(scope="module")
def server():
    with Tributary() as running:
        running.destination("orders", url="http://127.0.0.1:9/hook?k=v", names=["Order *"],
                            pattern={"properties": {"plan": ["pro"]}},
                            filter=".properties.total >= 100", mapping="{who: .userId}",
                            headers={"X-Api-Key": "top-secret"},
                            signing_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        yield running


def dry_run(server, body, name="orders", status=200):
    answer = server.post(f"/api/v1/destinations/{name}/dry-run", body)
    assert answer.status == status, answer
    return answer.json()


def order(**properties):
    return {"event": {"userId": "u1", "event": "Order Paid",
                      "properties": {"plan": "pro", "total": 150, **properties}}}


def test_shows_the_request_with_secrets_hidden(server):
    shown = dry_run(server, order())
    assert shown["matched"] and shown["mapped"] and shown["error"] is None, shown
    assert shown["body"] == '{"who":"u1"}'
    request = shown["request"]
    assert (request["method"], request["url"]) == ("POST", "http://127.0.0.1:9/hook?k=v")
    assert request["body"] == shown["body"]
    headers = {k.lower(): v for k, v in request["headers"].items()}
    assert headers["x-api-key"] == "***" and headers["webhook-signature"] == "***"
    assert headers["webhook-id"].startswith("msg_")
    assert "top-secret" not in json.dumps(shown)
    stats = server.stats("orders")
    assert stats["delivered"] == stats["filtered"] == stats["in_flight"] == 0


def test_a_batching_destination_gets_a_batch_of_one(tributary, receiver):
    """What a dry run shows and a test sends is what its lane sends: body and id."""
    tributary.destination("hook", url=receiver.url, batch={"size": 2, "wait": "10ms"})
    event = {"type": "track", "event": "Paid", "userId": "u", "messageId": "batch-of-one"}
    assert tributary.track(event).status == 200
    wait_until(lambda: tributary.stats("hook")["delivered"] == 1)
    [sent] = receiver.all()
    for call, body in (("dry-run", {"message_id": "batch-of-one"}), ("test", {"message_id": "batch-of-one"})):
        answer = tributary.post(f"/api/v1/destinations/hook/{call}", body)
        assert answer.status == 200, answer
        request = answer.json()["request"]
        headers = {k.lower(): v for k, v in request["headers"].items()}
        assert headers["webhook-id"] == sent["headers"]["webhook-id"], call
        assert request["body"].encode() == sent["body"], call


def test_without_a_body_a_sample_is_shown(server):
    shown = dry_run(server, None)
    assert not shown["matched"] and shown["filtered_by"] == "names", shown


@pytest.mark.parametrize("event, option", [
    ({"type": "track", "event": "Other"}, "names"),
    ({"event": "Order Paid", "properties": {"plan": "free", "total": 150}}, "pattern"),
    ({"event": "Order Paid", "properties": {"plan": "pro", "total": 5}}, "filter"),
    ({"event": "Order Paid", "integrations": {"All": False},
      "properties": {"plan": "pro", "total": 150}}, "integrations")])
def test_says_which_option_says_no(server, event, option):
    shown = dry_run(server, {"event": {"userId": "u1", **event}})
    assert not shown["matched"] and shown["filtered_by"] == option, shown
    assert shown["request"] is None and shown["body"] is None


def test_says_what_fails(server):
    shown = dry_run(server, order(total=9007199254740993))
    assert shown["error"]["option"] == "filter"
    assert "9007199254740993 at properties.total" in shown["error"]["message"]


def test_an_event_that_came_in_can_be_named(server):
    assert server.track({"messageId": "dry1", **order()["event"]}).status == 200
    assert dry_run(server, {"message_id": "dry1"})["matched"]
    assert dry_run(server, {"message_id": "dry1", "source": "demo"})["matched"]
    assert dry_run(server, {"message_id": "nobody"}, status=404)["field"] == "message_id"


def test_takes_what_a_source_takes(server):
    event = '{"userId":"u1","event":"E","properties":{"n":1e400,"d":1,"d":2}}'
    server.destination("plain", url="http://127.0.0.1:9/")
    answer = server.request("POST", "/api/v1/destinations/plain/dry-run", '{"event":' + event + "}",
                            headers={"Content-Type": "application/json"})
    assert answer.status == 200, answer
    assert '"properties":{"n":1e400,"d":1,"d":2}' in answer.json()["body"]
    twice = server.request("POST", "/api/v1/destinations/plain/dry-run",
                           '{"event":' + event + ',"event":{}}',
                           headers={"Content-Type": "application/json"})
    assert twice.status == 400 and twice.json()["field"] == "event", twice


def test_bad_input_is_named(server):
    dry_run(server, order(), name="nobody", status=404)
    for body, field in [({}, "event"), ({"event": 5}, "event"), ({"evnt": {}}, "evnt"),
                        ({"event": {"event": "E"}}, "event"), ({"message_id": 5}, "message_id"),
                        ({**order(), "message_id": "x"}, "event"),
                        ({**order(), "source": "nobody"}, "source")]:
        answer = dry_run(server, body, status=400)
        assert field in answer["message"], (body, answer)


# ---- tributary test ----

def run_tests(tmp_path, text, *arguments):
    file = tmp_path / "filters.test.yaml"
    file.write_text(text)
    return subprocess.run([BINARY, "test", str(file), *arguments], capture_output=True, text=True,
                          timeout=120)


def test_the_guide_works_as_printed(tmp_path):
    guide = (ROOT / "docs" / "guides" / "testing-filters.md").read_text()
    yaml = re.search(r"<<'YAML'\n(.*?)^YAML$", guide, re.S | re.M).group(1)
    printed = re.search(r"^```\n(ok .*?)^```$", guide, re.S | re.M).group(1)
    ran = run_tests(tmp_path, yaml)
    assert (ran.returncode, ran.stdout) == (0, printed), ran


def test_failing_cases_say_what_is_different(tmp_path):
    ran = run_tests(tmp_path, """
cases:
  - name: body
    destination: {mapping: "{a: 1, b: .userId}"}
    event: {userId: u1, event: E}
    expect: {body: {a: 2, b: u1}}
  - name: matched
    destination: {filter: "false"}
    event: {userId: u1, event: E}
  - name: not matched
    destination: {}
    event: {userId: u1, event: E}
    expect: {matched: false}
  - name: error
    destination: {filter: ".a.b.c", names: [E]}
    event: {userId: u1, event: E, a: 5}
""")
    assert ran.returncode == 1, ran
    assert '- ' in ran.stdout and '"a": 2' in ran.stdout and '"a": 1' in ran.stdout, ran.stdout
    assert "filter says no" in ran.stdout and "expected not to match" in ran.stdout
    assert "filter fails: Cannot index number" in ran.stdout
    assert ran.stdout.endswith("0 passed, 4 failed\n")


def test_destinations_of_a_configuration_and_json(tmp_path):
    (tmp_path / "tributary.yaml").write_text(
        "destinations:\n  - {name: hook, type: webhook, url: 'https://example.com/', "
        "sources: [demo], pattern: {type: [track]}}\n")
    ran = run_tests(tmp_path, """
config: tributary.yaml
cases:
  - {name: a, destination: hook, source: demo, event: {userId: u, event: E}}
  - {name: b, destination: hook, source: other, event: {userId: u, event: E},
     expect: {matched: false, filtered_by: sources}}
  - {name: c, destination: hook, source: other, event: {userId: u, event: E}}
""", "--json")
    report = json.loads(ran.stdout)
    assert [c["passed"] for c in report["cases"]] == [True, True, False], report
    assert ran.returncode == 1 and report["failed"] == 1


def test_a_wrong_file_is_refused_with_its_line(tmp_path):
    ran = run_tests(tmp_path, "cases:\n  - name: a\n    destnation: x\n    event: {}\n")
    assert ran.returncode == 2 and ":3:" in ran.stderr and "destination" in ran.stderr, ran
    assert run_tests(tmp_path, "cases: []\n").returncode == 2


@pytest.mark.parametrize("case, line, said", [
    ("    destination: {filter: '.a |'}", 4, 'case "c": '),
    ("    destination: {mapping: '{'}", 4, 'case "c": '),
    ("    destination: nobody", 4, 'no destination "nobody"'),
    ("    destination: {type: webhok}", 4, "type must be one of"),
    ("    destination: {}\n    expect: {matched: true, filtered_by: filter}", 5, "matched: false"),
])
def test_a_case_that_cannot_be_run_is_a_wrong_file(tmp_path, case, line, said):
    ran = run_tests(tmp_path, f"""cases:
  - name: c
    event: {{userId: u, event: E}}
{case}
""")
    assert ran.returncode == 2 and not ran.stdout, ran
    assert f"filters.test.yaml:{line}:" in ran.stderr and said in ran.stderr, ran.stderr


@pytest.mark.parametrize("text", ["", "{}\n", "config: absent.yaml\n"])
def test_a_file_without_cases_does_not_pass(tmp_path, text):
    (tmp_path / "absent.yaml").write_text("")
    ran = run_tests(tmp_path, text)
    assert ran.returncode == 2 and "no cases" in ran.stderr and not ran.stdout, ran
