"""`oncoclaims demo` as people run it, and proof that each thing it checks at its end can fail."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from adapters.demo import check
from adapters.demo.check import problems
from adapters.demo.day import Day, lay_out, played
from adapters.errors import BadSetup
from adapters.model.ledger import Account
from adapters.model.record import ChargeStatus, Parked

WALL = 150


def script() -> str:
    """The console script of this environment."""
    beside = Path(sys.executable).with_name("oncoclaims")
    found = str(beside) if beside.exists() else shutil.which("oncoclaims")
    assert found
    return found


def demo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The demo as a process; killed at the wall."""
    return subprocess.run(
        [script(), "demo", *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=WALL,
        check=False,
    )


def end_of(said: str) -> str:
    """The digest line."""
    found = re.search(r"^end of the day: ([0-9a-f]{16})$", said, re.MULTILINE)
    assert found, said
    return found[1]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which the demo ran once, and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    run = demo(folder, "--page-minutes", "0")
    assert (run.returncode, run.stderr) == (0, "")
    return folder, run.stdout


@pytest.mark.system
@pytest.mark.timeout(WALL)
def test_it_ends_as_promised(left: tuple[Path, str]) -> None:
    _, said = left
    states = set(re.findall(r"│ (paid|partially-paid|denied|held|voided|accepted) +│", said))
    assert {"paid", "partially-paid", "denied", "held"} <= states, "paid in part, one denied, one held"
    assert re.search(r"│ sum +│ +0\.00 │", said), "the trial balance is zero"
    assert "(oncoclaims explain):" in said
    assert "(oncoclaims trace):" in said
    assert "mllp://127.0.0.1:" in said
    assert said.rstrip().endswith("our ledger equals the payer's books to the cent.")


@pytest.mark.system
@pytest.mark.timeout(WALL)
def test_twice_gives_the_same_end_and_a_page(left: tuple[Path, str]) -> None:
    folder, said = left
    began = time.monotonic()
    run = demo(folder, "--page-minutes", "1")
    assert (run.returncode, run.stderr) == (0, "")
    assert time.monotonic() - began < 60, "it does not wait for its page"
    assert end_of(run.stdout) == end_of(said)
    link = re.search(r"http://127\.0\.0\.1:\d+/open/\S+", run.stdout)
    assert link
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
    with opener.open(link[0], timeout=10) as answer:
        text = answer.read().decode()
    assert "<html" in text
    assert "/open/" not in text
    end_pages(folder)


@pytest.mark.system
@pytest.mark.timeout(WALL)
@pytest.mark.parametrize("seed", [1, 5, 29, 44, 121])
def test_a_course_that_no_file_lists(tmp_path: Path, seed: int) -> None:
    run = demo(tmp_path, "--seed", str(seed), "--page-minutes", "0")
    assert (run.returncode, run.stderr) == (0, "")
    assert f"the course of seed {seed}" in run.stdout
    assert end_of(run.stdout)


@pytest.mark.system
def test_what_it_leaves_can_be_looked_at(left: tuple[Path, str]) -> None:
    """The line that the demo prints for looking around works as it is printed."""
    folder, said = left
    hint = re.search(r"look around: +(.+)", said)
    assert hint
    path = f"{Path(script()).parent}{os.pathsep}{os.environ['PATH']}"
    shown = subprocess.run(
        ["sh", "-c", hint[1]],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "77412" in shown.stdout


@pytest.mark.system
def test_the_page_opens_once_and_its_process_ends_by_itself(left: tuple[Path, str]) -> None:
    folder, _ = left
    words = "from pathlib import Path; from adapters.demo.page import main; main(Path('.demo'), 0.05)"
    page = subprocess.Popen(
        [sys.executable, "-c", words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert page.stdout is not None
        assert page.stderr is not None
        link = page.stdout.readline().strip()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
        with opener.open(link, timeout=10) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError) as used:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(link, timeout=10)
        assert used.value.code == 403
        used.value.close()
        assert page.wait(timeout=30) == 0, "it ends after its minutes"
        assert page.stderr.read() == ""
    finally:
        page.kill()
        page.communicate()


def end_pages(folder: Path) -> None:
    """End the page process of the demo in this folder, found by its working folder; it would end by itself later."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            same = (process / "cwd").resolve() == folder.resolve()
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if same and b"adapters.demo.page" in words:
            os.kill(int(process.name), 15)


def test_wrong_use(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from adapters.cli.app import app

    for words in (["--seed", "-1"], ["--seed", "seven"], ["--page-minutes", "61"], ["--nonsense"]):
        assert CliRunner().invoke(app, ["demo", "--folder", str(tmp_path / "x"), *words]).exit_code == 2
    assert not (tmp_path / "x").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("of a clinic", encoding="utf-8")
    with pytest.raises(BadSetup, match="not the demo's"):
        lay_out(tmp_path, "http://127.0.0.1:1")
    assert [path.name for path in tmp_path.iterdir()] == ["site.toml"]
    assert (tmp_path / "site.toml").read_text(encoding="utf-8") == "of a clinic"


# ---------------------------------------------------------------- the demo's check can fail


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The demo day, played once."""
    with played(tmp_path_factory.mktemp("day"), None) as one:
        yield one


def test_the_day_ends_well(day: Day) -> None:
    assert problems(day) == ()
    assert {sent.message.channel for sent in day.sent} == {"mllp", "fhir"}
    assert len({sent.message.wire for sent in day.sent}) == len(day.sent) - 1, "one message is sent twice"


def told_of(day: Day) -> tuple[str, ...]:
    """The problems of the day, without those that the journal folded again would name: they have a test of their own."""
    with mock.patch.object(check, "_folded", return_value=()):
        return problems(day)


def test_a_record_that_is_not_the_fold_of_the_journal_is_seen(day: Day) -> None:
    (record,) = day.records
    told = problems(records(day, lambda r: replace(r, findings=r.findings[1:])))
    assert len(told) == 1
    assert record.findings
    assert told_of(records(day, lambda r: replace(r, findings=r.findings[1:]))) == ()


def books(day: Day, change: Callable[[Any], None]) -> Day:
    """The day with the payer's books changed."""
    other = copy.deepcopy(day.books)
    change(other)
    return replace(day, books=other)


def line_with(other: Any, name: str) -> dict[str, Any]:
    """A line of a live original claim in the books that has money under the name."""
    found: dict[str, Any] = next(
        line
        for claim in other["claims"]
        if claim["live"] and claim["frequency"] != "8"
        for line in claim["lines"]
        if float(line[name])
    )
    return found


@pytest.mark.parametrize("name", ["paid", "contractual", "patient", "denied"])
def test_a_cent_in_the_books_is_seen(day: Day, name: str) -> None:
    def change(other: Any) -> None:
        line = line_with(other, name)
        line[name] = f"{float(line[name]) + 0.01:.2f}"

    (told,) = told_of(books(day, change))
    assert re.fullmatch(rf"claim \S+ line \d+: {name} is [\d.]+ here and [\d.]+ there", told)


def test_a_claim_in_the_books_alone_is_seen(day: Day) -> None:
    def change(other: Any) -> None:
        line = line_with(other, "paid")
        other["claims"].append({"live": True, "frequency": "1", "identifier": "urn:x|nobody's", "lines": [dict(line)]})

    assert all(told.startswith("claim nobody's line") for told in told_of(books(day, change)))
    assert told_of(books(day, change))


def test_a_claim_that_the_payer_has_twice_is_seen(day: Day) -> None:
    def double(other: Any) -> None:
        other["doubles"].append("anything")

    def live(other: Any) -> None:
        other["live"][next(iter(other["live"]))] = 2

    assert told_of(books(day, double)) == ("1 claims are with the payer twice",)
    (told,) = told_of(books(day, live))
    assert told.endswith("is live 2 times at the payer")


def test_a_message_not_taken_is_seen(day: Day) -> None:
    sent = (replace(day.sent[0], accepted=False), *day.sent[1:])
    assert told_of(replace(day, sent=sent)) == (f"1 of {len(day.sent)} messages were not taken",)


def store_of(day: Day, **over: Any) -> Day:
    """The day with another store that says these things."""
    said = {"parked": day.wired.store.parked, "trial_balance": day.wired.store.trial_balance} | over
    wired: Any = SimpleNamespace(store=SimpleNamespace(**said))
    return replace(day, wired=wired)


def test_a_parked_message_is_seen(day: Day) -> None:
    assert told_of(store_of(day, parked=lambda: (Parked("e", "r"),))) == ("1 messages are parked",)


def test_a_trial_balance_is_seen(day: Day) -> None:
    off = {Account.CHARGES: -100, Account.RECEIVABLE: 99}
    assert told_of(store_of(day, trial_balance=lambda: off)) == ("the trial balance is -0.01, not zero",)


def records(day: Day, change: Callable[[Any], Any]) -> Day:
    """The day with our one record changed."""
    (record,) = day.records
    return replace(day, records=(change(record),))


def test_a_ledger_entry_that_is_missing_is_seen(day: Day) -> None:
    told = told_of(records(day, lambda r: replace(r, entries=r.entries[:-1])))
    assert any("is 0.00 here and" in one for one in told)


def test_a_line_that_does_not_balance_is_seen(day: Day) -> None:
    (record,) = day.records
    at, entry = next((i, e) for i, e in enumerate(record.entries) if e.cause.startswith("claim"))
    odd: Any = SimpleNamespace(
        cause=entry.cause,
        lines=tuple(
            replace(side, amount=side.amount - 1) if side.account is Account.RECEIVABLE else side
            for side in entry.lines
        ),
    )
    entries = (*record.entries[:at], odd, *record.entries[at + 1 :])
    told = told_of(records(day, lambda r: replace(r, entries=entries)))
    assert told
    assert all(
        re.fullmatch(r"claim \S+ line \d+: [\d.]+ was billed and -?[\d.]+ is accounted for", one) for one in told
    )


def services(day: Day) -> list[str]:
    """The services of charges and holds of the day, one of each slot service."""
    (record,) = day.records
    slots = [c.charge.slot for c in record.charges if c.status is not ChargeStatus.VOID]
    return sorted({slot.service for slot in (*slots, *(h.slot for h in record.holds))})


def test_every_kind_of_outcome_is_missed_when_it_is_gone(day: Day) -> None:
    """One outcome after the other is taken away, part by part: each time the check says so."""
    (record,) = day.records
    unseen = []
    for charge in record.charges:
        if charge.status is ChargeStatus.VOID:
            continue
        fewer = tuple(other for other in record.charges if other.id != charge.id)
        if not told_of(records(day, lambda r, fewer=fewer: replace(r, charges=fewer))):
            unseen.append(charge.charge.slot)
    for hold in record.holds:
        left = tuple(other for other in record.holds if other is not hold)
        if not told_of(records(day, lambda r, left=left: replace(r, holds=left))):
            unseen.append(hold.slot)
    assert unseen == []
    assert {"delivery", "guidance", "management", "physics", "plan", "simulation"} <= set(services(day))


def test_an_outcome_twice_is_seen(day: Day) -> None:
    (record,) = day.records
    for service in ("delivery", "guidance", "plan"):
        one = next(c for c in record.charges if c.charge.slot.service == service)
        again = replace(one, id="another")
        told = told_of(records(day, lambda r, again=again: replace(r, charges=(*r.charges, again))))
        assert any("has 2 outcomes for" in text for text in told), service


def test_a_charge_for_what_was_never_delivered_is_seen(day: Day) -> None:
    story = replace(day.story, delivered=tuple(d for d in day.story.delivered if d.service != "guidance"))
    told = told_of(replace(day, story=story))
    assert set(told) == {"a guidance is charged that was never delivered"}


def test_units_by_fives_are_counted(day: Day) -> None:
    (record,) = day.records
    for service in ("management", "physics"):
        one = next(c for c in record.charges if c.charge.slot.service == service)
        slot = replace(one.charge.slot, key="9")
        more = replace(one, id="more", charge=replace(one.charge, slot=slot))
        told = told_of(records(day, lambda r, more=more: replace(r, charges=(*r.charges, more))))
        assert any(re.fullmatch(rf"6 sessions earn 1 {service} units, 2 were found", text) for text in told)
