"""The program's own log lines: one JSON object a line, whatever stands in their values."""
import datetime
import json
import os
import subprocess

import pytest

from blackbox import ALLOW_LOOPBACK, BINARY, Receiver, Tributary, wait_until

ODD = 'a "name"\nwith two lines, a \t tab, \\ and ü'
SECRET = "CANARY-SECRET-VALUE"


def parsed(server):
    """The lines that are no sentences for people: `listening on …` has been one from the first."""
    return [json.loads(line) for line in server.log if not line.startswith("listening on http://")]


@pytest.mark.parametrize("level", ["debug", "info"])
def test_every_line_is_a_json_object_with_time_level_and_event(tmp_path, level):
    odd_dir = tmp_path / ODD
    odd_dir.mkdir()
    config = ALLOW_LOOPBACK + f"logging: {{format: json, level: {level}}}\n" \
        "log: {segment_size: 64KiB, first_segment_size: 64KiB}\n"
    with Receiver(lambda request: 503) as receiver, \
            Tributary(data_dir=odd_dir / "data", config=config) as server:
        server.destination("hook", url=receiver.url, headers={"X-Key": SECRET},
                           retry={"schedule": ["0s"]})
        for i in range(100):
            assert server.track({"userId": "u", "event": ODD, "messageId": f"l-{i}",
                                 "properties": {"pad": "x" * 2000}}).status == 200
        wait_until(lambda: any("segment_recompressed" in line for line in server.log), 20, "a line")
        assert server.stop() == 0
        lines = parsed(server)
        events = [line["event"] for line in lines]
        assert events[0] == "starting" and events[-1] == "stopped" and "stopping" in events
        for line in lines:
            assert line["level"] in ("debug", "info", "warning", "error"), line
            assert line["event"].replace("_", "").isalnum() and line["event"].islower(), line
            at = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
            assert abs(datetime.datetime.now(datetime.timezone.utc) - at).total_seconds() < 300
        assert lines[0]["data_dir"] == str(odd_dir / "data")
        assert lines[0]["sync"] == "always"
        assert not any(SECRET in line for line in server.log)


def test_bytes_that_are_no_text_do_not_break_a_line(tmp_path):
    """A directory may have any name; a line about it is valid JSON all the same."""
    bad = os.fsencode(tmp_path) + b"/\xff\xfe \xc3( \xed\xa0\x80 \xf0\x9f\x98\x80"
    (tmp_path / "t.yaml").write_text("listen: 127.0.0.1:0\nlogging: {format: json}\n")
    server = subprocess.Popen([BINARY, "serve", "--config", tmp_path / "t.yaml", "--data-dir", bad],
                              stderr=subprocess.PIPE)
    line = server.stderr.readline().decode()  # it is UTF-8
    assert b"listening on" in server.stderr.readline()
    server.terminate()
    assert server.wait(15) == 0
    server.stderr.close()
    said = json.loads(line)
    assert said["event"] == "starting"
    shown = "/\ufffd\ufffd \ufffd( \ufffd\ufffd\ufffd \U0001f600"
    assert said["data_dir"] == str(tmp_path) + shown
