"""As many sources and destinations as there may be, less one, in the configuration file."""
import subprocess
import time

from blackbox import BINARY, Tributary, wait_until

MANY = 9_999  # of 10,000
# On a free machine each takes a few seconds; what grows with the square takes minutes.
SECONDS_MAX = 60


def config(many, *options):
    lines = ["sources:"]
    for i in range(many):
        lines += [f"  - name: s{i}", f"    write_keys: [key-{i}]"]
    lines.append("destinations:")
    for i in range(many):
        lines += [f"  - name: d{i}", "    type: 'null'", *(f"    {o}" for o in options)]
        if i % 2:
            lines.append(f"    sources: [s{i}]")
    return "\n".join(lines) + "\n"


def command(*arguments):
    began = time.monotonic()
    ran = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                         timeout=2 * SECONDS_MAX)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert time.monotonic() - began < SECONDS_MAX
    return ran.stdout


def test_it_starts_checks_and_plans_within_seconds(tmp_path):
    file = tmp_path / "many.yaml"
    file.write_text(config(MANY))
    command("check-config", file)
    server = Tributary(data_dir=tmp_path / "data", config=config(MANY))
    server.start(SECONDS_MAX)
    try:
        assert server.track({"event": "E", "userId": "u", "messageId": "m"}, key="key-9998").status == 200
        wait_until(lambda: server.stats("d9996")["delivered"] == 1, 20, "a lane that wants all")
        wait_until(lambda: server.stats("d9997")["filtered"] == 1, 20, "one of another source")
        url = f"http://{server.host}:{server.port}"
        assert "nothing would change" in command("plan", "--config", file, "--url", url)
        # A kill right after the start loses none of them.
        server.kill()
        server.port = None
        server.start(SECONDS_MAX)
        assert server.stats("d9996")["delivered"] == 1
        assert server.get("/api/v1/destinations/d9998").json()["revision"] == 1
        assert server.stop(SECONDS_MAX) == 0
        # All of them changed, and then all of them gone from the file.
        changed = config(MANY, "order: key")
        for server.config, status in [(changed, "active"), ("threads: 2\n", "paused")]:
            server.port = None
            server.start(SECONDS_MAX)
            shown = server.get("/api/v1/destinations/d5000").json()
            assert (shown["status"], shown["revision"]) == (status, 2), shown
            assert server.stop(SECONDS_MAX) == 0
    finally:
        if server.process.poll() is None:
            server.kill()
