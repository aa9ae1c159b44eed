"""Segment's own Node SDK against the binary; see run.mjs."""
import os
import subprocess


def test_what_arrives_equals_what_the_sdk_sent(sdk, tributary):
    done = subprocess.run(["node", "run.mjs"], cwd=sdk, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "WRITE_KEY": "demo",
                               "COLLECTOR": f"http://{tributary.host}:{tributary.port}"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all equal" in done.stdout
