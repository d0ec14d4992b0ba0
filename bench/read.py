"""Reading HL7 v2: our reader and our whole capture beside python-hl7 and hl7apy, the same message, the same fields."""

from __future__ import annotations

from collections.abc import Callable

import hl7
from _clinic import Told, captured_of, coded_sheet, course, house
from _common import Row, keep, machine, on_one_core, rates, spread, table, timed
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.hl7v2.reader import Message

LINES = 6
FIELDS = (2, 4, 6, 10)
"""Of each FT1 whole; of FT1-7, 19, 20 and 25 the first component."""
PARTS = (7, 19, 20, 25)

Fields = tuple[str, str, tuple[tuple[str, ...], ...]]


def ours(body: bytes) -> Fields:
    """Control id, patient number, and eight fields of each FT1."""
    message = Message.parse(body)
    header, pid = message.first("MSH"), message.first("PID")
    assert header is not None
    assert pid is not None
    lines = tuple((*(ft1.text(n) for n in FIELDS), *(ft1.text(n, 1) for n in PARTS)) for ft1 in message.segments("FT1"))
    return header.text(10), pid.text(3, 1), lines


def by_python_hl7(body: bytes) -> Fields:
    """The same with python-hl7."""
    message = hl7.parse(body.decode("ascii"))
    lines = []
    for ft1 in message.segments("FT1"):
        whole = [str(ft1(n)) for n in FIELDS]
        lines.append((*whole, *(str(ft1(n)[0][0]) for n in PARTS)))
    return str(message.segment("MSH")(10)), str(message.segment("PID")(3)[0][0]), tuple(lines)


def by_hl7apy(body: bytes) -> Fields:
    """The same with hl7apy, in the only way that loses no segment (`find_groups=False`)."""
    message = parse_message(body.decode("ascii"), VALIDATION_LEVEL.TOLERANT, find_groups=False)
    lines = []
    for ft1 in message.ft1:
        whole = [getattr(ft1, f"ft1_{n}").value for n in FIELDS]
        lines.append((*whole, *(getattr(ft1, f"ft1_{n}").children[0].value for n in PARTS)))
    return message.msh.msh_10.value, message.pid.pid_3.pid_3_1.value, tuple(lines)


def main() -> None:
    """Measure and print."""
    pinned = on_one_core()
    house_ = house()
    sheet = coded_sheet(LINES)
    session = next(told for told in course(3) if b"RTTX" in told.body)
    expected = ours(sheet.body)
    assert len(expected[2]) == LINES
    assert expected == by_python_hl7(sheet.body) == by_hl7apy(sheet.body), "the three readers differ"
    assert len(captured_of(sheet, house_)[0].events) >= LINES

    def capture(told: Told) -> Callable[[], object]:
        return lambda: captured_of(told, house_)

    found = timed(
        {
            "our reader, the fields named": lambda: ours(sheet.body),
            "our capture: events with provenance": capture(sheet),
            "python-hl7, the fields named": lambda: by_python_hl7(sheet.body),
            "hl7apy, the fields named": lambda: by_hl7apy(sheet.body),
            "our capture of one session (DFT with ZRT)": capture(session),
        }
    )
    apy, other = found["hl7apy, the fields named"], found["python-hl7, the fields named"]
    print(machine(), pinned, sep="; ")
    table(
        f"DFT^P03, {LINES} FT1, {len(sheet.body):,} bytes (session: {len(session.body):,} bytes); 7 rounds",
        ("", "a message", "messages a second", "× python-hl7", "× hl7apy"),
        [
            (
                name,
                spread(figure),
                rates(figure),
                f"{other.median / figure.median:,.1f}" if "session" not in name else "",
                f"{apy.median / figure.median:,.1f}" if "session" not in name else "",
            )
            for name, figure in found.items()
        ],
    )
    reader, captured = found["our reader, the fields named"], found["our capture: events with provenance"]
    keep(
        __file__,
        [
            Row(
                f"reading a DFT of {LINES} charge lines",
                f"{reader.rate:,.0f}/s",
                f"{other.median / reader.median:.0f}× python-hl7, {apy.median / reader.median:,.0f}× hl7apy",
            ),
            Row(
                "capturing it whole: every fact with its field",
                f"{captured.rate:,.0f}/s",
                f"{other.median / captured.median:.1f}× python-hl7's and {apy.median / captured.median:,.0f}× "
                "hl7apy's bare reading",
            ),
        ],
    )


if __name__ == "__main__":
    main()
