"""Every data directory of a released format opens, and holds what was put into it."""
import json
import pathlib
import subprocess
import tarfile

import pytest
from blackbox import ALLOW_LOOPBACK, BINARY, Tributary

from make_golden import event

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = sorted(HERE.glob("v*.tar.gz"))


def unpack(archive, target):
    with tarfile.open(archive) as files:
        files.extractall(target)


@pytest.mark.parametrize("archive", GOLDEN, ids=lambda p: p.name)
def test_yesterdays_directory_opens_with_everything_in_it(archive, tmp_path):
    count = json.loads((HERE / archive.name.replace(".tar.gz", ".json")).read_text())["events"]
    data = tmp_path / "data"
    unpack(archive, data)
    attempts_are_kept = (data / "delivery_log").exists()  # since version 2
    verified = subprocess.run([BINARY, "verify", str(data)], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    # Retention would be right to remove what is old by now.
    config = ALLOW_LOOPBACK + "retention: {age: 36500d, hold: 36500d}\ndedupe: {window: 36500d}\n"
    with Tributary(data_dir=data, config=config) as server:
        for number in range(0, count, 7):
            trace = server.get(f"/api/v1/events/golden-{number}")
            assert trace.status == 200, (number, trace)
            trace = trace.json()
            sent = event(number)
            assert trace["event"]["properties"] == sent["properties"]
            states = {d["destination"]: d["state"] for d in trace["deliveries"]}
            assert states["nothing"] == "delivered"
            expected = {0: ("delivered", "delivered"), 1: ("delivered", "delivered"),
                        2: ("dead", "dead_lettered"), 3: ("waiting", "retrying")}
            if number % 5 in expected:
                name, state = expected[number % 5]
                assert states[name] == state, (number, states)
                if attempts_are_kept:
                    attempts = next(d for d in trace["deliveries"] if d["destination"] == name)
                    status = {"delivered": 204, "dead": 400, "waiting": 503}[name]
                    assert attempts["attempts"][0]["status"] == status, attempts
        # A repeat of something old is still a repeat.
        assert server.track(event(3)).status == 200
        assert server.get("/api/v1/events/golden-3").json()["duplicates"] == 1
        assert server.track({"userId": "u", "event": "New", "messageId": "new"}).status == 200
        assert server.get("/api/v1/events/new").status == 200
        assert server.stop() == 0


def test_there_is_a_golden_directory():
    assert GOLDEN
