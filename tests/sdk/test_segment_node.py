"""Segment's own Node SDK against the binary; see run.mjs."""
import os
import pathlib
import shutil
import subprocess

import pytest

from blackbox import ROOT

HERE = pathlib.Path(__file__).resolve().parent
WORK = ROOT / "build" / "sdk"


@pytest.fixture(scope="module")
def sdk():
    """A directory with the SDK, installed once as package-lock.json says."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed to run the SDK")
    WORK.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_text()
    installed = WORK / "installed-lock.json"
    if not installed.exists() or installed.read_text() != lock:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, WORK / name)
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=WORK,
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            pytest.skip("the SDK could not be installed: " + done.stderr[-500:])
        installed.write_text(lock)
    shutil.copy(HERE / "run.mjs", WORK / "run.mjs")
    return WORK


def test_what_arrives_equals_what_the_sdk_sent(sdk, tributary):
    done = subprocess.run(["node", "run.mjs"], cwd=sdk, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "WRITE_KEY": "demo",
                               "COLLECTOR": f"http://{tributary.host}:{tributary.port}"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all equal" in done.stdout
