"""What payers answered about a member: in force on a day or not, as the last answer before the day of service says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from adapters.model.coverage import Coverage, Eligibility
from adapters.model.event import Event, Status
from adapters.model.site import Site


def eligibilities(context: Iterable[Event], site: Site) -> tuple[Eligibility, ...]:
    """The answers on file, by payer, member and day; of two about the same day the one said last holds.

    An answer that names no payer is about nothing, and one without a day about no day: neither is an answer here.
    """
    found: dict[tuple[str, str, str], tuple[tuple[object, ...], Eligibility]] = {}
    for event in context:
        if event.kind != "eligibility" or event.status is not Status.DONE:
            continue
        named = event.value("payer") or event.value("payer.name")
        day, active = event.value("from"), event.flag("active")
        if not named or not day or active is None:
            continue
        payer = site.payer(event.value("payer")) or site.payer(event.value("payer.name"))
        said = Eligibility(
            payer=payer.id if payer else named,
            member=event.value("member"),
            day=date.fromisoformat(day),
            active=active,
            source_message=event.source.message,
        )
        key = (said.payer, said.member, day)
        rank = (event.said, event.source.message, event.id)
        if key not in found or found[key][0] < rank:
            found[key] = (rank, said)
    return tuple(said for _, (_, said) in sorted(found.items()))


def answered(answers: Sequence[Eligibility], coverage: Coverage, day: date) -> Eligibility | None:
    """The answer that counts for a coverage on a day of service: of those about days up to it, the latest.

    An answer about a later day says nothing of an earlier one: who was disenrolled on the 10th was insured on the 6th
    (medical-oncology-and-revenue-cycle.md 7 E3, D). Nor does one about a day before the coverage began: that who enrolled
    anew on the 5th was not insured on the 2nd. Of one day the answer that names the member goes before one about all.
    """
    since = coverage.start or date.min
    about = [answer for answer in answers if since <= answer.day <= day and answer.concerns(coverage)]
    return max(about, key=lambda answer: (answer.day, answer.member != ""), default=None)
