"""Backup and restore from outside: under load, again, restored, verified, delivered on.

The oracle stands outside: an event that was acknowledged before the backup was asked for must be in
the restored directory, and must reach every destination from there if it had not before.
"""
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from blackbox import ALLOW_LOOPBACK, BINARY, Receiver, Tributary, wait_until

# Small segments, so that a backup under load meets active, sealed, recompressed and recycled ones.
CONFIG = ALLOW_LOOPBACK + "log: {segment_size: 1MiB, first_segment_size: 256KiB}\n"


def command(*arguments, **kwargs):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, **kwargs)


class Load:
    """Posts events on several connections, and remembers what was acknowledged when."""

    def __init__(self, server, senders=3):
        self.server, self.stop_now = server, threading.Event()
        self.lock, self.next, self.acknowledged = threading.Lock(), 0, {}
        self.threads = [threading.Thread(target=self.run) for _ in range(senders)]

    def event(self):
        with self.lock:
            number, self.next = self.next, self.next + 1
        return {"type": "track", "event": "Backup Test", "userId": f"u{number % 9}",
                "messageId": f"backup-{number}", "properties": {"noise": os.urandom(300).hex()}}

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        while not self.stop_now.is_set():
            events = [self.event() for _ in range(20)]
            connection.request("POST", "/v1/batch", json.dumps({"batch": events}),
                               {"Authorization": "Basic ZGVtbzo="})
            answer = connection.getresponse()
            if json.loads(answer.read())["success"] is not True:
                assert answer.status in (503, 507)  # no room for the moment
                time.sleep(0.02)
                continue
            now = time.monotonic()
            with self.lock:
                self.acknowledged.update({e["messageId"]: now for e in events})
        connection.close()

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def before(self, moment):
        with self.lock:
            return {i for i, at in self.acknowledged.items() if at < moment}

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stop_now.set()
        for thread in self.threads:
            thread.join()


def back_up(server, directory):
    """Through the command; the moment before it and its report."""
    moment = time.monotonic()
    ran = command("backup", directory, "--json", "--url", f"http://127.0.0.1:{server.port}")
    assert ran.returncode == 0, ran.stderr
    return moment, json.loads(ran.stdout)


def restore(backup, directory):
    ran = command("restore", backup, "--data-dir", directory)
    assert ran.returncode == 0, ran.stderr
    return ran


def verify(directory):
    ran = command("verify", directory, "--json")
    assert ran.returncode == 0, ran.stdout
    return json.loads(ran.stdout)


def files_of(backup):
    manifest = json.loads((backup / "manifest.json").read_text())
    return {f["path"]: backup / manifest["data"] / f["path"] for f in manifest["files"]}


def received(receiver):
    return set(receiver.message_ids())


def test_a_backup_under_load_holds_what_was_acknowledged_before_it(tmp_path):
    backup = tmp_path / "backup"
    with Receiver() as live, Receiver() as later:
        server = Tributary(data_dir=tmp_path / "data", config=CONFIG).start()
        server.destination("live", url=live.url)
        server.destination("waiting", url=later.url)
        assert server.post("/api/v1/destinations/waiting/pause").status == 200
        moments = []
        with Load(server) as load:
            for round in range(3):
                target = load.count() + 4000
                wait_until(lambda: load.count() > target, 60, "load")
                moments.append(back_up(server, backup)[0])
        obligation = load.before(moments[-1])
        assert len(obligation) > 10000
        cut_at = len(live.all())
        server.kill()
        delivered_before = {json.loads(r["body"])["messageId"] for r in live.all()[:cut_at]}

        restored = tmp_path / "restored"
        restore(backup, restored)
        report = verify(restored)
        assert report["ok"] is True and report["records"] >= len(obligation)
        assert report["store"] == "present" and report["delivery_log"]["attempts"] > 0
        assert report["delivery_log"]["damage"] == []
        again = Tributary(data_dir=restored, config=CONFIG).start()
        try:
            # Lanes go on: what was delivered after the backup is sent again, nothing is missing.
            wait_until(lambda: obligation <= received(live), 60, "the live lane")
            assert again.post("/api/v1/destinations/waiting/resume").status == 200
            wait_until(lambda: obligation <= received(later), 60, "the lane that was paused")
            # A repeat from before the backup is still known as one.
            known = json.loads(later.all()[0]["body"])["messageId"]
            again.track({"type": "track", "event": "x", "userId": "u", "messageId": known})
            again.track({"type": "track", "event": "x", "userId": "u", "messageId": "marker"})
            wait_until(lambda: "marker" in received(later), 20, "new events")
            assert [i for i in later.message_ids() if i == known] == [known]
            assert again.stats("waiting")["dropped"] == 0
            # What became of everything before the backup is still listed, attempts included.
            listed = set()
            cursor = ""
            while cursor is not None:
                page = again.get("/api/v1/deliveries?destination=live&state=delivered&limit=1000"
                                 + cursor).json()
                listed |= {d["message_id"] for d in page["data"]}
                cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
            assert obligation <= listed
            trace = again.get(f"/api/v1/events/{known}").json()
            assert {d["destination"] for d in trace["deliveries"]} == {"live", "waiting"}
        finally:
            assert again.stop() == 0
        assert verify(restored)["ok"] is True
    assert delivered_before  # the live lane worked while the backups ran


