"""Shell completion: really run by bash, and by zsh and fish where they are installed."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from blackbox import BINARY


def script(shell):
    ran = subprocess.run([BINARY, "completion", shell], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def in_bash(tmp_path, line):
    """What bash would offer for a line whose last word is being typed."""
    file = tmp_path / "completion.bash"
    file.write_text(script("bash"))
    words = line.split(" ")
    quoted = " ".join(f"'{w}'" for w in words)
    program = (f"source {file}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
               "_tributary; printf '%s\\n' \"${COMPREPLY[@]}\"")
    ran = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0 and not ran.stderr, ran
    return set(ran.stdout.split())


def verbs_of_help(*command):
    """The verbs that --help lists."""
    ran = subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, timeout=20)
    text = ran.stdout.split("Subcommands:")[-1]
    return {line.split()[0].rstrip(",") for line in text.splitlines()
            if line.startswith("  ") and not line.startswith("   ")}


@pytest.mark.parametrize("command", [[], ["destinations"], ["sources"], ["sources", "keys"],
                                     ["dead-letters"], ["replays"], ["events"]])
def test_bash_offers_every_verb(tmp_path, command):
    offered = in_bash(tmp_path, " ".join(["tributary", *command, ""]))
    assert offered and offered == verbs_of_help(*command)


def test_bash_completes_words_and_options(tmp_path):
    assert in_bash(tmp_path, "tributary dest") == {"destinations"}
    assert in_bash(tmp_path, "tributary --json sources ke") == {"keys"}
    assert "--json" in in_bash(tmp_path, "tributary destinations list --j")
    assert in_bash(tmp_path, "tributary dead-letters redrive --dest") == {"--destination"}
    assert in_bash(tmp_path, "tributary sources keys rotate --o") == {"--overlap"}
    assert in_bash(tmp_path, "tributary serve --config x") == set(), "left to file names"


@pytest.mark.parametrize("shell, check", [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_the_scripts_are_good_syntax(tmp_path, shell, check):
    file = tmp_path / "completion"
    file.write_text(script(shell))
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    ran = subprocess.run([shell, *check, str(file)], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0 and not ran.stderr, ran


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_verbs_and_options(tmp_path):
    file = tmp_path / "completion.fish"
    file.write_text(script("fish"))
    for line, expected in [("tributary dest", "destinations"), ("tributary sources keys ro", "rotate"),
                           ("tributary events tail --sou", "--source")]:
        ran = subprocess.run(["fish", "--no-config", "-c",
                              f"source {file}; complete -C '{line}'"], capture_output=True,
                             text=True, timeout=20)
        assert [x.split("\t")[0] for x in ran.stdout.splitlines()] == [expected], (line, ran)


class Zsh:
    """An interactive zsh at a terminal of ours, with its completion system and our script."""

    def __init__(self, directory):
        file = directory / "completion.zsh"
        file.write_text(script("zsh"))
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "ZDOTDIR": str(directory),
                                                    "PS1": "$ "})
        self.say(f"unsetopt zle_bracketed_paste; autoload -Uz compinit && compinit -u -D && source {file}; "
                 "echo re''ady\n", "ready")

    def say(self, text, expected, timeout=20):
        """Types `text` and reads until `expected` has come back."""
        os.write(self.terminal, text.encode())
        got, deadline = "", time.monotonic() + timeout
        while expected not in got:
            assert time.monotonic() < deadline, got
            if select.select([self.terminal], [], [], 0.1)[0]:
                got += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07", "", os.read(self.terminal, 4096).decode())
        return got

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_what_is_typed(tmp_path):
    zsh = Zsh(tmp_path)
    try:
        for typed, expected in [("tributary desti\t", "destinations"), ("tributary sources keys ro\t", "rotate"),
                                ("tributary events tail --sou\t", "--source")]:
            zsh.say(typed, expected)
            zsh.say("\x15", "")  # the line is taken back
    finally:
        zsh.close()


def test_another_shell_is_refused():
    ran = subprocess.run([BINARY, "completion", "tcsh"], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 2 and "bash, zsh and fish" in ran.stderr


def test_the_version_is_said():
    ran = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0 and ran.stdout.startswith("tributary ")
