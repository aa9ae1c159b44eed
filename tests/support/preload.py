"""Libraries that change what one system call of the real binary does while a flag file exists."""
import subprocess

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  const char* flag = getenv("FAULT_FLAG");
  if (n > 0 && flag && access(flag, F_OK) == 0) {
    path[n] = 0;
    if (strstr(path, "/log/") && strstr(path, ".seg")) {
      const char* count = getenv("FAULT_COUNT");
      if (count) { FILE* f = fopen(count, "a"); if (f) { fputs("x", f); fclose(f); } }
      ACTION
    }
  }
  return real(fd);
}
"""


def sync_fault(directory, action):
    """A library whose fdatasync of a log segment does `action` (C) first, while FAULT_FLAG exists.

    Each such call adds a byte to the file FAULT_COUNT, if that is set."""
    library = directory / "fault.so"
    subprocess.run(["g++", "-x", "c", "-shared", "-fPIC", "-o", str(library), "-", "-ldl"],
                   input=_SOURCE.replace("ACTION", action), text=True, check=True)
    return library
