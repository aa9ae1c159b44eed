"""Shell completion: really run by bash, and by zsh and fish where they are installed."""
import shutil
import subprocess

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


def test_another_shell_is_refused():
    ran = subprocess.run([BINARY, "completion", "tcsh"], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 2 and "bash, zsh and fish" in ran.stderr


def test_the_version_is_said():
    ran = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0 and ran.stdout.startswith("tributary ")
