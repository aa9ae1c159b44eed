"""A disk that is too slow: refusals come at once, memory stays, nothing acknowledged is lost."""
import json
import pathlib
import threading
import time

import pytest
from blackbox import Tributary, wait_until
from preload import sync_fault

SLOW_SYNC_S = 1.0
CLIENTS = 48
BATCH_EVENTS = 12


@pytest.fixture(scope="module")
def slow_sync(tmp_path_factory):
    return sync_fault(tmp_path_factory.mktemp("preload"), f"usleep({int(SLOW_SYNC_S * 1e6)});")


def resident_mib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def batch(client, number):
    return {"batch": [{"type": "track", "event": "E", "userId": f"u{client}",
                       "messageId": f"{client}-{number}-{i}", "properties": {"pad": "x" * 30000}}
                      for i in range(BATCH_EVENTS)]}


def test_a_slow_disk_refuses_at_once_and_keeps_what_it_took(tmp_path, slow_sync):
    flag = tmp_path / "flag"
    config = "log: {queue_size: 4MiB}\nretention: {age: 1d}\n"
    with Tributary(data_dir=tmp_path / "data", config=config,
                   env={"LD_PRELOAD": str(slow_sync), "FAULT_FLAG": str(flag)}) as server:
        assert server.track({"userId": "u", "event": "Warm", "messageId": "warm"}).status == 200
        flag.touch()
        lock, taken, refused_after, odd = threading.Lock(), [], [], []
        stop_at = time.monotonic() + 4 * SLOW_SYNC_S

        def client(number):
            sent = 0
            while time.monotonic() < stop_at:
                body = json.dumps(batch(number, sent))
                begun = time.monotonic()
                answer = server.post("/v1/batch", body, headers={"Authorization": "Basic ZGVtbzo="})
                took = time.monotonic() - begun
                with lock:
                    if answer.status == 200:
                        taken.append(f"{number}-{sent}-0")
                    elif answer.status == 503 and "Retry-After" in answer.headers:
                        refused_after.append(took)
                    else:
                        odd.append(answer)
                sent += 1
                time.sleep(0.2)

        clients = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
        for c in clients:
            c.start()
        peak = 0
        while any(c.is_alive() for c in clients):
            peak = max(peak, resident_mib(server))
            time.sleep(0.05)
        flag.unlink()
        assert not odd, odd[:3]
        assert taken and refused_after
        refused_after.sort()
        median = refused_after[len(refused_after) // 2]
        print(f"taken {len(taken)}, refused {len(refused_after)}, refusal median "
              f"{median * 1000:.1f} ms, p90 {refused_after[len(refused_after) * 9 // 10] * 1000:.1f} ms, "
              f"peak {peak:.0f} MiB")
        # One Python process plays all clients, so the tail of what it measures is its own.
        assert median < 0.05
        assert peak < 256
        wait_until(lambda: server.track({"userId": "u", "event": "Late"}).status == 200, 5, "normal")
        for message_id in taken[:5] + taken[-5:]:
            assert server.get(f"/api/v1/events/{message_id}").status == 200


