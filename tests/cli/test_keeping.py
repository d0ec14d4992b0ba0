"""Care of a store by the console script: verify and the head, migrate, backup, and the drill of losing a store."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.cli import keeping
from adapters.store import Sealing
from fhir_server_stub.fees import Fees
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import parse
from fhir_server_stub.server import running

pytestmark = pytest.mark.system

DAYS = ("2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09")


def story(clinic: Any, say: SimpleNamespace) -> None:
    """Four days of charge messages of two patients as files of the folder; each day repeats a message of the first."""
    for n, day in enumerate(DAYS):
        on = day.replace("-", "")
        bodies = [
            say.dft(f"A{n}", on=on),
            say.dft(f"B{n}", on=on, mrn="PB-200"),
            say.dft("A0", on=DAYS[0].replace("-", "")),
        ]
        clinic.file(f"day{n}.hl7", b"".join(bodies))


def live(clinic: Any, *days: int) -> None:
    """Take what comes on these days and do what is due in the night after."""
    for n in days:
        took = clinic("ingest", f"day{n}.hl7", "--now", f"{DAYS[n]}T20:00-05:00")
        assert took.code == 0, took.err
        assert clinic("run-due", "--now", f"{DAYS[n]}T21:00-05:00").code == 0


def end(clinic: Any) -> dict[str, Any]:
    """What everybody can see at the end, whatever way it came about."""
    seen: dict[str, Any] = {}
    for command in ("charges", "claims", "worklist", "ledger"):
        shown = clinic(command, "--json")
        assert shown.code == 0, shown.err
        seen[command] = shown.rows()
    return seen


def lose(folder: Path) -> None:
    """The disk with the store is gone; the head lay elsewhere, the keys too."""
    for path in folder.glob("oncoclaims.db*"):
        if not path.name.endswith(".head"):
            path.unlink()


def test_verify_says_how_far_the_seals_reach(clinic: Any, say: SimpleNamespace) -> None:
    empty = clinic("verify")
    assert (empty.code, empty.out) == (0, "every digest and every balance is right\nthe journal is empty\n")
    clinic.file("one.hl7", say.dft("V-1"))
    assert clinic("ingest", "one.hl7").code == 0
    unsealed = clinic("verify")
    # The rules and the site file in force, the message, the step of its lane.
    assert unsealed.out.endswith("nothing is sealed yet: 4 journal entries, 0 ledger entries\n")
    assert clinic("run-due", "--now", "2026-01-05T20:00-05:00").code == 0
    whole = clinic("verify")
    assert (whole.code, whole.err) == (0, "")
    assert whole.out.splitlines()[1] == "1 seals, up to journal entry 4: all of it"
    clinic.file("two.hl7", say.dft("V-2"))
    assert clinic("ingest", "two.hl7").code == 0
    tail = clinic("verify")
    assert tail.code == 0
    assert tail.out.splitlines()[1].startswith(
        "1 seals, up to journal entry 4; the unsealed tail: 2 journal entries (5 to 6)"
    )


def test_how_far_the_seals_reach_in_words() -> None:
    assert keeping.told(Sealing(0, 0, 0, 0)) == "the journal is empty"
    assert keeping.told(Sealing(0, 0, 3, 1)) == "nothing is sealed yet: 3 journal entries, 1 ledger entries"
    assert keeping.told(Sealing(2, 9, 9, 0)) == "2 seals, up to journal entry 9: all of it"
    tail = "2 seals, up to journal entry 9; the unsealed tail: 3 journal entries (10 to 12), 2 ledger entries"
    assert keeping.told(Sealing(2, 9, 12, 2)) == tail


def test_a_lost_head_is_named_until_somebody_says_so(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("one.hl7", say.dft("V-1"))
    assert clinic("ingest", "one.hl7").code == 0
    assert clinic("run-due", "--now", "2026-01-05T20:00-05:00").code == 0
    (clinic.folder / "oncoclaims.db.head").unlink()
    lost = clinic("verify")
    assert (lost.code, lost.out) == (1, "")
    assert lost.err == "head: the head file is missing, the store has 1 seals\n"
    clinic.file("two.hl7", say.dft("V-2"))
    assert clinic("ingest", "two.hl7").code == 0, "messages are taken all the same"
    refused = clinic("run-due", "--now", "2026-01-05T20:00-05:00")
    assert refused.code == 1
    assert "nothing is sealed until `oncoclaims verify` is in order" in refused.err
    anew = clinic("verify", "--new-head")
    assert (anew.code, anew.err) == (0, "")
    assert "no more: head: the head file is missing" in anew.out
    assert clinic("run-due", "--now", "2026-01-05T20:00-05:00").code == 0
    assert clinic("verify").code == 0


def test_a_new_head_does_not_cover_anything_else(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("one.hl7", say.dft("V-1"))
    assert clinic("ingest", "one.hl7").code == 0
    assert clinic("run-due", "--now", "2026-01-05T20:00-05:00").code == 0
    head = clinic.folder / "oncoclaims.db.head"
    before = json.loads(head.read_bytes())
    connection = sqlite3.connect(clinic.folder / "oncoclaims.db", isolation_level=None)
    connection.execute("DROP TRIGGER journal_no_update")
    connection.execute("UPDATE journal SET actor = 'feed:other' WHERE seq = 1")
    connection.close()
    refused = clinic("verify", "--new-head")
    assert refused.code == 1
    assert refused.err.endswith("more than the head is wrong: it is not written anew\n")
    assert json.loads(head.read_bytes()) == before


def test_the_head_lies_where_the_environment_says(clinic: Any, say: SimpleNamespace) -> None:
    clinic.environment["ONCOCLAIMS_HEAD"] = "elsewhere.head"
    clinic.file("one.hl7", say.dft("V-1"))
    assert clinic("ingest", "one.hl7").code == 0
    assert clinic("run-due", "--now", "2026-01-05T20:00-05:00").code == 0
    assert (clinic.folder / "elsewhere.head").is_file()
    assert not (clinic.folder / "oncoclaims.db.head").exists()
    assert clinic("verify").code == 0


def test_init_gives_an_older_key_file_a_signer(clinic: Any, say: SimpleNamespace) -> None:
    keys = clinic.folder / "oncoclaims.keys"
    keys.write_text(keys.read_text().splitlines(keepends=True)[0])
    clinic.file("one.hl7", say.dft("V-1"))
    assert clinic("ingest", "one.hl7").code == 0
    assert clinic("run-due", "--now", "2026-01-05T20:00-05:00").code == 0
    unsigned = clinic("verify")
    assert unsigned.code == 1
    assert "it is not signed" in unsigned.err
    assert clinic("verify", "--unsealed").code == 0
    assert clinic("init").code == 0
    assert keys.read_text().count("sign:") == 1
    clinic.file("two.hl7", say.dft("V-2"))
    assert clinic("ingest", "two.hl7").code == 0
    assert clinic("run-due", "--now", "2026-01-05T20:00-05:00").code == 0
    assert clinic("verify").code == 0


def test_migrate(clinic: Any, bare: Any) -> None:
    done = clinic("migrate")
    assert (done.code, done.out) == (0, "schema 0009: nothing to do\n")
    connection = sqlite3.connect(clinic.folder / "oncoclaims.db", isolation_level=None)
    later = (
        "browsers",
        "person_words",
        "sessions",
        "users",
        "entry_lanes",
        "unions",
        "used_once",
        "waiting",
        "runnable",
    )
    for table in (*later, "sealed_entries", "seals"):
        connection.execute(f"DROP TABLE {table}")
    for index in (
        "claims_built_id_state_payer",
        "claims_number",
        "journal_control",
        "work_items_kind_closed_due_id",
        "work_items_about_id",
    ):
        connection.execute(f"DROP INDEX ix_{index}")
    for column in ("payer", "built", "number"):
        connection.execute(f"ALTER TABLE claims DROP COLUMN {column}")
    connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    for command in (("charges",), ("init",), ("run-due",)):
        refused = clinic(*command)
        assert refused.code == 1
        assert refused.err.startswith("the store has schema 0001, this program needs 0009")
        assert refused.err.endswith("then `oncoclaims migrate`\n")
    assert clinic("migrate").out == "schema 0001 is now 0009\n"
    assert clinic("verify").code == 0
    nowhere = clinic("migrate", "--store", "sqlite:///none.db")
    assert (nowhere.code, nowhere.err) == (1, "there is no store at this URL: `oncoclaims init` makes one\n")
    assert not (clinic.folder / "none.db").exists()


def test_backup_and_restore_refuse_in_words(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("one.hl7", say.dft("V-1"))
    assert clinic("ingest", "one.hl7").code == 0
    first = clinic("backup", "kept.db")
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("kept.db and kept.db.head: up to journal entry 4 of ")
    again = clinic("backup", "kept.db")
    assert again.code == 1
    assert again.err == "".join(
        f"{name}: stands there already, and nothing is written over it\n" for name in ("kept.db", "kept.db.head")
    )
    over = clinic("restore", "kept.db")
    assert over.code == 1
    assert "nothing is written over it" in over.err
    (clinic.folder / "kept.db.head").unlink()
    headless = clinic("restore", "kept.db", "--store", "sqlite:///new.db")
    assert headless.code == 1
    assert "head is missing" in headless.err
    assert clinic("restore", "kept.db", "--store", "sqlite:///new.db", "--unsealed").code == 0
    assert clinic("verify", "--store", "sqlite:///new.db").code == 0
    assert "PB-100" not in first.out + again.err + over.err + headless.err


def drill(clinic: Any, resent_on: str, seen_on: str) -> dict[str, Any]:
    """Half a story, a backup, the other half, a lost disk, a restore, everything sent again; what is seen at the end.

    Asserts on the way that the end without the loss, at the same instant, is the same.
    """
    nights = [f"{day}T21:00-05:00" for day in (resent_on, seen_on)]
    live(clinic, 0, 1)
    assert clinic("backup", "kept.db").code == 0
    live(clinic, 2, 3)
    assert [clinic("run-due", "--now", night).code for night in nights] == [0, 0]
    without_loss = end(clinic)
    assert len(without_loss["charges"]) == 8

    lose(clinic.folder)
    assert clinic("charges").code == 1
    back = clinic("restore", "kept.db")
    assert (back.code, back.err) == (0, "")
    assert "must be sent again" in back.out
    assert "the lost store had sealed up to entry" in back.out
    assert "claims that left after that stand as not sent" in back.out
    assert clinic("verify").code == 0
    assert len(end(clinic)["charges"]) == 4

    everything = clinic("ingest", *(f"day{n}.hl7" for n in range(4)), "--now", f"{resent_on}T20:00-05:00", "--json")
    assert everything.code == 0, everything.err
    outcomes = [row["outcome"] for row in everything.rows()]
    assert outcomes.count("accepted") == 4, "two days of two patients were lost, the rest is known"
    assert outcomes.count("duplicate") == 8
    assert [clinic("run-due", "--now", night).code for night in nights] == [0, 0]
    assert clinic("verify").code == 0
    assert clinic("rebuild", "--check").err == ""
    again = end(clinic)
    assert timeless(again) == timeless(without_loss)
    return again


@pytest.mark.parametrize("resent_on", ["2026-01-09", "2026-01-10"])
def test_the_drill_losing_a_store_and_bringing_it_back(clinic: Any, say: SimpleNamespace, resent_on: str) -> None:
    story(clinic, say)
    ended = drill(clinic, resent_on, resent_on)
    assert {row["date"] for claim in ended["claims"] for row in claim["lines"]} >= set(DAYS[:3])


@pytest.mark.system
def test_the_drill_with_a_payer(clinic: Any, say: SimpleNamespace) -> None:
    """Claims that left after the backup are sent again. The payer knows their names, and the house finds the answers."""
    story(clinic, say)
    scenario = parse('name = "knows"\nidempotent = true\n')
    payer = Stub(scenario, fees=Fees.parse("code,modifier,allowed,from,to\n77300,,66.85,2025-01-01,\n"))
    with running(payer) as url:
        site = (clinic.folder / "site.toml").read_text()
        clinic.file("site.toml", site.replace("http://127.0.0.1:1/", f"{url}/"))
        ended = drill(clinic, "2026-01-10", "2026-01-12")
    assert [claim["state"] for claim in ended["claims"]] == ["paid"] * 8
    assert ended["worklist"] == []
    assert ended["ledger"]
    sent = [request.claim for request in payer.requests if request.method == "POST" and request.claim]
    assert len(sent) > len(set(sent)) == 8, "some went twice"
    assert len(payer.books.accounts) == 8, "and were taken once"
    assert payer.books.doubles() == []


TIMES = ("at", "submitted_at", "opened")


def timeless(seen: Any) -> Any:
    """What is seen without the instants and the order in which the house did things: after a loss it does them later."""
    if isinstance(seen, dict):
        return {name: timeless(value) for name, value in seen.items() if name not in TIMES}
    if isinstance(seen, list):
        return sorted((timeless(value) for value in seen), key=repr)
    return seen


def test_a_row_missing_from_a_projection_is_what_rebuild_is_for(clinic: Any, say: SimpleNamespace) -> None:
    story(clinic, say)
    live(clinic, 0, 1)
    connection = sqlite3.connect(clinic.folder / "oncoclaims.db")
    connection.execute("DELETE FROM charges WHERE place = 1")
    connection.commit()
    connection.close()
    assert clinic("verify").code == 0
    missing = clinic("rebuild", "--check")
    assert missing.code == 1
    assert all(": charges: 0 only on file, 1 only in the fold" in line for line in missing.err.splitlines())
