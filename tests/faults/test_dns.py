"""Name services that fail in every way a name service can, for every type that resolves names.

A responder of ours on port 53 of a network namespace: no such name, its own failure, a refusal, no address,
no answer at all, a circle of aliases, rubbish, and (which is no failure) a thousand addresses by TCP. Each
failure is an attempt that is tried again and says why; nobody else waits for it. Skipped where a process may
not have namespaces of its own.
"""
import json
import textwrap

from namespace import in_namespace

SENDS_NOTHING = {"file", "null"}  # every other type is tried, by its registration alone
FAILURES = ["nxdomain", "servfail", "refused", "nodata", "silence", "circle", "rubbish"]

INSIDE = textwrap.dedent("""
    import json, pathlib, socket, struct, subprocess, sys, threading, time
    sys.path.insert(0, sys.argv[1])
    from blackbox import Receiver, Tributary, wait_until
    sends_nothing, failures, scratch = json.loads(sys.argv[2]), json.loads(sys.argv[3]), pathlib.Path(sys.argv[4])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for file, text in (("resolv.conf", "nameserver 127.0.0.1\\noptions timeout:3 attempts:1\\n"),
                       ("nsswitch.conf", "hosts: files dns\\n")):
        (scratch / file).write_text(text)
        subprocess.run(["mount", "--bind", str(scratch / file), "/etc/" + file], check=True)
    asked = set()

    def reply(query, tcp):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, kind = query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])[0]
        what = labels[0]
        asked.add(what)

        def answer(rcode=0, records=(), truncated=False):
            flags = 0x8180 | rcode | (0x200 if truncated else 0)
            return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)
        if what == "silence":
            return None
        if what == "rubbish":
            return query[:2] + bytes(range(1, 200))
        if what == "circle":
            return answer(records=[b"\\xc0\\x0c" + struct.pack(">HHIH", 5, 1, 0, 2) + b"\\xc0\\x0c"])
        if what == "many" and kind == 1:
            if not tcp:
                return answer(truncated=True)
            return answer(records=[b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + b"\\x7f\\0\\0\\1"] * 1000)
        return answer({"nxdomain": 3, "servfail": 2, "refused": 5}.get(what, 0))

    def serve_udp():
        while True:
            query, peer = udp.recvfrom(4096)
            said = reply(query, False)
            if said:
                udp.sendto(said, peer)

    def serve_tcp():
        while True:
            connection, _ = tcp.accept()
            with connection, connection.makefile("rb") as incoming:
                while length := incoming.read(2):
                    said = reply(incoming.read(struct.unpack(">H", length)[0]), True)
                    connection.sendall(struct.pack(">H", len(said)) + said)

    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 53))
    tcp = socket.create_server(("127.0.0.1", 53))
    for serve in (serve_udp, serve_tcp):
        threading.Thread(target=serve, daemon=True).start()

    slowest, statuses, over = 0, set(), threading.Event()
    with Receiver() as receiver, Tributary(data_dir=scratch / "data",
                                           config="egress: {allow: [127.0.0.1/32]}\\n") as server:
        def watch():
            global slowest
            while not over.is_set():
                began = time.monotonic()
                statuses.add(server.get("/healthz").status)
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.01)
        watcher = threading.Thread(target=watch, daemon=True)
        # The refusal of a type that there is not names those that there are.
        refused = server.post("/api/v1/destinations", {"name": "x", "type": "?"}).json()["message"]
        types = [type for type in refused.split("one of ")[1].split(", ") if type not in sends_nothing]
        names = [(type, kind, f"{type.lower()}-{kind}") for type in types for kind in failures]
        for type, kind, name in names:
            more = {"write_key": "demo"} if type == "tributary" else {}
            server.destination(name, type=type, url=f"http://{kind}.{type.lower()}.test:9/", timeout="1s",
                               retry={"schedule": ["0s", "50ms"]}, **more)
        server.destination("well", url=receiver.url)
        server.destination("many", url=f"http://many.webhook.test:{receiver.port}/")
        watcher.start()
        for i in range(4):
            assert server.track({"userId": "u", "event": "E", "messageId": f"m{i}"}).status == 200
        began = time.monotonic()
        wait_until(lambda: server.stats("well")["delivered"] == 4, 20, "the healthy one has all")
        well = time.monotonic() - began
        wait_until(lambda: server.stats("many")["delivered"] == 4, 20, "many addresses are an address")
        wait_until(lambda: all(server.stats(name)["dead_lettered"] == 4 for _, _, name in names), 60,
                   "every pair ends")
        over.set()
        watcher.join()
        trace = {d["destination"]: d for d in server.get("/api/v1/events/m0").json()["deliveries"]}
    print(json.dumps({"types": types, "asked": sorted(asked), "statuses": sorted(statuses),
                      "slowest": slowest, "well": well,
                      "errors": {name: [a["error"] for a in trace[name]["attempts"]] for _, _, name in names}}))
""")


def test_every_failure_of_a_name_service_is_tried_again_and_named(tmp_path):
    said = in_namespace(INSIDE, json.dumps(sorted(SENDS_NOTHING)), json.dumps(FAILURES), str(tmp_path))
    assert {"webhook", "CDP", "analytics", "tributary"} <= set(said["types"]), said
    assert set(said["asked"]) == {*FAILURES, "many"}, said
    for name, errors in said["errors"].items():
        assert len(errors) == 2, (name, errors)
        # What is no answer is waited past, as none at all is.
        wanted = "ETIMEDOUT" if name.endswith(("silence", "rubbish")) else "ENOTFOUND"
        assert all(error.startswith(wanted) for error in errors), (name, errors)
    # Names are looked up beside the loop: whatever asks the server waits for none of them.
    assert said["statuses"] == [200] and said["slowest"] < 0.5, said
    assert said["well"] < 5, said
