"""Events of a radiation-oncology case as HL7 v2 messages of the example dialect `example-dft-zseg`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Case, Happening
from adapters.cases.document import LINE, items, text, texts, tree, words
from adapters.cases.feed import member_of
from adapters.cases.place import ZONE

_PLACE: Final = ZoneInfo(ZONE)

ACTIVITIES: Final[Mapping[str, str]] = {
    "fraction": "RTTX",
    "sbrt-fraction": "RTSBRT",
    "srs-session": "RTSRS",
    "hdr-fraction": "RTHDR",
    "surface-fraction": "RTSURF",
    "iort-session": "RTIORT",
    "proton-fraction": "RTPROT",
    "neutron-fraction": "RTNEUT",
    "planning": "RTPLN",
    "simulation": "RTSIM",
    "motion-simulation": "RTMSIM",
    "imrt-plan": "RTIMRT",
    "3d-plan": "RT3D",
    "isodose-plan": "RTISO",
    "brachy-plan": "RTBPLN",
    "special-port-plan": "RTPORT",
    "surface-planning": "RTSPLN",
    "brachy-application": "RTBRACHY",
    "source-handling": "RTSRC",
    "hyperthermia": "RTHEAT",
    "dosimetry-calc": "RTCALC",
    "special-dosimetry": "RTDOSE",
    "device": "RTDEV",
    "physics-consult": "RTPCON",
    "physics-check": "RTPHY",
    "special-procedure": "RTSPEC",
    "port-image": "RTIMG",
    "igrt-review": "RTREV",
    "on-treatment-visit": "RTOTV",
    "consult": "RTCONS",
    "follow-up": "RTFUP",
    "course-end": "RTEND",
}
"""Kind of a case's event → FT1-7."""

PLACES: Final[Mapping[str, str]] = {
    "phase": "3",
    "plan": "4",
    "n": "5",
    "technique": "7",
    "isocenters": "8",
    "guidance": "10",
    "planned_fractions": "12",
    "complexity": "13",
    "device_type": "14",
    "beam": "15",
    "imrt_complexity": "16",
    "proton_level": "17",
    "platform": "18",
    "lesion": "19.1",
    "target": "19.2",
    "lesions": "19.3",
    "kv": "20",
    "channels": "21",
    "tumour": "22",
    "reason": "23",
    "record_closed": "24",
    "em_code": "26.1",
    "separately_identifiable": "26.2",
    "new_patient": "26.3",
    "images": "28",
    "approach": "29",
    "heating": "30",
}
"""Field of an event → its place in ZRT."""
_WORDS: Final = {"imrt-mlc": "mlc", "beam-aperture": "block", "true": "Y", "false": "N"}
"""Values that this sender writes otherwise."""

BESIDE: Final = words(
    "id at kind course by about count motion_management guidance_reviewed_at request report part continues status amends "
    "deliver_order source message_id resource_id session_uid code modifiers units"
) | {LINE}
"""Fields that have a place of their own, and what is said by sending the message at all."""


def unsaid(event: Happening) -> str:
    """Why HL7 v2 of this dialect cannot say the event; empty where it can."""
    if event.kind != "reported-charge" and event.kind not in ACTIVITIES:
        return f"no activity code for {event.kind}"
    if event.text("status") == "not-done":
        return "an FT1 tells what was done or takes it back, never that it was not done"
    missing = [name for name in event.said if name not in PLACES and name not in BESIDE]
    return f"no place for {', '.join(missing)}" if missing else ""


def registration(case: Case, at: datetime) -> bytes:
    """ADT^A04: who it is, why they come, how they are insured."""
    diagnoses = [f"DG1|{n}||{code}^^I10C" for n, (_, code) in enumerate(case.diagnoses, 1)]
    insured = []
    for n, coverage in enumerate(case.coverages, 1):
        payer = text(coverage["payer"])
        insured.append(
            _segment(
                "IN1",
                {1: str(n), 2: payer, 3: payer, 4: payer, 12: _day(coverage.get("from")), 13: _day(coverage.get("to"))}
                | {17: "SEL", 22: text(coverage.get("order")) or "1", 36: member_of(coverage)},
            )
        )
    visit = _segment("PV1", {1: "1", 2: "O", 3: "RT^^^place", 19: case.id})
    return _message("ADT^A04^ADT_A01", f"{case.id}-registration", at, case, [visit, *diagnoses, *insured])


