"""What other rules, another site file or another fee table would change: what `oncoclaims rehearse` says, on a page.

GET /rules/rehearse has the form, POST begins a look over the whole store; /rules/rehearse/NAME shows what was found. What
is pasted is kept in memory, here alone, and only to be tried again: no file, log line or address has any of it.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.errors import BadSetup
from adapters.model.draft import Draft, DraftFile
from adapters.model.site import Site
from adapters.model.tables import TableKind
from adapters.model.user import LONGEST, Role
from adapters.pages.admission import Asked, Doors, back
from adapters.pages.aside import part_of, upto
from adapters.pages.lists import address, chosen
from adapters.pages.looking import KEPT, Looks, Seen
from adapters.pages.rehearse_view import COLUMNS, Line, Rehearsed, cells, group_name, looked_over
from adapters.pages.sheet import csv_answer, message, page
from adapters.pages.wired import PageWired
from adapters.pipeline import House
from adapters.rules import Ruleset
from adapters.rules.tables import HEADERS

LARGEST: Final = 1024 * 1024
"""Bytes of the form: texts that are half as long in characters come in it as a browser writes them."""
MOST_FILES: Final = 12
_PLACE: Final = "/rules/rehearse"
_ASKS: Final = ("group", "sent")
_AGAIN: Final = "Looked again."
_STILL: Final = "It is looked at again. Until that is done this page shows what was found before."
_PATIENCE: Final = 10.0
"""Seconds that one draft waits until others are read."""
_NO_FILE: Final = "No file of the mappings in force bears this name."
_GONE: Final = (
    "What is rehearsed is kept in memory for a while only: the last six of all, until the service ends.",
    "Paste it again.",
)


@dataclass(frozen=True, slots=True)
class Tried:
    """A draft that can be used, and who pasted it when."""

    name: str
    """In an address: nothing can be told from it."""
    draft: Draft
    rules: Ruleset = field(repr=False)
    site: Site = field(repr=False)
    by: str
    at: datetime

    @property
    def says(self) -> str:
        """What it consists of."""
        files = [file.name for file in self.draft.files]
        files += ["site file"] if self.draft.site else []
        files += ["fee table"] if self.draft.fees else []
        return ", ".join(files) or "the rules of the program alone"


class Shelf:
    """Drafts that were tried, the last ones. Safe to use from many threads."""

    def __init__(self, key: bytes) -> None:
        """`key` is what names are made with; nobody can guess it."""
        self._key = key
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Tried] = OrderedDict()

    def put(self, draft: Draft, made: tuple[Ruleset, Site], by: str, at: datetime) -> Tried:
        """Keep a draft; the same draft has the same name."""
        rules, site = made
        digest = hashlib.sha256(f"{rules.digest}|{site.digest}|{draft.instead}".encode()).digest()
        name = hmac.digest(self._key, digest, "sha256").hex()[:32]
        tried = Tried(name, draft, rules, site, by, at)
        with self._lock:
            self._kept[name] = tried
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return tried

    def all(self, now: datetime) -> Sequence[Tried]:
        """What is kept, the last one first; what is older than the longest session is kept no more."""
        with self._lock:
            for name in [name for name, one in self._kept.items() if now >= one.at + LONGEST]:
                del self._kept[name]
            return tuple(reversed(self._kept.values()))

    def one(self, name: str, now: datetime) -> Tried | None:
        """The draft of this name; None where it is not kept."""
        return next((one for one in self.all(now) if one.name == name), None)


def rehearse_routes(doors: Doors) -> None:
    """The pages of rehearsals: they tell of everybody's money, and are a supervisor's."""
    room = _Rehearse(doors.wired, Shelf(doors.random_token().encode()))
    doors.get(_PLACE, room.form, Role.SUPERVISOR)
    doors.post(_PLACE, room.begin, Role.SUPERVISOR, once=False, largest=LARGEST)
    doors.get(f"{_PLACE}/{{name}}/lines.csv", room.file, Role.SUPERVISOR)
    doors.get(f"{_PLACE}/{{name}}", room.shown, Role.SUPERVISOR)
    doors.post(f"{_PLACE}/{{name}}", room.again, Role.SUPERVISOR, once=False)


@dataclass(frozen=True, slots=True)
class _Rehearse:
    wired: PageWired
    shelf: Shelf
    looks: Looks[Rehearsed] = field(default_factory=Looks)
    reading: threading.Lock = field(default_factory=threading.Lock)

    def form(self, asked: Asked) -> Response:
        """The form: empty, with a file of the mappings in force to begin with, or with what was tried before."""
        draft, file = Draft(), asked.query.get("file", "")
        if asked.query.get("again"):
            tried = self.shelf.one(asked.query["again"], asked.now)
            if tried is None:
                return _gone(asked)
            draft = tried.draft
        elif file:
            found = self.wired.mapping_text(file)
            if found is None:
                return message("No such file", (_NO_FILE,), 404, asked=asked)
            draft = Draft((DraftFile(*found),))
        return self._form(asked, draft)

    def begin(self, asked: Asked) -> Response:
        """Read what was pasted, tell all that is wrong with it, or look what it would change."""
        draft = draft_of(asked.form)
        if asked.form.get("do") == "more":
            return self._form(asked, draft, more=1)
        if asked.form.get("do") == "take":
            found = self.wired.mapping_text(asked.form.get("file", "").strip())
            files = (*draft.files, DraftFile(*found)) if found else draft.files
            return self._form(asked, replace(draft, files=files[:MOST_FILES]), () if found else (_NO_FILE,))
        if draft.says_nothing:
            return self._form(
                asked, draft, ("Nothing is pasted: give a file of mappings, a site file or a fee table.",)
            )
        if not self.reading.acquire(timeout=_PATIENCE):
            return self._form(asked, draft, ("Others are being read. Try again in a moment.",))
        try:
            made = self.wired.drafted(draft)
        except BadSetup as wrong:
            return self._form(asked, draft, wrong.problems)
        finally:
            self.reading.release()
        tried = self.shelf.put(draft, made, asked.visitor.name, asked.now)
        self._seen(asked, tried)
        return back(asked, f"{_PLACE}/{tried.name}", "It can be used as it stands. Nothing of it is in force.")

    def shown(self, asked: Asked) -> Response:
        """What would change: the sums, what is alike, and line by line."""
        tried = self.shelf.one(asked.path["name"], asked.now)
        if tried is None:
            return _gone(asked)
        seen, so_far = self._seen(asked, tried)
        if seen is None:
            return page("waiting.html", 202, asked=asked, title="Rehearsal", so_far=so_far)
        here, house = f"{_PLACE}/{tried.name}", self.wired.house
        filters, zone = chosen(asked.query, *_ASKS), ZoneInfo(house.site.zone)
        found = _narrowed(seen.found, filters)
        part, more = part_of(found, asked.query.get("after", ""))
        return page(
            "rehearsal.html",
            asked=asked,
            tried=tried,
            outcome=seen.found.outcome,
            failed=seen.found.failed,
            groups=[(group_name(group.key), group) for group in seen.found.outcome.groups],
            rows=part,
            all_rows=len(found),
            left_out=seen.found.outcome.lines - len(seen.found.lines),
            filters=filters,
            here_path=here,
            more=address(here, filters, after=str(more)) if more else "",
            begun=bool(asked.query.get("after")),
            file=address(f"{here}/lines.csv", filters),
            since=upto(self.wired.store) - seen.upto,
            at=seen.at.astimezone(zone),
            pasted=tried.at.astimezone(zone),
            rules=(house.rules.digest, tried.rules.digest),
            sites=(house.site.digest, tried.site.digest),
        )

    def file(self, asked: Asked) -> Response:
        """The same lines as a file."""
        tried = self.shelf.one(asked.path["name"], asked.now)
        if tried is None:
            return _gone(asked)
        seen, so_far = self._seen(asked, tried)
        if seen is None:
            return page("waiting.html", 202, asked=asked, title="Rehearsal", so_far=so_far)
        return csv_answer("rehearsal.csv", COLUMNS, map(cells, _narrowed(seen.found, chosen(asked.query, *_ASKS))))

    def again(self, asked: Asked) -> Response:
        """Look again."""
        tried = self.shelf.one(asked.path["name"], asked.now)
        if tried is None:
            return _gone(asked)
        seen, _ = self._seen(asked, tried, anew=True)
        return back(asked, f"{_PLACE}/{tried.name}", _AGAIN if seen else _STILL)

    def _seen(self, asked: Asked, tried: Tried, *, anew: bool = False) -> tuple[Seen[Rehearsed] | None, int]:
        now, store = self.wired.house, self.wired.store

        def make(count: Callable[[], None]) -> Rehearsed:
            return looked_over(store, now, House.of(tried.rules, tried.site, now.tables), asked.now, count)

        # Other tables in force, or other rules: what was found under those before is none of it.
        key = (tried.name, now.rules.digest, now.site.digest, now.tables.digest)
        return self.looks.seen(key, make, at=asked.now, upto=upto(store), anew=anew)

    def _form(self, asked: Asked, draft: Draft, problems: Sequence[str] = (), more: int = 0) -> Response:
        house = self.wired.house
        slots = min(MOST_FILES, max(1, len(draft.files) + more))
        empty = [DraftFile("", "")] * (slots - len(draft.files))
        return page(
            "rehearse.html",
            422 if problems else 200,
            asked=asked,
            draft=draft,
            files=[*draft.files, *empty],
            room_for_more=slots < MOST_FILES,
            problems=problems,
            fees_loaded=house.tables.edition(TableKind.FEES, asked.now.date()) is not None,
            known=sorted({*HEADERS, *(rule.file for rule in house.rules.rules)}),
            tried=self.shelf.all(asked.now),
            zone=ZoneInfo(house.site.zone),
        )


def draft_of(form: Mapping[str, str]) -> Draft:
    """What a form says. A browser ends lines as the net does; here they end as in a file."""
    files = []
    for n in range(1, MOST_FILES + 1):
        name, text = form.get(f"name{n}", "").strip(), _text(form.get(f"text{n}", ""))
        if name or text:
            files.append(DraftFile(name, text))
    site, fees = _text(form.get("site", "")), _text(form.get("fees", ""))
    return Draft(tuple(files), form.get("instead") == "yes", site, fees)


def _text(said: str) -> str:
    said = said.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    if not said.strip():
        return ""
    return said if said.endswith("\n") else f"{said}\n"


def _narrowed(found: Rehearsed, filters: Mapping[str, str]) -> Sequence[Line]:
    return [
        line for line in found.lines if filters["group"] in ("", line.group) and (line.sent or filters["sent"] != "yes")
    ]


def _gone(asked: Asked) -> Response:
    return message("This rehearsal is not here any more", _GONE, 404, asked=asked)
