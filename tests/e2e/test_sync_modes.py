"""`sync`: said at the start and by /readyz, and what each mode keeps over a clean stop."""
import time

import pytest

from blackbox import ALLOW_LOOPBACK, Receiver, Tributary, wait_until


def event(number):
    return {"userId": "u", "event": "E", "messageId": f"s-{number}"}


def said_at_start(server):
    [line] = [line for line in server.log if " starting " in line]
    return line


@pytest.mark.parametrize("mode", ["always", "interval", "none"])
def test_a_mode_is_said_and_works(tmp_path, mode):
    config = ALLOW_LOOPBACK + f"sync: {mode}\nsync_interval: 100ms\n"
    with Receiver() as receiver, Tributary(data_dir=tmp_path / "data", config=config) as server:
        assert f'sync="{mode}"' in said_at_start(server)
        ready = server.get("/readyz")
        assert ready.status == 200 and ready.json()["sync"] == mode, ready
        server.destination("hook", url=receiver.url)
        for i in range(50):
            assert server.track(event(i)).status == 200
        wait_until(lambda: server.stats("hook")["delivered"] == 50, message="delivered")
        # The last ones are not waited for: stopping in good order keeps them, in every mode.
        for i in range(50, 100):
            assert server.track(event(i)).status == 200
        assert server.stop() == 0
        server.port = None
        server.start()
        assert f'sync="{mode}"' in said_at_start(server)
        for i in range(100):
            assert server.get(f"/api/v1/events/s-{i}").status == 200, i
        wait_until(lambda: set(receiver.message_ids()) == {f"s-{i}" for i in range(100)},
                   message="the rest is delivered")
        wait_until(lambda: server.stats("hook")["in_flight"] == 0, message="at rest")
        assert server.track(event(99)).status == 200  # a repeat is still one
        assert server.track(event(100)).status == 200
        wait_until(lambda: "s-100" in receiver.message_ids(), message="a new one")
        assert receiver.message_ids().count("s-99") == 1


@pytest.mark.parametrize("mode", ["interval", "none"])
def test_a_killed_process_of_a_weaker_mode_starts_again(tmp_path, mode):
    """A kill leaves the page cache: what was written before it is there, and nothing is in the way
    of what comes after it."""
    config = ALLOW_LOOPBACK + f"sync: {mode}\n"
    with Receiver() as receiver, Tributary(data_dir=tmp_path / "data", config=config) as server:
        server.destination("hook", url=receiver.url)
        for i in range(50):
            assert server.track(event(i)).status == 200
        time.sleep(0.3)
        server.kill()
        server.port = None
        server.start()
        assert server.get("/api/v1/events/s-49").status == 200  # before anything new comes
        assert server.track(event(7)).status == 200  # a repeat is still one
        assert server.track(event(50)).status == 200
        wait_until(lambda: set(receiver.message_ids()) == {f"s-{i}" for i in range(51)},
                   message="everything is delivered")
        assert receiver.message_ids().count("s-7") == 1
        listed = server.get("/api/v1/events?limit=100").json()["data"]
        assert {e["message_id"] for e in listed} == {f"s-{i}" for i in range(51)}