def test_verify_names_what_is_damaged_beside_the_log(tmp_path):
    data = tmp_path / "data"
    with Tributary(data_dir=data, config=CONFIG) as server:
        with Receiver() as hook:
            server.destination("d", url=hook.url)
            for i in range(30):
                server.track({"type": "track", "event": "x", "userId": "u", "messageId": f"m{i}"})
            wait_until(lambda: server.stats("d")["delivered"] == 30, 20, "delivered")
        assert server.stop() == 0
    assert verify(data)["delivery_log"]["attempts"] == 30
    archive = next(f for f in (data / "delivery_log").iterdir() if f.stat().st_size > 16)
    good = archive.read_bytes()
    archive.write_bytes(good[:3] + bytes([good[3] ^ 1]) + good[4:])
    ran = command("verify", data)
    assert ran.returncode == 1 and archive.name in ran.stdout, ran
    archive.write_bytes(good)
    (data / "store").rename(tmp_path / "store")
    ran = command("verify", data)
    assert ran.returncode == 1 and "the store is missing" in ran.stdout, ran
    (tmp_path / "store").rename(data / "store")
    assert verify(data)["ok"] is True


def test_a_second_backup_keeps_what_did_not_change(tmp_path):
    backup = tmp_path / "backup"
    with Tributary(data_dir=tmp_path / "data", config=CONFIG) as server:
        server.destination("d", type="null")
        with Load(server) as load:
            wait_until(lambda: load.count() > 6000, 60, "load")
        wait_until(lambda: list((tmp_path / "data/log/p0").glob("*.zseg")), 20, "recompression")
        back_up(server, backup)
        first = {p: (f.stat().st_ino, f.stat().st_size) for p, f in files_of(backup).items()}
        time.sleep(3)
        back_up(server, backup)
        first_again = {p: f.stat().st_ino for p, f in files_of(backup).items()}
        report = back_up(server, backup)[1]
        names = sorted(p.name for p in backup.iterdir())
        assert names == ["BACKUP", "LOCK", "data-000003", "manifest.json"]
        kept = [p for p in first if p.endswith(".zseg") and first_again.get(p) == first[p][0]]
        assert kept, "compressed segments are the same file again"
        assert report["bytes_kept"] > report["bytes_copied"], report
        # A kept file is a name of its own: it survives what the server does to its own one.
        for path in kept:
            assert os.stat(files_of(backup)[path]).st_nlink >= 2
        restore(backup, tmp_path / "restored")
        assert verify(tmp_path / "restored")["ok"] is True