def authorized(case: Case, at: datetime) -> bytes:
    """REF^I12: what the payers have authorized; one AUT after the PR1 of each code."""
    groups = tree(case.options.get("authorization_groups"))
    lines = []
    for authorization in case.authorizations:
        aut = {
            2: text(authorization.get("payer")),
            6: text(authorization["number"]),
            9: text(authorization.get("units")),
        }
        aut |= {4: _day(authorization.get("from")), 5: _day(authorization.get("to"))}
        for code in items(authorization.get("codes")) or items(groups.get(text(authorization.get("group")))):
            lines += [f"PR1|{len(lines) // 2 + 1}||{text(code)}^^C4", _segment("AUT", aut)]
    return _message("REF^I12^REF_I12", f"{case.id}-authorized", at, case, lines)


def told(case: Case, event: Happening, at: datetime) -> bytes:
    """DFT^P03: what was done, or the charge of another system."""
    ft1 = {1: "1", 2: f"{case.id}-{statement(case, event)}", 4: f"{event.at:%Y%m%d%H%M}", 5: f"{event.at:%Y%m%d}"}
    ft1[6] = "CD" if event.text("status") == "entered-in-error" else "CG"
    ft1[19] = "~".join(f"{code}^^I10C" for _, code in case.diagnoses)
    if who := event.text("by"):
        ft1[20] = f"{text(case.providers[who]['npi'])}^^^^^^^^NPI^L^^^NPI"
    if event.kind == "reported-charge":
        ft1 |= {7: "CDM1", 10: event.text("units"), 25: f"{event.text('code')}^^C4"}
        ft1[26] = "~".join(texts(event.get("modifiers")))
    else:
        ft1 |= {7: ACTIVITIES[event.kind], 10: event.text("count")}
    id = event.text("message_id") or f"{case.id}-{event.id}"
    return _message("DFT^P03^DFT_P03", id, at, case, [_segment("FT1", ft1), _zrt(case, event)])


def statement(case: Case, event: Happening) -> str:
    """What every report of the service bears that restates another: the name of its resource or of the first event."""
    by_id = {other.id: other for other in case.events}
    while older := event.text("amends"):
        event = by_id[older]
    return event.text("resource_id") or event.id


def session_uid(case: Case, event: Happening) -> str:
    """The session's UID where the case has one, or where a review must be able to name the session."""
    reviewed = any(other.text("about") == event.id for other in case.events)
    return event.text("session_uid") or (f"2.25.{int(event.id.encode().hex(), 16)}" if reviewed else "")


def _zrt(case: Case, event: Happening) -> str:
    places = {"1": "1", "2": event.text("course")}
    for name, place in PLACES.items():
        if value := event.text(name):
            places[place] = _WORDS.get(value, value)
    if event.get("about") is not None:
        places["6"] = session_uid(case, next(other for other in case.events if other.id == event.text("about")))
    else:
        places["6"] = session_uid(case, event)
    motion = tree(event.get("motion_management"))
    for n, name in enumerate(("active", "documented", "method"), 1):
        if name in motion:
            places[f"9.{n}"] = _WORDS.get(text(motion[name]), text(motion[name]))
    if event.get("guidance_reviewed_at") is not None:
        places["11"] = f"{datetime.fromisoformat(event.text('guidance_reviewed_at')):%Y%m%d%H%M}"
    parts = {other.text("continues") for other in case.events}
    if event.id in parts or event.get("continues") is not None or event.get("part") is not None:
        first, by_id = event, {other.id: other for other in case.events}
        while before := first.text("continues"):
            first = by_id[before]
        places["25"] = f"{case.id}-{first.id}"
    for n, name in enumerate(("request", "report"), 1):
        if event.get(name) is not None:
            places[f"27.{n}"] = "Y"
    return _segment("ZRT", {n: _field(places, n) for n in range(1, 31)})


def _field(places: Mapping[str, str], n: int) -> str:
    parts = [places.get(f"{n}.{c}", "") for c in (1, 2, 3)]
    return places.get(str(n), "") or "^".join(parts).rstrip("^")


def _message(what: str, id: str, at: datetime, case: Case, segments: Iterable[str]) -> bytes:
    said = f"{at.astimezone(_PLACE):%Y%m%d%H%M%S%z}"
    sex = {"female": "F", "male": "M"}.get(text(case.patient.get("sex")), "U")
    pid = (
        f"PID|1||{text(case.patient['mrn'])}^^^CLINIC^MR||Case^{case.id}||{_day(case.patient.get('birth_date'))}|{sex}"
    )
    head = f"MSH|^~\\&|CASES|RT|ONCOCLAIMS|BILL|{said}||{what}|{id}|P|2.5.1"
    return ("\r".join([head, f"EVN|{what.split('^')[1]}|{said}", pid, *segments]) + "\r").encode()


def _day(value: object) -> str:
    return "" if value is None else str(value).replace("-", "")


def _segment(name: str, values: Mapping[int, str]) -> str:
    return "|".join([name, *(values.get(n, "") for n in range(1, max(values) + 1))]).rstrip("|")
