"""The patient's statement as a page: what the text says, in the same words, as HTML that reads well and prints well.

`article` is a piece of a page and bears classes only; `page` is a whole document that needs nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from adapters.letters.statement import (
    ASK_US,
    DONE,
    GLADLY,
    REDUCED,
    STILL_WITH,
    WHY_YOURS,
    Row,
    Statement,
    greeting,
    opening,
)
from adapters.model import money

_STYLE: Final = (
    "body{font:1rem/1.5 Georgia,serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}"
    "table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:bold;padding:.3rem 0}"
    "th,td{padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top;border-bottom:1px solid #ddd}"
    ".amount{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
    ".due{font-size:1.2rem;font-weight:bold}.note td{border-bottom:1px solid #ddd;font-style:italic}"
    "@media print{body{margin:0}}"
)


def page(found: Statement) -> str:
    """The statement as a whole document, to be opened or printed."""
    title = f"Statement of {found.on.isoformat()}"
    head = f'<meta charset="utf-8"><title>{title}</title><meta name="viewport" content="width=device-width">'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>{article(found)}</body></html>\n'


def article(found: Statement) -> str:
    """The statement as an `article` element, with no style and no script of its own."""
    return f'<article class="statement">\n{chr(10).join(_parts(found))}\n</article>'


def _parts(found: Statement) -> Iterable[str]:
    yield f'<p class="sender">{escape(found.sender)}</p>'
    yield f'<h1>Statement of <time datetime="{found.on.isoformat()}">{found.on.isoformat()}</time></h1>'
    yield f"<p>{escape(greeting(found))}</p>"
    yield f"<p>{escape(opening(found))}</p>"
    if found.rows:
        yield from _table(found.rows)
    if any(row.reduced for row in found.rows):
        yield f"<p>{escape(REDUCED)}</p>"
    if found.reasons and found.due is not None:
        yield f"<h2>{WHY_YOURS}</h2>"
        yield "<ul>"
        yield from (f"<li>{escape(words)}: {_dollars(amount)}</li>" for words, amount in found.reasons)
        yield "</ul>"
    if found.paid:
        yield f"<p>You have paid {_dollars(found.paid)} already. Thank you.</p>"
    if found.due is not None:
        yield f'<p class="due">To pay now: {_dollars(found.due)}</p>'
    if found.waiting:
        yield f"<h2>{STILL_WITH}</h2>"
        yield "<ul>"
        for day, total in found.waiting:
            yield f"<li>services from {day.isoformat()}, {_dollars(total)} charged</li>"
        yield "</ul>"
    yield f'<p class="help">{ASK_US} <strong>{escape(found.contact)}</strong>. {GLADLY}</p>'


def _table(rows: Iterable[Row]) -> Iterable[str]:
    yield f'<table class="services"><caption>{DONE}</caption>'
    amounts = "".join(
        f'<th scope="col" class="amount">{name}</th>' for name in ("charged", "insurance", "reduced", "yours")
    )
    yield f'<thead><tr><th scope="col">day</th><th scope="col">what was done</th>{amounts}</tr></thead>'
    yield "<tbody>"
    for row in rows:
        figures = "".join(
            f'<td class="amount">{money.text(amount)}</td>'
            for amount in (row.charged, row.insurance, row.reduced, row.yours)
        )
        yield f"<tr><td>{row.day.isoformat()}</td><td>{escape(row.words)}</td>{figures}</tr>"
        if row.refused > 0:
            yield (
                f'<tr class="note"><td></td><td colspan="5">your insurance has refused {_dollars(row.refused)} of this; '
                "we look into it, and you owe nothing for it now</td></tr>"
            )
    yield "</tbody></table>"


def _dollars(amount: money.Cents) -> str:
    return f"${money.text(amount)}"
