"""Tables by the console script: load, list, put in force, take out of force; what the journal says of it, and charges.

All codes and people are made up, and all fees.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PTP = "Column 1\tColumn 2\t*=In existence prior to 1996\tEffective Date\tDeletion Date\tModifier\tPTP Edit Rationale\n"
FEES = "code,amount,from\n77300,{amount},2020-01-01\n"
MUE = (
    "HCPCS/ CPT Code,Practitioner Services MUE Values,MUE Adjudication Indicator,MUE Rationale\n"
    "77300,1,3 Date of Service Edit: Clinical,made up\n"
)
WHO = ("--by", "kim", "--why", "the new year")


def fees(clinic: Any, amount: str, name: str = "fees.csv") -> str:
    """A fee table with another price for the one service of the clinic; its digest."""
    clinic.file(name, FEES.format(amount=amount))
    ran = clinic("load", "fees", name, "--release", f"at {amount}", "--from", "2020-01-01", "--json")
    assert ran.code == 0, ran.err
    return str(ran.rows()[0]["digest"])


def prices(clinic: Any) -> list[str]:
    """What the charges on file cost a unit."""
    ran = clinic("charges", "--json")
    assert ran.code == 0, ran.err
    return [row["price"] for row in ran.rows()]


def entries(clinic: Any, kind: str) -> int:
    """Entries of a kind in the journal."""
    connection = sqlite3.connect(clinic.folder / "oncoclaims.db")
    try:
        (count,) = connection.execute("SELECT count(*) FROM journal WHERE kind = ?", (kind,)).fetchone()
    finally:
        connection.close()
    return int(count)


def test_load_says_what_it_read_and_how_to_put_it_in_force(clinic: Any) -> None:
    clinic.file("fees.csv", FEES.format(amount="99.00"))
    ran = clinic("load", "fees", "fees.csv", "--release", "2026", "--from", "2026-01-01")
    assert (ran.code, ran.err) == (0, "")
    first, second, third = ran.out.splitlines()
    assert first == "fees 2026: 1 rows, from 2026-01-01 to 2026-12-31"
    digest = second.removeprefix("digest ")
    assert third == f"put it in force:  oncoclaims rules activate {digest[:12]} --by WHO --why WHAT-FOR"
    again = clinic("load", "fees", "fees.csv", "--release", "2026", "--from", "2026-01-01")
    assert again.out.splitlines()[1] == f"digest {digest}: the same rows were loaded before"
    (row,) = clinic("tables", "--json").rows()
    assert row.pop("files")[0].startswith("fees.csv ")
    assert row == {
        "kind": "fees",
        "scope": "",
        "release": "2026",
        "from": "2026-01-01",
        "to": "2026-12-31",
        "rows": 1,
        "digest": digest,
        "since": None,
        "by": None,
        "why": None,
    }
    assert digest[:12] in clinic("tables").out


def test_a_published_table_needs_no_keys_and_no_store(bare: Any) -> None:
    bare.file("ccipra-v323r0-f1.txt", PTP + "Y0001\tY0002\t\t20200101\t*\t0\tmade up\n")
    bare.file("ccipra-v323r0-f2.txt", PTP + "Y0003\tY0004\t\t20200101\t20201231\t1\tmade up\n")
    parts = ("ccipra-v323r0-f1.txt", "ccipra-v323r0-f2.txt")
    ran = bare("load", "ncci", *parts, "--json")
    assert ran.code == 0, ran.err
    (row,) = ran.rows()
    assert (row["kind"], row["scope"], row["rows"], row["new"], row["active"]) == (
        "ncci",
        "practitioner",
        2,
        True,
        False,
    )
    assert [name.partition(" ")[0] for name in row["files"]] == list(parts)
    assert sorted(path.name for path in bare.folder.iterdir() if path.is_dir()) == ["oncoclaims.editions"]


def test_every_problem_is_told_with_its_line_and_nothing_is_loaded(clinic: Any) -> None:
    clinic.file("fees.csv", "code,amount,from\n77300,-1,2020-01-01\n77300,9,never\n77300,9,2020-01-01\n")
    ran = clinic("load", "fees", "fees.csv", "--release", "2026", "--from", "2026-01-01")
    assert (ran.code, ran.out) == (1, "")
    told = ran.err.splitlines()
    assert [line.rpartition(":")[0].partition(": ")[0].rpartition(":")[0] or line for line in told]
    assert told[0].startswith("fees.csv:2: ")
    assert told[1].startswith("fees.csv:3: ")
    assert told[-1] == "nothing was loaded"
    assert clinic("tables", "--json").rows() == []
    unreadable = clinic("load", "fees", "none.csv", "nor-this.csv", "--release", "2026", "--from", "2026-01-01")
    assert unreadable.code == 1
    assert [line.partition(":")[0] for line in unreadable.err.splitlines()] == ["none.csv", "nor-this.csv"]
    assert clinic("load", "fees", "fees.csv", "--from", "today").code == 2
    assert clinic("load", "nonsense", "fees.csv").code == 2


def test_who_and_why_are_asked_and_a_digest_is_enough_of_one(clinic: Any) -> None:
    digest = fees(clinic, "99.00")
    assert clinic("rules", "activate", digest).code == 2
    assert clinic("rules", "deactivate", digest, "--by", "kim").code == 2
    assert clinic("load", "fees", "fees.csv", "--activate", "--release", "1", "--from", "2020-01-01").code == 2
    short = clinic("rules", "activate", digest[:5], *WHO)
    assert (short.code, short.err) == (
        1,
        f"edition {digest[:5]}: at least six digits; see `oncoclaims tables`\n",
    )
    unknown = clinic("rules", "activate", "0123456789", "fedcba9876", *WHO)
    assert unknown.code == 1
    assert unknown.err.count("none begins so") == 2
    nothing = clinic("rules", "deactivate", digest, *WHO)
    assert (nothing.code, entries(clinic, "rules")) == (1, 0)


@pytest.mark.system
def test_an_edition_in_force_changes_charges_and_one_out_of_force_changes_them_back(
    clinic: Any, say: SimpleNamespace
) -> None:
    clinic.file("one.hl7", say.dft("T-1"))
    assert clinic("ingest", "one.hl7").code == 0
    assert prices(clinic) == ["120.5"] or prices(clinic) == ["120.50"]
    before = prices(clinic)
    digest = fees(clinic, "99.00")
    assert clinic("run-due").code == 0
    assert prices(clinic) == before, "loaded is not in force"

    ran = clinic("rules", "activate", digest[:12], *WHO)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        f"in force now: fees at 99.00 {digest[:12]}",
        "1 lanes are stepped again: by `serve`, or `run-due`",
    ]
    assert prices(clinic) == before, "a listing steps nothing"
    (row,) = clinic("tables", "--json").rows()
    assert (row["by"], row["why"]) == ("kim", "the new year")
    assert clinic("rules", "activate", digest, *WHO).out == "nothing changes: that is in force already\n"
    assert clinic("run-due").code == 0
    assert prices(clinic) == ["99.00"]
    said = entries(clinic, "rules")
    assert clinic("run-due").code == 0
    assert (prices(clinic), entries(clinic, "rules")) == (["99.00"], said), "once is enough"
    assert clinic("rebuild", "--check").err == ""

    mended = fees(clinic, "98.00", "mended.csv")
    ran = clinic("rules", "activate", mended, *WHO)
    assert ran.out.splitlines()[:2] == [
        f"in force now: fees at 98.00 {mended[:12]}",
        f"out of force: fees at 99.00 {digest[:12]}",
    ]
    clinic.file("two.hl7", say.dft("T-2", mrn="PB-200"))
    assert clinic("ingest", "two.hl7").code == 0
    assert prices(clinic) == ["98.00", "98.00"]
    ran = clinic("rules", "deactivate", mended[:8], *WHO, "--now", "2026-03-02T09:30-05:00")
    assert (ran.code, ran.out) == (0, f"out of force: {mended[:12]}\n")
    again = clinic("rules", "activate", mended[:8], *WHO, "--now", "2026-03-02")
    assert again.code == 0, again.err
    assert [str(row["since"]) for row in clinic("tables", "--json").rows() if row["since"]] == [
        "2026-03-02T17:00:00+00:00"
    ]
    assert clinic("rules", "deactivate", mended[:8], *WHO, "--now", "2026-03-02T13:00-05:00").code == 0
    assert clinic("run-due").code == 0
    assert prices(clinic) == before * 2
    checked = clinic("rebuild", "--check")
    assert (checked.code, checked.err) == (0, "")
    assert checked.out == "2 lanes folded again from the journal, byte for byte as they are on file\n"
    assert clinic("verify").code == 0

    pruned = clinic("tables", "--prune")
    assert (pruned.code, pruned.out) == (0, ""), "what was ever in force is kept"
    never = fees(clinic, "97.00", "never.csv")
    assert clinic("tables", "--prune").out == f"removed: fees at 97.00, {never}\n"
    assert {row["digest"] for row in clinic("tables", "--json").rows()} == {digest, mended}


def test_rules_check_names_what_the_tables_in_force_say_otherwise(clinic: Any) -> None:
    clinic.file("MCR_MUE_PractitionerServices_Eff_01-01-2026.csv", MUE)
    assert clinic("rules", "check", "--on", "2026-02-01").code == 0
    ran = clinic("load", "mue", "MCR_MUE_PractitionerServices_Eff_01-01-2026.csv", "--activate", *WHO)
    assert ran.code == 0, ran.err
    differing = clinic("rules", "check", "--on", "2026-02-01")
    assert differing.code == 1
    assert any(line.startswith("77300 mue: ours ") and "says 1" in line for line in differing.err.splitlines())
    late = clinic("rules", "check", "--on", "2026-05-01")
    assert "it ended on 2026-03-31, load a later release" in late.err
    assert clinic("rules", "deactivate", clinic("tables", "--json").rows()[0]["digest"], *WHO).code == 0
    assert clinic("rules", "check", "--on", "2026-02-01").code == 0


def test_two_editions_that_begin_on_one_day_are_not_put_in_force_together(clinic: Any) -> None:
    one, other = fees(clinic, "1.00"), fees(clinic, "2.00", "other.csv")
    ran = clinic("rules", "activate", one, other, *WHO)
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 2
    assert entries(clinic, "rules") == 0


def test_loading_and_putting_in_force_in_one_go(clinic: Any) -> None:
    clinic.file("fees.csv", FEES.format(amount="99.00"))
    ran = clinic("load", "fees", "fees.csv", "--release", "1", "--from", "2020-01-01", "--activate", *WHO)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[2].startswith("in force now: fees 1 ")
    (row,) = clinic("tables", "--json").rows()
    assert row["by"] == "kim"


@pytest.mark.system
def test_the_journal_is_told_of_rules_and_settings_once(clinic: Any, say: SimpleNamespace) -> None:
    def told() -> tuple[int, int]:
        return entries(clinic, "rules"), entries(clinic, "site")

    assert clinic("charges").code == 0
    assert told() == (0, 0), "a listing tells nothing"
    clinic.file("one.hl7", say.dft("T-1"))
    assert clinic("ingest", "one.hl7").code == 0
    assert told() == (1, 1)
    assert clinic("run-due").code == 0
    assert told() == (1, 1)
    site = (clinic.folder / "site.toml").read_text()
    clinic.file("site.toml", site + "\n# edited\n")
    assert clinic("claims").code == 0
    assert told() == (1, 1)
    checked = clinic("rebuild", "--check")
    assert checked.code == 0
    assert checked.out.splitlines()[0].startswith("from journal entry 2 on: written under site file ")
    assert clinic("run-due").code == 0
    assert told() == (1, 2)
    checked = clinic("rebuild", "--check")
    assert "a rehearsal" in checked.out
    clinic.file("site.toml", site)
    assert clinic("run-due").code == 0
    assert told() == (1, 3), "going back is a change as well"
    assert clinic("verify").code == 0


@pytest.mark.system
def test_an_edition_in_force_that_is_missing_or_another_is_named(clinic: Any, say: SimpleNamespace) -> None:
    digest = fees(clinic, "99.00")
    assert clinic("rules", "activate", digest, *WHO).code == 0
    clinic.file("one.hl7", say.dft("T-1"))
    assert clinic("ingest", "one.hl7").code == 0
    assert prices(clinic) == ["99.00"]
    file = clinic.folder / "oncoclaims.editions" / f"{digest}.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    changed = clinic("verify")
    assert changed.code == 1
    assert changed.err == f"edition {digest}: its file is not what was loaded\n"
    clinic.file("two.hl7", say.dft("T-2"))
    refused = clinic("ingest", "two.hl7")
    assert refused.code == 1
    assert "its file is not what was loaded" in refused.err
    file.unlink()
    for command in (("verify",), ("charges",), ("ingest", "two.hl7"), ("rebuild", "--check"), ("tables",)):
        missing = clinic(*command)
        assert missing.code == 1
        assert digest in missing.err
    assert clinic("rules", "deactivate", digest, *WHO).code == 0
    assert clinic("ingest", "two.hl7").code == 0
    assert clinic("verify").code == 0
    gone = clinic("rebuild", "--check")
    assert gone.code == 1
    assert gone.err.startswith(f"edition {digest}: it is not there")
    fees(clinic, "99.00")
    assert clinic("rebuild", "--check").code == 0


@pytest.mark.system
def test_a_backup_takes_the_editions_with_it(clinic: Any, say: SimpleNamespace) -> None:
    digest, never = fees(clinic, "99.00"), fees(clinic, "1.00", "never.csv")
    assert clinic("rules", "activate", digest, *WHO).code == 0
    clinic.file("one.hl7", say.dft("T-1"))
    assert clinic("ingest", "one.hl7").code == 0
    (clinic.folder / "kept").mkdir()
    first = clinic("backup", "kept/monday.db")
    assert first.code == 0, first.err
    assert first.out.splitlines()[1] == "kept/editions: 1 editions of tables, which belong to it"
    assert clinic("backup", "kept/tuesday.db").code == 0
    kept = sorted(path.name for path in (clinic.folder / "kept" / "editions").iterdir())
    assert kept == [f"{digest}.db", f"{digest}.json"]
    assert never not in kept[0]
    for path in (*clinic.folder.glob("oncoclaims.db*"), clinic.folder / "oncoclaims.editions"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    back = clinic("restore", "kept/tuesday.db")
    assert (back.code, back.err) == (0, "")
    assert prices(clinic) == ["99.00"]
    assert clinic("rebuild", "--check").code == 0
    assert clinic("verify").code == 0
    shutil.rmtree(clinic.folder / "kept" / "editions")
    alone = clinic("restore", "kept/monday.db", "--store", "sqlite:///elsewhere.db")
    assert alone.code == 1
    assert alone.err.startswith(f"edition {digest}: it is not there")


@pytest.mark.system
def test_a_service_that_runs_takes_up_what_comes_into_force(
    clinic: Any, say: SimpleNamespace, source_tree: Path
) -> None:
    clinic.file("one.hl7", say.dft("T-1"))
    assert clinic("ingest", "one.hl7").code == 0
    before = prices(clinic)
    digest = fees(clinic, "99.00")
    words = ["serve", "--role", "worker,payer", "--health-port", "0"]
    with (clinic.folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [sys.executable, "-c", "from adapters.cli import main; main()", *words],
            cwd=clinic.folder,
            env={**os.environ, "PYTHONPATH": str(source_tree)},
            stdout=log,
            stderr=log,
        )
    try:
        assert until(lambda: b"listening" in (clinic.folder / "log").read_bytes()), (clinic.folder / "log").read_text()
        assert prices(clinic) == before
        assert clinic("rules", "activate", digest, *WHO).code == 0
        assert until(lambda: prices(clinic) == ["99.00"]), (clinic.folder / "log").read_text()
        assert clinic("rules", "deactivate", digest, *WHO).code == 0
        assert until(lambda: prices(clinic) == before)
        assert until(lambda: _last_rules(clinic) == "applied")
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert clinic("rebuild", "--check").code == 0
    assert clinic("verify").code == 0


def _last_rules(clinic: Any) -> str:
    from adapters.model.journal import JournalKind
    from adapters.pipeline.force import CHANNEL, in_force
    from adapters.store import KeyRing, open_store

    ring = KeyRing.load(clinic.folder / "oncoclaims.keys")
    with open_store(f"sqlite:///{clinic.folder / 'oncoclaims.db'}", ring) as store:
        return in_force(store.last_noted(CHANNEL, JournalKind.RULES.value)).turn.value


def until(holds: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it comes to hold in time."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if holds():
            return True
        time.sleep(0.1)
    return False


def test_what_the_journal_says_of_a_switch_can_be_read(clinic: Any) -> None:
    digest = fees(clinic, "99.00")
    assert clinic("rules", "activate", digest, *WHO).code == 0
    from adapters.model.journal import JournalKind
    from adapters.store import KeyRing, open_store

    ring = KeyRing.load(clinic.folder / "oncoclaims.keys")
    with open_store(f"sqlite:///{clinic.folder / 'oncoclaims.db'}", ring) as store:
        (entry,) = store.journal()
        assert store.counts().unread == 0
    assert (entry.kind, entry.actor, entry.media) == (JournalKind.RULES, "person:kim", "json")
    said = json.loads(entry.body)
    assert (said["editions"], said["about"], said["why"], said["applied"]) == (
        [digest],
        [digest],
        "the new year",
        False,
    )
    assert len(said["rules"]) == 64
