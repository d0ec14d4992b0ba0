"""The demo's month through real sockets: every fault found, none invented, and proof that each check can fail."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.cli.app import app
from adapters.demo import month_command
from adapters.demo.check import ledger_against_books, money_problems
from adapters.demo.month import Played, played_month
from adapters.demo.month_check import FOUND_BY, Verdict, reconciled, verdict
from adapters.model.claim import ClaimState
from adapters.model.reconciliation import Reconciliation, Standing
from adapters.model.record import ChargeStatus
from adapters.model.work import open_item
from fhir_server_stub.month_faults import FEWEST, KINDS, Fault, FaultKind

PAYERS = {"MCRB": "medicare-b", "NWHP": "northwind", "CSMH": "cascade"}
pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The smallest month, played once; payer and store stay open for the tests."""
    with played_month(tmp_path_factory.mktemp("month"), 2, FEWEST) as ended:
        yield ended


@pytest.fixture(scope="module")
def report(played: Played) -> Reconciliation:
    return reconciled(played)


@pytest.fixture(scope="module")
def found(played: Played, report: Reconciliation) -> Verdict:
    return verdict(played, report)


def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ended: Played, looks: Callable[[Played], tuple[str, ...]]
) -> Result:
    """`oncoclaims demo --month` over a month that was played already; `looks` is how its money is looked at."""

    @contextlib.contextmanager
    def again(_folder: Path, _seed: int, _courses: int) -> Iterator[Played]:
        yield ended

    monkeypatch.setattr(month_command, "played_month", again)
    monkeypatch.setattr(month_command, "money_problems", looks)
    words = ["demo", "--month", "--page-minutes", "0", "--folder", str(tmp_path)]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, words)


def without(report: Reconciliation, names: frozenset[str]) -> Reconciliation:
    """The reconciliation with those differences taken out."""
    return replace(
        report,
        rows=tuple(replace(r, differences=tuple(d for d in r.differences if d.name not in names)) for r in report.rows),
    )


def test_every_kind_of_fault_is_made_and_found_and_nothing_is_invented(found: Verdict) -> None:
    assert {fault.kind for fault, _ in found.found} == set(KINDS)
    assert [fault.id for fault in found.missed] == []
    assert [(one.name, one.mrn, one.words) for one in found.invented] == []
    for fault, seen in found.found:
        assert seen[0].name in FOUND_BY[fault.kind]


def test_messages_were_taken_and_every_delivered_session_is_charged_once(played: Played) -> None:
    assert played.refused == ()
    torn = {(fault.mrn, fault.day) for fault in played.month.faults if fault.kind == "parked"}
    sessions = sum(len(one.script.sessions) for one in played.month.courses)
    charged = [
        (c.charge.slot.episode, c.charge.slot.key)
        for record in played.records
        for c in record.charges
        if c.charge.slot.service == "delivery" and c.status is not ChargeStatus.VOID
    ]
    assert len(charged) == len(set(charged)) == sessions - len(torn)


def test_ledger_and_books_agree_though_answers_were_lost(played: Played) -> None:
    lost = [fault for fault in played.month.faults if fault.kind == "lost-answer"]
    assert lost
    assert played.books["doubles"] == []
    unknown = [c.claim.id for r in played.records for c in r.claims if c.state is ClaimState.UNKNOWN]
    assert unknown == []


def test_who_changed_the_insurance_is_billed_to_each_payer_for_its_days(played: Played) -> None:
    changing = [one for one in played.month.courses if one.changes]
    assert changing
    for one in changing:
        (record,) = [r for r in played.records if one.mrn in {identifier.value for identifier in r.identifiers}]
        payers = [PAYERS[policy.payer_id] for policy in one.script.policies]
        lines = [(c.claim.payer.id, line.start) for c in record.claims for line in c.claim.lines]
        assert {payer for payer, _ in lines} == set(payers)
        assert all(payer == payers[start >= one.changes] for payer, start in lines if one.changes)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("late", "parked", "lost-answer")])
def test_a_fault_that_the_reconciliation_does_not_tell_of_is_missed(
    played: Played, report: Reconciliation, kind: FaultKind
) -> None:
    blind = verdict(played, without(report, FOUND_BY[kind]))
    assert {fault.kind for fault in blind.missed} == {kind}


