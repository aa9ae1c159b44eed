"""The product under test, from outside only: its command line, control API and data directory."""

import http.client
import json
import os
import shutil
import time
import urllib.parse

from .process import RunFailed, Server, bytes_below

CONFIG = "egress: {allow: [127.0.0.1/32]}\n"  # the webhook of the end-to-end row is on loopback
SAY_EVERY_S = 15  # while something takes long


class Tributary(Server):
    """`tributary serve` on a data directory."""

    def __init__(self, settings, data_dir, allow_loopback=False, environment=()):
        self.data_dir = data_dir
        self._say, self._quick = settings.say, settings.quick
        command = [settings.tributary, "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir]
        if allow_loopback:
            config = data_dir + ".yaml"
            with open(config, "w", encoding="utf-8") as file:
                file.write(CONFIG)
            command += ["--config", config]
        if environment:
            command = ["env", *environment, *command]
        super().__init__(settings.server_core, command)

    def call(self, method, path, body=None):
        status, text = self.request(method, path, body)
        if status not in (200, 201, 204):
            raise RunFailed(f"{method} {path} answered {status}: {text[:300]}")
        return json.loads(text) if text else None

    def request(self, method, path, body=None):
        """(status, text of the answer)."""
        host = urllib.parse.urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(host, timeout=30)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def add_destination(self, **fields):
        self.call("POST", "/api/v1/destinations", fields)

    def add_null(self):
        self.add_destination(name="null", type="null")

    def stats(self, name="null"):
        return self.call("GET", f"/api/v1/destinations/{name}/stats")

    def drain(self, name="null", timeout_s=600):
        """(lag now, seconds until the lag is 0)."""
        began = said = time.monotonic()
        lag = first = self.stats(name)["lag"]
        while lag > 0:
            if time.monotonic() - began > timeout_s:
                raise RunFailed(f"lag is still {lag} after {timeout_s} s (was {first})")
            time.sleep(0.05)
            lag = self.stats(name)["lag"]
            if time.monotonic() > said + SAY_EVERY_S:
                said = time.monotonic()
                self._say(f"  {name}: {lag:,} of {first:,} still to go after {said - began:.0f} s")
        return first, time.monotonic() - began

    def metric(self, name):
        """Sum of all series of this name, as GET /metrics shows them."""
        lines = self.request("GET", "/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines
                   if line.startswith((name + " ", name + "{")))

    def rest(self):
        """Waits until recompression is done and what it needed is given back."""
        self.settle(3 if self._quick else 10, 1800)

    def settle(self, quiet_s, timeout_s):
        """Waits until the log's size has not shrunk or changed for `quiet_s` (recompression is done)."""
        log = os.path.join(self.data_dir, "log")
        began = said = since = time.monotonic()
        size = bytes_below(log)
        while time.monotonic() - since < quiet_s:
            if time.monotonic() > began + timeout_s:
                raise RunFailed(f"the log's size still changes after {timeout_s} s")
            time.sleep(0.5)
            now = bytes_below(log)
            if now != size:
                size, since = now, time.monotonic()
            if time.monotonic() > said + SAY_EVERY_S:
                said = time.monotonic()
                self._say(f"  recompressing for {said - began:.0f} s, the log has {now[1] / 2**30:.2f} GiB")


class DataDir:
    """A fresh directory, removed (and the removal synced) at the end, so that no run pays for the
    one before it."""

    def __init__(self, settings, name):
        self.path = os.path.join(settings.dir, name)

    def __enter__(self):
        remove(self.path)
        return self.path

    def __exit__(self, *_):
        remove(self.path)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
    if os.path.exists(path + ".yaml"):
        os.remove(path + ".yaml")
    os.sync()
