"""What is charged for a unit of a code: by the site file's prices, or by a loaded table of fees; and its revenue code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from adapters.model.site import Price, Site
from adapters.model.tables import Tables


class PriceList:
    """The prices of the site file, asked by code, modifier, entity and date of service; see `fee` for a loaded table."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._rows: dict[str, list[Price]] = defaultdict(list)
        self._fitting: dict[tuple[str, tuple[str, ...], str], list[tuple[date, date, Decimal | None]]] = {}
        """From and to which day what is charged, by code, modifiers and entity, the best row first: a course asks the
        same of each of its dates."""
        for price in prices:
            self._rows[price.code].append(price)

    def on(self, code: str, modifiers: Sequence[str], entity: str, day: date) -> Decimal | None:
        """Charge per unit in force; the row that names modifier and entity before the one that holds for any.

        None: no price, and a price of 0.00 is none.
        """
        key = (code, tuple(modifiers), entity)
        rows = self._fitting.get(key)
        if rows is None:
            fit = [
                p
                for p in self._rows.get(code, ())
                if (not p.modifier or p.modifier in modifiers) and p.entity in ("", entity)
            ]
            fit.sort(key=lambda p: (p.modifier != "", p.entity != "", p.start), reverse=True)
            rows = [(p.start, p.end or date.max, p.amount if p.amount > 0 else None) for p in fit]
            self._fitting[key] = rows
        for start, end, amount in rows:
            if start <= day <= end:
                return amount
        return None


def fee(tables: Tables, code: str, modifiers: Sequence[str], entity: str, day: date, payer: str) -> Decimal | None:
    """Charge per unit by the loaded fee table, or None where no row fits; a fee of 0.00 is none.

    Of several rows that fit, the one counts that names the payer, then the entity, then more of the modifiers, then the
    one that began last, then the higher amount.
    """
    fitting = [
        row
        for row in tables.fees(code, day)
        if row.amount > 0
        and row.payer in ("", payer)
        and row.entity in ("", entity)
        and set(row.modifiers) <= set(modifiers)
    ]
    best = max(
        fitting,
        key=lambda row: (row.payer != "", row.entity != "", len(row.modifiers), row.start, row.amount),
        default=None,
    )
    return None if best is None else best.amount


def revenue_of(site: Site, code: str, service: str) -> str:
    """The revenue code that the site file gives a code, or its service family; empty where it gives none."""
    return site.revenue.get(code) or site.revenue.get(service, "")
