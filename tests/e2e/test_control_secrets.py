"""Sealed secrets, history and the audit log, from outside."""
import os
import shutil
import stat

import pytest

from blackbox import ALLOW_LOOPBACK, Receiver, Tributary, wait_until

SECRET = "whsec_" + "Q0FOQVJZ" * 4
HEADER = "Bearer CANARY-HEADER-VALUE"


def event(number):
    return {"type": "track", "userId": "u", "event": "E", "messageId": f"m-{number}"}


def restart(server):
    if server.process.poll() is None:
        assert server.stop() == 0
    server.port = None
    return server.start()


def hook(server, url, **fields):
    return server.destination("hook", url=url, signing_secret=SECRET,
                              headers={"Authorization": HEADER, "X-Plain": "CANARY-TOO"}, **fields)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def test_the_key_file_is_made_once_for_its_owner_alone(data):
    server = Tributary(data_dir=data).start()
    file = data / "secret.key"
    key = file.read_bytes()
    assert len(key) == 32 and stat.S_IMODE(os.stat(file).st_mode) == 0o600
    restart(server)
    assert file.read_bytes() == key
    server.kill()


def test_what_a_receiver_echoes_is_not_shown(data):
    """Receivers that refuse a request often send back what they were sent."""
    def echo(request):
        return 500, {"X-Echo": request["headers"]["authorization"]}, \
            str(request["headers"]).encode()

    with Receiver(echo) as receiver:
        server = Tributary(data_dir=data).start()
        hook(server, receiver.url, retry={"schedule": ["0s"]})
        server.destination("bearer", url=receiver.url, retry={"schedule": ["0s"]},
                           auth={"type": "bearer", "token": "CANARY-TOKEN"})
        server.destination("basic", url=receiver.url, retry={"schedule": ["0s"]},
                           auth={"type": "basic", "username": "u", "password": "CANARY-PASSWORD"})
        server.track(event(1))
        names = ("hook", "bearer", "basic")
        wait_until(lambda: all(server.stats(n)["dead_lettered"] == 1 for n in names))
        shown = [server.post(f"/api/v1/destinations/{n}/test").body for n in names]
        shown += [server.get(path).body for path in
                  ("/api/v1/events/m-1", "/api/v1/deliveries", "/api/v1/dead-letters")]
        for body in shown:
            assert b"CANARY" not in body and b"Q0FOQVJZ" not in body, body
            assert b"'x-plain': '***'" in body or b"'authorization': '***'" in body
        assert server.stop() == 0
        assert not [line for line in server.log if "CANARY" in line]
        for path in data.rglob("*"):
            assert not path.is_file() or b"CANARY" not in path.read_bytes(), path


def test_no_secret_is_on_disk(data):
    with Receiver() as receiver:
        server = Tributary(data_dir=data).start()
        hook(server, receiver.url)
        server.request("PATCH", "/api/v1/destinations/hook",
                       {"headers": {"X-New": "CANARY-THREE"}})
        source = server.post("/api/v1/sources", {"name": "s"},
                             headers={"Idempotency-Key": "k"}).json()
        assert server.stop() == 0
        secrets = [SECRET, HEADER, "CANARY-TOO", "CANARY-THREE", source["write_key"]]
        for path in data.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not [s for s in secrets if s.encode() in content], path


def test_secrets_are_there_again_after_a_restart(data):
    with Receiver() as receiver:
        server = Tributary(data_dir=data).start()
        hook(server, receiver.url)
        restart(server)
        assert server.track(event(1)).status == 200
        wait_until(receiver.all)
        headers = receiver.all()[0]["headers"]
        assert headers["authorization"] == HEADER and headers["x-plain"] == "CANARY-TOO"
        assert "webhook-signature" in headers
        server.kill()


@pytest.mark.parametrize("how", ["missing", "another"])
def test_without_its_key_a_destination_waits_and_says_what_to_enter(data, how):
    path = "/api/v1/destinations/hook"

    def last():
        return [r["headers"] for r in receiver.all() if r["path"] == "/hook"][-1]

    with Receiver() as receiver:
        server = Tributary(data_dir=data).start()
        hook(server, receiver.url + "/hook")
        server.destination("plain", url=receiver.url + "/plain")
        assert server.stop() == 0
        key = (data / "secret.key").read_bytes()
        (data / "secret.key").unlink()
        if how == "another":
            (data / "secret.key").write_bytes(os.urandom(32))
        restart(server)
        shown = server.get(path).json()
        assert shown["status"] == "disabled", shown
        for place in ("signing_secret", "headers.Authorization", "headers.X-Plain", "secret.key"):
            assert place in shown["status_reason"], shown
        assert server.track(event(1)).status == 200
        wait_until(lambda: server.stats("plain")["delivered"] == 1)
        assert [r["path"] for r in receiver.all()] == ["/plain"]
        assert server.post(path + "/resume").status == 409
        assert server.request("PATCH", path, {"concurrency": 2}).status == 409
        half = server.request("PATCH", path, {"signing_secret": SECRET})
        assert half.status == 409 and "headers.Authorization" in half.json()["message"], half
        # With the right file it is what it was …
        assert server.stop() == 0
        (data / "secret.key").write_bytes(key)
        restart(server)
        assert server.get(path).json()["status"] == "active"
        wait_until(lambda: server.stats("hook")["delivered"] == 1)
        assert last()["authorization"] == HEADER
        # … and without it, it is what is entered again.
        assert server.stop() == 0
        (data / "secret.key").unlink()
        restart(server)
        entered = server.request("PATCH", path, {
            "signing_secret": SECRET, "headers": {"Authorization": "Bearer new", "X-Plain": None}})
        assert entered.status == 200 and entered.json()["status"] == "active", entered
        assert server.track(event(2)).status == 200
        wait_until(lambda: server.stats("hook")["delivered"] == 2)
        headers = last()
        assert headers["authorization"] == "Bearer new" and "x-plain" not in headers
        server.kill()


