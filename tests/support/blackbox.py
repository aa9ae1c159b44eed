"""The binary from outside: start it, talk to it over HTTP, receive what it delivers.

Only the standard library, so that a test needs nothing but Python and the binary. The binary is
TRIBUTARY_BINARY or build/tributary beside the sources.
"""
import base64
import http.client
import http.server
import json
import os
import pathlib
import signal
import socketserver
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("TRIBUTARY_BINARY", str(ROOT / "build" / "tributary"))
SHARED = pathlib.Path(os.environ.get("TRIBUTARY_SHARED", ROOT.parent / "shared"))
ALLOW_LOOPBACK = "egress:\n  allow: [127.0.0.1/32]\n"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Tributary:
    """One running process. Use as a context manager, or start() and stop()/kill()."""

    def __init__(self, data_dir=None, config=ALLOW_LOOPBACK, listen="127.0.0.1:0", env=None,
                 arguments=(), prefix=()):
        self._own = tempfile.TemporaryDirectory(prefix="tributary-") if data_dir is None else None
        self.data_dir = pathlib.Path(data_dir or self._own.name) / "data" if data_dir is None \
            else pathlib.Path(data_dir)
        self.config, self.listen, self.env = config, listen, env or {}
        self.arguments, self.prefix = list(arguments), list(prefix)
        self.process = self.host = self.port = None
        self.log = []

    def start(self, timeout=20):
        command = [*self.prefix, BINARY, "serve", "--data-dir", str(self.data_dir), "--listen",
                   self.listen, *self.arguments]
        if self.config is not None:
            file = self.data_dir.parent / (self.data_dir.name + ".yaml")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.config)
            command += ["--config", str(file)]
        self.log = []
        self._ready = threading.Event()
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **self.env})
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if not self._ready.wait(timeout) or self.port is None:
            self.process.kill()
            self.process.wait()
            self._reader.join(5)
            raise RuntimeError("did not start: " + "".join(self.log[-20:]))
        return self

    def _read_log(self):
        for line in self.process.stderr:
            if len(self.log) < 20000:
                self.log.append(line)
            if "listening on http://" in line and self.port is None or \
                    "listening on http://" in line and not self._ready.is_set():
                address = line.split("listening on http://", 1)[1].split()[0]
                self.host, port = address.rsplit(":", 1)
                self.port = int(port)
                self.ready_after = time.monotonic() - self.started_at
                self._ready.set()
        self._ready.set()

    def stop(self, timeout=15):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        if self.process and self.process.poll() is None:
            self.kill()
        if self._own:
            self._own.cleanup()

    def request(self, method, path, body=None, headers=None, timeout=20):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                headers = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.request("POST", path, body, **kwargs)

    def track(self, event, key="demo", path="/v1/track"):
        auth = base64.b64encode(f"{key}:".encode()).decode()
        return self.post(path, event, headers={"Authorization": "Basic " + auth})

    def destination(self, name, type="webhook", **fields):
        answer = self.post("/api/v1/destinations", {"name": name, "type": type, **fields})
        assert answer.status == 201, answer
        return answer.json()

    def stats(self, name):
        return self.get(f"/api/v1/destinations/{name}/stats").json()


class Receiver:
    """A webhook receiver on 127.0.0.1 that records every request.

    `answer(request) -> status` or `(status, headers, body)` decides; default 204.
    """

    def __init__(self, answer=None):
        self.requests, self.lock = [], threading.Lock()
        self.ended = {}  # peer -> when connections of it ended
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                request = {"method": self.command, "path": self.path, "at": time.monotonic(),
                           "headers": {k.lower(): v for k, v in self.headers.items()},
                           "body": self.rfile.read(length), "peer": self.client_address}
                with receiver.lock:
                    receiver.requests.append(request)
                status = answer(request) if answer else 204
                status, headers, body = status if isinstance(status, tuple) else (status, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def finish(self):
                with receiver.lock:
                    receiver.ended.setdefault(self.client_address, []).append(time.monotonic())
                super().finish()

            def log_message(self, *unused):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

            def handle_error(self, *unused):
                pass  # a client that was killed resets its connections
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def all(self):
        with self.lock:
            return list(self.requests)

    def bodies(self):
        return [json.loads(r["body"]) for r in self.all()]

    def message_ids(self):
        return [b.get("messageId") for b in self.bodies()]

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def wait_until(condition, timeout=10, message="condition"):
    """Polls until the condition is true; returns its value, fails with `message` after `timeout`."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout} s: {message}")


def fixture(name):
    """A captured request of the shared facts; the test is skipped where they are absent."""
    import pytest
    path = SHARED / "fixtures" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return json.loads(path.read_text())
