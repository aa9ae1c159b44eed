"""Changes of the configuration file: reload by API and SIGHUP, plan, and what removal means."""
import json
import signal
import subprocess
import threading
import time

import pytest

from blackbox import ALLOW_LOOPBACK, BINARY, Receiver, Tributary, wait_until


def command(server, *arguments, **kwargs):
    return subprocess.run([BINARY, *map(str, arguments), "--url", f"http://127.0.0.1:{server.port}"],
                          capture_output=True, text=True, timeout=60, **kwargs)


def hook(name, url, more=""):
    return f"- {{name: {name}, type: webhook, url: \"{url}\"{more}}}\n"


def write(server, text):
    (server.data_dir.parent / (server.data_dir.name + ".yaml")).write_text(text)


def reload(server):
    return server.post("/api/v1/reload", {})


def destination(server, name):
    return server.get(f"/api/v1/destinations/{name}").json()


def test_a_reload_makes_changes_and_pauses_without_touching_the_rest(tmp_path):
    with Receiver() as a, Receiver() as b, Receiver() as c:
        config = ALLOW_LOOPBACK + "destinations:\n" + hook("a", a.url) + hook("b", b.url)
        with Tributary(data_dir=tmp_path / "data", config=config) as server:
            server.destination("mine", type="null")
            before = destination(server, "a")
            write(server, ALLOW_LOOPBACK + "logging: {level: warn}\nthreads: 7\ndestinations:\n" +
                  hook("a", a.url) + hook("c", c.url, ", concurrency: 3"))
            plan = server.post("/api/v1/plan", {})
            assert plan.status == 200, plan
            assert plan.json()["needs_restart"] == ["threads"]
            assert destination(server, "b")["status"] == "active", "a plan changes nothing"
            done = reload(server)
            assert done.status == 200, done
            assert set(done.json()["applied"]) == {"destinations.b", "destinations.c",
                                                   "logging.level"}
            assert done.json()["needs_restart"] == ["threads"]
            assert destination(server, "a") == before
            assert destination(server, "b")["status"] == "paused"
            assert destination(server, "c")["declared"] is True
            server.track({"type": "track", "event": "x", "userId": "u", "messageId": "m1"})
            wait_until(lambda: a.message_ids() == ["m1"] and c.message_ids() == ["m1"], 10)
            assert b.message_ids() == []
            assert server.request("PATCH", "/api/v1/destinations/c", {"concurrency": 1}).status == 409
            # Again: nothing is applied, and what needs a restart is still named.
            again = reload(server).json()
            assert again["applied"] == [] and again["needs_restart"] == ["threads"]
            # It comes back where it was, and gets what waited.
            write(server, config)
            assert reload(server).status == 200
            wait_until(lambda: b.message_ids() == ["m1"], 10, "the backlog of b")
            assert destination(server, "c")["status"] == "paused"
            assert server.request("DELETE", "/api/v1/destinations/c").status == 204
            assert server.get("/api/v1/destinations/mine").json()["status"] == "active"


@pytest.mark.parametrize("text, line, said", [
    ("lisen: x\n", 1, "did you mean 'listen'?"),
    ("destinations:\n- {name: ok, type: \"null\"}\n- {name: d, type: webhok, url: 'http://x'}\n", 3,
     "webhook"),
    ("destinations:\n- {name: ok, type: \"null\"}\n- {name: d, type: webhook, url: 'http://10.0.0.1'}\n",
     3, "egress"),
    ("listen: [\n", 2, ""),
])
def test_a_wrong_file_changes_nothing_and_names_the_line(tmp_path, text, line, said):
    with Tributary(data_dir=tmp_path / "data", config="") as server:
        write(server, text)
        for path in ["/api/v1/reload", "/api/v1/plan"]:
            refused = server.post(path, {})
            assert refused.status == 400, refused
            body = refused.json()
            assert body["success"] is False and body["code"] == "invalid" and body["message"]
            assert body["problems"][0]["line"] == line, body
            assert said in json.dumps(body["problems"]), body
        assert server.get("/api/v1/destinations").json()["data"] == []


