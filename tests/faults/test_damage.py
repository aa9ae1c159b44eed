"""Bytes that changed on the disk, in the real binary: reported by segment and offset, skipped, never
served; everything else is.

Three places: a raw segment that is complete, a compressed one, and the one that is being written.
"""
import json
import subprocess

import pytest

from blackbox import ALLOW_LOOPBACK, BINARY, Receiver, Tributary, wait_until

EVENTS = 300
SMALL = "log: {segment_size: 64KiB, first_segment_size: 64KiB, recompress: %s}\n"
RAW, COMPRESSED = SMALL % "false", SMALL % "true"


def event(number):
    """Random-looking text, so that the number stands once in a segment, compressed or not."""
    return {"type": "track", "userId": f"u{number % 7}", "event": "Damage Test",
            "messageId": f"dam-{number:04}",
            "properties": {"marker": marker(number), "pad": f"{number:04} " * 200}}


def marker(number):
    return f"MARKER-{number:04}-{(number * 2654435761) % 2**32:08x}"


def fill(data, config):
    """A directory that was stopped in good order."""
    with Tributary(data_dir=data, config=ALLOW_LOOPBACK + config) as server:
        for number in range(EVENTS):
            assert server.track(event(number)).status == 200
        if config is COMPRESSED:
            wait_until(lambda: len(list(segments(data, "*.zseg"))) >= 3, 20, "recompression")
        assert server.stop() == 0
    assert verify(data)[0] == 0, "it was whole before"


def segments(data, pattern):
    return sorted((data / "log/p0").glob(pattern))


def flip(file, position):
    data = bytearray(file.read_bytes())
    data[position] ^= 0x10
    file.write_bytes(data)


def event_in(file):
    """A number in the middle of what is in a raw segment, and where its marker stands."""
    data = file.read_bytes()
    inside = [n for n in range(EVENTS) if marker(n).encode() in data]
    number = inside[len(inside) // 2]
    return number, data.index(marker(number).encode())


def verify(data, *flags):
    done = subprocess.run([BINARY, "verify", str(data), *flags], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout


def damages(data, file):
    """What `verify` names, in both of its forms: the offsets that are lost."""
    code, text = verify(data)
    assert code == 1, text
    code, answer = verify(data, "--json")
    answer = json.loads(answer)
    assert code == 1 and answer["ok"] is False
    [damage] = answer["damage"]
    assert damage["segment"] == file.name and damage["partition"] == 0
    line = next(line for line in text.splitlines() if line.startswith("damage:"))
    assert f"{file.name} at byte {damage['position']}" in line, line
    first, end = damage["first"], damage["end"]
    lost = f"offset {first} lost" if end == first + 1 else f"offsets {first} to {end - 1} lost"
    assert lost in line, line
    return set(range(first, end))


def settled(server, name):
    stats = server.stats(name)
    return stats["lag"] == 0 and stats["in_flight"] == 0


def served_without(data, config, lost, file):
    """A start on the damaged directory: all but the lost are traced and delivered, and new ones."""
    alive = set(range(EVENTS)) - lost
    with Receiver() as receiver, \
            Tributary(data_dir=data, config=ALLOW_LOOPBACK + config) as server:
        server.destination("late", url=receiver.url, start="earliest")
        assert server.track(event(EVENTS)).status == 200
        wait_until(lambda: f"dam-{EVENTS:04}" in receiver.message_ids(), 20, "the new one")
        wait_until(lambda: settled(server, "late"), 20, "everything sent")
        arrived = {b["messageId"]: b["properties"] for b in receiver.bodies()}
        assert set(arrived) == {f"dam-{n:04}" for n in alive | {EVENTS}}
        assert all(arrived[f"dam-{n:04}"] == event(n)["properties"] for n in alive), "altered"
        for number in range(EVENTS):
            trace = server.get(f"/api/v1/events/dam-{number:04}")
            if number in alive:
                assert trace.status == 200, (number, trace)
            else:
                assert marker(number).encode() not in trace.body, (number, trace)
        said = [line for line in server.log if "segment_damaged" in line and file.name in line]
        assert len(said) == 1, server.log
        assert f'first="{min(lost)}"' in said[0] and f'end="{max(lost) + 1}"' in said[0], said
        metrics = server.get("/metrics").body.decode()
        assert f"tributary_log_damaged_records {len(lost)}\n" in metrics
        assert server.stop() == 0


def test_a_damaged_record_of_a_raw_segment_costs_itself(tmp_path):
    data = tmp_path / "data"
    fill(data, RAW)
    file = segments(data, "*.seg")[1]
    number, position = event_in(file)
    flip(file, position)
    lost = damages(data, file)
    assert lost == {number}
    served_without(data, RAW, lost, file)


def test_a_damaged_block_of_a_compressed_segment_costs_itself(tmp_path):
    data = tmp_path / "data"
    fill(data, COMPRESSED)
    file = segments(data, "*.zseg")[1]
    first, end = int(file.stem), int(segments(data, "*.zseg")[2].stem)
    flip(file, file.stat().st_size // 2)
    lost = damages(data, file)
    assert lost and lost <= set(range(first, end))
    served_without(data, COMPRESSED, lost, file)


def test_a_damaged_record_of_the_segment_that_is_written_costs_itself(tmp_path):
    data = tmp_path / "data"
    fill(data, RAW)
    file = [f for f in segments(data, "*.seg") if marker(EVENTS - 1).encode() in f.read_bytes()][-1]
    number, position = event_in(file)
    flip(file, position)
    lost = damages(data, file)
    assert lost == {number}
    served_without(data, RAW, lost, file)


@pytest.mark.parametrize("config", [RAW, COMPRESSED], ids=["raw", "compressed"])
def test_damage_that_is_met_while_it_runs_is_skipped_too(tmp_path, config):
    """What changes under a running server is found by whoever reads it."""
    data = tmp_path / "data"
    fill(data, config)
    with Receiver() as receiver, \
            Tributary(data_dir=data, config=ALLOW_LOOPBACK + config) as server:
        file = segments(data, "*.zseg" if config is COMPRESSED else "*.seg")[1]
        first, end = int(file.stem), int(segments(data, "*seg")[2].stem)
        position = file.stat().st_size // 2 if config is COMPRESSED else event_in(file)[1]
        with open(file, "r+b") as out:
            out.seek(position)
            byte = out.read(1)[0]
            out.seek(position)
            out.write(bytes([byte ^ 0x10]))
        server.destination("late", url=receiver.url, start="earliest")
        wait_until(lambda: f"dam-{EVENTS - 1:04}" in receiver.message_ids(), 20, "the last one")
        wait_until(lambda: settled(server, "late"), 20, "everything sent")
        missing = {f"dam-{n:04}" for n in range(EVENTS)} - set(receiver.message_ids())
        assert missing and missing <= {f"dam-{n:04}" for n in range(first, end)}
        assert len(missing) == 1 or config is COMPRESSED
        assert any("segment_damaged" in line and file.name in line for line in server.log)
        assert server.stop() == 0
