"""What needs a person, as values: the work list filtered, ordered, page by page, with what it comes to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from adapters.model.lists import PAGE, WorkListed
from adapters.model.money import Cents

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
    def query(self) -> dict[str, str]:
        """The filters as words of an address, without the place in the list."""
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
    fitting = [one for one in everything if _fits(one, wanted, today)]
    keyed = sorted(((_key(one, wanted.order, today), one) for one in fitting), key=lambda pair: pair[0])
    rest = [pair for pair in keyed if pair[0] > wanted.after] if wanted.after else keyed
    shown = rest[:limit]
    return TodayView(
        items=tuple(one for _, one in shown),
        after=shown[-1][0] if len(rest) > limit else "",
        count=len(fitting),
        amount=sum(one.item.amount for one in fitting),
        overdue=sum(1 for one in fitting if _overdue(one, today)),
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


def _key(one: WorkListed, order: str, today: date) -> str:
    """A text by which items sort in an order; no two are the same."""
    item = one.item
    money = f"{_MOST - abs(item.amount):016d}"
    due = item.due.isoformat() if item.due else "9999-12-31"
    age = f"{item.opened.timestamp():017.6f}"
    match order:
        case "money":
            return f"{money}~{due}~{age}~{item.id}"
        case "due":
            return f"{due}~{money}~{age}~{item.id}"
        case "age":
            return f"{age}~{money}~{item.id}"
        case _:
            soon = item.due is not None and item.due <= today + SOON
            return f"0~{due}~{money}~{age}~{item.id}" if soon else f"1~{money}~{due}~{age}~{item.id}"


def _groups(items: Iterable[WorkListed], today: date) -> tuple[Group, ...]:
    counts: Counter[str] = Counter()
    overdue: Counter[str] = Counter()
    amounts: dict[str, Cents] = defaultdict(int)
    for one in items:
        counts[one.item.kind] += 1
        amounts[one.item.kind] += one.item.amount
        overdue[one.item.kind] += _overdue(one, today)
    groups = (Group(kind, count, amounts[kind], overdue[kind]) for kind, count in counts.items())
    return tuple(sorted(groups, key=lambda group: (-group.amount, group.kind)))
