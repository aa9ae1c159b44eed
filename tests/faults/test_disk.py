"""Faults of the disk in the real binary: a sync that fails, a disk that is full, no descriptors."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from blackbox import ALLOW_LOOPBACK, BINARY, Receiver, Tributary, wait_until
from preload import sync_fault

pytestmark = pytest.mark.skipif(not pathlib.Path(BINARY).exists(), reason="no binary")

WINDOW = 16  # requests in flight of one destination


def event(number, size=0):
    return {"userId": "u", "event": "E", "messageId": f"f-{number}",
            "properties": {"n": number, "pad": noise(size)}}


def noise(size):
    """Text that no compression makes smaller by much."""
    return base64.b64encode(os.urandom(size * 3 // 4)).decode()


@pytest.fixture(scope="session")
def failing_sync(tmp_path_factory):
    return sync_fault(tmp_path_factory.mktemp("preload"), "errno = EIO; return -1;")


def test_a_failed_sync_acknowledges_nothing_and_is_final(tmp_path, failing_sync):
    flag, count = tmp_path / "flag", tmp_path / "count"
    server = Tributary(data_dir=tmp_path / "data",
                       env={"LD_PRELOAD": str(failing_sync), "FAULT_FLAG": str(flag),
                            "FAULT_COUNT": str(count)})
    with server:
        for i in range(20):
            assert server.track(event(i)).status == 200
        time.sleep(0.3)  # the idle mark is written and synced
        flag.touch()
        refused = server.track(event(100))
        assert refused.status in (500, 503, 507), refused
        assert {"code", "message"} <= set(refused.json())
        wait_until(lambda: server.get("/readyz").status == 503, 1, "readiness red within 1 s")
        assert "fdatasync" in server.get("/readyz").body.decode()
        tried = count.stat().st_size
        flag.unlink()
        # The disk "works" again, but a second sync proves nothing: still no acknowledgement.
        for i in range(101, 111):
            answer = server.track(event(i))
            assert answer.status == 503 and "Retry-After" in answer.headers, answer
        assert count.stat().st_size == tried, "a sync of the same file was tried again"
        assert server.get("/healthz").status == 200
        server.kill()
        server.port = None
        server.start()
        for i in range(20):
            assert server.get(f"/api/v1/events/f-{i}").status == 200
        assert server.track(event(200)).status == 200


def mount_tmpfs(directory, size):
    directory.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)],
                          capture_output=True)
    if done.returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs: " + done.stderr.decode().strip())


def spare(disk, filler, free_bytes):
    """Fills the disk but for so many bytes."""
    with open(filler, "wb") as out:
        out.write(b"\0" * max(0, shutil.disk_usage(disk).free - free_bytes))


def fill_the_log(server, first, size):
    """Sends until it is refused: the numbers that were taken, and the refusal."""
    acknowledged = []
    for number in range(first, first + 20000):
        answer = server.track(event(number, size))
        if answer.status != 200:
            return acknowledged, answer
        acknowledged.append(number)
    raise AssertionError("the disk never filled")


def test_a_full_disk_refuses_and_recovers_without_restart(tmp_path):
    disk = tmp_path / "disk"
    mount_tmpfs(disk, "320m")
    try:
        with Receiver() as receiver, Tributary(data_dir=disk / "data") as server:
            server.destination("hook", url=receiver.url, events=["identify"])
            filler = disk / "filler"
            spare(disk, filler, 100 << 20)
            acknowledged, refused = fill_the_log(server, 0, 30000)
            assert refused.status in (503, 507) and "Retry-After" in refused.headers, refused
            assert {"code", "message"} <= set(refused.json())
            # Control and delivery state still has room.
            assert server.post("/api/v1/destinations", {"name": "late", "type": "null"}).status == 201
            assert server.get(f"/api/v1/events/f-{acknowledged[-1]}").status == 200
            filler.unlink()
            wait_until(lambda: server.track(event(900000)).status == 200, 10,
                       "events are taken again within 10 s of space returning")
            for i in acknowledged[:3] + acknowledged[-3:]:
                assert server.get(f"/api/v1/events/f-{i}").status == 200
            assert server.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def repeats_allowed(receiver, moment):
    """What was in flight at a kill, or finished in the 50 ms before it."""
    return WINDOW + sum(1 for r in receiver.all() if moment - 0.05 <= r["at"] <= moment + 0.05)


def test_on_a_full_disk_deliveries_and_cursors_go_on(tmp_path):
    """What was taken is delivered from the reserve, and what was delivered is remembered: both of a
    process that met the full disk, and of one that was started on it."""
    disk = tmp_path / "disk"
    mount_tmpfs(disk, "320m")
    try:
        with Receiver() as receiver, Tributary(data_dir=disk / "data") as server:
            server.destination("hook", url=receiver.url, concurrency=WINDOW)
            assert server.post("/api/v1/destinations/hook/pause").status == 200
            spare(disk, disk / "filler", 100 << 20)
            acknowledged, refused = fill_the_log(server, 0, 9000)
            assert len(acknowledged) >= 1000, "no backlog to speak of"
            assert refused.status in (503, 507), refused
            wanted = {f"f-{i}" for i in acknowledged}
            # Others take half of the reserve too, so that what a start frees makes no room.
            spare(disk, disk / "others", 32 << 20)

            def still_full():
                assert server.track(event(900000, 9000)).status in (503, 507), "not full"
                assert server.get("/readyz").status == 503

            assert server.post("/api/v1/destinations/hook/resume").status == 200
            wait_until(lambda: len(receiver.all()) >= len(wanted) // 2, 30, "half of them arrive")
            still_full()
            killed_at = time.monotonic()
            server.kill()
            allowed = repeats_allowed(receiver, killed_at)
            server.port = None
            server.start()
            still_full()
            wait_until(lambda: wanted <= set(receiver.message_ids()), 30, "the other half")
            wait_until(lambda: server.stats("hook")["lag"] == 0, 5, "all of it is settled")
            still_full()
            repeated = len(receiver.all()) - len(wanted)
            assert set(receiver.message_ids()) == wanted
            assert repeated <= allowed, f"{repeated} were sent twice, at most {allowed} may be"
            # Once more, with nothing in flight: nothing at all is sent again.
            time.sleep(0.2)
            before = len(receiver.all())
            server.kill()
            server.port = None
            server.start()
            still_full()
            time.sleep(1)
            assert len(receiver.all()) == before
            (disk / "filler").unlink()
            (disk / "others").unlink()
            wait_until(lambda: server.track(event(900001)).status == 200, 10, "events are taken again")
            wait_until(lambda: "f-900001" in receiver.message_ids(), 10, "and delivered")
            assert server.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_out_of_descriptors_the_server_backs_off_and_recovers(tmp_path):
    prefix = ["prlimit", "--nofile=128:128"]
    if shutil.which("prlimit") is None:
        pytest.skip("no prlimit")
    import socket
    with Tributary(data_dir=tmp_path / "data", prefix=prefix) as server:
        crowd = []
        for _ in range(300):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((server.host, server.port))
            crowd.append(s)
        time.sleep(1)
        stat = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().split()
        busy = int(stat[13]) + int(stat[14])
        time.sleep(1)
        stat = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().split()
        assert int(stat[13]) + int(stat[14]) - busy < 30, "the accept loop burns the core"
        for s in crowd:
            s.close()
        wait_until(lambda: try_track(server), 5, "normal again after the crowd left")
        assert server.process.poll() is None


def try_track(server):
    try:
        return server.track(event(1)).status == 200
    except OSError:
        return False


def test_second_process_on_one_directory_is_refused(tmp_path):
    with Tributary(data_dir=tmp_path / "data") as server:
        assert server.track(event(1)).status == 200
        start = time.monotonic()
        second = subprocess.run([BINARY, "serve", "--data-dir", str(tmp_path / "data"), "--listen",
                                 "127.0.0.1:0"], capture_output=True, text=True, timeout=10)
        assert second.returncode != 0
        assert time.monotonic() - start < 1
        assert "another process" in second.stderr
        assert server.track(event(2)).status == 200
        assert json.loads(server.get("/api/v1/events/f-2").body)


def test_unknown_format_is_refused_with_a_sentence(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "FORMAT").write_text("tributary data directory\nlog 2\n")
    with pytest.raises(RuntimeError, match="'log 2'"):
        Tributary(data_dir=data).start()


def test_config_that_opens_to_the_world_needs_a_token(tmp_path):
    with pytest.raises(RuntimeError, match="token"):
        Tributary(data_dir=tmp_path / "data", config=ALLOW_LOOPBACK, listen="0.0.0.0:0").start()
