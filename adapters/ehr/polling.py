"""A round of asking one EHR: what its notifications name, then what changed since the last round, type by type.

What is fetched goes the way of every message: into the journal, then to the lanes. The mark of a type moves on only after
the resources of a page are on disk, so a round that is broken off goes on where it stopped, and what comes twice is known.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from adapters.ehr import notes
from adapters.ehr.around import Unfetched, around, body_of, deletion_of, local_name
from adapters.ehr.client import EhrClient, within
from adapters.ehr.notes import EhrStore, Mark, News
from adapters.ehr.pages import Page, name_of, read_page, updated, version_of
from adapters.fhir import wire
from adapters.fhir.bundle import VALID_ID
from adapters.fhir.notification import read_notice
from adapters.fhir.problem import Refused
from adapters.fhir.wire import JsonObject
from adapters.model.ehr import Ehr
from adapters.pipeline.receive import FHIR_TYPES, receive_fhir
from adapters.ports import Received

KNOWN: Final = 20_000
"""Versions that a process remembers of an EHR, so that the overlap of two rounds asks for nothing again."""
AT_HAND: Final = 2_000
"""Resources that a round keeps, because the next ones will name the same."""
_ABSENT: Final = frozenset({403, 404, 410})
"""It is not there, or not for us. Not 401: a token that ran out within the round says nothing of what is named."""
_GONE: Final = frozenset({"status-400", "status-404", "status-410"})
_UNSORTABLE: Final = frozenset({400, 422, 501})
_PATIENT: Final = frozenset({"no-answer", "status-429", "status-503", "status-401", "not-asked"})
"""After these the other types of the round are not asked for: the EHR as a whole does not answer."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something could not be asked for to its end."""

    kind: str
    """Type of resource; `notifications` where it was one of these."""
    code: str
    """`no-answer`, `status-NNN`, `too-large`, `not-a-page`, `foreign-link`, `same-page-again`, `cut-short` (it
    has more than it shows, and no link to it), `not-asked`."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What a round brought."""

    feed: str
    taken: int
    """New entries of the journal."""
    repeated: int
    """What the journal had already."""
    pages: int
    troubles: tuple[Trouble, ...] = ()
    walked: bool = False
    """Whether all that changed was asked for, not only what notifications name."""
    deleted: tuple[str, ...] = ()
    """Journal entries that say that something was deleted, known ones among them."""
    more: bool = False
    """The limit of pages was reached: the next round goes on at once."""


class Remembered:
    """What a process knows of one EHR beside the journal: which versions it has taken. Losing it costs time only."""

    def __init__(self, most: int = KNOWN) -> None:
        self._versions: OrderedDict[str, str] = OrderedDict()
        self._most = most

    def has(self, resource: JsonObject) -> bool:
        """Whether this version was taken."""
        version = version_of(resource)
        return bool(version) and self._versions.get(name_of(resource)) == version

    def add(self, resource: JsonObject) -> None:
        """This version is in the journal."""
        self._versions[name_of(resource)] = version_of(resource)
        self._versions.move_to_end(name_of(resource))
        while len(self._versions) > self._most:
            self._versions.popitem(last=False)


