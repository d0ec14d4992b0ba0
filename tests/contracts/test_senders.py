"""Senders that others wrote, against our listener: each gets its acknowledgement, and its message is on file once."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hl7
import pytest
from hl7.mllp import open_hl7_connection

from tests.contracts.authority import Authority

pytestmark = pytest.mark.system

SENDERS = Path(__file__).parent / "senders"
PIPELINED = 50


def ran(*words: object, given: bytes = b"", seconds: float = 30) -> subprocess.CompletedProcess[bytes]:
    """A command that ended, whatever it said."""
    return subprocess.run([str(w) for w in words], input=given, capture_output=True, check=False, timeout=seconds)


def controls(wired: Any) -> list[str]:
    """MSH-10 of what is on file."""
    return [line.control for line in wired.store.messages()]


def test_mllp_send_of_python_hl7(wired: Any, plain: Any, dft: Callable[[str], Path]) -> None:
    send = Path(sys.executable).parent / "mllp_send"
    two = dft("PY1").read_bytes() + dft("PY2").read_bytes()
    file = dft("PY3")
    file.write_bytes(two)
    done = ran(send, "--loose", "-p", plain.port, "-f", file, "127.0.0.1")
    assert done.returncode == 0, done.stderr.decode()
    assert [line for line in done.stdout.replace(b"\r", b"\n").split(b"\n") if line.startswith(b"MSA")] == [
        b"MSA|AA|PY1",
        b"MSA|AA|PY2",
    ]
    assert controls(wired) == ["PY1", "PY2"]


def test_the_client_of_python_hl7_with_certificates(
    wired: Any, secured: Any, authority: Authority, dft: Callable[[str], Path]
) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.load_cert_chain(*authority.issue("engine"))

    async def told() -> list[str]:
        reader, writer = await open_hl7_connection("localhost", secured.port, ssl=context, encoding="utf-8")
        answers = []
        for number in range(3):
            writer.writemessage(hl7.parse(dft(f"PT{number}").read_bytes().decode()))
            await writer.drain()
            answers.append(str((await reader.readmessage()).segment("MSA")))
        writer.close()
        return answers

    assert asyncio.run(told()) == [f"MSA|AA|PT{number}" for number in range(3)]
    assert {line.channel for line in wired.store.messages()} == {"mllps|engine"}


def test_node_hl7_client(wired: Any, plain: Any, dft: Callable[[str], Path], npm_modules: Path) -> None:
    done = ran("node", SENDERS / "node_client.cjs", npm_modules, plain.port, "127.0.0.1", dft("ND1"))
    assert (done.stdout.decode().strip(), done.returncode) == ("AA ND1", 0), done.stderr.decode()
    assert controls(wired) == ["ND1"]


def test_node_hl7_client_with_certificates(
    wired: Any, secured: Any, authority: Authority, dft: Callable[[str], Path], npm_modules: Path, tmp_path: Path
) -> None:
    def told(control: str, *client: Path) -> str:
        words = (npm_modules, secured.port, "localhost", dft(control), authority.file, *client)
        return ran("node", SENDERS / "node_client.cjs", *words).stdout.decode().strip()

    assert told("NT1", *authority.issue("engine")) == "AA NT1"
    assert told("NT2", *Authority(tmp_path, "rogue").issue("impostor")) == ""
    assert controls(wired) == ["NT1"]


def test_medplum_sends_without_waiting(wired: Any, plain: Any, dft: Callable[[str], Path], npm_modules: Path) -> None:
    done = ran("node", SENDERS / "medplum.mjs", npm_modules, plain.port, dft("CONTROL"), PIPELINED, seconds=60)
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said["codes"] == {"AA": PIPELINED}
    # What it lost it sent again, and nothing is on file twice for that.
    assert sorted(controls(wired)) == sorted(f"MP{number}" for number in range(PIPELINED))


def raw(listener: Any, authority: Authority, body: bytes, *client: object) -> bytes:
    """What comes back over `openssl s_client`."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on the path")
    words = (
        "openssl",
        "s_client",
        "-quiet",
        "-connect",
        f"127.0.0.1:{listener.port}",
        "-CAfile",
        authority.file,
        *client,
    )
    process = subprocess.Popen(
        [str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\x0b" + body + b"\x1c\r")
    process.stdin.flush()
    read = b""
    while not read.endswith(b"\x1c\r") and (piece := process.stdout.read1()):  # type: ignore[attr-defined]
        read += piece
    process.kill()
    process.wait(10)
    process.stdin.close()
    process.stdout.close()
    return read


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl(
    wired: Any, secured: Any, authority: Authority, dft: Callable[[str], Path], version: str, tmp_path: Path
) -> None:
    certificate, key = authority.issue("engine")
    answer = raw(secured, authority, dft("OS1").read_bytes(), version, "-cert", certificate, "-key", key)
    assert b"MSA|AA|OS1" in answer
    other, its_key = Authority(tmp_path, "rogue").issue("impostor")
    assert raw(secured, authority, dft("OS2").read_bytes(), version, "-cert", other, "-key", its_key) == b""
    assert raw(secured, authority, dft("OS3").read_bytes(), version) == b""
    assert controls(wired) == ["OS1"]


def test_stunnel_before_a_plain_engine(
    wired: Any, secured: Any, authority: Authority, dft: Callable[[str], Path], tmp_path: Path
) -> None:
    stunnel = shutil.which("stunnel4") or shutil.which("stunnel")
    if stunnel is None:
        pytest.skip("no stunnel: apt-get install stunnel4")
    certificate, key = authority.issue("engine")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    conf = tmp_path / "stunnel.conf"
    conf.write_text(
        f"foreground = yes\npid =\n[mllp]\nclient = yes\naccept = 127.0.0.1:{port}\n"
        f"connect = 127.0.0.1:{secured.port}\ncert = {certificate}\nkey = {key}\nCAfile = {authority.file}\n"
        "verifyChain = yes\ncheckHost = localhost\nsslVersionMin = TLSv1.2\n"
    )
    process = subprocess.Popen([stunnel, str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answer = b""
        with reached(port) as peer:
            peer.sendall(b"\x0b" + dft("ST1").read_bytes() + b"\x1c\r")
            while not answer.endswith(b"\x1c\r") and (piece := peer.recv(65536)):
                answer += piece
    finally:
        process.terminate()
        process.wait(10)
    assert b"MSA|AA|ST1" in answer
    assert [line.channel for line in wired.store.messages()] == ["mllps|engine"]


def reached(port: int) -> socket.socket:
    """A connection, once somebody listens."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
