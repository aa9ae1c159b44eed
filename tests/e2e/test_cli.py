"""The commands against a real server, as somebody types them."""
import json
import subprocess
import time

import pytest

from blackbox import BINARY, Receiver, Tributary, wait_until


class Cli:
    def __init__(self, server):
        self.url = f"http://127.0.0.1:{server.port}"

    def run(self, *arguments, code=0, **kwargs):
        ran = subprocess.run([BINARY, *map(str, arguments), "--url", self.url], text=True,
                             capture_output=True, timeout=60, **kwargs)
        assert ran.returncode == code, ran
        return ran.stdout

    def json(self, *arguments, **kwargs):
        return json.loads(self.run(*arguments, "--json", **kwargs))


def test_a_destination_from_the_terminal(tributary):
    cli = Cli(tributary)
    assert cli.run("destinations", "create", "-", input='{"name":"d","type":"null"}') == "made 'd'\n"
    assert "d     null  active" in cli.run("destinations", "list")
    assert "revision 2" in cli.run("destinations", "set", "d", "concurrency=3", "names=[\"A *\"]")
    shown = json.loads(cli.run("destinations", "show", "d"))
    assert shown["concurrency"] == 3 and shown["names"] == ["A *"]
    cli.run("destinations", "patch", "d", "-", input='{"concurrency":null}')
    assert json.loads(cli.run("destinations", "get", "d"))["concurrency"] == 16
    assert cli.run("destinations", "pause", "d") == "paused 'd'\n"
    assert cli.json("destinations", "list")[0]["status"] == "paused"
    cli.run("destinations", "resume", "d")
    assert cli.json("destinations", "stats", "d")["delivered"] == 0
    cli.run("destinations", "set", "d", "concurrencu=3", code=1)
    cli.run("destinations", "show", "nobody", code=1)
    cli.run("destinations", "set", "d", code=2)
    assert cli.run("destinations", "delete", "d") == "deleted 'd'\n"
    assert cli.json("destinations", "list") == []


def test_events_in_and_out(tributary, tmp_path):
    cli = Cli(tributary)
    tributary.destination("d", type="null")
    tail = subprocess.Popen([BINARY, "events", "tail", "--count", "3", "--json", "--url", cli.url,
                             "--type", "track"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)  # until it listens
    file = tmp_path / "events.ndjson"
    file.write_text("".join(json.dumps({"type": "track", "event": f"E{i}", "userId": "u",
                                        "messageId": f"m{i}"}) + "\n" for i in range(3)) +
                    json.dumps({"type": "page", "userId": "u", "messageId": "page"}) + "\n")
    assert cli.run("events", "send", file) == "4 accepted, 0 rejected\n"
    out, _ = tail.communicate(timeout=20)
    assert [json.loads(line)["message_id"] for line in out.splitlines()] == ["m0", "m1", "m2"]
    listed = cli.json("events", "list", "--type", "track", "--limit", 2)
    assert [e["message_id"] for e in listed] == ["m2", "m1"]
    assert [e["message_id"] for e in cli.json("events", "list", "--oldest-first")] == \
        ["m0", "m1", "m2", "page"]
    assert "track E1" in cli.run("events", "list", "--name", "E1")
    wait_until(lambda: "delivered" in cli.run("events", "show", "m1"), 10, "the delivery")
    cli.run("events", "show", "nothing", code=1)


def test_a_source_and_its_keys_from_the_terminal(tributary):
    cli = Cli(tributary)
    made = json.loads(cli.run("sources", "create", "web", "--set", "browser=true"))
    assert made["name"] == "web" and made["browser"] is True
    assert {s["name"] for s in cli.json("sources", "list")} == {"demo", "web"}
    cli.run("sources", "set", "web", "browser=false")
    assert json.loads(cli.run("sources", "show", "web"))["browser"] is False
    assert len(cli.json("sources", "keys", "list", "web")) == 1
    cli.run("sources", "keys", "create", "web")
    cli.run("sources", "keys", "rotate", "web", "--overlap", "1h")
    keys = cli.json("sources", "keys", "list", "web")
    assert len(keys) == 3 and keys[0]["id"] in cli.run("sources", "keys", "list", "web")
    for verb in ["disable", "enable", "disable", "delete"]:
        cli.run("sources", "keys", verb, "web", keys[0]["id"])
    assert len(cli.json("sources", "keys", "list", "web")) == 2
    assert cli.run("sources", "delete", "web") == "deleted 'web'\n"


def test_a_replay_is_made_and_watched(tributary):
    cli = Cli(tributary)
    tributary.destination("d", type="null")
    for i in range(5):
        tributary.track({"type": "track", "event": "E", "userId": "u", "messageId": f"m{i}"})
    wait_until(lambda: tributary.stats("d")["delivered"] == 5, 10, "the live lane")
    said = cli.run("replays", "create", "d", "--from", "earliest", "--watch")
    assert said.startswith("done: 5 delivered"), said
    replay = cli.json("replays", "list")[0]
    assert replay["destination"] == "d" and "done" in cli.run("replays", "list")
    assert "delivered" in cli.run("replays", "show", replay["id"])
    cli.run("replays", "pause", replay["id"], code=1)
    cli.run("replays", "delete", replay["id"])
    assert cli.json("replays", "list") == []


def test_nobody_there_is_one_and_a_wrong_line_is_two():
    for arguments, code in [(["destinations", "list", "--url", "http://127.0.0.1:1"], 1),
                            (["events", "tail", "--url", "http://127.0.0.1:1"], 1),
                            (["destinations", "list", "--url", "ftp://x"], 2),
                            (["destinations", "lits"], 2), (["dead-letters", "redrive"], 2)]:
        ran = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=20)
        assert ran.returncode == code and ran.stderr.startswith("tributary: "), ran
        assert not ran.stdout


