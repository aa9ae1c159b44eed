"""The reference libraries of Standard Webhooks (npm and PyPI) accept what Tributary signs."""
import json
import pathlib
import shutil
import subprocess

import pytest

from blackbox import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HERE = pathlib.Path(__file__).parent
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
OTHER_PRIVATE = "whsk_TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs="
OTHER = "whsec_" + "b3RoZXI" * 4 + "b3RoZXI="


def received(tributary, receiver, name, event):
    """What arrives at destination `name` of one event: headers and body."""
    before = len(receiver.all())
    assert tributary.track({"userId": "u", "event": event,
                            "properties": {"text": "ü€😀 \u2028 \\u0000"}}).status == 200
    wait_until(lambda: len(receiver.all()) > before, message=f"{event} at {name}")
    request = receiver.all()[before]
    return {"headers": {k: v for k, v in request["headers"].items() if k.startswith("webhook-")},
            "body": request["body"].decode()}


def npm_accepts(sdk, cases):
    done = subprocess.run(["node", "verify.mjs"], cwd=sdk, input=json.dumps(cases), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pypi_accepts(cases):
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError
    verdicts = []
    for case in cases:
        try:
            Webhook(case["secret"]).verify(case["body"], case["headers"])
            verdicts.append(True)
        except WebhookVerificationError:
            verdicts.append(False)
    return verdicts


def expect(sdk, cases, verdicts):
    assert npm_accepts(sdk, cases) == verdicts
    assert pypi_accepts(cases) == verdicts


def test_signatures_are_accepted_and_what_was_changed_is_not(sdk, python_sdk, tributary, receiver):
    tributary.destination("hook", url=receiver.url, signing_secret=SECRET)
    sent = received(tributary, receiver, "hook", "Signed")
    changed = {**sent, "body": sent["body"].replace("Signed", "Signee")}
    later = {**sent, "headers": {**sent["headers"], "webhook-timestamp": str(
        int(sent["headers"]["webhook-timestamp"]) + 1)}}
    expect(sdk, [{"secret": SECRET, **sent}, {"secret": OTHER, **sent},
                 {"secret": SECRET, **changed}, {"secret": SECRET, **later}],
           [True, False, False, False])


def test_after_a_rotation_either_secret_accepts(sdk, python_sdk, tributary, receiver):
    tributary.destination("hook", url=receiver.url, signing_secret=SECRET)
    answer = tributary.post("/api/v1/destinations/hook/rotate-secret")
    assert answer.status == 200, answer
    made = answer.json()["signing_secret"]
    assert made.startswith("whsec_") and made != SECRET
    sent = received(tributary, receiver, "hook", "Rotated")
    assert len(sent["headers"]["webhook-signature"].split(" ")) == 2
    expect(sdk, [{"secret": made, **sent}, {"secret": SECRET, **sent}, {"secret": OTHER, **sent}],
           [True, True, False])
    # A third: all three; with a key of the other kind receivers pass over what they do not know.
    assert tributary.post("/api/v1/destinations/hook/rotate-secret", {
        "signing_secret": "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="}).status == 200
    sent = received(tributary, receiver, "hook", "Mixed")
    expect(sdk, [{"secret": made, **sent}, {"secret": SECRET, **sent}], [True, True])


def node_accepts(cases):
    done = subprocess.run(["node", HERE / "verify_ed25519.mjs"], input=json.dumps(cases), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_the_signatures_of_ed25519_keys_are_accepted_by_another_implementation(tributary, receiver):
    """The reference libraries know HMAC only, so this asks Node's own crypto."""
    tributary.destination("hook", url=receiver.url, signing_secret=PRIVATE)
    other = tributary.destination("other", type="webhook", url=receiver.url + "/other",
                                  enabled=False, signing_secret=OTHER_PRIVATE)["signing_public_key"]
    public = tributary.get("/api/v1/destinations/hook").json()["signing_public_key"]
    sent = received(tributary, receiver, "hook", "Signed")
    [signature] = sent["headers"]["webhook-signature"].split(" ")
    assert signature.startswith("v1a,")

    def with_header(name, value):
        return {"key": public, **sent, "headers": {**sent["headers"], name: value}}
    later = str(int(sent["headers"]["webhook-timestamp"]) + 1)
    assert node_accepts([
        {"key": public, **sent}, {"key": other, **sent},
        {"key": public, **sent, "body": sent["body"].replace("Signed", "Signee")},
        with_header("webhook-timestamp", later), with_header("webhook-id", "msg_other"),
    ]) == [True, False, False, False, False]
    # Rotated: both keys sign, and each public key accepts.
    assert tributary.post("/api/v1/destinations/hook/rotate-secret").status == 200
    fresh = tributary.get("/api/v1/destinations/hook").json()["signing_public_key"]
    assert fresh != public
    sent = received(tributary, receiver, "hook", "Rotated")
    assert node_accepts([{"key": key, **sent} for key in (fresh, public, other)]) == \
        [True, True, False]
