"""What needs a person, as values: the work list filtered, ordered, page by page, with what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from heapq import nsmallest
from operator import itemgetter
from typing import Final

from adapters.model.lists import PAGE, WorkListed
from adapters.model.money import Cents
from adapters.model.work import WorkItem

SOON: Final = timedelta(days=7)
"""What is due within so many days comes before everything that can wait."""
NOBODY: Final = "nobody"
"""The filter for items that are nobody's; no user has this name."""
ORDERS: Final = {
    "urgent": "what is due within a week, then the most money",
    "money": "the most money first",
    "due": "the earliest deadline first",
    "age": "the oldest first",
}
DUES: Final = {"overdue": "overdue", "week": "within a week", "dated": "with a deadline", "none": "without a deadline"}
_MOST: Final = 10**15


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items are asked for; an empty word asks for any."""

    kind: str = ""
    assigned: str = ""
    payer: str = ""
    due: str = ""
    order: str = "urgent"
    after: str = ""
    """The key of the last item of the page before; by it a page goes on, whatever was closed in between."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """What an address asks for; words that say nothing here are passed over."""
        order, due = query.get("order", ""), query.get("due", "")
        return cls(
            kind=query.get("kind", ""),
            assigned=query.get("assigned", ""),
            payer=query.get("payer", ""),
            due=due if due in DUES else "",
            order=order if order in ORDERS else "urgent",
            after=query.get("after", ""),
        )

    @property
    def narrows(self) -> bool:
        """Whether items are left out: an order alone leaves out none."""
        return bool(self.kind or self.assigned or self.payer or self.due)

    @property
    def query(self) -> dict[str, str]:
        """Filters and order as words of an address, without the place in the list."""
        said = {"kind": self.kind, "assigned": self.assigned, "payer": self.payer, "due": self.due}
        said["order"] = "" if self.order == "urgent" else self.order
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of work: how much of it there is."""

    kind: str
    count: int
    amount: Cents
    overdue: int


@dataclass(frozen=True, slots=True)
class TodayView:
    """A page of the work list."""

    items: tuple[WorkListed, ...]
    after: str
    """The key to go on after; empty at the end."""
    count: int
    """Items that fit the filters, on all pages."""
    amount: Cents
    overdue: int
    groups: tuple[Group, ...]
    """All kinds of open work, whatever the filters say; the most money first."""
    assignees: tuple[str, ...]
    payers: tuple[str, ...]


def today_view(items: Iterable[WorkListed], wanted: Wanted, today: date, limit: int = PAGE) -> TodayView:
    """The page that is asked for. `today` is the site's."""
    everything = tuple(items)
    fitting = [one for one in everything if _fits(one, wanted, today)] if wanted.narrows else everything
    key = _keys(wanted.order, today)
    keyed: Iterable[tuple[str, WorkListed]] = ((key(one.item), one) for one in fitting)
    if wanted.after:
        keyed = (pair for pair in keyed if pair[0] > wanted.after)
    # The first of the rest and one more: all of them need not be put in order.
    rest = nsmallest(limit + 1, keyed, key=_first)
    shown = rest[:limit]
    return TodayView(
        items=tuple(one for _, one in shown),
        after=shown[-1][0] if len(rest) > limit else "",
        count=len(fitting),
        amount=sum([one.item.amount for one in fitting]),
        overdue=sum([1 for one in fitting if one.item.due is not None and one.item.due < today]),
        groups=_groups(everything, today),
        assignees=tuple(sorted({one.item.assigned for one in everything if one.item.assigned})),
        payers=tuple(sorted({one.payer for one in everything if one.payer})),
    )


def _fits(one: WorkListed, wanted: Wanted, today: date) -> bool:
    item = one.item
    if wanted.kind and item.kind != wanted.kind:
        return False
    if wanted.assigned and (item.assigned or NOBODY) != wanted.assigned:
        return False
    if wanted.payer and one.payer != wanted.payer:
        return False
    match wanted.due:
        case "overdue":
            return _overdue(one, today)
        case "week":
            return item.due is not None and item.due <= today + SOON
        case "dated":
            return item.due is not None
        case "none":
            return item.due is None
        case _:
            return True


def _overdue(one: WorkListed, today: date) -> bool:
    return one.item.due is not None and one.item.due < today


_first: Final[Callable[[tuple[str, WorkListed]], str]] = itemgetter(0)


def _keys(order: str, today: date) -> Callable[[WorkItem], str]:
    """What makes the text of an item by which items sort in an order; no two are the same."""
    soon = (today + SOON).isoformat()

    def money(item: WorkItem) -> str:
        return f"{_MOST - abs(item.amount):016d}~{_due(item)}~{_age(item)}~{item.id}"

    def due(item: WorkItem) -> str:
        return f"{_due(item)}~{_MOST - abs(item.amount):016d}~{_age(item)}~{item.id}"

    def age(item: WorkItem) -> str:
        return f"{_age(item)}~{_MOST - abs(item.amount):016d}~{item.id}"

    def urgent(item: WorkItem) -> str:
        return f"0~{due(item)}" if item.due and item.due.isoformat() <= soon else f"1~{money(item)}"

    return {"money": money, "due": due, "age": age}.get(order, urgent)


def _due(item: WorkItem) -> str:
    return item.due.isoformat() if item.due else "9999-12-31"


def _age(item: WorkItem) -> str:
    return f"{item.opened.timestamp():017.6f}"


def _groups(items: Iterable[WorkListed], today: date) -> tuple[Group, ...]:
    found: dict[str, list[int]] = {}
    for one in items:
        item = one.item
        sums = found.setdefault(item.kind, [0, 0, 0])
        sums[0] += 1
        sums[1] += item.amount
        sums[2] += item.due is not None and item.due < today
    groups = (Group(kind, *sums) for kind, sums in found.items())
    return tuple(sorted(groups, key=lambda group: (-group.amount, group.kind)))