def test_deliveries_and_dead_letters_from_the_terminal(tributary):
    cli = Cli(tributary)
    status = [400]
    with Receiver(lambda request: status[0]) as hook:
        tributary.destination("d", url=hook.url, retry={"schedule": ["0s"]})
        tributary.destination("picky", type="null", filter=".properties.n.x > 1")
        for n in range(4):
            tributary.track({"type": "track", "event": "E", "userId": "u", "messageId": f"m{n}",
                             "properties": {"n": n}})
        wait_until(lambda: all(tributary.stats(d)["dead_lettered"] == 4 for d in ("d", "picky")), 10)
        table = cli.run("deliveries", "list", "--destination", "d", "--state", "dead_lettered")
        assert table.count("HTTP 400") >= 4 and "REASON" in table, table
        table = cli.run("deliveries", "list", "--message-id", "m2")
        assert len(table.splitlines()) == 3 and "Cannot index number" in table, table
        assert "Cannot index number" in cli.run("events", "show", "m2")
        assert len(cli.json("deliveries", "list", "--limit", 3)) == 3
        assert cli.json("deliveries", "list", "--since", "2199-01-01T00:00:00Z") == []
        cli.run("deliveries", "list", "--state", "gone", code=1)

        letters = cli.json("dead-letters", "list", "--destination", "d")
        assert {one["message_id"] for one in letters} == {f"m{n}" for n in range(4)}
        assert "Cannot index" in cli.run("dead-letters", "list", "--destination", "picky")
        assert json.loads(cli.run("dead-letters", "show", letters[0]["id"]))["event"]["userId"] == "u"
        status[0] = 204
        assert cli.run("dead-letters", "redrive", "--id", letters[0]["id"]) == "redriven 1\n"
        wait_until(lambda: tributary.stats("d")["delivered"] == 1, 10, "the redriven one")
        assert cli.run("dead-letters", "delete", "--id", letters[1]["id"]) == "deleted 1\n"
        assert cli.run("dead-letters", "redrive", "--destination", "d") == "redriven 2\n"
        wait_until(lambda: tributary.stats("d")["delivered"] == 3, 10, "all that were left")
        assert cli.run("dead-letters", "delete", "--all") == "deleted 4\n"
        assert cli.json("dead-letters", "list") == []
        assert "deleted" in cli.run("deliveries", "list", "--destination", "d", "--state", "dropped")
        cli.run("dead-letters", "show", letters[0]["id"], code=1)
        said = cli.run("audit")
        assert said.splitlines()[-1].startswith("every delivery adds up ("), said
        assert cli.json("audit", "--destination", "d")["destinations"][0]["dropped"] == 1


