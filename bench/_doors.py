"""Two FHIR servers over sockets, and the client that posts to either: ours by `serve`, and `sekmet-fhir` of the tests.

What each does with a transaction before it answers is in its docstring: the two are no copies of one another.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from _clinic import fees_text, site_text

from adapters.store import KeyRing, open_store
from adapters.wiring import key_ring
from tests.contracts.elsewhere import python_peers, reached

COMMAND = (sys.executable, "-c", "from adapters.cli import main; main()")
"""The console script, by this interpreter."""
_STARTS = 30.0
"""Seconds in which a server is up."""
_SEKMET = "base_url: {base}\nhost: 127.0.0.1\nport: {port}\ndata_dir: {at}/data\nlog_inbound: false\n"


def clinic(at: Path) -> dict[str, str]:
    """A folder with site file, keys and an empty store; the environment in which a command knows of them."""
    at.mkdir()
    (at / "site.toml").write_text(site_text(), encoding="utf-8")
    (at / "fees.csv").write_text(fees_text(), encoding="utf-8")
    KeyRing.generate(at / "keys")
    environment = {
        **os.environ,
        "ONCOCLAIMS_STORE": f"sqlite:///{at / 'store.db'}",
        "ONCOCLAIMS_SITE": str(at / "site.toml"),
        "ONCOCLAIMS_KEYS": str(at / "keys"),
        "ONCOCLAIMS_LOG_LEVEL": "error",
    }
    subprocess.run([*COMMAND, "init"], env=environment, check=True, capture_output=True)
    return environment


@contextlib.contextmanager
def ours(at: Path, roles: str) -> Iterator[str]:
    """`oncoclaims serve` with these roles: the base address of its FHIR listener.

    A Bundle is checked, encrypted and inserted into the journal with its answer, and answered after the COMMIT (WAL,
    synchronous=FULL) that holds it, which Bundles that wait at the same moment share. It is read into events and charges
    afterwards, by the role `worker`. Resources are not kept as resources, and there is no search.
    """
    environment = clinic(at) | {"ONCOCLAIMS_LOG_LEVEL": "info"}
    ports = ("--http-port", "0", "--mllp-port", "0", "--health-port", "0")
    words = [*COMMAND, "serve", "--role", roles, "--fhir-feed", "ehr", *ports]
    errors = at / "said"
    with (
        errors.open("wb") as said,
        subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        try:
            yield f"http://127.0.0.1:{_port(errors, process)}/fhir"
        finally:
            process.terminate()
            process.wait(30)


def _port(errors: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _STARTS
    while time.monotonic() < deadline and process.poll() is None:
        for line in errors.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if told.get("event") == "listening" and told.get("listener") == "http":
                    return int(told["port"])
        time.sleep(0.05)
    raise RuntimeError(f"serve did not start: {errors.read_text(encoding='utf-8')[-500:]}")


def worked(at: Path, count: int) -> None:
    """Wait until everything of a store is read into charges; nothing may be parked."""
    with open_store(f"sqlite:///{at / 'store.db'}", key_ring(at / "keys")) as store:
        while (told := store.counts()).unread:
            time.sleep(0.05)
        assert told.parked == 0, "not every Bundle could be read"
        assert told.journal >= count, "not every answered Bundle is on file"


def peer() -> Path | None:
    """The environment with the other server, installed once; None where it cannot be had, and why is printed."""
    try:
        return python_peers()
    except pytest.skip.Exception as skipped:
        print(f"\nsekmet-fhir is not beside it: {skipped}")
        return None


@contextlib.contextmanager
def sekmet(at: Path, peers: Path) -> Iterator[str]:
    """sekmet-fhir: its base address.

    A transaction is one of SQLite too (WAL, and by SQLite's default synchronous=FULL): each resource is checked, stored in
    its current form and as a version, and its search parameters are indexed; one COMMIT a Bundle, then the answer. Its log
    of requests is off here: it would be a second COMMIT.
    """
    at.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}/fhir"
    settings = at / "settings.yaml"
    settings.write_text(_SEKMET.format(base=base, port=port, at=at), encoding="utf-8")
    words = [str(peers / "sekmet"), "serve", "--config", str(settings)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, cwd=at, stdout=quiet, stderr=quiet) as process:
        try:
            reached(port)
            yield base
        finally:
            process.terminate()
            process.wait(30)


def posted(base: str, bodies: Sequence[Sequence[bytes]]) -> float:
    """Seconds in which all Bundles are answered 200: so many senders as there are lists, each with a connection that it
    keeps, which waits for its answer before it sends the next."""
    address = urlsplit(base)
    wrong: list[str] = []

    def send(mine: Sequence[bytes]) -> None:
        line = http.client.HTTPConnection(address.netloc, timeout=60)
        try:
            for body in mine:
                line.request("POST", address.path, body, {"Content-Type": "application/fhir+json"})
                answer = line.getresponse()
                text = answer.read()
                if answer.status != 200:
                    wrong.append(f"{answer.status}: {text[:300]!r}")
                    return
        except OSError as error:
            wrong.append(repr(error))
        finally:
            line.close()

    senders = [threading.Thread(target=send, args=(mine,)) for mine in bodies]
    start = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    seconds = time.perf_counter() - start
    if wrong:
        raise RuntimeError(f"not every Bundle was taken: {wrong[0]}")
    return seconds
