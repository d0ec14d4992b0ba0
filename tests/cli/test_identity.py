"""Two numbers of one patient by the console script: merged by a message or by a person, and taken apart again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapters.model.journal import JournalKind
from adapters.model.people import Identifier, PersonHint
from adapters.pipeline.force import CHANNEL, site_in_force
from adapters.store import open_store
from adapters.wiring import key_ring

pytestmark = pytest.mark.system
A, B = "PB-100", "PB-200"
SYSTEM = "urn:plover:mrn"


def adt(
    survivor: str, merged: str, *, trigger: str = "A40", said: str = "20260106080000", born: str = "19520417"
) -> bytes:
    """An ADT of an invented person with two numbers."""
    other = f"PID|2||{merged}^^^PLOVER^MR" if trigger == "A37" else f"MRG|{merged}^^^PLOVER^MR"
    segments = (
        f"MSH|^~\\&|PLIS|PLOVER|ONCO|PLOVER|{said}||ADT^{trigger}|{trigger}{said}|P|2.5.1",
        f"EVN|{trigger}|{said}",
        f"PID|1||{survivor}^^^PLOVER^MR||Sandling^Merle||{born}|F",
        other,
    )
    return "".join(f"{text}\r" for text in segments).encode()


def registered(mrn: str, born: str, control: str) -> bytes:
    """An ADT^A04 that says when somebody was born, before the merge."""
    head = f"MSH|^~\\&|PLIS|PLOVER|ONCO|PLOVER|20260105080000||ADT^A04|{control}|P|2.5.1"
    pid = f"PID|1||{mrn}^^^PLOVER^MR||Sandling^Merle||{born}|F"
    return f"{head}\rEVN|A04|20260105080000\r{pid}\r".encode()


def take(clinic: Any, name: str, *bodies: bytes) -> None:
    clinic.file(name, b"".join(bodies))
    took = clinic("ingest", name, "--now", "2026-01-06T10:00-05:00")
    assert took.code == 0, took.err


def rows(clinic: Any, *words: str) -> list[dict[str, Any]]:
    shown = clinic(*words, "--json")
    assert shown.code == 0, shown.err
    return shown.rows()


def days(clinic: Any) -> list[tuple[str, str]]:
    """Under whose number which date is billed."""
    return sorted((row["patient"], row["service_start"]) for row in rows(clinic, "charges"))


def clean(clinic: Any) -> None:
    """What is on file follows from the journal, byte for byte, and nothing is damaged."""
    for words in (("verify",), ("rebuild", "--check", "--now", "2026-01-07T10:00-05:00")):
        said = clinic(*words)
        assert said.code == 0, said.err


def two(say: SimpleNamespace) -> tuple[bytes, ...]:
    return (say.dft("M1", on="20260105"), say.dft("M2", on="20260106", mrn=B))


def test_a_merge_by_message_is_carried_out_and_undone_by_a_person(clinic: Any, say: SimpleNamespace) -> None:
    take(clinic, "one.hl7", *two(say), adt(A, B))
    assert len({number for number, _ in days(clinic)}) == 1
    assert len(days(clinic)) == 2
    assert rows(clinic, "worklist") == []
    clean(clinic)
    again = clinic("merge", A, B, "--by", "Wren", "--why", "the same card")
    assert (again.code, again.err) == (1, "they are one person already\n")
    apart = clinic("unmerge", A, B, "--by", "Wren", "--why", "two sisters", "--now", "2026-01-06T11:00-05:00")
    assert apart.code == 0, apart.err
    assert len({number for number, _ in days(clinic)}) == 2
    assert rows(clinic, "worklist") == []
    clean(clinic)
    # A feed that says it again is not heard against the person who looked.
    take(clinic, "two.hl7", adt(A, B, said="20260107080000"))
    assert len({number for number, _ in days(clinic)}) == 2
    clean(clinic)
    # Until the decision is withdrawn.
    entry = apart.out.partition(":")[0]
    back = clinic("work", "withdraw", entry, "--by", "Wren", "--why", "one person after all")
    assert back.code == 0, back.err
    assert len({number for number, _ in days(clinic)}) == 1
    clean(clinic)


def test_other_birth_dates_wait_for_a_person(clinic: Any, say: SimpleNamespace) -> None:
    take(clinic, "one.hl7", *two(say), registered(B, "19830222", "R1"), adt(A, B))
    assert len({number for number, _ in days(clinic)}) == 2
    (item,) = rows(clinic, "worklist")
    assert (item["kind"], item["category"]) == ("merge-waiting", "identity")
    clean(clinic)
    done = clinic("merge", f"{SYSTEM}|{A}", B, "--by", "Wren", "--why", "a slip of the pen at the desk")
    assert done.code == 0, done.err
    assert len({number for number, _ in days(clinic)}) == 1
    assert rows(clinic, "worklist") == []
    clean(clinic)


def test_the_journal_is_told_of_the_settings_under_which_two_become_one(clinic: Any, say: SimpleNamespace) -> None:
    """They step records, so what they step them by must be on file first, as of any other command that writes."""

    def in_force() -> str:
        at = f"sqlite:///{clinic.folder}/oncoclaims.db"
        with open_store(at, key_ring(clinic.folder / "oncoclaims.keys")) as opened:
            return site_in_force(opened.last_noted(CHANNEL, JournalKind.SITE.value))

    take(clinic, "one.hl7", *two(say))
    seen = [in_force()]
    site = (clinic.folder / "site.toml").read_text(encoding="utf-8")
    for seconds, verb in ((2, "merge"), (3, "unmerge")):
        clinic.file("site.toml", site.replace("timeout_seconds = 1.0", f"timeout_seconds = {seconds}.0"))
        done = clinic(verb, A, B, "--by", "Wren", "--why", "the same card")
        assert done.code == 0, done.err
        seen.append(in_force())
    assert len(set(seen)) == 3


def test_what_names_nobody_or_one_alone_is_refused(clinic: Any, say: SimpleNamespace) -> None:
    take(clinic, "one.hl7", *two(say))
    unknown = clinic("merge", A, "PB-999", "--by", "Wren", "--why", "x")
    assert (unknown.code, unknown.err) == (1, "argument 2: nobody on file is named so\n")
    itself = clinic("merge", A, f"{SYSTEM}|{A}", "--by", "Wren", "--why", "x")
    assert (itself.code, itself.err) == (1, "both name one and the same lane\n")
    apart = clinic("unmerge", A, B, "--by", "Wren", "--why", "x")
    assert (apart.code, apart.err) == (1, "they are two persons already\n")
    assert clinic("merge", A, B, "--by", "Wren").code == 2
    assert len(days(clinic)) == 2


def test_a_lane_names_itself(clinic: Any, say: SimpleNamespace) -> None:
    take(clinic, "one.hl7", *two(say))
    with open_store(f"sqlite:///{clinic.folder}/oncoclaims.db", key_ring(clinic.folder / "oncoclaims.keys")) as opened:
        lanes = [opened.lane_of(PersonHint((Identifier(SYSTEM, mrn),)), "") for mrn in (B, A)]
    here, there = lanes
    done = clinic("merge", here, there, "--by", "Wren", "--why", "the same card")
    assert done.code == 0, done.err
    assert done.out.endswith(f"one person, kept in lane {here}\n")
    assert {number for number, _ in days(clinic)} == {B}
    clean(clinic)