def test_a_late_charge_that_looks_in_time_is_missed(played: Played, report: Reconciliation) -> None:
    in_time = tuple(
        replace(row, stages=tuple(replace(mark, on=row.day if mark.on else None) for mark in row.stages))
        for row in report.rows
    )
    assert {fault.kind for fault in verdict(played, replace(report, rows=in_time)).missed} == {"late"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_fault_is_behind_is_named(played: Played, report: Reconciliation, kind: FaultKind) -> None:
    """Without its entry in the list each fault's findings are inventions, by the very names that are to find it."""
    silent = tuple(fault for fault in played.month.faults if fault.kind != kind)
    told = verdict(replace(played, month=replace(played.month, faults=silent)), report)
    assert {one.name for one in told.invented} & FOUND_BY[kind]


def test_work_about_what_has_no_difference_is_named(played: Played, report: Reconciliation) -> None:
    """The item is about a claim and a charge that are as they should be, so no row tells of it."""
    differing = {charge for row in report.rows if row.differences for charge in row.charges}
    record, claim = next(
        (record, on_file.claim)
        for record in played.records
        for on_file in record.claims
        if not differing & {charge for line in on_file.claim.lines for charge in line.charges}
    )
    for about in (claim.id, claim.lines[0].charges[0]):
        item = open_item(
            "denial", "16", about, category="test", action="look", opened=played.month.ends, person=record.person
        )
        records = tuple(replace(one, work=(*one.work, item)) if one is record else one for one in played.records)
        told = verdict(replace(played, records=records), report)
        assert [one.name for one in told.invented] == ["work:denial"]


def test_a_fault_of_another_day_is_not_found(played: Played, report: Reconciliation) -> None:
    (fault,) = [fault for fault in played.month.faults if fault.kind == "late"]
    assert fault.day is not None
    moved = replace(fault, day=fault.day.replace(year=2020))
    others = tuple(moved if one is fault else one for one in played.month.faults)
    told = verdict(replace(played, month=replace(played.month, faults=others)), report)
    assert [one.id for one in told.missed] == [fault.id]


def test_the_command_prints_both_lists_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, played: Played
) -> None:
    """Ledger, books and the folded journal agree as well."""
    run = command(monkeypatch, tmp_path, played, money_problems)
    assert (run.exit_code, run.stderr) == (0, "")
    for fault in played.month.faults:
        assert fault.id in run.stdout
    assert "Found without a fault behind it: nothing." in run.stdout
    assert "messages per second" in run.stdout
    assert f"{len(played.month.faults)} faults made, each found" in run.stdout


def test_the_command_fails_where_the_lists_differ(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, played: Played
) -> None:
    missing = Fault("missed-99", "missed", played.month.courses[0].mrn, played.month.begins.date(), "1")
    made = tuple(fault for fault in played.month.faults if fault.kind != "doubled")
    run = command(
        monkeypatch, tmp_path, replace(played, month=replace(played.month, faults=(*made, missing))), lambda _: ()
    )
    assert run.exit_code == 1
    assert "not found: missed-99" in run.stderr
    assert "no fault is behind it: charged-twice" in run.stderr
    assert "NOTHING" in run.stdout


def test_the_command_fails_where_money_or_a_message_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, played: Played
) -> None:
    changed = copy.deepcopy(played.books)
    account = next(one for one in changed["claims"] if one["live"] and one["lines"][0]["paid"] != "0.00")
    account["lines"][0]["paid"] = "0.01"
    ended = replace(played, refused=("AE to X-1",), books=changed)
    run = command(monkeypatch, tmp_path, ended, lambda one: tuple(ledger_against_books(one)))
    assert run.exit_code == 1
    assert "not taken: AE to X-1" in run.stderr
    assert "0.01 there" in run.stderr
    assert "each found" not in run.stdout


def test_each_row_of_a_closed_difference_is_still_a_finding(report: Reconciliation) -> None:
    """A charge sent twice is closed by itself, because nothing was billed twice, and is told all the same."""
    twice = [(row, d) for row in report.rows for d in row.differences if d.name == "charged-twice"]
    assert twice
    assert all(d.standing is Standing.CLOSED and d not in row.open for row, d in twice)


def test_fewer_courses_than_kinds_of_faults_are_refused(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["demo", "--month", "--courses", str(FEWEST - 1), "--folder", str(tmp_path)])
    assert run.exit_code == 2
