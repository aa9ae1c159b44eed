"""Real clients, installed once per version below build/sdk; tests skip where that is not possible."""
import pathlib
import shutil
import subprocess
import sys

import pytest

import pypi
from blackbox import ROOT

HERE = pathlib.Path(__file__).resolve().parent
WORK = ROOT / "build" / "sdk"


@pytest.fixture(scope="session")
def sdk():
    """A directory with the npm packages, as package-lock.json says, and our scripts."""
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
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, WORK / script.name)
    return WORK


@pytest.fixture(scope="session")
def python_sdk():
    """The directory of the Python packages, on sys.path."""
    target = pypi.install("sdk", "standardwebhooks==1.1.0")
    sys.path.insert(0, str(target))
    return target
