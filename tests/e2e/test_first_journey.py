"""The newcomer's first five minutes, as the README and `make run` print them."""
import json
import os
import re
import socket
import subprocess
import time

from blackbox import BINARY, ROOT, Tributary, wait_until


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_the_three_lines_of_make_run_work_as_printed(tmp_path):
    listen = f"127.0.0.1:{free_port()}"
    data = tmp_path / "data"
    out = open(tmp_path / "out", "w+")
    process = subprocess.Popen([ROOT / "tools" / "run.sh"], stdout=out, stderr=out, text=True,
                               env={**os.environ, "TRIBUTARY_LISTEN": listen,
                                    "TRIBUTARY_DATA_DIR": str(data)})
    try:
        text = wait_until(lambda: (lambda t: t if "listening on" in t else None)(
            (tmp_path / "out").read_text()), 20, "the listening line")
        lines = re.findall(r"^  (curl .*)$", text, re.M)
        assert len(lines) == 3, text
        made = subprocess.run(lines[0], shell=True, capture_output=True, text=True)
        assert json.loads(made.stdout)["name"] == "first", made
        sent = subprocess.run(lines[1], shell=True, capture_output=True, text=True)
        assert json.loads(sent.stdout) == {"success": True}, sent
        wait_until(lambda: (data / "files" / "first.ndjson").exists()
                   and (data / "files" / "first.ndjson").read_text(), 5, "the file")
        time.sleep(0.2)
        shown = subprocess.run(lines[2], shell=True, capture_output=True, text=True).stdout
        trace, _, line = shown.partition("\n")
        trace = json.loads(trace)
        assert trace["deliveries"][0]["state"] == "delivered", trace
        assert json.loads(line)["event"] == "Order Completed"
    finally:
        process.terminate()
        assert process.wait(15) == 0
        out.close()


def test_receive_prints_and_verifies_what_it_gets(tmp_path):
    port, secret = free_port(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    out = open(tmp_path / "out", "w+")
    receive = subprocess.Popen([BINARY, "receive", "--listen", f"127.0.0.1:{port}", "--secret",
                                secret], stdout=out, stderr=out, text=True)
    try:
        wait_until(lambda: "listening" in (tmp_path / "out").read_text(), 5, "receive listens")
        with Tributary(data_dir=tmp_path / "data") as server:
            server.destination("hook", url=f"http://127.0.0.1:{port}/hook", signing_secret=secret)
            assert server.track({"userId": "u1", "event": "Order Completed"}).status == 200
            text = wait_until(lambda: (lambda t: t if "Order Completed" in t else None)(
                (tmp_path / "out").read_text()), 5, "the delivery is printed")
        assert "msg_" in text and "valid" in text, text
    finally:
        receive.terminate()
        receive.wait(5)
        out.close()


def test_version_and_help_answer():
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True)
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout)
    help_text = subprocess.run([BINARY, "--help"], capture_output=True, text=True)
    assert help_text.returncode == 0 and "serve" in help_text.stdout


def test_sigterm_drains_and_exits_zero(tmp_path):
    with Tributary(data_dir=tmp_path / "data") as server:
        for i in range(100):
            assert server.track({"userId": "u", "event": "E", "messageId": f"m{i}"}).status == 200
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 10
        server.port = None
        server.start()
        assert server.get("/api/v1/events/m99").status == 200