def test_entering_secrets_again_does_not_resume_what_somebody_paused(data):
    path = "/api/v1/destinations/hook"
    again = {"signing_secret": SECRET, "headers": {"Authorization": HEADER, "X-Plain": None}}
    with Receiver() as receiver:
        server = Tributary(data_dir=data).start()
        hook(server, receiver.url)
        for paused_first in (True, False):
            if paused_first:
                assert server.post(path + "/pause").status == 200
            assert server.stop() == 0
            (data / "secret.key").unlink()
            restart(server)
            assert server.get(path).json()["status"] == "disabled"
            if not paused_first:
                assert server.post(path + "/pause").status == 200
            entered = server.request("PATCH", path, again)
            assert entered.status == 200 and entered.json()["status"] == "paused", entered
            assert server.post(path + "/resume").json()["status"] == "active"
        server.kill()


def test_a_key_file_that_is_no_key_is_left_alone(data):
    server = Tributary(data_dir=data).start()
    assert server.stop() == 0
    (data / "secret.key").write_bytes(b"short")
    server.port = None
    with pytest.raises(RuntimeError, match="secret.key must be 32 bytes"):
        server.start()
    assert (data / "secret.key").read_bytes() == b"short"


def test_the_history_of_a_destination_and_the_way_back(data):
    path = "/api/v1/destinations/hook"
    with Receiver() as receiver:
        server = Tributary(data_dir=data).start()
        hook(server, receiver.url + "/1", events=["track"])
        server.request("PATCH", path, {"url": receiver.url + "/2", "events": ["page"]})
        server.request("PUT", path, {"type": "webhook", "url": receiver.url + "/3"})
        page = server.get(path + "/revisions?limit=2").json()
        assert [r["revision"] for r in page["data"]] == [3, 2]
        rest = server.get(path + f"/revisions?limit=2&cursor={page['next_cursor']}").json()
        assert [r["revision"] for r in rest["data"]] == [1] and rest["next_cursor"] is None
        second = page["data"][1]
        assert second["changed"] == ["events", "url"] and second["who"] == "local", second
        assert isinstance(second["from"], list)
        first = server.get(path + "/revisions/1")
        assert first.json()["spec"]["url"] == receiver.url + "/1"
        assert first.json()["spec"]["signing_secret"] == "***"
        assert b"CANARY" not in first.body
        assert server.get(path + "/revisions/9").status == 404
        restart(server)
        reverted = server.post(path + "/revert", {"revision": 1})
        assert reverted.status == 200 and reverted.json()["revision"] == 4, reverted
        assert server.track(event(1)).status == 200
        wait_until(receiver.all)
        request = receiver.all()[0]
        assert request["path"] == "/1" and request["headers"]["authorization"] == HEADER
        assert "webhook-signature" in request["headers"]
        assert server.post(path + "/revert", {"revision": 77}).status == 404
        server.kill()


def test_the_audit_log_survives_and_hides(data):
    server = Tributary(data_dir=data, config=ALLOW_LOOPBACK + """
tokens:
  - {name: deploy, token: t-admin, scopes: [admin]}
""").start()
    auth = {"Authorization": "Bearer t-admin", "Content-Type": "application/json"}
    body = '{"name":"hook","type":"webhook","url":"https://example.com/","headers":{"X":"CANARY"}}'
    assert server.post("/api/v1/destinations", body, headers=auth).status == 201
    assert server.post("/api/v1/destinations/hook/pause", headers=auth).status == 200
    assert server.post("/destinations", '{"destinationName":"seed","type":"CDP",'
                       '"url":"https://example.com/","headers":""}', headers=auth).status == 200
    server.kill()
    server.port = None
    server.start()
    answer = server.get("/api/v1/audit-log", headers=auth)
    assert b"CANARY" not in answer.body
    actions = [(r["who"], r["action"], r["subject"]["name"]) for r in answer.json()["data"]]
    assert actions == [("deploy", "POST /destinations", "seed"),
                       ("deploy", "POST /api/v1/destinations/{name}/pause", "hook"),
                       ("deploy", "POST /api/v1/destinations", "hook")]
    pause = answer.json()["data"][1]
    assert pause["before"]["status"] == "active" and pause["after"]["status"] == "paused"
    server.kill()


def test_a_repeat_with_the_same_key_is_answered_the_same_also_after_a_restart(data):
    server = Tributary(data_dir=data).start()
    key = {"Idempotency-Key": "order-66"}
    first = server.post("/api/v1/sources", {"name": "a"}, headers=key)
    assert first.status == 201
    server.kill()
    server.port = None
    server.start()
    again = server.post("/api/v1/sources", {"name": "a"}, headers=key)
    assert again.status == 201 and again.body == first.body
    assert again.headers["Idempotent-Replayed"] == "true"
    other = server.post("/api/v1/sources", {"name": "b"}, headers=key)
    assert other.status == 422 and other.json()["code"] == "idempotency_key_reused"
    server.kill()