@dataclass(slots=True)
class _Round:
    """One round under way."""

    ehr: Ehr
    client: EhrClient
    store: EhrStore
    now: Callable[[], datetime]
    remembered: Remembered
    stop: threading.Event
    resources: OrderedDict[str, JsonObject | None] = field(default_factory=OrderedDict)
    """What was read in this round, by `Type/id`; None where the EHR has none."""
    taken: int = 0
    repeated: int = 0
    pages: int = 0
    troubles: list[Trouble] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    more: bool = False

    def find(self, name: str) -> JsonObject | None:
        """A resource of the EHR's; None where it has none, or will not show it. Raises `Unfetched`."""
        if name in self.resources:
            self.resources.move_to_end(name)
            return self.resources[name]
        answer = self.client.get(self.ehr, self.ehr.under(name))
        if answer.failure or (answer.problem and answer.status not in _ABSENT):
            raise Unfetched(answer.problem)
        found = None if answer.problem else _resource(answer.body, name)
        self._keep(name, found)
        return found

    def _keep(self, name: str, resource: JsonObject | None) -> None:
        self.resources[name] = resource
        self.resources.move_to_end(name)
        while len(self.resources) > AT_HAND:
            self.resources.popitem(last=False)

    def journal(self, resources: Iterable[JsonObject], deleted: Iterable[JsonObject] = ()) -> None:
        """Put resources with what stands around them, and deletions, into the journal; returns when they are on disk.

        Raises `Unfetched` where what they name cannot be read now, `StoreDown`.
        """
        fresh = [resource for resource in resources if not self.remembered.has(resource)]
        bodies = [body_of(r, around(r, self.ehr.base_url, self.find), self.ehr.base_url) for r in fresh]
        gone = [deletion_of(entry) for entry in deleted]
        done = [future.result() for future in self._sent([*bodies, *gone])]
        for received in done:
            self.taken += not received.repeated
            self.repeated += received.repeated
        self.deleted += [received.entry for received in done[len(bodies) :]]
        for resource in reversed(fresh):
            self.remembered.add(resource)

    def _sent(self, bodies: Iterable[bytes]) -> list[Future[Received]]:
        intakes = [
            receive_fhir(body, feed=self.ehr.feed, path_type="", method="POST", now=self.now()) for body in bodies
        ]
        return [self.store.receive_soon(intake.receipt) for intake in intakes if intake.receipt is not None]

    # ------------------------------------------------------------ notifications

    def follow(self) -> bool:
        """Follow what the EHR told of; whether that asks for a whole round as well."""
        full = False
        for news in list(notes.unfollowed(self.store, self.ehr.feed, self.now())):
            try:
                self._follow(news)
            except Unfetched as failed:
                self.troubles.append(Trouble("notifications", str(failed)))
                return full
            notes.followed(self.store, self.ehr.feed, news, self.now())
            full |= news.full
        return full

    def _follow(self, news: News) -> None:
        notice = read_notice(news.body)
        held = () if isinstance(notice, Refused) else notice.content
        deleted = () if isinstance(notice, Refused) else notice.deleted
        named = [local_name(reference, self.ehr.base_url) for reference in news.named]
        if news.method == "DELETE":
            self.journal((), [{"request": {"method": "DELETE", "url": name}} for name in named if name])
            return
        own = [one for one in held if _named(one)]
        for one in own:
            self._keep(name_of(one), one)
        there = {name_of(one) for one in own}
        for name in (name for name in dict.fromkeys(named) if name and name not in there):
            # Named and not sent: it is read as it is now, which is what it became since.
            self.resources.pop(name, None)
            if (found := self.find(name)) is not None:
                own.append(found)
        self.journal([one for one in own if one["resourceType"] in FHIR_TYPES], deleted)

    # ------------------------------------------------------------ what changed

    def walk(self, kind: str) -> None:
        """Ask for what changed of one type, page by page, from the mark on."""
        mark = notes.mark_of(self.store, self.ehr.feed, kind)
        asked = self.now()
        start = self._start(kind, self._edge(mark))
        url = within(self.ehr.base_url, mark.next) or start
        if url == start:
            mark = notes.restarted(mark, asked)
        # What changes while a walk goes on, over several rounds maybe, may have been behind it by then.
        began = min(asked, mark.began or asked)
        seen: set[str] = set()
        for _ in range(self.ehr.pages):
            if self.stop.is_set():
                return
            page, code = self._page(url, kind)
            if page is None and url != start and not seen and code in _GONE:
                # The page that an earlier round would have gone on with is not there any more.
                mark, url, began = notes.restarted(mark, asked), start, asked
                page, code = self._page(url, kind)
            if page is None:
                self.troubles.append(Trouble(kind, code))
                return
            seen.add(url)
            if not self._took(kind, page):
                return
            mark = _moved(mark, page)
            mark = replace(mark, got=mark.got + len(page.matches))
            if not page.next and not _cut_short(page, mark.got, self.ehr.by):
                # What has no time of its own changed before it was asked for.
                self._put(kind, Mark(_later(mark.since, mark.high or (asked if page.matches else None), began)))
                return
            if page.next:
                url, code = within(self.ehr.base_url, page.next), "foreign-link"
            else:
                # It shows no way on: the rest is what changed from the newest on that it showed.
                url, code = self._start(kind, mark.high) if mark.rising and mark.high else "", "cut-short"
                mark = replace(mark, got=0)
            if not url or url in seen:
                self.troubles.append(Trouble(kind, code if not page.next or not url else "same-page-again"))
                self._put(kind, replace(mark, next=""))
                return
            since = _later(mark.since, mark.high if mark.rising else None, began)
            self._put(kind, replace(mark, since=since, next=url))
        self.more = True

    def _took(self, kind: str, page: Page) -> bool:
        """Put a page into the journal; False where something that it names cannot be read now."""
        # A history tells the newest version first: that one stands for the thing.
        for resource in reversed((*page.matches, *page.beside)):
            self._keep(name_of(resource), resource)
        try:
            self.journal(page.matches, page.deleted)
        except Unfetched as failed:
            self.troubles.append(Trouble(kind, str(failed)))
            return False
        return True

    def _put(self, kind: str, mark: Mark) -> None:
        notes.put_mark(self.store, self.ehr.feed, kind, mark, self.now())

    def _edge(self, mark: Mark) -> datetime | None:
        """From where on a walk asks; None for everything."""
        return mark.since - timedelta(seconds=self.ehr.overlap_seconds) if mark.since else self.ehr.since

    def _start(self, kind: str, since: datetime | None) -> str:
        told = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if since else ""
        count = {"_count": str(self.ehr.page_size)}
        if self.ehr.by == "history":
            return self.ehr.under(f"{kind}/_history?{urlencode(({'_since': told} if told else {}) | count)}")
        asked = {"_lastUpdated": f"ge{told}"} if told else {}
        return self.ehr.under(f"{kind}?{urlencode(asked | {'_sort': '_lastUpdated'} | count)}")

    def _page(self, url: str, kind: str) -> tuple[Page | None, str]:
        answer = self.client.get(self.ehr, url)
        unsorted = url.replace("_sort=_lastUpdated&", "")
        if answer.status in _UNSORTABLE and unsorted != url:
            # It cannot sort; the mark then moves at the end of a walk only.
            answer = self.client.get(self.ehr, unsorted)
        if answer.problem:
            return None, answer.problem
        self.pages += 1
        page = read_page(answer.body, kind)
        return page, "" if page else "not-a-page"


