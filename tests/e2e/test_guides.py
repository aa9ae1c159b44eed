"""Every command that README and the guides print is run as it is printed, page by page.

A page has a network of its own (a namespace), so that its addresses are free, and a directory of its
own with build/tributary in it. What runs until it is stopped (`serve`, `receive`, tails) is begun,
seen to work, and ended. Absolute paths of a real installation are moved below the page's directory,
ids that are printed as "…" are those that the server gave.
"""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from blackbox import BINARY, ROOT

PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for folder in ("guides", "operations")
                              for p in (ROOT / "docs" / folder).glob("*.md"))]
COMMANDS = r"(curl|tributary|build/tributary|cat|printf|jq|source|for) "
PLACES = ("/backups", "/var/lib", "/etc/tributary", "/tmp/", "~/.config")
STAYS = re.compile(r"(tributary (serve|receive)|events tail|curl -N)\b")
ENDS_WITH_2 = re.compile(r"tributary plan")  # something would change
CONFIG = """egress: {allow: [127.0.0.1/32]}
sources:
  - {name: demo, write_key: demo}
"""


def commands(page):
    """The commands of a page, in order; one may have several lines."""
    found = []
    for block in blocks_of((ROOT / page).read_text()):
        if not re.match(COMMANDS, block):
            continue
        rest = block
        while rest.strip():
            taken, rest = first_command(rest)
            if not taken.startswith("#"):  # what the one before answers
                found.append(taken)
    return found


def blocks_of(text):
    """The fenced blocks that are shell, or of no named language."""
    language, block = None, ""
    for line in text.splitlines(keepends=True):
        if not line.startswith("```"):
            block += line
        elif language is None:
            language, block = line[3:].strip(), ""
        else:
            if language in ("", "sh"):
                yield block
            language = None


def first_command(text):
    """As many lines as the shell needs until a command is whole."""
    lines = text.splitlines(keepends=True)
    for count in range(1, len(lines) + 1):
        part = "".join(lines[:count])
        whole = not part.endswith("\\\n") and not part.rstrip().endswith("|")
        if whole and "<<'YAML'" in part:
            whole = part.rstrip().endswith("\nYAML")
        checked = subprocess.run(["bash", "-n"], input=part, text=True, capture_output=True)
        if whole and checked.returncode == 0:
            return part, "".join(lines[count:])
    raise AssertionError(f"no command: {text}")


class Page:
    def __init__(self, directory, page):
        self.directory, self.page, self.ids, self.running = directory, page, {}, []
        (directory / "build").mkdir()
        (directory / "build" / "tributary").symlink_to(BINARY)
        for place in PLACES:
            self.moved(place).mkdir(parents=True, exist_ok=True)
        (self.moved("~/.config") / "fish" / "completions").mkdir(parents=True)
        self.log = open(directory / "log", "w")
        self.holder = subprocess.Popen(
            ["unshare", "-Urn", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"],
            stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "up\n"

    def moved(self, place):
        return self.directory / "root" / place.strip("/~").replace("/", "_").replace(".", "_")

    def shell(self, command):
        places = r"(?<!\w)(" + "|".join(map(re.escape, PLACES)) + ")"
        command = re.sub(places, lambda m: str(self.moved(m[0])) + (
            "/" if m[0].endswith("/") else ""), command)
        command = re.sub(r"\b([a-z]{3})_…", lambda m: self.ids.get(m[1], m[0]), command)
        path = f"{self.directory}/build:{os.environ['PATH']}"
        command = "fpath=(. .); " + command  # zsh has one; the completion goes there
        return ["nsenter", "--preserve-credentials", "-U", "-n", "-t", str(self.holder.pid),
                "env", f"PATH={path}", "bash", "-c", command]

    def begin(self, command, awaited):
        command = command.strip().rstrip("&")
        mark = self.log.tell()
        self.running.append(subprocess.Popen(self.shell("" + command), cwd=self.directory,
                                             stdout=self.log, stderr=self.log,
                                             start_new_session=True))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if re.search(awaited, self.text()[mark:]):
                return
            assert self.running[-1].poll() is None, (command, self.text())
            time.sleep(0.05)
        raise AssertionError(f"{command} did not begin: {self.text()}")

    def text(self):
        self.log.flush()
        return (self.directory / "log").read_text()

    def run(self, command):
        done = subprocess.run(self.shell(command), cwd=self.directory, capture_output=True,
                              text=True, timeout=60)
        expected = (0, 2) if ENDS_WITH_2.search(command) else (0,)
        assert done.returncode in expected, (self.page, command, done)
        assert '"success":false' not in done.stdout, (self.page, command, done.stdout)
        for prefix, id in re.findall(r'"id": ?"([a-z]{3})(_[0-9A-Za-z_-]+)"', done.stdout):
            self.ids[prefix] = prefix + id

    def follow(self, command):
        """A stream: it is whole when it says something, or nothing wrong for a second."""
        done = subprocess.run(self.shell("timeout 2 " + command), cwd=self.directory,
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 124, (self.page, command, done)
        assert '"success":false' not in done.stdout, (self.page, command, done.stdout)

    def end(self):
        for process in reversed(self.running):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(15)
        self.running.clear()

    def close(self):
        self.end()
        self.holder.kill()
        self.holder.wait()
        self.log.close()


@pytest.fixture
def workspace(tmp_path):
    pages = []

    def make(page):
        pages.append(Page(tmp_path, page))
        return pages[-1]
    probe = subprocess.run(["unshare", "-Urn", "ip", "link", "set", "lo", "up"],
                           capture_output=True)
    if probe.returncode != 0:
        pytest.skip("this machine does not allow network namespaces")
    yield make
    for page in pages:
        page.close()


def prepare(page):
    """What a page takes for granted."""
    directory = page.directory
    (directory / "tributary.yaml").write_text(CONFIG)
    page.moved("/etc/tributary").with_suffix(".yaml").write_text(CONFIG)
    event = '{"type":"track","userId":"u","event":"Order X","messageId":"%s"}\n'
    (directory / "export.ndjson").write_text("".join(event % f"e{i}" for i in range(5)))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=client", "-keyout", "client.key", "-out", "client.pem"],
                   cwd=directory, check=True, capture_output=True)
    shutil.copy(directory / "client.pem", directory / "ca.pem")


def serve(page):
    data = "/var/lib/tributary" if "backup" in page.page else "data"
    page.begin(f"tributary serve --config tributary.yaml --data-dir {data}", "listening on http")


@pytest.mark.parametrize("name", [p for p in PAGES if commands(p)])
def test_the_commands_of_a_page_run_as_printed(workspace, name):
    page = workspace(name)
    prepare(page)
    printed = commands(name)
    if not any("tributary serve" in c for c in printed) or name == "README.md" \
            or "operations" in name:
        serve(page)
    if name.endswith("cli.md"):
        page.run("echo '{\"name\":\"hook\",\"type\":\"null\"}' | tributary destinations create -"
                 " && tributary sources create web")
    for command in printed:
        if "tributary serve" in command and "--data-dir" not in command:
            page.end()  # the one that the page is about takes the place of the one before
        if re.search(r"tributary (serve|receive)\b", command):
            page.begin(command, "listening")
        elif STAYS.search(command):
            page.follow(command)
        else:
            if "--data-dir" in command:
                page.end()
            if "tributary restore" in command:
                shutil.rmtree(page.moved("/var/lib") / "tributary")  # what a restore is for
            page.run(command)
