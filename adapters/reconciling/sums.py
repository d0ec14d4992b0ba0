"""Rows of many persons put together: the report, its groups, and how long stages take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from statistics import median
from typing import Final

from adapters.model.ledger import Money
from adapters.model.reconciliation import (
    STAGES,
    By,
    Detection,
    Group,
    Lag,
    Mark,
    Reconciliation,
    Row,
    RowMoney,
    Stage,
    Standing,
)
from adapters.reconciling.rows import Lagging, Share

_NOBODY: Final = "-"


def gathered(shares: Iterable[Share], start: date, end: date, looked: date) -> Reconciliation:
    """The report over all persons, in order of day, clinic, machine and person."""
    rows: list[Row] = []
    detections: list[Detection] = []
    steps: list[Lagging] = []
    elsewhere = Money()
    for share in shares:
        rows += share.rows
        detections += share.detections
        steps += share.lags
        elsewhere += share.elsewhere
    rows.sort(key=lambda row: (row.day, row.clinic, row.machine, row.person, row.kind, row.id))
    detections.sort(key=lambda one: (one.day, one.clinic, one.person, one.detector, one.side, one.about))
    return Reconciliation(
        start,
        end,
        looked,
        tuple(rows),
        tuple(detections),
        lags(steps),
        sum((row.money for row in rows), RowMoney()),
        elsewhere,
    )


def key_of(row: Row, by: By) -> str:
    """What a row is added up under."""
    match by:
        case By.MACHINE:
            return row.machine or _NOBODY
        case By.CLINIC:
            return row.clinic or _NOBODY
        case By.DAY:
            return row.day.isoformat()
        case By.COURSE:
            return row.episode or _NOBODY


def grouped(rows: Iterable[Row], by: By) -> tuple[Group, ...]:
    """The rows added up by machine, clinic, day or course, in order of the keys."""
    members: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        members[key_of(row, by)].append(row)
    return tuple(_group(key, ones) for key, ones in sorted(members.items()))


def _group(key: str, rows: Sequence[Row]) -> Group:
    reached: list[tuple[Stage, int, int]] = []
    for i, stage in enumerate(STAGES):
        marks = [row.stages[i].mark for row in rows]
        reached.append((stage, marks.count(Mark.YES), marks.count(Mark.NO)))
    open_ = [difference for row in rows for difference in row.open]
    return Group(
        key,
        len(rows),
        tuple(reached),
        len(open_),
        sum(difference.standing is Standing.NEW for difference in open_),
        sum(difference.amount for difference in open_),
        sum((row.money for row in rows), RowMoney()),
    )


def lags(steps: Iterable[Lagging]) -> tuple[Lag, ...]:
    """Median and worst number of days between two stages, by clinic; a clinic where neither was reached has none."""
    days: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for one in steps:
        pairs = (
            ("service-charge", one.service, one.charged),
            ("charge-claim", one.charged, one.claimed),
            ("claim-paid", one.claimed, one.paid),
            ("service-paid", one.service, one.paid),
        )
        for step, first, then in pairs:
            if first is not None and then is not None:
                days[one.clinic, step].append(((then - first).days, one.row))
    order = ("service-charge", "charge-claim", "claim-paid", "service-paid")
    found: list[Lag] = []
    for (clinic, step), spans in sorted(days.items(), key=lambda item: (item[0][0], order.index(item[0][1]))):
        worst, row = max(spans)
        found.append(Lag(clinic, step, len(spans), float(median(n for n, _ in spans)), worst, row))
    return tuple(found)
