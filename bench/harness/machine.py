"""What the figures were measured on."""

import os
import platform
import subprocess


def _first_line_value(path, key):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return "unknown"


def file_system_of(path):
    """Type of the file system that holds `path`: tmpfs would make every sync a lie."""
    answer = subprocess.run(["df", "--output=fstype", path], capture_output=True, text=True, check=True)
    return answer.stdout.split()[-1]


def commit_of(repository):
    """The commit measured, with a + when the tree differs from it."""
    def git(*arguments):
        return subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True)
    head = git("rev-parse", "--short", "HEAD")
    if head.returncode != 0:
        return "unknown"
    dirty = git("status", "--porcelain", "--untracked-files=no", "--", "src", "CMakeLists.txt", "cmake")
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def describe(data_dir):
    memory_kib = int(_first_line_value("/proc/meminfo", "MemTotal").split()[0])
    return {
        "cores": os.cpu_count(),
        "cpu": _first_line_value("/proc/cpuinfo", "model name"),
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": platform.release(),
        "file_system": file_system_of(data_dir),
    }
