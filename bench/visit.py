"""Deriving a visit of twelve doses from the beginning: its RAS and RDS messages read, then assembled and derived."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from _common import Row, against, amount, keep, machine, on_one_core, on_processor, spread, table, timed

from adapters.charges import assemble, derive
from adapters.hl7v2.capture import Refused, capture
from adapters.model.charge import Component, Outcomes
from adapters.model.claim import ClaimType
from adapters.model.event import Event
from adapters.model.site import BillingEntity, Facility, Feed, Payer, Price, Setting, Site
from adapters.pipeline import House
from adapters.pipeline.step import family_by, outcomes_of, person_contexts
from adapters.settings import rules_of

DOSES = 12
AIM = 0.001
"""Seconds for deriving the visit."""
ZONE = "America/New_York"
FEED = Feed("infusion", "hl7v2", "example-ras", ZONE, "place")
DRUGS = ("J9045", "J1453", "J2469", "J9305", "J9271", "J1100", "J9035", "J9206", "J2405", "J9312", "J9263", "J0640")


def house_of() -> House:
    """A freestanding clinic with one payer, and a price for every code."""
    rules = rules_of()
    clinic = BillingEntity("clinic", "Clinic", "1999999950", "", "", Component.GLOBAL, ClaimType.PROFESSIONAL)
    place = Facility("place", "Clinic", "1999999950", Setting.FREESTANDING, "11", (clinic,))
    options = {"infusion.concurrent_min_overlap": "16", "infusion.secondary_hydration_code": "96361"}
    since = date(2015, 1, 1)
    prices = tuple(Price(code, "", "", Decimal(100), since) for code in rules.codes)
    payers = (Payer("first", "First", "medicare"),)
    return House.of(rules, Site("bench", ZONE, (place,), payers, (FEED,), (), prices, options=options))


def message(n: int) -> str:
    """One dose half an hour after the one before, every fourth a push, with its vial."""
    start = 7 * 60 + n * 40
    end = start + (0 if n % 4 == 2 else 33)
    times = [f"20260504{at // 60:02}{at % 60:02}" for at in (start, end)]
    way = "IVP" if n % 4 == 2 else "IVPB"
    kind = "antineoplastic" if DRUGS[n].startswith("J9") else "supportive"
    pid = "PID|1||QB-1^^^CLINIC^MR\rPV1|1|O|INF^^^place||||||||||||||||V1"
    head = "MSH|^~\\&|A|B|C|D|20260504180000||{}|{}|P|2.5.1\r" + pid + f"\rORC|RE||O-{n}\r"
    handed = f"RXD|1|^^NDC|{times[0]}|1|VIAL|||||||||||500|mg\rOBX|1|ST|CONTAINER||sdv\r"
    rxa = f"RXA|0|1|{times[0]}|{times[1]}|D{n}^drug {n}^L^{DRUGS[n]}^^HCPCS|480|mg|||||||||||||CP|A\rRXR|IV|||{way}\r"
    beside = f"OBX|1|ST|CLASS||{kind}\rOBX|2|ST|WASTE||20|mg\rOBX|3|ST|ACCESS||port\r"
    return head.format("RDS^O13", f"d{n}") + handed + "\f" + head.format("RAS^O17", f"a{n}") + rxa + beside


REGISTRATION = (
    "MSH|^~\\&|A|B|C|D|20260504060000||ADT^A04|r|P|2.5.1\rPID|1||QB-1^^^CLINIC^MR\rPV1|1|O|INF^^^place\r"
    "DG1|1||C34.31^^I10C\rIN1|1|FIRST|first|First||||||||20250101|||||SEL|||||1||||||||||||||M-1\r"
)


def events_of(house: House) -> tuple[Event, ...]:
    """All that the messages of the visit say."""
    found: list[Event] = []
    dialect, now = house.rules.dialect(FEED.dialect), datetime(2026, 5, 4, 22, tzinfo=UTC)
    for n, said in enumerate((REGISTRATION, *map(message, range(DOSES)))):
        for part, body in enumerate(said.split("\f")):
            read = capture(body.encode(), feed=FEED, dialect=dialect, message=f"m{n}.{part}", received=now)
            assert not isinstance(read, Refused), read
            found += [event for captured in read for event in captured.events]
    return tuple(found)


def main() -> None:
    """Measure and print."""
    pinned = on_one_core()
    house = house_of()
    events, family = events_of(house), family_by(house)
    assembly = assemble("person", events, family)
    (episode,) = (one for one in assembly.episodes if one.kind == "infusion")
    assert len(episode.occurrences) == DOSES

    def bare() -> Outcomes:
        # A copy of the visit, which remembers nothing that was asked of it before.
        return derive(replace(episode), (), person_contexts(assembly, house), house.rules, house.prices)

    def whole() -> Outcomes:
        made = assemble("person", events, family)
        return outcomes_of(made, person_contexts(made, house), house)

    outcomes = bare()
    lines = len(outcomes.charges) + len(outcomes.holds)
    assert lines > DOSES, lines
    figures = timed(
        {
            "assemble: messages to the visit": lambda: assemble("person", events, family),
            "derive: the visit to its outcomes": bare,
            "assemble, derive, bounds, screen": whole,
        },
        seconds=0.1,
    )
    derived = figures["derive: the visit to its outcomes"]
    print(machine(), pinned, sep="; ")
    table(
        f"{DOSES} doses with their vials: {len(events)} events, {len(outcomes.charges)} charges, "
        f"{len(outcomes.holds)} holds; 7 rounds",
        ("", "once", "a dose"),
        [(name, spread(figure), f"{figure.median / DOSES * 1e6:,.0f} µs") for name, figure in figures.items()],
    )
    alone = on_processor(bare)
    print(f"\n  derive: {against(derived, AIM)}; {amount(alone)} of the processor at best")
    keep(
        __file__,
        [
            Row(
                f"deriving an infusion visit of {DOSES} doses with their drugs and waste",
                f"{derived.median * 1e3:.1f} ms",
                f"aim: under 1 ms; of the processor {alone * 1e3:.1f} ms at best; {lines} lines",
            )
        ],
    )


if __name__ == "__main__":
    main()
