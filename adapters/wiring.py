"""The one composition root: rules, site, store, payers, lanes and clock put together from the settings."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.errors import BadSetup
from adapters.model.draft import Draft
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.live import live_problems
from adapters.model.site import Site
from adapters.model.tables import TableKind
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.force import (
    CHANNEL,
    NOTHING,
    PROGRAM,
    InForce,
    Turn,
    applied,
    in_force,
    receipt_of,
    site_in_force,
    site_receipt_of,
    switched,
)
from adapters.ports import Clock, Receipt
from adapters.rules import Ruleset
from adapters.settings import Settings, rules_of, site_of
from adapters.settings.drafted import drafted, mapping_text
from adapters.settings.going_live import services_of
from adapters.store import KeyRing, SqlStore, open_store
from adapters.store.editions.kept import Editions, open_editions

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
    force: InForce
    """What the journal said of the tables when the house was put together."""
    editions: Editions
    store: SqlStore
    clock: Clock
    payers: PayerClient
    random_token: Callable[[], str]
    token_secret: bytes = field(repr=False)
    """What the key of access tokens is made of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the payers' connections, then the store."""
        self.payers.close()
        self.editions.close()
        self.store.close()

    def force_now(self) -> InForce:
        """What the journal says is in force."""
        return force_of(self.store)

    def house_of(self, force: InForce) -> House:
        """The house under this; raises `BadSetup` where an edition in force is not there."""
        return House.of(self.rules, self.site, self.editions.tables(force.editions))

    def drafted(self, draft: Draft) -> tuple[Ruleset, Site]:
        """The rules and the site of a draft over what is in force; raises `BadSetup` with all problems."""
        return drafted(draft, self.settings, self.rules, self.site)

    def mapping_text(self, file: str) -> tuple[str, str] | None:
        """Name and text of a file of the mappings in force, as rules name it; None for what is none."""
        return mapping_text(file, self.settings.mappings)

    def all_stepped(self, force: InForce) -> None:
        """Every lane on file has been stepped under this: the journal says so, unless it says something newer by now."""

        def make(last: JournalEntry | None) -> Receipt | None:
            now = in_force(last)
            if now.entry != force.entry or now.applied:
                return None
            return receipt_of(applied(now, self.clock.now()), now.entry)

        self.store.note(CHANNEL, JournalKind.RULES.value, make)


def wire(
    settings: Settings,
    *,
    clock: Clock | None = None,
    keys: KeyRing | None = None,
    site: Site | None = None,
    sleep: Callable[[float], None] | None = None,
    create: bool = False,
    writes: bool = False,
    steps: bool = True,
) -> Wired:
    """Put the program together; raises `BadSetup` with every problem of mappings, site file, keys, store and editions.

    With `writes` the journal is told first of rules and settings that are others than it knows. Without `steps` it is
    not read: a process that only takes receipts may not (its role in the database), and needs no tables.
    """
    foreign = name_problems()
    if foreign:
        raise BadSetup(foreign)
    rules = rules_of(settings.mappings)
    site = site or site_of(settings.site, rules)
    clock = clock or SystemClock()
    ring = keys or key_ring(settings.keys)
    store = open_store(settings.store, ring, clock, create=create, head=settings.head)
    editions = open_editions(settings.store, ring, settings.editions)
    try:
        if writes and steps:
            tell(store, rules, site, clock)
        force = force_of(store) if steps else NOTHING
        house = House.of(rules, site, editions.tables(force.editions))
        if writes and steps and (wrong := decided_live_problems(house)):
            raise BadSetup(wrong)
    except BaseException:
        editions.close()
        store.close()
        raise
    return Wired(
        settings=settings,
        rules=rules,
        site=site,
        house=house,
        force=force,
        editions=editions,
        store=store,
        clock=clock,
        payers=PayerClient(sleep=sleep),
        random_token=lambda: secrets.token_urlsafe(32),
        token_secret=ring.secret("access tokens"),
    )


def decided_live_problems(house: House) -> tuple[str, ...]:
    """What was decided of going live and names what the site file no longer has: it would bind nothing, and its lines
    would be claimed as if nobody had decided."""
    edition = house.tables.edition(TableKind.LIVE, date.max)
    if edition is None:
        return ()
    entities = [entity.id for facility in house.site.facilities for entity in facility.entities]
    rows = (replace(row, place=f"golive ({edition.name})") for row in house.tables.live())
    found = live_problems(rows, entities, [p.id for p in house.site.payers], services_of(house.rules))
    return tuple(f"{problem}: keep its id in the site file, or withdraw the decision" for problem in found)


def force_of(store: SqlStore) -> InForce:
    """What the journal says is in force."""
    return in_force(store.last_noted(CHANNEL, JournalKind.RULES.value))


def forces_of(store: SqlStore) -> tuple[InForce, ...]:
    """Everything that was ever in force, in order."""
    return tuple(map(in_force, store.noted(CHANNEL, JournalKind.RULES.value)))


def tell(store: SqlStore, rules: Ruleset, site: Site, clock: Clock) -> None:
    """Tell the journal of rules and settings in force that are others than it knows; nothing where they are the same."""

    def of_rules(last: JournalEntry | None) -> Receipt | None:
        before = in_force(last)
        if last is not None and before.rules == rules.digest:
            return None
        at, editions = clock.now(), before.editions
        force = switched(before, Turn.PROGRAM, rules=rules.digest, editions=editions, by=PROGRAM, why="", at=at)
        return receipt_of(force, before.entry)

    def of_site(last: JournalEntry | None) -> Receipt | None:
        if last is not None and site_in_force(last) == site.digest:
            return None
        return site_receipt_of(site.digest, clock.now(), "" if last is None else last.id)

    store.note(CHANNEL, JournalKind.RULES.value, of_rules)
    store.note(CHANNEL, JournalKind.SITE.value, of_site)


def switch(
    store: SqlStore,
    clock: Clock,
    turn: Turn,
    rules: str,
    change: Callable[[tuple[str, ...]], Iterable[str]],
    *,
    by: str,
    why: str,
) -> InForce | None:
    """Journal that other editions are in force: `change` gives them from those that were. None: they are the same.

    The rules stay what the journal says; `rules` is their digest where it says none yet.
    """

    def make(last: JournalEntry | None) -> Receipt | None:
        before = in_force(last)
        then, known = change(before.editions), before.rules or rules
        after = switched(before, turn, rules=known, editions=then, by=by, why=why, at=clock.now())
        return receipt_of(after, before.entry) if after.about else None

    noted = store.note(CHANNEL, JournalKind.RULES.value, make)
    return None if noted is None else in_force(noted)


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
