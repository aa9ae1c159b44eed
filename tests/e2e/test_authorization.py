"""Authorization of requests from outside: an OAuth2 token endpoint, certificates, headers."""
import base64
import http.server
import json
import ssl
import threading
import urllib.parse

import pytest

from blackbox import Receiver, Tributary, wait_until
from certificates import authority, certificate


class TokenEndpoint:
    """Gives out tok-1, tok-2, …; `status` answers instead when it is set."""

    def __init__(self, expires_in=3600):
        self.given, self.asked, self.status = 0, [], None
        lock = threading.Lock()

        def answer(request):
            with lock:
                self.asked.append(request)
                if self.status:
                    return self.status, {}, b'{"error":"invalid_client"}'
                self.given += 1
                body = {"access_token": f"tok-{self.given}", "token_type": "bearer",
                        "expires_in": expires_in}
                return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

        self.receiver = Receiver(answer)
        self.url = self.receiver.url + "/token"


@pytest.fixture
def tokens():
    endpoint = TokenEndpoint()
    with endpoint.receiver:
        yield endpoint


def oauth2(endpoint, **fields):
    return {"type": "oauth2", "token_url": endpoint.url, "client_id": "id",
            "client_secret": "s3cr3t value", **fields}


def send(tributary, count):
    for i in range(count):
        assert tributary.track({"userId": "u", "event": f"E{i}"}).status == 200


def test_one_token_serves_many_requests(tributary, receiver, tokens):
    tributary.destination("hook", url=receiver.url, auth=oauth2(tokens, scope="a b"))
    send(tributary, 50)
    wait_until(lambda: len(receiver.all()) == 50, message="50 deliveries")
    assert {r["headers"]["authorization"] for r in receiver.all()} == {"Bearer tok-1"}
    [asked] = tokens.asked
    assert urllib.parse.parse_qs(asked["body"].decode()) == {
        "grant_type": ["client_credentials"], "scope": ["a b"], "client_id": ["id"],
        "client_secret": ["s3cr3t value"]}


def test_a_refused_token_is_replaced_within_the_attempt(tributary, tokens):
    def answer(request):
        return 401 if request["headers"]["authorization"] == "Bearer tok-1" else 204

    with Receiver(answer) as receiver:
        tributary.destination("hook", url=receiver.url, auth=oauth2(tokens))
        assert tributary.track({"userId": "u", "event": "E", "messageId": "m1"}).status == 200
        wait_until(lambda: tributary.stats("hook")["delivered"] == 1, message="delivered")
        assert [r["headers"]["authorization"] for r in receiver.all()] == ["Bearer tok-1",
                                                                          "Bearer tok-2"]
        [pair] = tributary.get("/api/v1/events/m1").json()["deliveries"]
        assert pair["state"] == "delivered" and pair["attempts_total"] <= 1


def test_a_token_endpoint_that_fails_makes_retries_with_the_reason_and_no_secret(
        tributary, receiver, tokens):
    tokens.status = 401
    tributary.destination("hook", url=receiver.url, auth=oauth2(tokens),
                          retry={"schedule": ["0s", "1500ms", "1500ms"]})
    assert tributary.track({"userId": "u", "event": "E", "messageId": "m1"}).status == 200
    pair = wait_until(lambda: (lambda d: d if d["attempts"] else None)(
        tributary.get("/api/v1/events/m1").json()["deliveries"][0]), message="an attempt")
    assert pair["state"] == "retrying"
    assert pair["attempts"][0]["error"] == \
        "oauth2: the token endpoint answered HTTP 401 (invalid_client)"
    assert receiver.all() == []
    tokens.status = None
    wait_until(lambda: len(receiver.all()) == 1, message="delivered once the endpoint works")
    shown = tributary.get("/api/v1/destinations/hook").body + "".join(tributary.log).encode()
    assert b"s3cr3t" not in shown and b"tok-1" not in shown


def test_the_token_endpoint_passes_the_egress_guard(tributary):
    answer = tributary.post("/api/v1/destinations", {
        "name": "x", "type": "webhook", "url": "https://example.com/",
        "auth": {"type": "oauth2", "token_url": "http://10.1.2.3/token", "client_id": "i",
                 "client_secret": "s"}})
    assert answer.status == 400 and answer.json()["field"] == "auth.token_url", answer


def test_changing_to_another_type_names_what_must_go(tributary, receiver):
    tributary.destination("hook", url=receiver.url,
                          auth={"type": "basic", "username": "u", "password": "p"})
    change = lambda auth: tributary.request("PATCH", "/api/v1/destinations/hook", {"auth": auth})
    answer = change({"type": "bearer", "token": "t"})
    assert answer.status == 400 and answer.json()["field"] == "auth.username", answer
    assert change({"type": "bearer", "token": "t", "username": None, "password": None}).status == 200
    assert change({"token": "***"}).status == 200
    send(tributary, 1)
    wait_until(lambda: receiver.all(), message="a delivery")
    assert receiver.all()[0]["headers"]["authorization"] == "Bearer t"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """ca, server (for 127.0.0.1) and client; stranger has another authority."""
    d = tmp_path_factory.mktemp("tls")
    for ca in ("ca", "strangers"):
        authority(d, ca)
    for name, ca in (("server", "ca"), ("client", "ca"), ("stranger", "strangers")):
        certificate(d, name, ca)
    return d


def test_a_receiver_that_demands_a_certificate_gets_it(tributary, certificates):
    text = lambda name: (certificates / name).read_text()
    with Receiver() as receiver:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        url = f"https://127.0.0.1:{receiver.port}/"
        ours = {"ca": text("ca.pem"), "client_certificate": text("client.pem"),
                "client_key": text("client.key")}
        made = tributary.destination("good", url=url, tls=ours)
        assert made["tls"]["client_key"] == "***"
        test = lambda name: tributary.post(f"/api/v1/destinations/{name}/test").json()
        assert test("good")["verdict"] == "delivered"
        tributary.destination("nobody", url=url, tls={"ca": text("ca.pem")})
        assert test("nobody")["verdict"] == "retry"
        tributary.destination("stranger", url=url, tls={
            "ca": text("ca.pem"), "client_certificate": text("stranger.pem"),
            "client_key": text("stranger.key")})
        assert test("stranger")["verdict"] == "retry"
        tributary.destination("suspicious", url=url, tls={**ours, "ca": text("strangers.pem")})
        assert test("suspicious")["error"].startswith("ETLS")
        assert len(receiver.all()) == 1
        for field, value in (("client_key", text("server.key")), ("client_certificate", "text"),
                             ("ca", "text")):
            answer = tributary.post("/api/v1/destinations", {
                "name": "bad", "type": "webhook", "url": url, "tls": {**ours, field: value}})
            assert answer.status == 400 and answer.json()["field"] == "tls." + field, answer
