"""Forbidden addresses with a canary on each, in a network namespace of the test's own.

Names that resolve to them pass creation (they may resolve to anything later) and must be refused at
every connect: not one packet reaches a canary. With `egress.allow` exactly one canary is reached,
which shows that the canaries sing. Skipped where a process may not have namespaces of its own.
"""
import json
import textwrap

import pytest

from namespace import in_namespace

ADDRESSES = [
    "10.1.2.3", "172.16.5.4", "172.31.255.254", "192.168.7.7", "100.64.0.9", "100.100.100.200",
    "169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "192.0.2.5", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "192.88.99.1", "240.1.1.1", "127.0.0.1", "127.254.254.254",
    "fc00::5", "fd00:ec2::254", "fec0::1", "100::7", "2001:db8::9", "3fff::1", "5f00::1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::7", "2002:7f00:1::1", "::1",
]
ALLOWED = "10.1.2.3"

INSIDE = textwrap.dedent("""
    import json, pathlib, socket, subprocess, sys, threading, time
    sys.path.insert(0, sys.argv[1])
    from blackbox import Tributary, wait_until
    addresses, allowed, scratch = json.loads(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])

    def run(*command):
        subprocess.run(command, check=True, capture_output=True)

    run("ip", "link", "set", "lo", "up")
    hosts = ["127.0.0.1 localhost"]
    usable = []
    for number, address in enumerate(addresses):
        if address not in ("127.0.0.1", "127.254.254.254", "::1"):
            bits = "/128" if ":" in address else "/32"
            more = ["nodad"] if ":" in address else []
            done = subprocess.run(["ip", "addr", "add", address + bits, "dev", "lo", *more],
                                  capture_output=True)
            if done.returncode != 0:
                continue
        hosts.append(f"{address} canary{number}.example")
        usable.append((number, address))
    file = scratch / "hosts"
    file.write_text("\\n".join(hosts) + "\\n")
    run("mount", "--bind", str(file), "/etc/hosts")

    reached, lock = {}, threading.Lock()
    def canary(address, family):
        server = socket.socket(family)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, 7777))
        server.listen(16)
        def serve():
            while True:
                connection, _ = server.accept()
                with lock:
                    reached[address] = reached.get(address, 0) + 1
                try:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
                finally:
                    connection.close()
        threading.Thread(target=serve, daemon=True).start()

    listening = []
    for number, address in usable:
        try:
            canary(address, socket.AF_INET6 if ":" in address else socket.AF_INET)
            listening.append((number, address))
        except OSError:
            pass

    def deliveries(config, name):
        with Tributary(data_dir=scratch / name, config=config) as server:
            for number, _ in listening:
                server.destination(f"d{number}", url=f"http://canary{number}.example:7777/",
                                   retry={"schedule": ["0s", "10ms"]})
            assert server.track({"userId": "u", "event": "E", "messageId": "m"}).status == 200
            wait_until(lambda: all(
                server.stats(f"d{number}")["dead_lettered"] + server.stats(f"d{number}")["delivered"]
                for number, _ in listening), 20, "every pair ends")
            trace = server.get("/api/v1/events/m").json()
            return {d["destination"]: d for d in trace["deliveries"]}

    none = deliveries("limits: {}\\n", "closed")
    closed = dict(reached)
    errors = {n: none[f"d{n}"]["attempts"][-1]["error"] for n, _ in listening}
    deliveries("egress: {allow: ['%s/32']}\\n" % allowed, "open")
    print(json.dumps({"listening": [a for _, a in listening], "closed": closed,
                      "open": reached, "errors": errors}))
""")


# A server that listens on an address of the internet: what is sent to that address comes back to the machine.
OWN = textwrap.dedent("""
    import json, pathlib, socket, subprocess, sys, threading, time, urllib.error, urllib.request
    sys.path.insert(0, sys.argv[1])
    from blackbox import BINARY, wait_until
    scratch, listen = pathlib.Path(sys.argv[2]), sys.argv[3]
    for command in (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", "11.7.7.7/32", "dev", "lo"]):
        subprocess.run(command, check=True, capture_output=True)
    (scratch / "hosts").write_text("127.0.0.1 localhost\\n11.7.7.7 shop.example\\n")
    subprocess.run(["mount", "--bind", str(scratch / "hosts"), "/etc/hosts"], check=True)
    canary = socket.create_server(("11.7.7.7", 7777))
    reached = []
    def serve():
        while True:
            connection, _ = canary.accept()
            reached.append(1)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
            connection.close()
    threading.Thread(target=serve, daemon=True).start()

    def call(method, path, body=None):
        request = urllib.request.Request("http://11.7.7.7:8080" + path, method=method,
                                         data=json.dumps(body).encode() if body else None,
                                         headers={"Content-Type": "application/json",
                                                  "Authorization": "Bearer " + "t" * 32})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def run(name, extra):
        config = scratch / (name + ".yaml")
        config.write_text("tokens: [{name: all, token: " + "t" * 32 + ", scopes: [admin]}]\\n" + extra)
        server = subprocess.Popen([BINARY, "serve", "--config", str(config), "--listen", listen,
                                   "--data-dir", str(scratch / name)], stderr=subprocess.DEVNULL)
        def ready():
            try:
                return call("GET", "/readyz")[0] == 200
            except OSError:
                return False
        wait_until(ready, 20, "ready")
        literal = call("POST", "/api/v1/destinations", {"name": "l", "type": "webhook", "url": "http://11.7.7.7:7777/"})
        made = call("POST", "/api/v1/destinations", {"name": "d", "type": "webhook", "url": "http://shop.example:7777/",
                                                     "retry": {"schedule": ["0s"]}})
        assert made[0] == 201, made
        sent = call("POST", "/v1/track", {"userId": "u", "event": "E", "messageId": "m", "writeKey": "demo"})
        assert sent[0] == 200, sent
        wait_until(lambda: any(d["destination"] == "d" and d["state"] in ("delivered", "dead_lettered")
                               for d in call("GET", "/api/v1/events/m")[1].get("deliveries", [])), 20, "an end")
        trace = {d["destination"]: d for d in call("GET", "/api/v1/events/m")[1]["deliveries"]}
        server.terminate()
        server.wait(20)
        return {"literal": literal, "trace": trace, "reached": len(reached)}

    closed = run("closed", "")
    print(json.dumps({"closed": closed, "open": run("open", "egress: {allow: [11.7.7.7/32]}\\n")}))
""")


@pytest.mark.parametrize("listen", ["11.7.7.7:8080", "0.0.0.0:8080"])
def test_no_packet_reaches_an_address_of_the_server_itself(tmp_path, listen):
    result = in_namespace(OWN, str(tmp_path), listen)
    closed, opened = result["closed"], result["open"]
    assert closed["literal"][0] == 400, closed
    assert "an address of this server itself" in json.dumps(closed["literal"]), closed
    assert closed["trace"]["d"]["state"] == "dead_lettered", closed
    assert closed["reached"] == 0, "the canary was reached"
    assert opened["trace"]["d"]["state"] == "delivered", opened
    assert opened["reached"] > 0


def test_no_packet_reaches_a_forbidden_address(tmp_path):
    result = in_namespace(INSIDE, json.dumps(ADDRESSES), ALLOWED, str(tmp_path))
    assert len(result["listening"]) >= 20, result
    assert result["closed"] == {}, "a canary was reached"
    assert set(result["open"]) == {ALLOWED}, "the exception opens exactly itself"
    for number, error in result["errors"].items():
        assert "blocked" in error, (number, error)
