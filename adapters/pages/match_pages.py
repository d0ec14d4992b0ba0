"""An answer of a payer that is nobody's is matched to its claim: GET and POST /work/{id}/match, as `match` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.model.decision import Decision
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.lists import ClaimListed, ClaimsAsked
from adapters.model.money import text
from adapters.model.people import PersonHint
from adapters.model.record import SubmissionNews
from adapters.model.user import Role
from adapters.model.work import WorkItem
from adapters.pages.acting import decide, supervises
from adapters.pages.admission import Asked, Doors, digest
from adapters.pages.claim_read import claim_row, patient_of, state_words
from adapters.pages.names import is_plain
from adapters.pages.proposing import Proposal, two_steps
from adapters.pages.sheet import message, page
from adapters.pages.typed import said_of
from adapters.pipeline import settling
from adapters.pipeline.accounts import AWAITING
from adapters.pipeline.matching import Fit, Matched, closing_of, fits, matched
from adapters.pipeline.misfits import about_answer
from adapters.pipeline.remitting import letter_receipt, said_by

LOOKED_AT: Final = 1000
"""Claims that are looked at whether an answer fits them."""
MOST: Final = 10
"""Claims that are offered."""
_AT_IT: Final = timedelta(minutes=1)
_ELSEWHERE: Final = "somebody has just said whose it is: look at the item again in an hour, if it is still open"
_NONE = "the form: no answer of a payer waits under this item"


def match_routes(doors: Doors) -> None:
    """The page on which an answer is matched."""
    room = _Matching(doors)
    doors.get("/work/{id}/match", room.form, Role.BILLER)
    two_steps(doors, "/work/{id}/match", room.proposed, room.again, Role.BILLER)


@dataclass(frozen=True, slots=True)
class _Matching:
    doors: Doors

    def form(self, asked: Asked) -> Response:
        """The answer, and the form that says whose it is."""
        return self._shown(asked, {}, (), 200)

    def again(self, asked: Asked, problems: tuple[str, ...], status: int) -> Response:
        """The same as it was filled in, with what is wrong with it."""
        return self._shown(asked, asked.form, problems, status)

    def proposed(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """The answer is this claim's."""
        waits = self._waiting(asked.path["id"])
        if waits is None:
            return (_NONE,)
        item, entry = waits
        typed = asked.form.get("claim", "").strip() or asked.form.get("fits", "")
        claim, by = typed.lower(), asked.visitor.name
        if not is_plain(claim):
            return ("claim: it is named by our whole number of it",)
        found = matched(self.doors.wired.store, entry, item, claim, by)
        if isinstance(found, tuple):
            return found
        of = found.on_file
        asked.looked.append(claim)
        letter = letter_receipt(found.letter, entry, asked.now, f"person:{by}")
        news = said_by(found.letter, entry.id)
        return Proposal(
            title="Match an answer to its claim",
            button="It is this claim's",
            says=found.says,
            person=PersonHint(lane=found.lane),
            done="Matched.",
            onward=f"/claims/{claim}",
            about=(
                ("Claim", claim),
                ("Patient", patient_of(of.claim)),
                ("Payer", of.claim.payer.name),
                ("Billed", f"${text(of.claim.total)}, {state_words(of)}"),
                ("The answer pays", f"${text(found.paid)}"),
            ),
            warning="What is posted stays posted, whatever becomes of this decision: a payer's own reversal takes it back.",
            for_good=True,
            also=(letter,),
            news=news if isinstance(news, SubmissionNews) else None,
            elsewhere=lambda: self._elsewhere(asked, entry),
            after=lambda: self._settle(asked, entry, item, found),
        )

    def _elsewhere(self, asked: Asked, entry: JournalEntry) -> str:
        """Two who look at the same answer post it once: until its item is closed the page waits for the lanes."""
        first = self.doors.wired.store.first_use(digest(f"match|{entry.id}"), asked.now + _AT_IT, asked.now)
        return "" if first else _ELSEWHERE

    def _settle(self, asked: Asked, entry: JournalEntry, item: WorkItem, found: Matched) -> None:
        """What waited is settled: the entry is not parked any more, and the item of another person is closed."""
        by, why = asked.visitor.name, asked.form.get("why", "").strip()
        self.doors.wired.store.settle_parked(entry.id, by, why)
        if closed := closing_of(found, item):
            decide(self.doors, Decision(by, why, asked.now, closed, PersonHint(lane=item.person), supervises(asked)))

    def _waiting(self, id: str) -> tuple[WorkItem, JournalEntry] | None:
        """The open item of an answer with the answer's entry; None where there is no such item."""
        store = self.doors.wired.store
        item = store.work_item(id) if is_plain(id) else None
        about = about_answer(item) if item is not None and item.closed is None else ""
        entry = store.entry(about) if is_plain(about) else None
        return None if item is None or entry is None or entry.kind is not JournalKind.ANSWER else (item, entry)

    def _fitting(self, entry: JournalEntry, by: str) -> tuple[list[tuple[ClaimListed, Fit]], bool]:
        """Claims that wait for an answer and that this one fits by its sums, those first whose patient it names, then
        those that were built first; and whether more wait than were looked at."""
        waiting = self.doors.wired.store.claims_page(ClaimsAsked(AWAITING, limit=LOOKED_AT))
        fit = fits(entry, by)
        found = [(one, how) for one in waiting.things if (how := fit(one.on_file))]
        return sorted(found, key=lambda pair: -pair[1])[:MOST], bool(waiting.after)

    def _shown(self, asked: Asked, typed: Mapping[str, str], problems: tuple[str, ...], status: int) -> Response:
        waits = self._waiting(asked.path["id"])
        if waits is None:
            return message("No such answer", ("No answer of a payer waits under this address.",), 404, asked=asked)
        item, entry = waits
        found, more = self._fitting(entry, asked.visitor.name)
        today = asked.now.astimezone(ZoneInfo(self.doors.wired.house.site.zone)).date()
        return page(
            "match.html",
            status,
            asked=asked,
            item=item,
            entry=entry.id,
            claims=[claim_row(one, today) for one, _ in found],
            named={one.on_file.claim.id for one, how in found if how is Fit.PATIENT},
            beyond=LOOKED_AT if more else 0,
            typed=typed,
            problems=problems,
            wrong=said_of(problems),
            longest=settling.LONGEST,
        )