def test_a_destination_is_tried_and_brought_back_from_the_terminal(tributary, tmp_path):
    cli = Cli(tributary)
    with Receiver() as hook:
        tributary.destination("d", url=hook.url + "/first", filter='.event == "E"')
        said = cli.run("destinations", "test", "d")
        assert "delivered" in said and len(hook.all()) == 1, said
        file = tmp_path / "event.json"
        file.write_text('{"type":"track","event":"F","userId":"me","messageId":"mine"}')
        assert cli.json("destinations", "dry-run", "d", "--event", file)["matched"] is False
        file.write_text(file.read_text().replace('"F"', '"E"'))
        dry = cli.json("destinations", "dry-run", "d", "--event", file)
        assert dry["matched"] is True and dry["request"]["url"].endswith("/first"), dry
        assert len(hook.all()) == 1, "a dry run sends nothing"
        cli.run("destinations", "test", "d", "--event", file)
        assert hook.bodies()[-1]["userId"] == "me"
        tributary.track({"type": "track", "event": "E", "userId": "u", "messageId": "kept"})
        wait_until(lambda: len(hook.all()) == 3, 10, "the live delivery")
        cli.run("destinations", "test", "d", "--message-id", "kept")
        assert hook.message_ids()[-1] == "kept"
        cli.run("destinations", "test", "d", "--message-id", "nobody", code=1)
        cli.run("destinations", "set", "d", f"url={hook.url}/second")
        assert len(cli.json("destinations", "revisions", "d")) == 2
        cli.run("destinations", "revert", "d", "--to", 1)
        assert json.loads(cli.run("destinations", "show", "d"))["url"].endswith("/first")
        cli.run("destinations", "revert", "d", "--to", 99, code=1)


def piped(tributary_command, text):
    """The command in bash, where <(cat) is a pipe with this text."""
    return subprocess.run(["bash", "-c", f"exec 3<&0; exec {BINARY} {tributary_command}"],
                          input=text, capture_output=True, text=True, timeout=60)


def test_files_that_are_pipes_are_read_to_their_end():
    assert "lisen" in piped("check-config <(cat <&3)", "lisen: 1\n").stderr
    long = "#" * 200_000 + "\nlisen: 1\n"
    for command in ["check-config /dev/stdin", "check-config <(cat <&3)",
                    "serve --config <(cat <&3)"]:
        ran = piped(command, long)
        assert ran.returncode == 2 and ":2:1: lisen" in ran.stderr, ran
    failing = ("cases:\n- {name: a, destination: {filter: 'false'}, event: {userId: u, event: E}}\n")
    assert piped("test <(cat <&3)", failing).returncode == 1
    too_long = piped("check-config <(cat <&3)", "#" * (1024 * 1024 + 1))
    assert too_long.returncode == 2 and "limit 1048576" in too_long.stderr, too_long


def test_events_are_sent_from_a_pipe(tributary):
    events = "".join(json.dumps({"type": "track", "event": "E", "userId": "u"}) + "\n"
                     for _ in range(2000))
    sent = piped(f"events send <(cat <&3) --url http://127.0.0.1:{tributary.port}", events)
    assert sent.stdout == "2000 accepted, 0 rejected\n", sent


def test_names_that_are_dots_stay_names(tributary):
    cli = Cli(tributary)
    tributary.destination("d", type="null")
    for name in [".", ".."]:
        cli.run("destinations", "show", name, code=1)
        cli.run("destinations", "delete", name, code=1)
    assert len(cli.json("destinations", "list")) == 1


def test_a_dry_run_without_options_takes_a_sample(tributary):
    tributary.destination("d", type="null")
    assert json.loads(Cli(tributary).run("destinations", "dry-run", "d"))["matched"] is True


@pytest.mark.parametrize("text, place", [
    ("egress:\n  allow: [10.0.0.0/33]\n", ":3:11: egress.allow[0] has no prefix length"),
    ("delivery:\n  ca_file: /nowhere/ca.pem\n", ":3:3: delivery.ca_file cannot be read: "),
    ("destinations:\n  - name: a\n    type: webhook\n    url: http://127.0.0.1/\n",
     ":5:5: destinations[0]: url: 127.0.0.1 is a loopback address"),
])
def test_what_a_server_does_not_start_with_has_its_line(tmp_path, text, place):
    """`check-config` says what `serve` would: both name the place in the file."""
    file = tmp_path / "t.yaml"
    file.write_text("listen: 127.0.0.1:0\n" + text)
    checked = subprocess.run([BINARY, "check-config", file], capture_output=True, text=True, timeout=20)
    served = subprocess.run([BINARY, "serve", "--config", file, "--data-dir", tmp_path / "data"],
                            capture_output=True, text=True, timeout=20)
    for ran in (checked, served):
        assert ran.returncode != 0
        assert f"{file}{place}" in ran.stderr
