"""The one composition root: rules, site, store, payers, lanes and clock put together from the settings."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.errors import BadSetup
from adapters.model.site import Site
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.ports import Clock
from adapters.rules import Ruleset
from adapters.settings import Settings, rules_of, site_of
from adapters.store import KeyRing, SqlStore, open_store

OURS = ("adapters", "mappings", "fhir_server_stub")
"""Import names of this program. They also exist elsewhere, so the start checks that nobody else owns them."""


class SystemClock:
    """The machine's clock, UTC."""

    def now(self) -> datetime:
        """The present instant."""
        return datetime.now(UTC)


class WalkedClock:
    """A clock that stands where it was put: for `--now`, the demo, tests and simulations."""

    def __init__(self, at: datetime) -> None:
        self.at = at.astimezone(UTC)

    def now(self) -> datetime:
        """Where the clock was put last."""
        return self.at

    def walk(self, to: datetime) -> None:
        """Put the clock to another instant."""
        self.at = to.astimezone(UTC)


@dataclass(slots=True)
class Wired(AbstractContextManager["Wired"]):
    """The program put together. Close it, or use it as a context."""

    settings: Settings
    rules: Ruleset
    site: Site
    house: House
    store: SqlStore
    clock: Clock
    payers: PayerClient
    random_token: Callable[[], str]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the payers' connections, then the store."""
        self.payers.close()
        self.store.close()


def wire(
    settings: Settings,
    *,
    clock: Clock | None = None,
    keys: KeyRing | None = None,
    site: Site | None = None,
    sleep: Callable[[float], None] = time.sleep,
    create: bool = False,
) -> Wired:
    """Put the program together; raises `BadSetup` with every problem of mappings, site file, keys and store."""
    foreign = name_problems()
    if foreign:
        raise BadSetup(foreign)
    rules = rules_of(settings.mappings)
    site = site or site_of(settings.site, rules)
    clock = clock or SystemClock()
    ring = keys or key_ring(settings.keys)
    store = open_store(settings.store, ring, clock, create=create, head=settings.head)
    return Wired(
        settings=settings,
        rules=rules,
        site=site,
        house=House.of(rules, site),
        store=store,
        clock=clock,
        payers=PayerClient(sleep=sleep),
        random_token=lambda: secrets.token_urlsafe(32),
    )


def key_ring(path: Path) -> KeyRing:
    """The key ring of the file; `oncoclaims init` makes one."""
    if not path.exists():
        raise BadSetup((f"{path}: no key file; `oncoclaims init` makes one",))
    return KeyRing.load(path)


def name_problems() -> tuple[str, ...]:
    """Distributions other than ours that own one of our import names in this environment."""
    owners = packages_distributions()
    return tuple(
        f"the import name {name!r} is also owned by the distribution {owner!r}: install oncoclaims in its own environment"
        for name in OURS
        for owner in sorted(set(owners.get(name, ())) - {"oncoclaims"})
    )
