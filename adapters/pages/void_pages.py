"""A claim is cancelled at its payer, from its page, as `void` does it: POST /claims/{id}/void, in two steps."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.model.money import text
from adapters.model.people import PersonHint
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors
from adapters.pages.claim_pages import Claims
from adapters.pages.proposing import Proposal, two_steps
from adapters.pages.wired import PageWired
from adapters.pipeline.cancelling import REASONS, cancelling


def void_routes(doors: Doors) -> None:
    """What cancels a claim."""
    room = _Cancelling(doors.wired)
    two_steps(doors, "/claims/{id}/void", room.proposed, Claims(doors.wired).again, Role.SUPERVISOR)


@dataclass(frozen=True, slots=True)
class _Cancelling:
    wired: PageWired

    def proposed(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """The claim is cancelled for one of the reasons that a payer is told."""
        id, reason = asked.path["id"], asked.form.get("reason", "")
        lane = self.wired.store.person_of_claim(id)
        if not lane:
            return ("the form: no claim on file bears this address",)
        if reason not in REASONS:
            return ("reason: say why it is cancelled",)
        record = self.wired.store.load(lane)
        one = cancelling(record, id, reason)
        on_file = record.claim(id)
        if isinstance(one, str) or on_file is None:
            return (str(one),)
        claim = on_file.claim
        return Proposal(
            title="Cancel a claim at its payer",
            button="Cancel it",
            says=(one,),
            person=PersonHint(lane=record.person),
            done="To be cancelled: the cancel goes out as any claim does.",
            onward=f"/claims/{id}",
            about=(
                ("Claim", id),
                ("Payer", f"{claim.payer.name}, its number {on_file.payer_claim_number}"),
                ("Amount", f"${text(claim.total)}, lines: {len(claim.lines)}, from {claim.lines[0].start.isoformat()}"),
                ("Now", one.value("before")),
                ("Then", one.value("after")),
            ),
            warning="Its lines are not billed again, and what was paid is to be given back. Once the payer has the cancel, "
            "withdrawing this brings nothing back there.",
        )
