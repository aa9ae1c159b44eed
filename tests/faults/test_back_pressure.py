"""A disk that is too slow: refusals come at once, memory stays, nothing acknowledged is lost."""
import json
import pathlib
import re
import subprocess
import sys
import threading
import time

import pytest
from blackbox import Tributary, wait_until
from preload import sync_fault

import prober

SLOW_SYNC_S = 1.0
FLOOD_S = 8
CLIENTS = 300  # more than all queues together hold of their batches
BATCH_EVENTS = 12
AUTHORIZATION = "Basic ZGVtbzo="


@pytest.fixture(scope="module")
def slow_sync(tmp_path_factory):
    return sync_fault(tmp_path_factory.mktemp("preload"), f"usleep({int(SLOW_SYNC_S * 1e6)});")


def most_resident_mib(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


def batch(name, events=BATCH_EVENTS):
    return json.dumps({"batch": [{"type": "track", "event": "E", "userId": "u",
                                  "messageId": f"{name}-{i}", "properties": {"pad": "x" * 30000}}
                                 for i in range(events)]})


class Crowd:
    """Clients that send, and send again, whatever they are told."""

    def __init__(self, server):
        self.server, self.lock = server, threading.Lock()
        self.taken, self.refused, self.odd, self.stop = [], 0, [], threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def client(self, number):
        template = batch("NAME")
        sent = 0
        while not self.stop.is_set():
            name = f"{number}-{sent}"
            answer = self.server.post("/v1/batch", template.replace("NAME", name), timeout=60,
                                      headers={"Authorization": AUTHORIZATION})
            with self.lock:
                if answer.status == 200:
                    self.taken.append(name)
                elif answer.status == 503 and "Retry-After" in answer.headers:
                    self.refused += 1
                else:
                    self.odd.append(answer)
            sent += 1
            if answer.status == 503:
                self.stop.wait(1)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Prober:
    """A process that asks for less than anybody in the crowd, and measures."""

    def __init__(self, server):
        body = batch("probe", 1)
        head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION}\r\n" \
               f"Content-Length: {len(body)}\r\n\r\n"
        self.process = subprocess.Popen(
            [sys.executable, prober.__file__, server.host, str(server.port)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(head + body)
        self.process.stdin.close()

    def refusals(self):
        """Ends it; how many ms each 503 took, in ascending order."""
        self.process.kill()
        answers = [line.split() for line in self.process.stdout]
        self.process.wait()
        assert {answer[0] for answer in answers} <= {"200", "503"}, answers
        return sorted(float(took) for status, took in answers if status == "503")


def test_a_slow_disk_refuses_at_once_and_keeps_what_it_took(tmp_path, slow_sync):
    flag = tmp_path / "flag"
    with Tributary(data_dir=tmp_path / "data",
                   env={"LD_PRELOAD": str(slow_sync), "FAULT_FLAG": str(flag)}) as server:
        assert server.track({"userId": "u", "event": "Warm", "messageId": "warm"}).status == 200
        flag.touch()
        crowd, measured = Crowd(server), Prober(server)
        time.sleep(FLOOD_S)
        took_ms = measured.refusals()
        flag.unlink()
        crowd.end()
        peak = most_resident_mib(server)
        assert not crowd.odd, crowd.odd[:3]
        assert crowd.taken and crowd.refused
        assert len(took_ms) >= 200, f"{len(took_ms)} refusals say nothing of a hundredth"
        p99_ms = took_ms[len(took_ms) * 99 // 100]
        print(f"taken {len(crowd.taken)}, refused {crowd.refused}; {len(took_ms)} refusals measured: "
              f"median {took_ms[len(took_ms) // 2]:.1f} ms, p99 {p99_ms:.1f} ms, most "
              f"{took_ms[-1]:.1f} ms; peak {peak:.0f} MiB")
        assert p99_ms < 50
        assert peak < 256
        wait_until(lambda: server.track({"userId": "u", "event": "Late"}).status == 200, 5, "normal")
        for name in crowd.taken[:5] + crowd.taken[-5:]:
            assert server.get(f"/api/v1/events/{name}-0").status == 200
