"""What a person says of one line, on the page that explains it: that it is not billed, that it is billed otherwise, that a
fact which it rests on is another. By the reader of `enter`, in two steps.

POST /explain/{name}/drop, /bill (a supervisor), /fact; the form stands on /explain/{name}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.model.decision import Saying
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors
from adapters.pages.explain_pages import Explaining
from adapters.pages.explain_read import line_id
from adapters.pages.line_read import LineSaid, line_said
from adapters.pages.proposing import Proposal, two_steps
from adapters.pages.typed import Said, entered, whole
from adapters.pages.wired import PageWired

_GONE = "the form: the line is not on file any more"


def line_routes(doors: Doors) -> None:
    """What is said of a line."""
    room = _Saying(doors.wired)
    again = Explaining(doors.wired).again
    two_steps(doors, "/explain/{name}/drop", room.drop, again, Role.BILLER)
    two_steps(doors, "/explain/{name}/fact", room.fact, again, Role.BILLER)
    two_steps(doors, "/explain/{name}/bill", room.bill, again, Role.SUPERVISOR)


@dataclass(frozen=True, slots=True)
class _Saying:
    wired: PageWired

    def drop(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """The line is not billed."""
        return self._said(asked, "do-not-bill", _dropped, "Do not bill this line", "Do not bill it", "Not billed.")

    def bill(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """The line is billed under another code, with other modifiers or units."""
        return self._said(asked, "bill", _billed, "Bill this line otherwise", "Bill it so", "Billed so.")

    def fact(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """A fact is another than was reported."""
        return self._said(asked, "fact", _fact, "Correct a fact", "Correct it", "Corrected.")

    def _said(
        self,
        asked: Asked,
        table: str,
        said: Callable[[Asked, LineSaid], Said | str],
        title: str,
        button: str,
        done: str,
    ) -> Proposal | tuple[str, ...]:
        record = Explaining(self.wired).record(asked)
        line = line_said(record, line_id(record, asked.path["name"])) if record else None
        if record is None or line is None:
            return (_GONE,)
        one = said(asked, line)
        if isinstance(one, str):
            return (one,)
        found = entered(self.wired, record.person, table, one)
        if isinstance(found, tuple):
            return found
        return Proposal(
            title=title,
            button=button,
            says=found.says,
            person=found.person,
            done=done,
            onward=f"/persons/{record.person}",  # the line itself may be gone under its name
            about=tuple(_about(line, found.says)),
        )


def _dropped(_asked: Asked, line: LineSaid) -> Said | str:
    return {"line": line.id}


def _billed(asked: Asked, line: LineSaid) -> Said | str:
    said: dict[str, str | int | list[str]] = {"line": line.id}
    if code := asked.form.get("code", "").strip().upper():
        said["code"] = code
    if modifiers := asked.form.get("modifiers", "").replace(",", " ").upper().split():
        said["modifiers"] = modifiers
    if units := asked.form.get("units", "").strip():
        said["units"] = whole(units)
    return said


def _fact(asked: Asked, line: LineSaid) -> Said | str:
    values = [text for one in asked.form.get("value", "").splitlines() if (text := one.strip())]
    said: dict[str, str | list[str]] = {"name": asked.form.get("fact", "").strip()}
    if values:
        said["value"] = values[0] if len(values) == 1 else values
    kind, _, of = asked.form.get("of", "").partition(":")
    plans = dict(line.plans)
    if kind == "event" and of in {one.id for one in line.events}:
        return {**said, "event": of}
    if kind == "course" and of in line.courses:
        return {**said, "course": of}
    if kind == "plan" and of in plans:
        return {**said, "plan": of, **({"course": plans[of]} if plans[of] else {})}
    return "of: say of what it is a fact"


def _about(line: LineSaid, says: tuple[Saying, ...]) -> list[tuple[str, str]]:
    """What is decided, as it was and as it will be."""
    (first, *_) = says
    before, after = first.value("before"), first.value("after")
    if first.verb.value != "fact":
        return [("Line now", before), ("Then", after)]
    values = ", ".join(one.value("fact.value") for one in says)
    of = first.value("about.plan") and f"every session of plan {first.value('about.plan')} that says nothing of it"
    of = of or (
        first.value("about.course") and f"every session of course {first.value('about.course')} that says nothing"
    )
    event = next((one.event for one in line.events if one.id == first.value("about.event")), None)
    told = f"{event.kind} of {event.day.isoformat()}" if event else of
    return [
        ("Fact", first.value("fact.name")),
        ("Of", told),
        *([("Before", before)] if before else []),
        ("Then", values),
    ]
