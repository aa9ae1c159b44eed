"""A web page in a real Chromium cannot change anything: not from another origin, not by a host name
that was bound to 127.0.0.1 after the page was loaded (DNS rebinding). Without tokens, on loopback.

The page tries every way that a page has: fetch with and without CORS, forms, beacons, images. It is
skipped, and says so, where there is no chromium.
"""
import http.client
import http.server
import json
import shutil
import subprocess
import threading
import urllib.parse

import pytest

from blackbox import Tributary

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")

PAGE = """<!doctype html><title>working</title><script>
const base = BASE, names = [];
const body = JSON.stringify({name: "NAME", type: "null"});
const json = {"Content-Type": "application/json"};
async function attempt(what, run) {
  try { const r = await run(); names.push(what + ":" + (r && r.status !== undefined ? r.status : "sent")); }
  catch (e) { names.push(what + ":failed"); }
}
const url = path => base + path;
const post = (path, options) => fetch(url(path), {method: "POST", ...options});
(async () => {
  const all = "/api/v1/destinations";
  await attempt("json", () => post(all, {headers: json, body: body.replace("NAME", "json")}));
  await attempt("cookies", () => post(all, {headers: json, credentials: "include", body: body.replace("NAME", "cookies")}));
  await attempt("simple", () => post(all, {mode: "no-cors", body: body.replace("NAME", "simple")}));
  await attempt("text", () => post(all, {mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: body.replace("NAME", "text")}));
  await attempt("beacon", () => navigator.sendBeacon(url(all), new Blob([body.replace("NAME", "beacon")], {type: "text/plain"})));
  await attempt("put", () => fetch(url(all + "/put"), {method: "PUT", headers: json, body: '{"type":"null"}'}));
  await attempt("delete", () => fetch(url(all + "/victim"), {method: "DELETE"}));
  await attempt("pause", () => post(all + "/victim/pause", {mode: "no-cors"}));
  await attempt("source", () => post("/api/v1/sources", {mode: "no-cors", body: '{"name":"evil"}'}));
  await attempt("rotate", () => post("/api/v1/sources/victim/write-keys/rotate", {mode: "no-cors"}));
  await attempt("seed", () => post("/destinations", {mode: "no-cors", body: '{"destinationName":"seed","type":"CDP","url":"https://example.com","headers":""}'}));
  await attempt("read", async () => { const r = await fetch(url(all)); return {status: "READ " + await r.text()}; });
  const form = document.createElement("form");
  const frame = document.createElement("iframe");
  frame.name = "target"; document.body.append(frame, form);
  form.method = "POST"; form.action = url(all); form.target = "target"; form.enctype = "text/plain";
  const field = document.createElement("input");
  field.name = '{"name":"form","type":"null","url":"'; field.value = '"}'; form.append(field);
  await new Promise(done => { frame.onload = done; form.submit(); setTimeout(done, 2000); });
  await fetch("/result", {method: "POST", body: JSON.stringify(names)});
  document.title = "done";
})();
</script><body></body>"""


class Rebound:
    """A name that led to the page and now leads to the server: one origin, for the browser and for
    everybody. It is a proxy, so that no rule of the browser has to be switched off."""

    def __init__(self, server, name):
        self.url = f"http://{name}:{server.port}"
        self.result, self.asked = None, []
        self.reported = threading.Event()
        rebound = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self):
                path = urllib.parse.urlsplit(self.path).path
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not self.path.startswith(rebound.url + "/"):  # the browser's own business
                    self.answer(404, "text/plain", b"")
                elif path == "/":
                    page = PAGE.replace("BASE", json.dumps(rebound.url)).encode()
                    self.answer(200, "text/html", page)
                elif path == "/result":
                    rebound.result = json.loads(body)
                    self.answer(200, "text/plain", b"")
                    rebound.reported.set()
                elif path != "/favicon.ico":
                    self.forward(body)
                else:
                    self.answer(404, "text/plain", b"")

            def forward(self, body):
                rebound.asked.append(dict(self.headers.items()))
                onward = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
                path = self.path[len(rebound.url):]
                headers = {k: v for k, v in self.headers.items() if "connection" not in k.lower()}
                onward.request(self.command, path, body, headers)
                response = onward.getresponse()
                self.answer(response.status, "application/json", response.read())
                onward.close()

            def answer(self, status, type, body):
                self.send_response(status)
                self.send_header("Content-Type", type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_any

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Site:
    """Serves the page, and waits for what it reports."""

    def __init__(self, base):
        self.result = None
        self.reported = threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                page = PAGE.replace("BASE", json.dumps(base)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def do_POST(self):
                site.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                site.reported.set()

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def browse(url, site, profile, *flags):
    browser = subprocess.Popen(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-dev-shm-usage",
         f"--user-data-dir={profile}", *flags, "--remote-debugging-port=0", url],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert site.reported.wait(45), "the page did not come to its end"
    finally:
        browser.kill()
        browser.wait()


def state(server):
    return [server.get(path).json()["data"] for path in
            ("/api/v1/destinations", "/api/v1/sources", "/api/v1/audit-log")]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt-get install chromium)")
@pytest.mark.parametrize("way", ["another origin", "a rebound host name"])
def test_a_web_page_cannot_change_anything(tmp_path, way):
    with Tributary() as server:
        server.destination("victim", "null")
        assert server.post("/api/v1/sources", {"name": "victim"}).status == 201
        before = state(server)
        if way == "another origin":
            site = Site(f"http://127.0.0.1:{server.port}")
            browse(f"http://127.0.0.1:{site.port}/", site, tmp_path)
        else:
            site = Rebound(server, "rebound.example")
            browse(site.url + "/", site, tmp_path, f"--proxy-server=http://127.0.0.1:{site.port}")
            # For the browser this was one origin, so no rule about other ones had a part in it.
            assert all(a["Host"] == site.url[len("http://"):] for a in site.asked), site.asked
            assert all(a.get("Origin") in (None, site.url) for a in site.asked), site.asked
        assert len(site.result) == 12, site.result
        assert not [r for r in site.result if "victim" in r or ":201" in r or ":200" in r], site.result
        if way == "a rebound host name":  # the answers can be read: each request came and was refused
            assert len([r for r in site.result if r.endswith(":403")]) == 10, site.result
        assert state(server) == before
