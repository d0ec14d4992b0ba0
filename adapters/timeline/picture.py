"""The picture of a visit as SVG: whole in itself, with no script, no style sheet and nothing from elsewhere.

Every service is told by shade, by pattern and by words; what is held is hatched, what is assumed is dashed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Final

from adapters.model.visit import Stretch, VisitCode, VisitRow, VisitSite, VisitView, whole_minutes
from adapters.timeline.words import (
    HYDRATION,
    ROLES,
    TIMED,
    Hours,
    codes_said,
    heading,
    hours_of,
    sentence,
    service_of,
    site_said,
    times_said,
    told,
)

_WIDTH: Final = 1120
_LEFT: Final = 250
"""Where the hours begin; names stand before."""
_RIGHT: Final = 1096
_ROW: Final = 50
_BAR: Final = 18
_INK, _QUIET, _RULE, _SHEET = "#1d2429", "#4f585e", "#d5d2c8", "#ffffff"
SHADES: Final = {
    "initial": "#23466b",
    "additional": "#7b9cbd",
    "sequential": "#4f8a76",
    "concurrent": "#d9c27a",
    "subsequent": "#1d2429",
    "same-drug": "#8a5a8c",
    HYDRATION: "#e4eef5",
}
"""Fills; their lightness differs too, so that they can be told in grey."""
_FONT: Final = "system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"
_HALO: Final = f'stroke="{_SHEET}" stroke-width="3" stroke-linejoin="round" paint-order="stroke"'
"""Keeps the marks of the hours from running through words."""
_WIDE: Final = 6.4
"""About how wide a letter of 11 pixels is."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """From an instant to a place on the paper."""

    hours: Hours

    def x(self, at: datetime) -> float:
        """Pixels from the left."""
        return _LEFT + self.hours.part(at) * (_RIGHT - _LEFT)


def svg(view: VisitView) -> str:
    """The picture as one SVG element; its title and description say the same in words."""
    scale = _Scale(hours_of(view))
    body: list[str] = []
    y = 56.0
    for site in view.sites:
        y = _draw_site(body, site, scale, y)
    if view.beside:
        body.append(_text(14, y + 16, "Beside the access sites", size=13, weight=600))
        y += 26
        for row in view.beside:
            y = _draw_row(body, row, scale, y)
        y += 8
    hours = _hours(scale, y)
    height = _legend(body, view, y + 12)
    name = heading(view)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" '
        f'height="{height:.0f}" role="img" aria-labelledby="visit-title visit-desc" font-family="{escape(_FONT)}" '
        f'font-size="11" fill="{_INK}">'
    )
    start = [
        head,
        f'<title id="visit-title">{escape(name)}</title>',
        f'<desc id="visit-desc">{escape(told(view))}</desc>',
        _patterns(),
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="{_SHEET}"/>',
        _text(14, 24, name, size=15, weight=600),
    ]
    return "\n".join([*start, *hours, *body, "</svg>"]) + "\n"


def _patterns() -> str:
    """Held: hatched. Hydration: dots. Concurrent: lines along. The pattern lies over the shade."""
    return (
        "<defs>"
        '<pattern id="held" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="7" height="7" fill="{_SHEET}"/><rect width="3" height="7" fill="{_INK}"/></pattern>'
        '<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<circle cx="2" cy="2" r="1.1" fill="{SHADES["initial"]}"/></pattern>'
        '<pattern id="along" width="6" height="5" patternUnits="userSpaceOnUse">'
        f'<rect width="6" height="1.4" y="2" fill="{_INK}" fill-opacity=".55"/></pattern>'
        '<pattern id="across" width="9" height="6" patternUnits="userSpaceOnUse">'
        f'<rect width="1.4" height="6" fill="{_SHEET}"/></pattern>'
        "</defs>"
    )


def _hours(scale: _Scale, bottom: float) -> list[str]:
    """The marks of the hours, and where another day begins."""
    found: list[str] = []
    at, before = scale.hours.first, scale.hours.first.astimezone(scale.hours.zone).date()
    while scale.x(at) <= _RIGHT + 0.5:
        x, local = scale.x(at), at.astimezone(scale.hours.zone)
        turned = local.date() != before
        before = local.date()
        ink = _INK if turned else _RULE
        found.append(f'<path d="M{x:.1f} 50V{bottom:.1f}" stroke="{ink}" stroke-width="1"/>')
        found.append(_text(x, 46, f"{local:%H:%M}", anchor="middle", ink=_QUIET))
        if turned:
            found.append(_text(x + 3, 34, f"{local.day} {local:%b}", weight=600))
        at += timedelta(minutes=scale.hours.step)
    return found


def _draw_site(body: list[str], site: VisitSite, scale: _Scale, y: float) -> float:
    body.append(_text(14, y + 16, site_said(site), size=13, weight=600))
    y += 26
    for row in site.rows:
        y = _draw_row(body, row, scale, y)
    y = _draw_minutes(body, site, scale, y)
    return y + 12


def _draw_row(body: list[str], row: VisitRow, scale: _Scale, y: float) -> float:
    """One row: name and times before, what ran as bars, what it is billed as below them."""
    body.append(f'<path d="M14 {y:.1f}H{_RIGHT}" stroke="{_RULE}"/>')
    body.append(f"<g><title>{escape(sentence(row, scale.hours))}</title>")
    body.append(_text(14, y + 17, _cut(row.name, 30), size=12, weight=600))
    body.append(_text(14, y + 32, _cut(times_said(row, scale.hours), 40), ink=_QUIET))
    top = y + 6
    if row.spans:
        body.extend(_ran(row, scale, top))
    elif not row.stretches and row.kind in TIMED:
        body.append(_open(scale.x(row.at), top))
    elif not row.stretches:
        held = bool(row.held) or any(code.held for code in row.codes)
        body.append(_point(scale.x(row.at), top, "url(#held)" if held else _SHEET))
    for stretch in row.stretches:
        body.extend(_stretch(row, stretch, scale, top))
    first = scale.x(row.at)
    labels = [
        (scale.x(one.spans[0][0]), f"{service_of(row, one)} {codes_said(one.codes)}".strip()) for one in row.stretches
    ]
    if row.codes:
        labels.append((first, codes_said(row.codes)))
    if row.held or row.idle:
        labels.append((first, f"waits: {row.held}" if row.held else row.idle))
    extra = 0
    for line, x, words in _laid(labels):
        body.append(_text(x, top + _BAR + 13 + 13 * line, words))
        extra = max(extra, line)
    body.append("</g>")
    return y + _ROW + 13 * extra


def _laid(labels: Sequence[tuple[float, str]]) -> Iterator[tuple[int, float, str]]:
    """(line, x, words) of labels that do not run over one another or over the edge."""
    taken: list[list[tuple[float, float]]] = []
    for at, words in labels:
        wide = len(words) * _WIDE
        x = max(_LEFT, min(at, _RIGHT - wide))
        free = (n for n, on in enumerate(taken) if all(x + wide + 10 <= low or high + 10 <= x for low, high in on))
        line = next(free, len(taken))
        if line == len(taken):
            taken.append([])
        taken[line].append((x, x + wide))
        yield line, x, _cut(words, int((_RIGHT - x) / _WIDE) + 2)


def _ran(row: VisitRow, scale: _Scale, top: float) -> Iterator[str]:
    """What ran: an outline, with a thin line through the pauses. What is billed by it is laid over."""
    dashed = ' stroke-dasharray="4 3"' if row.assumed else ""
    if len(row.spans) > 1:
        low, high = scale.x(row.spans[0][0]), scale.x(row.spans[-1][1])
        middle = top + _BAR / 2
        yield f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}" stroke="{_QUIET}" stroke-dasharray="1 3"/>'
    fill = "url(#held)" if row.held else _SHEET
    for start, end in row.spans:
        x, wide = scale.x(start), max(1.5, scale.x(end) - scale.x(start))
        yield f'<rect x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{_BAR}" fill="{fill}" stroke="{_INK}"{dashed}/>'


def _stretch(row: VisitRow, stretch: Stretch, scale: _Scale, top: float) -> Iterator[str]:
    dashed = ' stroke-dasharray="4 3"' if row.assumed else ""
    shade, pale = _shade(row, stretch), ' fill-opacity=".4"' if row.assumed else ""
    for start, end in stretch.spans:
        x, wide = scale.x(start), scale.x(end) - scale.x(start)
        if start == end:
            yield _point(x, top, "url(#held)" if stretch.held else shade, dashed=row.assumed)
            continue
        box = f'x="{x:.1f}" y="{top:.1f}" width="{max(1.5, wide):.1f}" height="{_BAR}"'
        for fill in ("url(#held)",) if stretch.held else (shade, *_pattern(row, stretch)):
            yield f'<rect {box} fill="{fill}" stroke="{_INK}"{pale}{dashed}/>'
    if stretch.role == "additional" and not stretch.held:
        for at in stretch.begun[1:]:
            x = scale.x(at)
            yield f'<path d="M{x:.1f} {top:.1f}v{_BAR}" stroke="{_INK}"/>'


def _shade(row: VisitRow, stretch: Stretch) -> str:
    return SHADES[HYDRATION] if row.kind == HYDRATION else SHADES.get(stretch.role, _QUIET)


def _pattern(row: VisitRow, stretch: Stretch) -> tuple[str, ...]:
    if row.kind == HYDRATION:
        return ("url(#dots)",)
    return {"concurrent": ("url(#along)",), "sequential": ("url(#across)",)}.get(stretch.role, ())


def _point(x: float, top: float, fill: str, *, dashed: bool = False) -> str:
    """A push or what has no minutes: a lozenge at its instant."""
    half, dash = _BAR / 2, ' stroke-dasharray="3 2"' if dashed else ""
    path = f"M{x:.1f} {top:.1f}l{half - 2:.1f} {half:.1f}l-{half - 2:.1f} {half:.1f}l-{half - 2:.1f} -{half:.1f}z"
    return f'<path d="{path}" fill="{fill}" stroke="{_INK}"{dash}/>'


def _open(x: float, top: float) -> str:
    """A bag of which nothing says when it ended: hatched, and open to the right."""
    path = f"M{x + 30:.1f} {top:.1f}H{x:.1f}v{_BAR}h30"
    return f'<path d="{path}" fill="url(#held)" stroke="{_INK}" stroke-dasharray="4 3"/>'


def _draw_minutes(body: list[str], site: VisitSite, scale: _Scale, y: float) -> float:
    """All billed minutes of the site in one band: none is in two services."""
    counted = [(row, one) for row in site.rows for one in row.stretches if one.counted]
    if not counted:
        return y
    total = whole_minutes(tuple(span for _, one in counted for span in one.spans))
    body.append(f'<path d="M14 {y:.1f}H{_RIGHT}" stroke="{_RULE}"/>')
    body.append(f"<g><title>{total} billed minutes, each of one service</title>")
    body.append(_text(14, y + 17, f"{total} billed minutes", ink=_QUIET))
    for row, one in counted:
        for start, end in one.spans:
            x, wide = scale.x(start), max(1.0, scale.x(end) - scale.x(start))
            fills = ("url(#held)",) if one.held else (_shade(row, one), *_pattern(row, one))
            body.extend(
                f'<rect x="{x:.1f}" y="{y + 9:.1f}" width="{wide:.1f}" height="9" fill="{fill}" stroke="{_SHEET}"/>'
                for fill in fills
            )
    body.append("</g>")
    return y + 28


def _legend(body: list[str], view: VisitView, y: float) -> float:
    """The shades that occur, with their words; where the picture ends."""
    used = [(row, one) for row in view.rows for one in row.stretches if not one.held]
    order = [*ROLES, HYDRATION]
    named = {HYDRATION if row.kind == HYDRATION else one.role: (row, one) for row, one in used}
    roles: dict[str, tuple[str, ...]] = {
        ROLES.get(role, role): (_shade(row, one), *_pattern(row, one))
        for role, (row, one) in sorted(named.items(), key=lambda item: order.index(item[0]))
    }
    if any(row.held or any(code.held for code in _all_codes(row)) for row in view.rows):
        roles["held"] = ("url(#held)",)
    x = 14.0
    body.append(f'<path d="M14 {y - 8:.1f}H{_RIGHT}" stroke="{_RULE}"/>')
    items: list[tuple[str, tuple[str, ...], str]] = [(words, fills, "") for words, fills in roles.items()]
    if any(row.spans and row.stretches for row in view.rows):
        items.append(("ran, not counted", (_SHEET,), ""))
    if any(row.assumed for row in view.rows):
        items.append(("assumed time", (_SHEET,), ' stroke-dasharray="4 3"'))
    for words, fills, dash in items:
        wide = 26 + len(words) * _WIDE + 16
        if x + wide > _RIGHT:
            x, y = 14.0, y + 20
        box = f'x="{x:.1f}" y="{y:.1f}" width="20" height="11"'
        body.extend(f'<rect {box} fill="{fill}" stroke="{_INK}"{dash}/>' for fill in fills)
        body.append(_text(x + 26, y + 10, words, ink=_QUIET))
        x += wide
    return y + 24


def _all_codes(row: VisitRow) -> Iterator[VisitCode]:
    yield from row.codes
    for one in row.stretches:
        yield from one.codes


def _text(
    x: float, y: float, words: str, *, size: int = 11, weight: int = 400, ink: str = _INK, anchor: str = "start"
) -> str:
    look = f'font-size="{size}" font-weight="{weight}" fill="{ink}" text-anchor="{anchor}" {_HALO}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(words)}</text>'


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"
