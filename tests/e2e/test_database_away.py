"""P11: the database goes away under the running service. Nobody is acknowledged meanwhile; it comes back by itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.store import KeyRing, open_store
from tests import soak
from tests.e2e.conftest import Clinic, dft, site
from tests.e2e.sender import Sender, unexplained, wait_for
from tests.store.conftest import new_postgres  # noqa: F401 - a fixture

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.soak]


class OnPostgres(Clinic):
    """A clinic whose store is a database of this server."""

    url = ""
    database = ""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ONCOCLAIMS_STORE": self.url,
            "ONCOCLAIMS_SITE": str(self.folder / "site.toml"),
            "ONCOCLAIMS_KEYS": str(self.folder / "keys"),
            "ONCOCLAIMS_HEAD": str(self.folder / "head"),
        }


@pytest.fixture
def server(new_postgres: Callable[[], Any]) -> Any:  # noqa: F811
    """A PostgreSQL of this test's own."""
    return new_postgres()


@pytest.fixture
def clinic(server: Any, tmp_path: Any) -> Iterator[OnPostgres]:
    made = OnPostgres(tmp_path, site())
    made.database = server.make()
    made.url = server.url(made.database)
    made.write()
    ready = made.run("init")
    assert ready.code == 0, ready.err
    yield made
    made.end()


@pytest.fixture
def sender() -> Iterator[Sender]:
    """Told its port by the test, then started."""
    made = Sender(0, pause=0.2)
    yield made
    made.end()


def go_on(sender: Sender, name: str, number: int) -> None:
    """Have so many more messages sent."""
    for n in range(number):
        sender.send(f"{name}-{n}", dft(f"{name}-{n}", mrn=f"TP-{name}-{n}"))


def gone_and_back(
    clinic: OnPostgres, sender: Sender, away: Callable[[], Any], back: Callable[[], Any], seconds: int
) -> int:
    """The database is away so long while a sender goes on; then hold the service to what it promised."""
    served = clinic.serve()
    sender.port = served.mllp
    sender.start()
    go_on(sender, "BEFORE", 5)
    assert wait_for(lambda: not sender.waiting, 30)
    away()
    gone = time.monotonic()
    acked = set(sender.acked)
    go_on(sender, "DURING", 5)
    assert wait_for(lambda: served.get("/readyz", health=True).status == 503, 30, 0.2)
    time.sleep(max(0.0, seconds - (time.monotonic() - gone)))
    assert set(sender.acked) == acked, "nobody is acknowledged while the database is away"
    assert served.process.poll() is None, "the process lives"
    assert served.get("/healthz", health=True).status == 200
    back()
    returned = time.monotonic()
    go_on(sender, "AFTER", 5)
    assert wait_for(lambda: not sender.waiting, 60, 0.05), "it listens again by itself, on its old port"
    print(f"away for {returned - gone:.0f} s; all acknowledged {time.monotonic() - returned:.1f} s after it was back")
    assert wait_for(lambda: served.get("/readyz", health=True).status == 200, 30, 0.2)
    assert wait_for(lambda: len(clinic.run("charges", "--json").rows()) == 15, 60, 0.5)
    assert served.stop() == 0
    assert "Traceback" not in served.said()
    with open_store(clinic.url, KeyRing.load(clinic.folder / "keys")) as store:
        assert unexplained(sender.tries, store.messages(limit=10**9)) == []
    assert clinic.run("verify").code == 0
    return len(sender.acked)


@pytest.mark.timeout(600)
def test_the_database_is_stopped_for_thirty_seconds(clinic: OnPostgres, sender: Sender, server: Any) -> None:
    assert gone_and_back(clinic, sender, server.stop, server.start, soak.size(ci=30, long=60)) == 15


@pytest.mark.timeout(600)
def test_the_database_gives_no_connection_for_ten_seconds(clinic: OnPostgres, sender: Sender, server: Any) -> None:
    """max_connections is exhausted by others at the moment at which the service loses its own connections."""
    with contextlib.ExitStack() as held:

        def take_all() -> None:
            import psycopg

            ours = held.enter_context(server.connect())
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            last = time.monotonic() + 30
            full = 0
            while full < 3:
                assert time.monotonic() < last
                try:
                    held.enter_context(server.connect())
                except psycopg.OperationalError:
                    # Full, and some of it may be the service's: those are ended, and their places taken.
                    ended = ours.execute(others, (clinic.database,)).fetchall()
                    full = 0 if ended else full + 1
                    time.sleep(0.05)

        gone_and_back(clinic, sender, take_all, held.close, soak.size(ci=10, long=30))
