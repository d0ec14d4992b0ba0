"""The stub as a server: in a thread for tests and the demo, or as a process of its own."""

import argparse
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fhir_server_stub import scenario
from fhir_server_stub.app import TRANSPORT, create_app
from fhir_server_stub.fees import Fees
from fhir_server_stub.payer import Stub


class _Hangable(H11Protocol):
    """uvicorn's HTTP protocol, with the connection put where the application can close it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Copied into scope["state"] of every request on this connection.
        self.app_state = {**self.app_state, TRANSPORT: transport}


@contextmanager
def running(stub: Stub, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the stub in a thread; yields `http://host:port` (FHIR lies under `/fhir` of it).

    Port 0 takes a free one.  Raises RuntimeError when the server does not start within ten seconds.
    """
    listener = _listen(host, port)
    server = uvicorn.Server(_config(stub))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the stub's server does not start")
            time.sleep(0.002)
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def serve(stub: Stub, *, host: str = "127.0.0.1", port: int = 8090) -> None:
    """Serve until interrupted."""
    listener = _listen(host, port)
    sys.stdout.write(f"payer and EHR stub at http://{host}:{listener.getsockname()[1]}/fhir\n")
    sys.stdout.flush()
    try:
        uvicorn.Server(_config(stub)).run(sockets=[listener])
    finally:
        listener.close()


def load(scenario_file: Path | None, fees_file: Path | None = None) -> Stub:
    """A stub from files; without them everything is paid from the shipped fee schedule.

    Raises ScenarioError or ValueError for what the files say wrongly, OSError when they cannot be read.
    """
    script = scenario.parse(scenario_file.read_text(encoding="utf-8")) if scenario_file else None
    fees = Fees.parse(fees_file.read_text(encoding="utf-8")) if fees_file else None
    return Stub(script, fees=fees)


def main(argv: list[str] | None = None) -> int:
    """`python -m fhir_server_stub --scenario FILE [--fees FILE] [--host H] [--port N]`; 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="fhir_server_stub", description="A FHIR payer and EHR, by script.")
    parser.add_argument("--scenario", type=Path)
    parser.add_argument("--fees", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    options = parser.parse_args(argv)
    try:
        stub = load(options.scenario, options.fees)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve(stub, host=options.host, port=options.port)
    return 0


def _config(stub: Stub) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(stub),
        http=_Hangable,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    # Listening at once: whoever reads the address may connect before the server has started.
    listener.listen(128)
    return listener
