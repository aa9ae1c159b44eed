"""The collection door where clients are odd or hostile: what it says then, and in which shape."""
import json
import re
import socket
import subprocess

import pytest
from blackbox import BINARY, Receiver, Tributary, wait_until

PAGE = "https://shop.example"
KEY = {"X-Write-Key": "demo"}
EVENT = {"userId": "u", "event": "e"}
COLLECTION = ["/v1/track", "/v1/t", "/v1/batch", "/v1/b", "/v1/import", "/v1/m", "/beacon/v1/batch"]
PIXELS = ["/v1/pixel/track", "/v1/pixel/alias", "/pixel/v1/track", "/pixel/v1/page"]
SETTINGS = ["/v1/projects/demo/settings", "/sourceConfig/"]


@pytest.fixture(scope="module")
def door():
    with Tributary() as server, Receiver() as receiver:
        server.destination('with "quotes" \\ and ü', url=receiver.url)
        server.receiver = receiver
        yield server


def exchange(server, data):
    """Sends bytes as they are and reads until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        client.sendall(data)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


# ---- Pages of other sites --------------------------------------------------------------------

@pytest.mark.parametrize("path", [*COLLECTION, *PIXELS, *SETTINGS, "/track", "/track/"])
def test_every_path_that_pages_use_answers_preflights(door, path):
    answer = door.request("OPTIONS", path, headers={
        "Origin": PAGE, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-retry-count"})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,x-retry-count"
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/destinations", "/responses/x", "/api/v1/events"])
def test_control_paths_answer_no_preflights(door, path):
    answer = door.request("OPTIONS", path, headers={
        "Origin": PAGE, "Access-Control-Request-Method": "POST"})
    assert answer.status >= 400 and "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/track"])
@pytest.mark.parametrize("method, body, headers", [
    ("POST", json.dumps(EVENT), KEY), ("POST", "{", KEY), ("POST", "{}", {"X-Write-Key": "no"}),
    ("GET", None, {}), ("PUT", "{}", {})])
def test_a_page_can_read_every_answer(door, path, method, body, headers):
    answer = door.request(method, path, body, headers={**headers, "Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE, answer
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/track"])
def test_a_page_can_read_that_its_body_is_too_large(door, path):
    answer = exchange(door, f"POST {path} HTTP/1.1\r\nHost: x\r\nOrigin: {PAGE}\r\n"
                            "Content-Length: 5000000\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert f"Access-Control-Allow-Origin: {PAGE}\r\n".encode() in answer


@pytest.mark.parametrize("header, status", [
    pytest.param(b"Cookie: " + b"c" * 16_384, b"431", id="long"),
    pytest.param(b"\r\n".join(b"X-%d: a" % i for i in range(100)), b"431", id="many"),
    pytest.param(b"Expect: zz", b"417", id="expect")])
@pytest.mark.parametrize("target, readable", [(b"/v1/t", True), (b"/track", True),
                                              (b"/api/v1/destinations", False)])
def test_a_page_can_read_that_its_head_is_too_much(door, target, readable, header, status):
    answer = exchange(door, b"POST " + target + b" HTTP/1.1\r\nHost: x\r\n"
                            b"Origin: https://a.example\r\n" + header + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert (b"Access-Control-Allow-Origin: https://a.example" in answer) == readable, answer


@pytest.mark.parametrize("path", [*PIXELS, *SETTINGS])
def test_a_page_can_read_that_a_method_is_not_known(door, path):
    answer = door.request("DELETE", path, headers={"Origin": PAGE})
    assert answer.status == 405 and answer.headers["Access-Control-Allow-Origin"] == PAGE


# ---- Shapes ----------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/track", "/destinations"])
def test_the_seeds_paths_keep_their_shape_when_nobody_reads_the_body(door, path):
    head = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Content-Length: 20000000\r\n\r\n")
    head, _, body = exchange(door, head.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert list(json.loads(body)) == ["error"]
    assert json.loads(body)["error"].startswith("Validation error: body")
    wrong_method = door.request("DELETE", path)
    assert (wrong_method.status, list(wrong_method.json())) == (405, ["error"])


@pytest.mark.parametrize("character", ["m", "é", "😀"])
def test_a_message_id_has_a_hundred_characters_in_any_script(door, character):
    good = door.track({**EVENT, "messageId": character * 100})
    assert good.status == 200
    refused = door.track({**EVENT, "messageId": character * 101})
    assert (refused.status, refused.json()["code"]) == (400, "message_id_too_long")


def test_events_past_the_limit_of_a_batch_are_named(door):
    events = [{"type": "page", "userId": "u", "messageId": f"many-{i}"} for i in range(2502)]
    answer = door.post("/v1/batch", {"batch": events}, headers=KEY)
    assert answer.status == 200
    assert [(r["index"], r["messageId"], r["code"]) for r in answer.json()["rejected"]] == [
        (2500, "many-2500", "batch_too_many_events"), (2501, "many-2501", "batch_too_many_events")]


@pytest.mark.parametrize("chunks", [b"5\nhello\n0\n\n", b"5\r\nhello\n0\n\n", b"0\r\nX: a\n\n"])
def test_chunks_with_bare_line_feeds_are_refused_at_once(door, chunks):
    answer = exchange(door, b"POST /v1/track HTTP/1.1\r\nHost: x\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"Connection: close" in answer


# ---- Metrics ---------------------------------------------------------------------------------

SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (\S+)')


def test_metrics_are_what_a_scraper_accepts(door):
    assert door.track(EVENT).status == 200
    wait_until(lambda: door.receiver.all(), 5, "a delivery")
    answer = door.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    assert text.endswith("\n")
    types, helps, seen, family = {}, set(), set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in helps, f"{family} in two places"
            helps.add(family)
        elif line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name == family and name not in types
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            assert name.startswith(family), line
            suffixes = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
            assert name.removeprefix(family) in suffixes, line
            assert (name, labels) not in seen, f"twice: {line}"
            seen.add((name, labels))
            float(value)
    for name, kind in types.items():
        assert (kind == "counter") == name.endswith("_total"), (name, kind)


# ---- Starting --------------------------------------------------------------------------------

def test_a_port_in_use_is_refused_even_by_another_tributary(door, tmp_path):
    second = subprocess.run([BINARY, "serve", "--data-dir", str(tmp_path / "other"), "--listen",
                             f"127.0.0.1:{door.port}"], capture_output=True, text=True, timeout=10)
    assert second.returncode != 0
    assert "Address already in use" in second.stderr
