"""Deliveries over HTTP/2, to Node's own server: one connection carries many requests at once."""
import json
import shutil
import subprocess
import threading

import pytest

from blackbox import ALLOW_LOOPBACK, ROOT, Tributary, wait_until
from certificates import authority, certificate

SCRIPT = ROOT / "tests/support/http2_receiver.mjs"


class Http2Receiver:
    def __init__(self, directory):
        self.ca = (directory / "ca.pem").read_text()
        self.process = subprocess.Popen(
            ["node", SCRIPT, directory / "server.pem", directory / "server.key"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = json.loads(self.process.stdout.readline())["port"]
        self.url, self.said = f"https://127.0.0.1:{port}", []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def requests(self):
        return [said for said in list(self.said) if "stream" in said]

    def message_ids(self):
        return [json.loads(r["body"])["messageId"] for r in self.requests()]

    def sessions(self):
        return {r["session"] for r in self.requests()}

    def go_away(self):
        self.process.stdin.write('{"goaway": true}\n')
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    authority(directory, "ca")
    certificate(directory, "server", "ca")
    return directory


@pytest.fixture
def http2(certificates):
    if shutil.which("node") is None:
        pytest.skip("node is needed to be the receiver")
    receiver = Http2Receiver(certificates)
    yield receiver
    receiver.close()


def destination(server, http2, path, **fields):
    return server.destination("hook", url=http2.url + path, tls={"ca": http2.ca}, **fields)


def send(server, numbers):
    for i in numbers:
        assert server.track({"userId": f"u{i}", "event": "E", "messageId": f"h2-{i}",
                             "properties": {"pad": "ä" * 1000}}).status == 200


def test_many_requests_at_once_share_one_connection(tributary, http2):
    destination(tributary, http2, "/slow", headers={"X-Mixed-Case": "kept"})
    tributary.post("/api/v1/destinations/hook/pause")
    send(tributary, range(60))
    tributary.post("/api/v1/destinations/hook/resume")
    wait_until(lambda: tributary.stats("hook")["delivered"] == 60, message="delivered")
    assert sorted(http2.message_ids()) == sorted(f"h2-{i}" for i in range(60))
    assert http2.sessions() == {1}, "one connection"
    together = max(r["open"] for r in http2.requests())
    assert together == 16, "the default `concurrency`, all on it"
    request = http2.requests()[0]
    assert request["method"] == "POST" and request["headers"]["x-mixed-case"] == "kept"
    assert request["headers"]["content-type"] == "application/json"
    assert json.loads(request["body"])["properties"] == {"pad": "ä" * 1000}


def test_a_failure_is_tried_again_on_the_same_connection(tributary, http2):
    destination(tributary, http2, "/second", retry={"schedule": ["0s", "50ms"]})
    send(tributary, range(20))
    wait_until(lambda: tributary.stats("hook")["delivered"] == 20, message="delivered")
    assert sorted(http2.message_ids()) == sorted(2 * [f"h2-{i}" for i in range(20)])
    assert http2.sessions() == {1}
    [pair] = tributary.get("/api/v1/events/h2-0").json()["deliveries"]
    assert [a["status"] for a in pair["attempts"]] == [500, 204]


def test_a_stream_that_is_reset_is_tried_again(tributary, http2):
    destination(tributary, http2, "/reset", retry={"schedule": ["0s", "50ms", "50ms"]})
    send(tributary, range(10))
    wait_until(lambda: tributary.stats("hook")["delivered"] == 10, message="delivered")
    assert set(http2.message_ids()) == {f"h2-{i}" for i in range(10)}


def test_a_receiver_that_goes_away_loses_nothing(tributary, http2):
    destination(tributary, http2, "/slow", retry={"schedule": ["0s", "50ms", "50ms", "50ms"]})
    for round in range(4):
        send(tributary, range(round * 30, round * 30 + 30))
        http2.go_away()
    wait_until(lambda: tributary.stats("hook")["delivered"] == 120, 20, "delivered")
    assert set(http2.message_ids()) == {f"h2-{i}" for i in range(120)}
    assert len(http2.sessions()) > 1, "it went on with a new connection"
    assert tributary.stats("hook")["dead_lettered"] == 0
    # What was running was answered before the connection ended: nothing was sent twice.
    assert len(http2.message_ids()) == 120


def test_an_answer_of_megabytes_is_cut_and_the_connection_stays(tributary, http2):
    destination(tributary, http2, "/flood", retry={"schedule": ["0s"]})
    send(tributary, range(3))
    wait_until(lambda: tributary.stats("hook")["dead_lettered"] == 3, message="given up")
    for i in range(3):
        [pair] = tributary.get(f"/api/v1/events/h2-{i}").json()["deliveries"]
        assert [a["status"] for a in pair["attempts"]] == [400]
    changed = tributary.request("PATCH", "/api/v1/destinations/hook", {"url": http2.url + "/ok"})
    assert changed.status == 200, changed
    send(tributary, range(3, 6))
    wait_until(lambda: tributary.stats("hook")["delivered"] == 3, message="delivered")
    assert http2.sessions() == {1}


def test_a_restart_begins_anew(tmp_path, http2):
    with Tributary(data_dir=tmp_path / "data", config=ALLOW_LOOPBACK) as server:
        destination(server, http2, "/slow")
        send(server, range(30))
        server.kill()
        server.port = None
        server.start()
        wait_until(lambda: server.stats("hook")["lag"] == 0
                   and server.stats("hook")["in_flight"] == 0, message="delivered")
        assert set(http2.message_ids()) == {f"h2-{i}" for i in range(30)}
