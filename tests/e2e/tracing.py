"""What a process asks of the system, as strace tells it, and the kill at a certain question.

strace is a tool of Debian and others; where it is not there, or may not trace, the tests that need it are skipped, loudly.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

DISK = ("openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink")
"""Calls that change what a disk holds, or make it last. Whatever else does (`OTHERS`) must not occur."""
OTHERS = (
    "creat", "writev", "pwritev", "pwritev2", "truncate", "fallocate", "renameat", "renameat2", "unlinkat", "link",
    "linkat", "symlink", "sync_file_range", "copy_file_range", "sendfile", "mkdir", "rmdir",
)  # fmt: skip
"""Calls of the same kind that the model of a disk does not know, traced so that a use of them is not overlooked."""
NET = ("connect", "sendto", "recvfrom")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the system; `began` and `ended` number the lines of the trace on which it did."""

    thread: int
    name: str
    words: str
    """Its arguments as strace writes them."""
    result: int | None
    """None: it did not return, for the process was killed."""
    began: int
    ended: int

    @property
    def file(self) -> str:
        """What its first argument, a descriptor, stands for: a path, or `TCP:[…]`; empty without one."""
        found = _DESCRIPTOR.match(self.words)
        return text_of(found[1]) if found else ""

    @property
    def texts(self) -> list[bytes]:
        """Its quoted arguments, as the bytes they are; strace must have been told to write them in hexadecimal."""
        return [bytes.fromhex(found.replace("\\x", "")) for found in _QUOTED.findall(self.words)]

    @property
    def last(self) -> int:
        """Its last argument as a number: an offset, a size."""
        return int(self.words.rpartition(",")[2])


_LINE = re.compile(r"(\d+)\s+(.*)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (\?|-?\d+)")
_DESCRIPTOR = re.compile(r"\d+<(.*?)>[,)]?(?=[ ,)]|$)")
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_HALF = " <unfinished ...>"


def text_of(said: str) -> str:
    """A path as it is, whether strace wrote it in hexadecimal or not."""
    return bytes.fromhex(said.replace("\\x", "")).decode() if said.startswith("\\x") else said


def calls(trace: Path) -> Iterator[Call]:
    """The calls of a trace in the order in which they ended; a call that a kill cut off comes last, without result.

    A signal is the call `signal`.
    """
    halves: dict[int, tuple[int, str]] = {}
    with trace.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines):
            found = _LINE.match(line)
            if found is None:
                continue
            thread, said = int(found[1]), found[2].rstrip()
            if said.endswith(_HALF):
                halves[thread] = (number, said.removesuffix(_HALF))
                continue
            began = number
            resumed = _RESUMED.match(said)
            if resumed is not None and thread in halves:
                began, first = halves.pop(thread)
                said = first + resumed[2]
            elif said.startswith("--- SIG"):
                yield Call(thread, "signal", said.split()[1], 0, number, number)
                continue
            whole = _CALL.match(said)
            if whole is not None:
                result = None if whole[3] == "?" else int(whole[3])
                yield Call(thread, whole[1], whole[2], result, began, number)


def needs_strace() -> str:
    """The path of a strace that can trace here; skips the test, and says so, where there is none."""
    found = shutil.which("strace")
    if sys.platform != "linux" or found is None:
        pytest.skip("NEITHER KILLS NOR POWER LOSS WERE TESTED: no strace here (apt-get install strace)")
    tried = subprocess.run([found, "-f", "-o", "/dev/null", "true"], capture_output=True, check=False, timeout=30)
    if tried.returncode != 0:
        pytest.skip("NEITHER KILLS NOR POWER LOSS WERE TESTED: strace may not trace here (ptrace is forbidden)")
    return found


def recording(trace: Path) -> tuple[str, ...]:
    """The words before a command that record it: every byte that it writes to files and sends."""
    asked = ",".join((*DISK, *OTHERS, "sendto"))
    return (
        needs_strace(),
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-xx",
        "-y",
        "-s",
        "4194304",
        "-o",
        str(trace),
        "-e",
        f"trace={asked}",
    )


def killing(trace: Path, call: str = "", number: int = 0, paths: Sequence[str] = ()) -> tuple[str, ...]:
    """The words before a command that kill it (SIGKILL, all its threads) as one of its threads begins its `number`-th
    call of that name; with `paths` only calls about these files are counted, and traced. Without a call it is traced only.

    Not with --seccomp-bpf: strace 6.1 delivers no injected signals with it.
    """
    asked = ",".join((*DISK, *NET))
    kill = ("-e", f"inject={call}:signal=SIGKILL:when={number}") if call else ()
    only = [word for path in paths for word in ("-P", path)]
    return (needs_strace(), "-f", "-qq", "-yy", "-s", "64", *only, "-o", str(trace), "-e", f"trace={asked}", *kill)


def traced_by(process: subprocess.Popen[bytes]) -> int:
    """The process that this strace started; 0 while or where there is none."""
    try:
        found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(found[0]) if found else 0


def end(process: subprocess.Popen[bytes], how: int, seconds: float = 40) -> int:
    """Send the process behind a strace this signal and wait until both have ended; the exit code."""
    child = 0
    last = time.monotonic() + seconds
    while process.poll() is None and not child and time.monotonic() < last:
        child = traced_by(process)  # none yet, where strace has just begun
    if child:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, how)
    return process.wait(seconds)
