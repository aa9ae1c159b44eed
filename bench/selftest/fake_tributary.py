#!/usr/bin/env python3
"""Just enough of `tributary serve` to try the harness: it answers, counts, forwards to webhooks, and writes
files where the product would. FAKE_MODE makes it misbehave: refuse, wrong_body, accepted, close, drop, twice."""

import argparse
import base64
import http.client
import json
import os
import queue
import signal
import sys
import threading
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
        self.seen = self.delivered = 0
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
            for _ in range(2 if MODE == "twice" else 1):
                connection.request("POST", target.path, body)
                connection.getresponse().read()
            self.delivered += 1


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
        d = destinations[self.path.split("/")[4]]
        self.answer(200, json.dumps({"delivered": d.delivered, "lag": d.seen - d.delivered}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/v1/destinations":
            spec = json.loads(body)
            destinations[spec["name"]] = Destination(spec)
            return self.answer(201, b"{}")
        if MODE == "close":
            self.close_connection = True
            return None
        if MODE in BAD_ANSWERS:
            return self.answer(*BAD_ANSWERS[MODE])
        assert base64.b64decode(self.headers["Authorization"].split()[1]) == b"demo:"
        parsed = json.loads(body)
        with lock:
            for event in parsed.get("batch", [parsed]):
                for destination in destinations.values():
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
for folder in ("log", "dedupe"):
    os.makedirs(os.path.join(options.data_dir, folder), exist_ok=True)
log = open(os.path.join(options.data_dir, "log", "0"), "ab", buffering=0)
host, port = options.listen.split(":")
server = FakeServer((host, int(port)), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print(f"listening on http://{host}:{server.server_address[1]}", file=sys.stderr, flush=True)
server.serve_forever()
