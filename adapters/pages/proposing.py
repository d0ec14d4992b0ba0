"""What is decided in two steps: the first shows what would become of lines, claims, money and work, the second does it.

Both steps read the same form. What was typed travels in its body from step to step; the second does nothing when what
would become of it is not what was shown.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.errors import NotOfSite
from adapters.model.decision import Decision, Saying
from adapters.model.people import PersonHint
from adapters.model.record import SubmissionNews, Tick
from adapters.model.user import Role
from adapters.pages.acting import decide, supervises
from adapters.pages.admission import Asked, Doors, back
from adapters.pages.claim_read import STATES
from adapters.pages.sheet import page
from adapters.pipeline import settling
from adapters.pipeline.foreseeing import Foreseen, foreseen
from adapters.ports import Receipt

_OF_THE_FORM: Final = frozenset({"csrf", "once", "seen", "step"})
CHANGED: Final = "Nothing was done: it has changed since you looked. What would become of it now stands below."
BUSY: Final = "Others look at what would come of something just now. Try again in a moment."
AT_ONCE: Final = 4
"""Looks ahead that are made at once: one at a long record keeps a processor for seconds, which what comes in needs too."""
_PATIENCE: Final = 2.0
"""Seconds that a further one waits for its turn."""
_TURNS: Final = threading.BoundedSemaphore(AT_ONCE)
LATER: Final = "It is in the journal; the lanes have not taken it yet and will."


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody wants to decide."""

    title: str
    button: str
    says: tuple[Saying, ...]
    person: PersonHint
    done: str
    """What is told when it is done; no PHI."""
    onward: str
    """The page on which its result is to be seen."""
    about: tuple[tuple[str, str], ...] = ()
    """What is decided, by name and words."""
    warning: str = ""
    """What cannot be undone by withdrawing it."""
    for_good: bool = False
    """To withdraw it brings nothing back."""
    also: tuple[Receipt, ...] = ()
    """What is journalled after the decision."""
    news: SubmissionNews | None = None
    """What that says of a claim."""
    elsewhere: Callable[[], str] = lambda: ""
    """Asked right before it is written: why it is somebody else's to do; empty where it is not."""
    after: Callable[[], None] = lambda: None
    """What is done when both are written and the decision can be read."""
    unless: Callable[[], str] = lambda: ""
    """Asked when it was taken: what is told in place of `done`, where it is on file and was not carried out."""


Proposing = Callable[[Asked], "Proposal | tuple[str, ...]"]
"""What the form says, or all that is wrong with it."""
Form = Callable[[Asked, tuple[str, ...], int], Response]
"""The page of the form as it was filled in, with what is wrong with it, under this status."""


def two_steps(doors: Doors, path: str, propose: Proposing, form: Form, needs: Role) -> None:
    """Have the forms of this address lead to what would become of it, and those of `{path}/do` do it."""
    steps = _Steps(doors, path, propose, form, needs)
    doors.post(path, steps.look, needs, once=False)
    doors.post(f"{path}/do", steps.do, needs)


@dataclass(frozen=True, slots=True)
class _Steps:
    doors: Doors
    path: str
    propose: Proposing
    form: Form
    needs: Role

    def look(self, asked: Asked) -> Response:
        """What would become of it; or the form again, for what is wrong or shall be changed."""
        if asked.form.get("step") == "change":
            return self.form(asked, (), 200)
        proposal = self._proposed(asked)
        if isinstance(proposal, tuple):
            return self.form(asked, proposal, 422)
        return self._shown(asked, proposal)

    def do(self, asked: Asked) -> Response:
        """Decide it, where what would become of it is what was shown."""
        proposal = self._proposed(asked)
        if isinstance(proposal, tuple):
            return self.form(asked, proposal, 409)
        decision = self._decision(asked, proposal)
        ahead = self._ahead(asked, decision, proposal.news)
        if isinstance(ahead, str):
            return self.form(asked, (ahead,), 409)
        if asked.form.get("seen", "") != _mark(proposal, ahead):
            return self._shown(asked, proposal, CHANGED, 409)
        if elsewhere := proposal.elsewhere():
            return self.form(asked, (elsewhere,), 409)
        done = decide(self.doors, decision, also=proposal.also)
        if done.problem:
            return self.form(asked, (f"Nothing was done: the decision is parked ({done.problem}).",), 409)
        proposal.after()
        words = f"{(done.taken and proposal.unless()) or proposal.done} Decision {done.entry}."
        return back(asked, proposal.onward, words if done.taken else f"{words} {LATER}")

    def _proposed(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """What the form says, or everything that is wrong with it, its reason too."""
        proposal = self.propose(asked)
        problem = settling.reason_problem(asked.form.get("why", "").strip())
        wrong = (f"why: the reason has {problem}",) if problem else ()
        if isinstance(proposal, tuple):
            return (*proposal, *wrong)
        if not wrong and not asked.visitor.may(settling.needed(proposal.says)):
            return (f"this needs a {settling.needed(proposal.says)}",)
        return wrong or proposal

    def _shown(self, asked: Asked, proposal: Proposal, refused: str = "", status: int = 200) -> Response:
        ahead = self._ahead(asked, self._decision(asked, proposal), proposal.news)
        if isinstance(ahead, str):
            return self.form(asked, (ahead,), 409)
        site = self.doors.wired.house.site
        return page(
            "foreseen.html",
            status,
            asked=asked,
            proposal=proposal,
            ahead=ahead,
            refused=refused,
            fields=_typed(asked.form),
            why=asked.form.get("why", "").strip(),
            path=_filled(self.path, asked.path),
            seen=_mark(proposal, ahead),
            states=STATES,
            entities={entity.id: entity.name for facility in site.facilities for entity in facility.entities},
        )

    def _decision(self, asked: Asked, proposal: Proposal) -> Decision:
        why = asked.form.get("why", "").strip()
        return Decision(asked.visitor.name, why, asked.now, proposal.says, proposal.person, supervises(asked))

    def _ahead(self, asked: Asked, decision: Decision, news: SubmissionNews | None) -> Foreseen | str:
        """What would become of it; or why that cannot be said, and so not be done."""
        wired = self.doors.wired
        today = asked.now.astimezone(ZoneInfo(wired.house.site.zone)).date()
        if not _TURNS.acquire(timeout=_PATIENCE):
            return BUSY
        try:
            return foreseen(wired.store, decision, wired.house, Tick(asked.now, today), news)
        except NotOfSite as lacking:
            return f"the site file: {lacking}; put it back, for nothing is derived of this patient before"
        finally:
            _TURNS.release()


def _typed(form: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What was typed, as it travels on in the next form."""
    return tuple((name, value) for name, value in form.items() if name not in _OF_THE_FORM)


def _filled(path: str, names: Mapping[str, str]) -> str:
    """The address of a route with the names that it was asked by."""
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _mark(proposal: Proposal, ahead: Foreseen) -> str:
    """A mark of what was shown: what is decided, upon how things stood, and all that would become of it."""
    shown = repr((proposal.says, proposal.person, ahead.mark))
    return hashlib.sha256(shown.encode()).hexdigest()[:32]