def poll(
    ehr: Ehr,
    client: EhrClient,
    store: EhrStore,
    now: Callable[[], datetime],
    *,
    remembered: Remembered | None = None,
    stop: threading.Event | None = None,
    changed: bool = True,
) -> Polled:
    """One round of one EHR: what it told of, and where `changed` (or what it told of asks for it) what changed.

    Raises `StoreDown`, and `BadSetup` where the EHR's token cannot be read. Nothing else of an EHR raises: what went wrong
    stands in the answer.
    """
    round_ = _Round(ehr, client, store, now, remembered or Remembered(), stop or threading.Event())
    walked = round_.follow() or changed
    if walked:
        for kind in ehr.types:
            round_.walk(kind)
            if round_.stop.is_set() or any(trouble.code in _PATIENT for trouble in round_.troubles):
                break
    return Polled(
        ehr.feed,
        round_.taken,
        round_.repeated,
        round_.pages,
        tuple(round_.troubles),
        walked,
        tuple(round_.deleted),
        round_.more,
    )


def _resource(body: bytes, name: str) -> JsonObject | None:
    """The resource of that name in a body; None where it is another thing."""
    read = wire.resource(body)
    return None if isinstance(read, Refused) or not _named(read) or name_of(read) != name else read


def _named(resource: JsonObject) -> bool:
    id = resource.get("id")
    return isinstance(id, str) and VALID_ID.fullmatch(id) is not None


def _cut_short(page: Page, got: int, by: str) -> bool:
    """Whether the EHR has more than it showed, and shows no way to it."""
    return by == "search" and page.total is not None and page.total > got and bool(page.matches)


def _moved(mark: Mark, page: Page) -> Mark:
    """The mark with the newest of this page, and whether the pages still come in rising order of change."""
    times = [updated(resource) for resource in page.matches]
    told = [at for at in times if at is not None]
    rising = mark.rising and len(told) == len(times)
    if not told:
        return replace(mark, rising=rising)
    rising = rising and told == sorted(told) and (mark.high is None or told[0] >= mark.high)
    return replace(mark, high=max([*told, *([mark.high] if mark.high else [])]), rising=rising)


def _later(since: datetime | None, high: datetime | None, began: datetime) -> datetime | None:
    """The later of the two; never after the walk began, or an EHR's wrong clock would hide what comes next."""
    both = [at for at in (since, min(high, began) if high else None) if at is not None]
    return max(both, default=None)
