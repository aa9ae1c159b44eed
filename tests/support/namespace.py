"""Programs of a test in a network and mount namespace of their own."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest


def in_namespace(program, *arguments):
    """What `program` prints last, as JSON; it runs in a network and mount namespace of its own."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("no unshare or ip command")
    probe = subprocess.run(["unshare", "-n", "-m", "ip", "link", "set", "lo", "up"],
                           capture_output=True)
    if probe.returncode != 0:
        pytest.skip("this machine gives nobody a network namespace: " + probe.stderr.decode().strip())
    support = pathlib.Path(__file__).resolve().parent
    done = subprocess.run(["unshare", "-n", "-m", "--propagation", "private", sys.executable, "-c",
                           program, str(support), *arguments],
                          capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])
