"""Python packages of tests, installed once below build/; a test is skipped where that is impossible."""
import subprocess
import sys

import pytest

from blackbox import ROOT


def install(name, *packages):
    """The directory, build/NAME/python, with `packages` (pinned) in it: for sys.path or PYTHONPATH."""
    target = ROOT / "build" / name / "python"
    marker = target / "installed.txt"
    wanted = "\n".join(packages)
    if not marker.exists() or marker.read_text() != wanted:
        target.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade",
                               "--target", str(target), *packages],
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            pytest.skip("the Python packages could not be installed: " + done.stderr[-500:])
        marker.write_text(wanted)
    return target
