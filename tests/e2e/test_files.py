"""The `file` destination from outside: rotation, compression, what a SIGKILL leaves."""
import gzip
import json
import subprocess

from blackbox import Tributary, wait_until


def whole(server):
    return sorted(p for p in (server.data_dir / "files").glob("*") if not p.name.startswith("."))


def ids_of(path):
    if path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    else:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line)["messageId"] for line in data.splitlines()]


def all_ids(server):
    return sorted(i for path in whole(server) for i in ids_of(path))


def send(server, ids):
    for i in ids:
        assert server.track({"userId": "u", "event": "E", "messageId": i}).status == 200


def test_files_rotate_by_size_and_each_event_is_in_one(tmp_path):
    for compression in ("none", "gzip", "zstd"):
        with Tributary(data_dir=tmp_path / compression) as server:
            server.destination("f", type="file", path="e.ndjson", compression=compression,
                               rotate={"bytes": 2000, "every": "1s"})
            ids = [f"m{i:03}" for i in range(60)]
            send(server, ids)
            wait_until(lambda: server.stats("f")["delivered"] == 60, message="delivered")
            wait_until(lambda: all_ids(server) == ids, message=f"whole files, {compression}")
            assert len(whole(server)) > 3
            # The lines a file was made of go after it is there.
            wait_until(lambda: not list((server.data_dir / "files").glob(".*")),
                       message="nothing hidden stays")


def test_after_sigkill_what_was_delivered_appears_and_no_name_is_used_twice(tmp_path):
    with Tributary(data_dir=tmp_path / "data") as server:
        server.destination("f", type="file", path="e.ndjson", compression="gzip",
                           rotate={"every": "1h"})
        send(server, ["a1", "a2"])
        wait_until(lambda: server.stats("f")["delivered"] == 2, message="delivered")
        assert whole(server) == []
        server.kill()
        [part] = (server.data_dir / "files").glob(".*.part")
        with open(part, "ab") as file:
            file.write(b'{"messageId":"torn')
        server.port = None
        server.start()
        wait_until(lambda: len(whole(server)) == 1, message="the file is ended at start")
        assert set(all_ids(server)) == {"a1", "a2"}
        first = whole(server)[0].read_bytes()
        send(server, ["b1"])
        # Not the number delivered: what was not durable at the kill may have been sent again.
        wait_until(lambda: server.get("/api/v1/events/b1").json()["deliveries"][0]["state"]
                   == "delivered", message="the next one")
        assert server.request("DELETE", "/api/v1/destinations/f").status == 204
        wait_until(lambda: len(whole(server)) >= 2, message="its last file is ended")
        assert set(all_ids(server)) == {"a1", "a2", "b1"}
        assert whole(server)[0].read_bytes() == first