def test_a_second_backup_takes_what_changed_of_store_and_delivery_log(tmp_path):
    backup, data = tmp_path / "backup", tmp_path / "data"
    # Such answers are kept: with them the attempts soon fill a file that then grows no more.
    with Receiver(lambda request: (400, {}, b"x" * 600)) as wrong, Receiver() as live, \
            Receiver() as later:
        server = Tributary(data_dir=data, config=CONFIG).start()
        server.destination("live", url=live.url)
        server.destination("wrong", url=wrong.url)
        server.destination("waiting", url=later.url)
        assert server.post("/api/v1/destinations/waiting/pause").status == 200
        with Load(server) as load:
            wait_until(lambda: load.count() > 9000, 60, "load")
        acknowledged = set(load.acknowledged)
        wait_until(lambda: server.stats("live")["delivered"] == load.count(), 90, "the live lane")
        wait_until(lambda: server.stats("wrong")["dead_lettered"] == load.count(), 90, "the other")
        wait_until(lambda: len(list((data / "delivery_log").iterdir())) == 2, 20, "merged attempts")
        back_up(server, backup)
        time.sleep(3)  # until the time of a file's last change can be believed
        back_up(server, backup)
        first = {p: (f.stat().st_ino, f.read_bytes()) for p, f in files_of(backup).items()}
        with Load(server) as load:
            load.next = 1_000_000
            target = load.count() + 3000
            wait_until(lambda: load.count() > target, 60, "load")
            moment, report = back_up(server, backup)
            ended = time.monotonic()
        obligation = acknowledged | load.before(moment)
        assert load.before(ended) - load.before(moment), "events were taken while it ran"
        second = {p: (f.stat().st_ino, f.read_bytes()) for p, f in files_of(backup).items()}
        for part, suffix in [("store/", ".sst"), ("delivery_log/", "")]:
            ours = {p for p in second if p.startswith(part) and p.endswith(suffix)}
            kept = {p for p in ours & set(first) if second[p][0] == first[p][0]}
            assert kept, f"{part}: what is as it was is the same file again: {sorted(ours)}"
            assert ours - kept, f"{part}: what is new was taken"
            for path in ours & set(first):
                assert (path in kept) == (second[path][1] == first[path][1]), path
        new_bytes = sum(len(b) for p, (_, b) in second.items() if second[p][0] !=
                        first.get(p, (0, b""))[0])
        assert report["bytes_copied"] + report["bytes_linked"] == new_bytes, report
        assert report["bytes_kept"] == sum(len(b) for _, b in second.values()) - new_bytes
        server.kill()
        delivered = received(live)

        restored = tmp_path / "restored"
        restore(backup, restored)
        report = verify(restored)
        assert report["ok"] is True and report["records"] >= len(obligation)
        assert report["delivery_log"]["attempts"] >= 2 * len(acknowledged)
        assert report["delivery_log"]["damage"] == []
        with Tributary(data_dir=restored, config=CONFIG) as again:
            assert again.post("/api/v1/destinations/waiting/resume").status == 200
            wait_until(lambda: obligation <= received(later), 60, "the lane that was paused")
            wait_until(lambda: obligation <= received(live), 60, "the live lane")
            # Of what was delivered before the first backup the attempt is known, and not made anew.
            early = next(iter(acknowledged))
            attempts = {d["destination"]: d["attempts"]
                        for d in again.get(f"/api/v1/events/{early}").json()["deliveries"]}
            assert [a["status"] for a in attempts["live"]] == [204], attempts
            assert [a["status"] for a in attempts["wrong"]] == [400], attempts
        assert acknowledged <= delivered
        assert live.message_ids().count(early) == 1


def test_a_backup_survives_the_life_of_the_files_it_came_from(tmp_path):
    """Segments are recompressed, their files used again, and retained away after the backup."""
    backup = tmp_path / "backup"
    config = CONFIG + "retention: {size: 8MiB, on_full: drop_oldest}\n"
    with Tributary(data_dir=tmp_path / "data", config=config) as server:
        with Load(server) as load:
            wait_until(lambda: load.count() > 2000, 60, "load")
            moment, _ = back_up(server, backup)
            first = json.loads((backup / "manifest.json").read_text())["log"][0]["first"]
            wait_until(lambda: load.count() > 40000, 120, "many more")
        assert first == 0 and len(load.before(moment)) >= 2000
    restore(backup, tmp_path / "restored")
    report = verify(tmp_path / "restored")
    assert report["ok"] and report["records"] >= len(load.before(moment))


def test_backups_while_retention_takes_the_oldest_are_whole(tmp_path):
    config = CONFIG + "retention: {size: 4MiB, on_full: drop_oldest}\n"
    with Tributary(data_dir=tmp_path / "data", config=config) as server:
        with Load(server) as load:
            for i in range(6):
                target = load.count() + 4000
                wait_until(lambda: load.count() > target, 60, "load")
                back_up(server, tmp_path / "backup")
                restore(tmp_path / "backup", tmp_path / f"restored{i}")
                assert verify(tmp_path / f"restored{i}")["ok"] is True
                shutil.rmtree(tmp_path / f"restored{i}")


