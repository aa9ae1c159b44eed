#!/usr/bin/env python3
"""Makes the golden data directory of the present format: tests/compat/vN.tar.gz.

Run once for each format that is released, with the binary of that release, and commit the result;
never make an old one again. The directory holds a raw segment, recompressed ones of every kind,
verdicts, index files, attempts, and a store with destinations, outcomes, a waiting row and a dead
letter.
"""
import json
import pathlib
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

from blackbox import ALLOW_LOOPBACK, Receiver, Tributary, wait_until  # noqa: E402

EVENTS = 90  # fewer failures a destination than open its breaker
CONFIG = ALLOW_LOOPBACK + \
    "log: {segment_size: 64KiB, first_segment_size: 64KiB, compression: %s}\n"


def event(number):
    return {"type": "track", "userId": f"user-{number % 7}", "event": f"Event {number % 5}",
            "messageId": f"golden-{number}", "timestamp": "2026-11-21T09:30:25.219Z",
            "properties": {"number": number, "text": "ä€😀 \\u00e4 " * (number % 9), "pad": "x" * 2000}}


def send(server, numbers):
    for number in numbers:
        assert server.track(event(number)).status == 200


def recompressed(server, count):
    wait_until(lambda: len(list((server.data_dir / "log/p0").glob("*.zseg"))) >= count, 30,
               "recompression")


def make(version):
    with tempfile.TemporaryDirectory() as scratch, \
            Receiver(lambda r: 400 if r["path"] == "/dead" else 503 if r["path"] == "/wait" else 204) \
            as receiver:
        server = Tributary(data_dir=pathlib.Path(scratch) / "data", config=CONFIG % "zstd").start()
        server.destination("delivered", url=receiver.url + "/ok", names=["Event 0", "Event 1"])
        server.destination("dead", url=receiver.url + "/dead", names=["Event 2"], concurrency=1)
        server.destination("waiting", url=receiver.url + "/wait", names=["Event 3"],
                           retry={"schedule": ["0s", "7d"]})
        server.destination("nothing", "null")
        send(server, range(EVENTS // 2))
        recompressed(server, 1)
        assert server.stop() == 0
        server.config, server.port = CONFIG % "lz4", None
        server.start()
        send(server, range(EVENTS // 2, EVENTS))
        assert server.track(event(1)).status == 200  # a duplicate
        wait_until(lambda: server.stats("nothing")["delivered"] == EVENTS, 20, "all looked at")
        wait_until(lambda: server.stats("dead")["dead_lettered"] == EVENTS // 5, 20, "dead letters")
        wait_until(lambda: server.stats("waiting")["retrying"] == EVENTS // 5, 20, "waiting rows")
        recompressed(server, 3)
        time.sleep(1)
        assert server.stop() == 0
        for leftover in ("LOCK",):
            (server.data_dir / leftover).unlink(missing_ok=True)
        with tarfile.open(HERE / f"v{version}.tar.gz", "w:gz", compresslevel=9) as out:
            for path in sorted(server.data_dir.rglob("*")):
                if path.is_file() and not path.name.startswith("LOG"):
                    info = out.gettarinfo(path, str(path.relative_to(server.data_dir)))
                    info.uid = info.gid = 0
                    info.uname = info.gname = ""
                    with open(path, "rb") as data:
                        out.addfile(info, data)
        (HERE / f"v{version}.json").write_text(json.dumps({"events": EVENTS}) + "\n")


if __name__ == "__main__":
    make(int(sys.argv[1]))
