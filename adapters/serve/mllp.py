"""MLLP listeners: frames in, each stored before it is acknowledged, acknowledgements in order.

Plain MLLP has neither secrecy nor a sender one could trust, so beyond this machine a listener starts only with TLS that
asks for client certificates, or for networks that the site file names one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from adapters.errors import BadSetup
from adapters.files.certificates import certificate_problems
from adapters.model.listening import Listening
from adapters.serve.intake import nobody
from adapters.serve.mllp_doors import Doors
from adapters.serve.mllp_talk import Limits
from adapters.serve.tls import Certificates
from adapters.serve.wired import Wired

__all__ = ["Limits", "Listener", "listener_problems", "shown", "start_listener", "start_mllp"]


class Listener:
    """A running listener. `port` is the one it got; `close` ends it, after what is being stored is acknowledged."""

    def __init__(self, thread: threading.Thread, doors: Doors, said: Listening) -> None:
        self._thread = thread
        self._doors = doors
        self.said = said
        self.port = doors.port

    @property
    def accepting(self) -> bool:
        """Whether connections are taken; not while the store is down, nor after `close`."""
        return self._doors.accepting

    def close(self) -> None:
        """Stop listening, finish what is at hand, close the connections. May be called twice."""
        self._doors.shut()
        self._thread.join()


def start_mllp(
    wired: Wired,
    host: str,
    port: int,
    feed_name: str,
    *,
    limits: Limits | None = None,
    wake: Callable[[], None] = nobody,
) -> Listener:
    """A plain listener for this machine; port 0 takes a free one. `feed_name` is the feed that it is for.

    `wake` is called after each entry stored. Raises `BadSetup` for an address that cannot be had or lies beyond.
    """
    return start_listener(wired, Listening(feed_name, host, port), limits=limits or Limits(), wake=wake)


def start_listener(
    wired: Wired, said: Listening, *, limits: Limits | None = None, wake: Callable[[], None] = nobody
) -> Listener:
    """Listen as the site file says, in a thread of its own. `limits`, if given, are instead of those said.

    Raises `BadSetup` for an address that cannot be had, for files that cannot serve (all reasons), and for one beyond
    this machine with neither TLS nor networks.
    """
    if problems := tuple(listener_problems((said,))):
        raise BadSetup(problems)
    certificates = Certificates(said.name, said.tls) if said.tls is not None else None
    doors = Doors(wired, said, limits or Limits.of(said), certificates, wake)
    thread = threading.Thread(target=doors.run, name=f"mllp-{said.name}", daemon=True)
    thread.start()
    doors.wait_until_open()
    return Listener(thread, doors, said)


def listener_problems(listeners: Sequence[Listening]) -> tuple[str, ...]:
    """Everything that keeps these listeners from starting, apart from addresses that are taken."""
    found: list[str] = []
    for said in listeners:
        if not said.local and said.tls is None and not said.networks:
            found.append(
                f"MLLP on {said.host or 'every address'}: beyond this machine TLS with client certificates must be "
                "configured, or the networks that may do without"
            )
        if said.tls is not None:
            found += [f"listener {said.name}: {problem}" for problem in certificate_problems(said.tls)]
    return tuple(found)


def shown(said: Listening) -> str:
    """What health says of a listener that others than this machine can reach in plain; empty of any other."""
    if said.local or said.tls is not None:
        return ""
    return f"plain MLLP on {said.host} port {said.port}, open to {', '.join(said.networks)}"
