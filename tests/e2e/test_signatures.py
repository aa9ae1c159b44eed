"""Signing secrets from outside: both kinds of keys, rotation with overlap, redaction."""
import base64
import datetime
import hashlib
import hmac
import subprocess
import time

import pytest

from blackbox import BINARY, Receiver, Tributary, wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND = "whsec_" + base64.b64encode(b"second secret, 32 bytes of text.").decode()
# RFC 8032, section 7.1, test 1.
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def symmetric(secret, request):
    text = b".".join([request["headers"]["webhook-id"].encode(),
                      request["headers"]["webhook-timestamp"].encode(), request["body"]])
    digest = hmac.new(base64.b64decode(secret[6:]), text, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def next_request(tributary, receiver):
    before = len(receiver.all())
    assert tributary.track({"userId": "u", "event": "E"}).status == 200
    wait_until(lambda: len(receiver.all()) > before, message="a delivery")
    return receiver.all()[before]


def signatures(request):
    return request["headers"].get("webhook-signature", "").split()


def rotate(tributary, body=None, name="hook"):
    return tributary.post(f"/api/v1/destinations/{name}/rotate-secret", body)


def show(tributary, name="hook"):
    return tributary.get(f"/api/v1/destinations/{name}").json()


def test_the_old_secret_signs_too_until_its_overlap_ends(tributary, receiver):
    tributary.destination("hook", url=receiver.url, signing_secret=SECRET)
    answer = rotate(tributary, {"signing_secret": SECOND, "overlap": "2s"})
    assert answer.status == 200 and answer.json()["signing_secret"] == "***", answer
    rotated = time.monotonic()
    request = next_request(tributary, receiver)
    assert signatures(request) == [symmetric(SECOND, request), symmetric(SECRET, request)]
    time.sleep(max(0, rotated + 2.1 - time.monotonic()))
    request = next_request(tributary, receiver)
    assert signatures(request) == [symmetric(SECOND, request)]


def test_overlap_is_a_day_by_default_and_survives_sigkill(tmp_path):
    with Receiver() as receiver, Tributary(data_dir=tmp_path / "data") as server:
        server.destination("hook", url=receiver.url, signing_secret=SECRET)
        made = rotate(server).json()["signing_secret"]
        server.kill()
        server.port = None
        server.start()
        shown = show(server)
        assert shown["signing_secret"] == "***"
        [(until, old)] = shown["old_signing_secrets"].items()
        ends = datetime.datetime.fromisoformat(until.replace("Z", "+00:00"))
        left = ends - datetime.datetime.now(datetime.timezone.utc)
        assert old == "***" and datetime.timedelta(hours=23) < left < datetime.timedelta(hours=24, seconds=1)
        request = next_request(server, receiver)
        assert signatures(request) == [symmetric(made, request), symmetric(SECRET, request)]


def test_a_made_secret_is_shown_once_and_never_again(tributary, receiver):
    tributary.destination("hook", url=receiver.url)
    first = rotate(tributary).json()["signing_secret"]
    assert first.startswith("whsec_") and len(base64.b64decode(first[6:])) == 32
    second = rotate(tributary).json()
    assert second["signing_secret"] not in (first, "***")
    everything = tributary.get("/api/v1/destinations").body + tributary.get(
        "/api/v1/destinations/hook").body + "".join(tributary.log).encode()
    for secret in (first, second["signing_secret"]):
        assert secret.encode() not in everything and secret[6:].encode() not in everything


def test_patch_replaces_at_once_and_ends_the_old_ones(tributary, receiver):
    tributary.destination("hook", url=receiver.url, signing_secret=SECRET)
    assert rotate(tributary).status == 200
    answer = tributary.request("PATCH", "/api/v1/destinations/hook", {"signing_secret": SECOND})
    assert answer.status == 200 and answer.json()["old_signing_secrets"] == {}, answer
    request = next_request(tributary, receiver)
    assert signatures(request) == [symmetric(SECOND, request)]
    # What is not about the secret leaves the overlap alone; "***" keeps.
    assert rotate(tributary, {"signing_secret": SECRET}).status == 200
    assert tributary.request("PATCH", "/api/v1/destinations/hook",
                             {"timeout": "9s", "signing_secret": "***"}).status == 200
    request = next_request(tributary, receiver)
    assert signatures(request) == [symmetric(SECRET, request), symmetric(SECOND, request)]


def test_ten_old_secrets_are_kept_and_an_eleventh_is_refused(tributary, receiver):
    tributary.destination("hook", url=receiver.url, signing_secret=SECRET)
    for _ in range(10):
        assert rotate(tributary).status == 200
    answer = rotate(tributary)
    assert answer.status == 409 and answer.json()["field"] == "old_signing_secrets", answer
    request = next_request(tributary, receiver)
    assert len(signatures(request)) == 11 and signatures(request)[-1] == symmetric(SECRET, request)
    # One of them may be ended early, by its name.
    until = sorted(show(tributary)["old_signing_secrets"])[0]
    assert tributary.request("PATCH", "/api/v1/destinations/hook",
                             {"old_signing_secrets": {until: None}}).status == 200
    assert symmetric(SECRET, request) not in signatures(next_request(tributary, receiver))
    # What has ended makes room: an overlap of nothing is not kept at all.
    assert rotate(tributary, {"overlap": "0s"}).status == 200


@pytest.mark.parametrize("body, field", [
    ({"signing_secret": "plain"}, "signing_secret"),
    ({"signing_secret": "whsec_dG9vIHNob3J0"}, "signing_secret"),
    ({"signing_secret": PUBLIC}, "signing_secret"),
    ({"signing_secret": SECRET}, "signing_secret"),
    ({"signing_secret": "***"}, "signing_secret"),
    ({"overlap": "31d"}, "overlap"),
    ({"overlap": "-1s"}, "overlap"),
    ({"overlap": 5}, "overlap"),
    ({"secret": SECOND}, "secret"),
])
def test_bad_rotations_name_the_field_and_change_nothing(tributary, body, field):
    tributary.destination("hook", url="http://127.0.0.1:9/", signing_secret=SECRET)
    answer = rotate(tributary, body)
    assert answer.status == 400 and answer.json()["field"] == field, answer
    assert show(tributary)["revision"] == 1


def test_what_get_shows_can_be_put_back(tributary, receiver):
    tributary.destination("hook", url=receiver.url, signing_secret=SECRET, headers={"X-A": "v"})
    assert rotate(tributary, {"signing_secret": PRIVATE}).status == 200
    shown = show(tributary)
    answer = tributary.request("PUT", "/api/v1/destinations/hook", shown)
    assert answer.status == 200, answer
    after = answer.json()
    assert {**after, "revision": 0} == {**shown, "revision": 0}
    request = next_request(tributary, receiver)
    assert signatures(request)[1] == symmetric(SECRET, request)
    assert request["headers"]["x-a"] == "v"


def test_rotating_what_is_not_there_or_signs_nothing(tributary):
    assert rotate(tributary, name="ghost").status == 404
    tributary.destination("sink", type="null")
    answer = rotate(tributary, name="sink")
    assert answer.status == 400 and answer.json()["field"] == "type", answer


def test_an_ed25519_key_shows_its_public_half_and_receive_verifies_both_kinds(tmp_path):
    out = open(tmp_path / "out", "w+")
    receive = subprocess.Popen([BINARY, "receive", "--listen", "127.0.0.1:0", "--secret", PUBLIC],
                               stdout=out, stderr=out, text=True)
    text = lambda: (tmp_path / "out").read_text()
    try:
        wait_until(lambda: "listening on http://" in text(), 5, "receive listens")
        url = text().split("listening on ", 1)[1].split()[0]
        with Tributary(data_dir=tmp_path / "data") as server:
            made = server.destination("hook", url=url, signing_secret=PRIVATE)
            assert made["signing_public_key"] == PUBLIC and made["signing_secret"] == "***"
            server.track({"userId": "u", "event": "Asymmetric"})
            wait_until(lambda: "Asymmetric" in text(), 5, "the delivery is printed")
            assert "signature valid" in text()
            # The next key is of the same kind, and the old one signs too.
            answer = rotate(server).json()
            assert answer["signing_secret"].startswith("whsk_")
            assert answer["signing_public_key"] not in ("", PUBLIC)
            server.track({"userId": "u", "event": "Rotated"})
            wait_until(lambda: "Rotated" in text(), 5, "the delivery is printed")
            assert text().count("signature valid") == 2, text()
            server.request("PATCH", "/api/v1/destinations/hook", {"signing_secret": SECRET})
            server.track({"userId": "u", "event": "Strange"})
            wait_until(lambda: "Strange" in text(), 5, "the delivery is printed")
            assert text().count("signature valid") == 2 and "INVALID" in text()
    finally:
        receive.terminate()
        receive.wait(5)
        out.close()
