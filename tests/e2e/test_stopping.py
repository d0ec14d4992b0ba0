"""Told to stop, the service stops, whichever of its threads the system gives the signal to."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system


def test_a_signal_that_another_thread_was_given_ends_it_as_well(make_clinic: Callable[..., Any]) -> None:
    """Python runs handlers in the main thread, which nothing wakes when the system gave the signal to another one."""
    if sys.platform != "linux":
        pytest.skip("no /proc: the threads of a process cannot be named from outside")
    served = make_clinic().serve()
    others = [int(task.name) for task in Path(f"/proc/{served.process.pid}/task").iterdir()]
    others.remove(served.process.pid)
    assert len(others) > 2
    # On Linux a signal to the number of a thread is one to its process, of which that thread is asked first.
    os.kill(others[0], signal.SIGTERM)
    assert served.process.wait(timeout=25) == 0
