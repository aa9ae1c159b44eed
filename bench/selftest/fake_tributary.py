#!/usr/bin/env python3
"""Just enough of `tributary serve` to try the harness: it answers, counts, forwards to webhooks, and writes
files where the product would. Its replays and traces are empty answers. FAKE_MODE makes it misbehave: refuse, wrong_body, accepted, close, drop, twice."""

import argparse
import base64
import http.client
import json
import os
import queue
import signal
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("FAKE_MODE", "")
BAD_ANSWERS = {"refuse": (503, b"{}"), "accepted": (202, b'{"success":true}'),
               "wrong_body": (200, b'{"success":true,"rejected":[{"index":0}]}')}
lock = threading.Lock()
destinations = {}


class Destination:
    def __init__(self, spec):
        self.url = spec.get("url")
        self.wants_none = bool(spec.get("names"))
        self.seen = self.delivered = 0
        self.runs = threading.Event()
        self.runs.set()
        self.queue = queue.Queue()
        if self.url:
            threading.Thread(target=self.deliver, daemon=True).start()

    def take(self, event):
        self.seen += 1
        if not self.url:
            self.delivered += 1
        elif not (MODE == "drop" and self.seen % 10 == 0):
            self.queue.put(event)

    def deliver(self):
        target = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(target.netloc)
        while True:
            body = json.dumps(self.queue.get(), separators=(",", ":"))
            self.runs.wait()
            for _ in range(2 if MODE == "twice" else 1):
                self.post(connection, target.path, body)
            self.delivered += 1

    @staticmethod
    def post(connection, path, body):
        while True:
            try:
                connection.request("POST", path, body)
                connection.getresponse().read()
                return
            except (OSError, http.client.HTTPException):  # nobody is there: it waits
                connection.close()
                time.sleep(0.1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def do_GET(self):
        if self.path == "/metrics":
            return self.answer(200, b"tributary_dedupe_filter_bytes 0\n")
        kind, _, name = self.path.removeprefix("/api/v1/").partition("/")
        if kind == "destinations":
            d = destinations[name.removesuffix("/stats")]
            return self.show(200, {"delivered": d.delivered, "lag": d.seen - d.delivered, "retrying": 0})
        if kind == "replays":
            return self.show(200, {"state": "done", "scanned": 1, "delivered": 1})
        return self.show(200, {"data": [{"message_id": "m"}]})

    def do_DELETE(self):
        del destinations[self.path.split("/")[4]]
        self.answer(204, b"")

    def show(self, status, value):
        self.answer(status, json.dumps(value).encode())

    def control(self, body):
        kind, name, *verb = self.path.removeprefix("/api/v1/").split("/") + [""]
        if kind == "replays":
            return self.show(201, {"id": "r"})
        if name:
            (destinations[name].runs.clear if verb[0] == "pause" else destinations[name].runs.set)()
            return self.show(200, {})
        spec = json.loads(body)
        destinations[spec["name"]] = Destination(spec)
        specs.append(spec)
        with open(stored, "w", encoding="utf-8") as file:
            json.dump(specs, file)
        return self.show(201, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/api/v1/"):
            return self.control(body)
        if MODE == "close":
            self.close_connection = True
            return None
        if MODE in BAD_ANSWERS:
            return self.answer(*BAD_ANSWERS[MODE])
        assert base64.b64decode(self.headers["Authorization"].split()[1]) == b"demo:"
        parsed = json.loads(body)
        wanting = [d for d in list(destinations.values()) if not d.wants_none]
        with lock:
            for event in parsed.get("batch", [parsed]):
                for destination in wanting:
                    destination.take(event)
            log.write(body)
        return self.answer(200, b'{"success":true}')


class FakeServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


parser = argparse.ArgumentParser()
parser.add_argument("serve")
parser.add_argument("--listen")
parser.add_argument("--data-dir")
parser.add_argument("--config")
options = parser.parse_args()
for folder in ("log", "dedupe", "store"):
    os.makedirs(os.path.join(options.data_dir, folder), exist_ok=True)
stored, specs = os.path.join(options.data_dir, "store", "destinations.json"), []
if os.path.exists(stored):
    with open(stored, encoding="utf-8") as kept:
        specs = json.load(kept)
destinations.update({spec["name"]: Destination(spec) for spec in specs})
log = open(os.path.join(options.data_dir, "log", "0"), "ab", buffering=0)
host, port = options.listen.split(":")
server = FakeServer((host, int(port)), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print(f"listening on http://{host}:{server.server_address[1]}", file=sys.stderr, flush=True)
server.serve_forever()
