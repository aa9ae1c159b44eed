"""Every early write and sync of the real binary is made to fail, one per run (RELIABILITY.md A2, A8).

strace makes the N-th call of each thread fail, N counted up. All runs share one data directory, so
each start is also the recovery from the fault before it; what was acknowledged in any run must be
there at the end. The runs stop at a time limit, spread evenly over the calls and over N.
"""
import base64
import http.client
import json
import pathlib
import shutil
import subprocess
import time

import pytest
from blackbox import BINARY, Tributary

pytestmark = pytest.mark.skipif(not pathlib.Path(BINARY).exists(), reason="no binary")

SECONDS = 40
POINTS = 40  # the N-th call, N from 1 to this
POINTS_MIN = 8  # so many runs at least, or the test has shown nothing
EVENTS = 45  # one connection, so each is a write and a sync of its own
WRITES = "pwrite64,pwritev,pwritev2,write,writev"
FAULTS = [("fdatasync", "EIO"), (WRITES, "ENOSPC"), (WRITES, "EIO")]
CRASHES = {-6, -7, -8, -11}  # SIGABRT, SIGBUS, SIGFPE, SIGSEGV


def strace(calls, fault):
    # -D: the tracer is the grandchild, so that a kill hits the binary.
    return ["strace", "-f", "-D", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e",
            f"trace={calls}", "-e", f"inject={calls}:{fault}"]


@pytest.fixture(scope="module", autouse=True)
def tracing():
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([*strace("fdatasync", "error=EIO:when=1"), "/bin/true"],
                           capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip("this machine lets nobody trace: " + tried.stderr.strip())


def post_until_refused(server, run, final, acknowledged):
    """Posts events one after the other; returns how many were refused.

    `final`: after a refusal nothing may be taken any more."""
    refused = 0
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for i in range(EVENTS):
        message_id = f"{run}-{i}"
        body = {"type": "track", "userId": "u", "event": "E", "messageId": message_id}
        connection.request("POST", "/v1/track", json.dumps(body),
                           {"Authorization": "Basic " + base64.b64encode(b"demo:").decode()})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 200:
            assert not (final and refused), "taken after a sync had failed"
            acknowledged.append(message_id)
            continue
        assert answer.status in (500, 503, 507), (answer.status, text)
        assert {"code", "message"} <= set(json.loads(text))
        if answer.status != 500:
            assert answer.getheader("Retry-After")
        refused += 1
        if refused == 3:
            break
    connection.close()
    return refused


def one_run(data, number, calls, fault, acknowledged):
    """True when the fault was felt: at the start, or by a client."""
    server = Tributary(data_dir=data, config="", prefix=strace(calls, fault))
    try:
        server.start(timeout=10)
    except RuntimeError as refusal:
        assert server.process.returncode not in CRASHES, refusal
        return True
    try:
        return post_until_refused(server, number, calls == "fdatasync", acknowledged) > 0
    finally:
        alive = server.process.poll() is None
        server.kill()
        assert alive or server.process.returncode not in CRASHES, "".join(server.log[-20:])


def test_nothing_acknowledged_is_lost_whichever_call_fails(tmp_path):
    acknowledged, felt, runs = [], 0, 0
    until = time.monotonic() + SECONDS
    # 1, 14, 27, 40, 2, 15, …: a machine too slow for all of them still sees every region.
    order = [n for first in range(1, 14) for n in range(first, POINTS + 1, 13)]
    for n in order:
        for calls, error in FAULTS:
            if time.monotonic() > until:
                break
            runs += 1
            felt += one_run(tmp_path / "data", runs, calls, f"error={error}:when={n}", acknowledged)
    assert runs >= POINTS_MIN and felt >= runs // 2, (runs, felt)
    with Tributary(data_dir=tmp_path / "data", config="") as server:
        missing = [m for m in acknowledged if server.get(f"/api/v1/events/{m}").status != 200]
        assert not missing, (len(missing), missing[:10])
        assert server.stop() == 0
    verified = subprocess.run([BINARY, "verify", str(tmp_path / "data")], capture_output=True,
                              text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    print(f"{runs} runs, {felt} felt the fault, {len(acknowledged)} events acknowledged")