def test_a_name_in_both_places_refuses_the_reload_and_the_start(tmp_path):
    with Tributary(data_dir=tmp_path / "data", config="") as server:
        server.destination("d", type="null")
        both = "destinations:\n- {name: new, type: \"null\"}\n- {name: d, type: \"null\"}\n"
        write(server, both)
        refused = reload(server)
        assert refused.status == 409 and "\"d\"" in refused.json()["message"], refused
        assert server.get("/api/v1/destinations/new").status == 404
        assert server.stop() == 0
        server.config, server.port = both, None
        with pytest.raises(RuntimeError, match="declared in the configuration"):
            server.start()


def test_sighup_reloads(tmp_path):
    with Tributary(data_dir=tmp_path / "data", config="") as server:
        write(server, "destinations:\n- {name: d, type: \"null\"}\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.get("/api/v1/destinations/d").status == 200, 10, "the reload")
        write(server, "destinations:\n- {name: d, type: \"null\"}\n"
                      "sources:\n- {name: s, write_key: CANARY-KEY}\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.get("/api/v1/sources/s").status == 200, 10, "the second reload")

        def records():
            found = server.get("/api/v1/audit-log").json()["data"]
            return found if len(found) == 2 and found[0]["status"] == 200 else None
        second, first = wait_until(records, 10, "a record of each")
        assert (second["who"], second["action"]) == ("signal", "SIGHUP")
        assert first["after"]["applied"] == ["destinations.d"]
        assert "sources.s" in second["after"]["applied"] and "CANARY" not in json.dumps(second)
        write(server, "nonsense: 1\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("reload_refused" in line for line in server.log), 10, "the log line")
        assert server.get("/readyz").status == 200
        wait_until(records, 10, "no record of what was refused")


def test_a_reload_is_recorded_with_what_changed_and_a_plan_is_not(tmp_path):
    config = ALLOW_LOOPBACK + "tokens: [{name: boss, token: CANARY-1, scopes: [admin]}, " \
        "{name: r, token: CANARY-R, scopes: [read]}]\n"
    auth = {"Authorization": "Bearer CANARY-1", "Content-Type": "application/json"}
    with Tributary(data_dir=tmp_path / "data", config=config) as server:
        more = config + "destinations:\n- {name: d, type: webhook, url: 'https://example.com/', " \
            "signing_secret: whsec_Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ}\n"
        write(server, more)
        assert server.post("/api/v1/plan", "{}", headers=auth).status == 200
        assert server.post("/api/v1/reload", "{}", headers=auth).status == 200
        log = server.get("/api/v1/audit-log", headers=auth)
        [record] = log.json()["data"]
        assert record["who"] == "boss" and record["action"] == "POST /api/v1/reload"
        assert record["after"]["applied"] == ["destinations.d"], record
        assert b"CANARY" not in log.body and b"Q0FOQVJZ" not in log.body
        reader = {"Authorization": "Bearer CANARY-R"}
        assert server.get("/api/v1/audit-log", headers=reader).status == 403


@pytest.mark.parametrize("option, value, line, column", [
    ("filter", '".a |"', 3, 5), ("mapping", '"{a: "', 3, 5),
    ("pattern", '{properties: {total: [{numeric: ["<"]}]}}', 3, 37)])
def test_programs_and_patterns_are_judged_by_line_and_column(tmp_path, option, value, line, column):
    text = "destinations:\n  - name: a\n    " + f"{option}: {value}\n    type: \"null\"\n"
    file = tmp_path / "file.yaml"
    file.write_text(text)
    place = f"{file}:{line}:{column}: "
    checked = subprocess.run([BINARY, "check-config", file], capture_output=True, text=True)
    assert checked.returncode == 2 and checked.stderr.startswith(place), checked
    assert option in checked.stderr
    with Tributary(data_dir=tmp_path / "data", config="") as server:
        planned = command(server, "plan", "--config", file)
        assert planned.returncode == 1 and place in planned.stderr, planned
        answer = server.post("/api/v1/plan", {"file": "f", "text": text})
        [problem] = answer.json()["problems"]
        assert (answer.status, problem["line"], problem["column"]) == (400, line, column)
        write(server, text)
        assert reload(server).status == 400
        assert server.get("/api/v1/destinations/a").status == 404


def test_egress_and_tokens_apply_at_once(tmp_path):
    with Receiver() as receiver, Tributary(data_dir=tmp_path / "data", config="") as server:
        body = {"name": "d", "type": "webhook", "url": receiver.url}
        assert server.post("/api/v1/destinations", body).status == 400
        write(server, ALLOW_LOOPBACK)
        assert reload(server).json()["applied"] == ["egress.allow"]
        assert server.post("/api/v1/destinations", body).status == 201
        server.track({"type": "track", "event": "x", "userId": "u", "messageId": "m1"})
        wait_until(lambda: receiver.message_ids() == ["m1"], 10, "the delivery")
        write(server, ALLOW_LOOPBACK + "tokens: [{token: secret-token-0123456789, scopes: [admin]}]\n")
        assert reload(server).status == 200
        assert server.get("/api/v1/destinations").status == 401
        bearer = {"Authorization": "Bearer secret-token-0123456789"}
        assert server.get("/api/v1/destinations", headers=bearer).status == 200


def test_tokens_cannot_be_reloaded_away_from_a_public_listener(tmp_path):
    token = "tokens: [{token: secret-token-0123456789, scopes: [admin]}]\n"
    with Tributary(data_dir=tmp_path / "data", config=token, listen="0.0.0.0:0") as server:
        server.host = "127.0.0.1"
        write(server, "listen: 127.0.0.1:8080\n")
        bearer = {"Authorization": "Bearer secret-token-0123456789"}
        refused = server.post("/api/v1/reload", {}, headers=bearer)
        assert refused.status in (400, 409), refused
        assert server.get("/api/v1/destinations").status == 401


def test_the_commands_plan_and_reload(tmp_path):
    with Tributary(data_dir=tmp_path / "data", config="") as server:
        assert command(server, "plan").returncode == 0
        other = tmp_path / "other.yaml"
        other.write_text("destinations:\n- {name: d, type: webhook, url: 'https://example.com/h',"
                         " signing_secret: whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB}\n")
        planned = command(server, "plan", "--config", other)
        assert planned.returncode == 2, planned
        assert '+ destination "d"' in planned.stdout and "QUFB" not in planned.stdout
        as_json = json.loads(command(server, "plan", "--config", other, "--json").stdout)
        assert as_json["changes"][0]["action"] == "add"
        assert server.get("/api/v1/destinations/d").status == 404
        other.write_text("lisen: 1\n")
        wrong = command(server, "plan", "--config", other)
        assert wrong.returncode == 1 and f"{other}:1:1: lisen" in wrong.stderr, wrong
        write(server, "destinations:\n- {name: d, type: \"null\"}\nthreads: 3\n")
        done = command(server, "reload")
        assert done.returncode == 0, done
        assert done.stdout == "applied: destinations.d\nneeds a restart: threads\n"


def test_without_a_file_there_is_nothing_to_reload(tmp_path):
    with Tributary(data_dir=tmp_path / "data", config=None) as server:
        assert reload(server).status == 409
        assert server.post("/api/v1/plan", {"text": "threads: 3\n"}).json()["needs_restart"] == \
            ["threads"]


def test_a_plan_does_not_read_out_the_environment(tmp_path):
    """A file from outside may name the variables that the server's own file names, and no others."""
    hook_of = "destinations:\n- {{name: d, type: webhook, url: 'https://example.com/{}'}}\n".format
    with Tributary(config="# ${OURS}\n", env={"OURS": "kept", "CANARY": "c4n4ry"}) as server:
        def planned(text):
            return server.post("/api/v1/plan", {"text": text})
        assert planned(hook_of("${OURS}")).status == 200
        for text in (hook_of("${CANARY}"), "egress: {allow: ['${CANARY} x']}", "listen: '${CANARY}'",
                     "delivery: {ca_file: '/${CANARY}'}", "sources: [{name: '${CANARY}'}]"):
            refused = planned(text)
            assert refused.status == 400 and b"${CANARY}" in refused.body, refused
            assert b"c4n4ry" not in refused.body


def test_a_planned_file_leaves_none_of_its_keys_behind(tmp_path):
    with Tributary(config="threads: 2\n") as server:
        text = "sources:\n  - {name: s, write_key: CANARY-KEY}\ntokens: []\n"
        server.post("/api/v1/plan", {"text": text})
        server.post("/api/v1/plan", {"text": text + "wrong: 1\n"})
        log = server.get("/api/v1/audit-log")
        assert log.status == 200 and b"CANARY-KEY" not in log.body


def test_a_reload_under_load_loses_nothing(tmp_path):
    """Destinations change every moment; each that was there for an event gets it."""
    with Receiver() as kept:
        base = ALLOW_LOOPBACK + "destinations:\n" + hook("kept", kept.url)
        with Tributary(data_dir=tmp_path / "data", config=base) as server:
            for i in range(30):
                write(server, base + f"- {{name: other, type: \"null\", concurrency: {i + 1}}}\n"
                      if i % 3 else base)
                server.process.send_signal(signal.SIGHUP)
                server.track({"type": "track", "event": "x", "userId": "u", "messageId": f"m{i}"})
                time.sleep(0.01)
            wait_until(lambda: len(set(kept.message_ids())) == 30, 20, "all events")
            assert len(kept.message_ids()) == 30


def test_a_reload_leaves_requests_and_connections_of_the_others_alone(tmp_path):
    """Twenty reloads while a request is under way: it is answered once, on the connection it is on."""
    go = threading.Event()

    def answer(request):
        if b'"slow"' in request["body"]:
            go.wait(20)
        return 204

    def track(server, id):
        assert server.track({"type": "track", "event": "x", "userId": "u", "messageId": id}) \
            .status == 200

    with Receiver(answer) as receiver:
        base = ALLOW_LOOPBACK + "destinations:\n" + hook("kept", receiver.url, ", concurrency: 1")
        with Tributary(data_dir=tmp_path / "data", config=base) as server:
            server.destination("mine", url=receiver.url + "/mine", concurrency=1)
            track(server, "first")
            wait_until(lambda: len(receiver.all()) == 2, 10, "the first event at both")
            track(server, "slow")
            wait_until(lambda: len(receiver.all()) == 4, 10, "the slow one is under way at both")
            # Which of the two takes which is not said: destinations of one origin share them.
            connections = {r["peer"] for r in receiver.all()}
            for i in range(20):
                write(server, base + f"- {{name: other, type: \"null\", concurrency: {i + 1}}}\n"
                      f"sources:\n- {{name: demo, write_key: demo}}\n- {{name: s{i}}}\n"
                      f"threads: {i + 1}\n")
                done = reload(server)
                assert done.status == 200, done
                assert not [name for name in done.json()["applied"] if "kept" in name], done
            time.sleep(0.2)
            assert len(receiver.all()) == 4, "nothing was sent again"
            assert all(server.stats(name)["in_flight"] == 1 for name in ("kept", "mine"))
            go.set()
            track(server, "last")
            wait_until(lambda: len(receiver.all()) == 6, 10, "the last event at both")
            for path in ("/", "/mine"):
                mine = [r for r in receiver.all() if r["path"] == path]
                assert [json.loads(r["body"])["messageId"] for r in mine] == ["first", "slow", "last"]
            assert {r["peer"] for r in receiver.all()} == connections, "a connection was made anew"
            wait_until(lambda: server.stats("kept")["delivered"] == 3, 10)
            [pair] = [d for d in server.get("/api/v1/events/slow").json()["deliveries"]
                      if d["destination"] == "kept"]
            assert (pair["state"], pair["attempts_total"]) == ("delivered", 1), pair


def test_a_configuration_from_a_pipe_is_not_taken_for_an_empty_one_later(tmp_path):
    tokens = "listen: 127.0.0.1:0\ntokens: [{token: secret, scopes: [admin]}]\n"
    served = subprocess.Popen(
        ["bash", "-c",
         f"exec 3<&0; exec {BINARY} serve --data-dir {tmp_path}/d --config <(cat <&3)"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        served.stdin.write(tokens)
        served.stdin.close()
        url = next(line.split()[2] for line in served.stderr if line.startswith("listening on"))
        for token, said in [("wrong", "401"), ("secret", "came through a pipe")]:
            ran = subprocess.run([BINARY, "reload", "--url", url, "--token", token],
                                 capture_output=True, text=True, timeout=60)
            assert ran.returncode == 1 and said in ran.stderr, ran
    finally:
        served.terminate()
        served.wait(20)