def test_a_stopped_directory_is_backed_up_without_a_server(tmp_path):
    server = Tributary(data_dir=tmp_path / "data", config=CONFIG).start()
    server.destination("d", type="null")
    with Load(server) as load:
        wait_until(lambda: load.count() > 3000, 60, "load")
    refused = command("backup", tmp_path / "b", "--data-dir", tmp_path / "data")
    assert refused.returncode == 1 and "in use" in refused.stderr
    assert server.stop() == 0
    (tmp_path / "data" / "secret.key").write_bytes(b"k" * 32)
    ran = command("backup", "b", "--data-dir", "data", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "secret.key" in ran.stderr
    assert not any("secret.key" in p for p in files_of(tmp_path / "b"))
    ran = restore(tmp_path / "b", tmp_path / "restored")
    assert "given anew" in ran.stderr
    assert verify(tmp_path / "restored")["records"] >= load.count()
    with Tributary(data_dir=tmp_path / "restored", config=CONFIG) as again:
        assert again.stats("d")["delivered"] >= load.count()


def test_where_a_backup_may_go(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").write_text("mine")
    with Tributary(data_dir=tmp_path / "data") as server:
        (tmp_path / "link").symlink_to(tmp_path / "data")
        for directory in ["relative", "", "/", str(tmp_path / "data"), str(tmp_path / "data" / "x"),
                          str(tmp_path), str(tmp_path / "link" / "x"), str(tmp_path / "no" / "x"),
                          f"{tmp_path}/a/../b", f"{tmp_path}//b", f"{tmp_path}/a\nb",
                          "/" + "a" * 5000]:
            answer = server.post("/api/v1/backups", {"dir": directory})
            assert answer.status == 400, (directory, answer)
            assert answer.json()["field"] == "dir" and answer.json()["success"] is False
        assert server.post("/api/v1/backups", {}).status == 400
        assert server.post("/api/v1/backups", {"dir": "/x", "and": 1}).status == 400
        assert server.get("/api/v1/backups/bkp_none").status == 404
        started = server.post("/api/v1/backups", {"dir": str(tmp_path / "full")})
        assert started.status == 202, started

        def ended():
            job = server.get("/api/v1/backups/" + started.json()["id"]).json()
            return job if job["state"] != "running" else None
        job = wait_until(ended, 10, "the end")
        assert job["state"] == "failed" and "neither" in job["error"], job
        assert os.listdir(tmp_path / "full") == ["something"]
        assert [j["id"] for j in server.get("/api/v1/backups").json()["data"]] == [job["id"]]


def test_backups_need_the_scope_admin(tmp_path):
    config = "tokens:\n- {token: writer-token-0123456789, scopes: [write]}\n" \
             "- {token: admin-token-0123456789, scopes: [admin]}\n"
    with Tributary(data_dir=tmp_path / "data", config=config) as server:
        body = {"dir": str(tmp_path / "b")}
        assert server.post("/api/v1/backups", body).status == 401
        for token, status in [("writer-token-0123456789", 403), ("admin-token-0123456789", 202)]:
            answer = server.post("/api/v1/backups", body,
                                 headers={"Authorization": "Bearer " + token})
            assert answer.status == status, answer


def test_a_restore_refuses_what_is_not_a_whole_backup(tmp_path):
    with Tributary(data_dir=tmp_path / "data", config=CONFIG) as server:
        with Load(server) as load:
            wait_until(lambda: load.count() > 1000, 60, "load")
        back_up(server, tmp_path / "b")
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("mine")
    refused = command("restore", tmp_path / "b", "--data-dir", full)
    assert refused.returncode == 1 and "not empty" in refused.stderr
    assert os.listdir(full) == ["x"]
    assert command("restore", full, "--data-dir", tmp_path / "n").returncode == 1
    segment = next(f for p, f in files_of(tmp_path / "b").items() if p.endswith("seg"))
    good = segment.read_bytes()
    for damage in [good[:-1], good + b"x", good[:600] + bytes([good[600] ^ 1]) + good[601:], None]:
        segment.unlink()
        if damage is not None:
            segment.write_bytes(damage)
        refused = command("restore", tmp_path / "b", "--data-dir", tmp_path / "n")
        assert refused.returncode == 1 and segment.name in refused.stderr, refused.stderr
        assert os.listdir(tmp_path / "n") == []
        segment.write_bytes(good)
    restore(tmp_path / "b", tmp_path / "n")
    (tmp_path / "b" / "manifest.json").unlink()
    refused = command("restore", tmp_path / "b", "--data-dir", tmp_path / "n2")
    assert refused.returncode == 1 and "no finished backup" in refused.stderr


@pytest.mark.parametrize("rounds", [6])
def test_a_backup_that_is_killed_leaves_the_one_before(tmp_path, rounds):
    backup = tmp_path / "backup"
    server = Tributary(data_dir=tmp_path / "data", config=CONFIG).start()
    acknowledged_before_last_whole = set()
    for i in range(rounds):
        with Load(server) as load:
            wait_until(lambda: load.count() > 2000, 60, "load")
        if i == 0:
            moment, _ = back_up(server, backup)
            acknowledged_before_last_whole = load.before(moment)
            whole = (backup / "manifest.json").read_text()
        else:
            assert server.post("/api/v1/backups", {"dir": str(backup)}).status == 202
            time.sleep(0.01 * i)
            server.kill()
            server = Tributary(data_dir=tmp_path / "data", config=CONFIG)
            server.start()
        out = tmp_path / f"restored{i}"
        restore(backup, out)
        assert verify(out)["records"] >= len(acknowledged_before_last_whole)
    assert not pathlib.Path(tmp_path / "data" / "backup.tmp").exists()
    back_up(server, backup)
    data = [p.name for p in backup.iterdir() if p.name.startswith("data-")]
    assert len(data) == 1, "what the killed ones left is gone"
    assert (backup / "manifest.json").read_text() != whole
    server.kill()
