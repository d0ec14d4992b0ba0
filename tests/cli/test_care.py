"""First set-up and care of a store: `init`, `doctor`, `verify`, `conform`, `rules check`, and wrong use of any command."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from types import SimpleNamespace
from typing import Any

import pytest
import typer.main

from adapters.cli.app import app

pytestmark = pytest.mark.system

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_init_makes_private_files(bare: Any) -> None:
    ran = bare("init")
    assert (ran.code, ran.err) == (0, "")
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in bare.folder.iterdir()}
    del made["site.toml"]
    assert {"oncoclaims.db", "oncoclaims.keys"} <= set(made)
    if os.name == "posix":
        assert set(made.values()) == {0o600}
    keys = (bare.folder / "oncoclaims.keys").read_bytes()
    assert bare("init").code == 0, "twice does no harm"
    assert (bare.folder / "oncoclaims.keys").read_bytes() == keys


def test_init_looks_at_the_site_file_first(bare: Any) -> None:
    bare.file("site.toml", 'name = "x"\nzone = "Nowhere"\n')
    ran = bare("init")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 2
    assert sorted(path.name for path in bare.folder.iterdir()) == ["site.toml"], "nothing is made for it"


def test_without_a_store_or_keys(bare: Any) -> None:
    nokeys = bare("charges")
    assert (nokeys.code, nokeys.out) == (1, "")
    assert nokeys.err == "oncoclaims.keys: no key file; `oncoclaims init` makes one\n"
    assert bare("init").code == 0
    (bare.folder / "oncoclaims.db").unlink()
    nostore = bare("charges")
    assert (nostore.code, nostore.err) == (1, "there is no store at this URL: `oncoclaims init` makes one\n")
    (bare.folder / "site.toml").unlink()
    assert bare("charges").err == "site.toml: the site file cannot be read (No such file or directory)\n"


def test_the_wrong_keys(clinic: Any) -> None:
    (clinic.folder / "oncoclaims.keys").rename(clinic.folder / "old.keys")
    other = {"ONCOCLAIMS_STORE": "sqlite:///other.db"}
    clinic.environment.update(other)
    assert clinic("init").code == 0
    clinic.environment.clear()
    wrong = clinic("charges")
    assert (wrong.code, wrong.err) == (1, "the key file is not the one that this store was made with\n")
    assert clinic("charges", "--keys", "old.keys").code == 0
    (clinic.folder / "old.keys").chmod(0o644)
    if os.name == "posix":
        assert "only the owner may read keys" in clinic("charges", "--keys", "old.keys").err


@pytest.mark.parametrize("url", ["postgresql://somebody:secret@127.0.0.1:1/x", "nonsense", "mysql://x/y"])
def test_a_store_that_nobody_speaks(bare: Any, url: str) -> None:
    ran = bare("init", "--store", url)
    assert ran.code == 1
    assert "secret" not in ran.err
    assert "Traceback" not in ran.err


def test_a_store_that_is_none(clinic: Any) -> None:
    (clinic.folder / "oncoclaims.db").write_bytes(b"this is no database at all, but it is long enough\n" * 200)
    for side in ("-wal", "-shm"):
        (clinic.folder / f"oncoclaims.db{side}").unlink(missing_ok=True)
    ran = clinic("charges")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) == 1


def test_doctor(clinic: Any) -> None:
    ran = clinic("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"^rules [0-9a-f]{16}, \d+ dated rules$", ran.out, re.MULTILINE)
    assert "site Plover Bank, 2 feeds, 1 payers" in ran.out
    assert "store sqlite:///oncoclaims.db: 0 journal entries, 0 unread, 0 parked\n" in ran.out
    assert ran.out.endswith("all is well\n")


def test_doctor_names_what_is_missing(bare: Any) -> None:
    ran = bare("doctor")
    assert ran.code == 1
    assert "no key file" in ran.err or "the key file cannot be read" in ran.err
    assert "all is well" not in ran.out
    bare.file("site.toml", "name = 1")
    worse = bare("doctor")
    assert worse.code == 1
    assert "site.toml: name: " in worse.err


def test_verify_names_a_row_that_was_changed(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("one.hl7", say.dft("V-1"))
    assert clinic("ingest", "one.hl7").code == 0
    good = clinic("verify")
    assert (good.code, good.err) == (0, "")
    with sqlite3.connect(clinic.folder / "oncoclaims.db") as connection:
        connection.execute("UPDATE charges SET sealed = zeroblob(length(sealed))")
    connection.close()
    bad = clinic("verify")
    assert bad.code == 1
    assert all(line.startswith("charges|") for line in bad.err.splitlines())
    assert "PB-100" not in bad.err
    connection = sqlite3.connect(clinic.folder / "oncoclaims.db")
    with pytest.raises(sqlite3.DatabaseError, match="only ever added"):
        connection.execute("UPDATE journal SET digest = 'x'")
    connection.close()


def test_a_changed_row_stops_a_listing_without_telling_of_patients(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("one.hl7", say.dft("V-2"))
    assert clinic("ingest", "one.hl7").code == 0
    with sqlite3.connect(clinic.folder / "oncoclaims.db") as connection:
        connection.execute("UPDATE charges SET sealed = zeroblob(length(sealed))")
    connection.close()
    ran = clinic("charges")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert "does not open" in ran.err
    assert "PB-100" not in ran.err + ran.out


def test_rules_check(bare: Any) -> None:
    ran = bare("rules", "check")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"\d+ dated rules, \d+ examples, all as they say; digest [0-9a-f]{16}\n", ran.out)
    stale = bare("rules", "check", "--on", "2031-01-01")
    assert stale.code == 1
    assert all(re.match(r"[a-z0-9/-]+\.(toml|csv):\d+: ", line) for line in stale.err.splitlines())
    assert bare("rules", "check", "--on", "some day").code == 2
    nowhere = bare("rules", "check", "--mappings", "nowhere")
    assert (nowhere.code, nowhere.err) == (1, "nowhere: no such folder of mappings\n")


def test_overlays_of_the_environment(bare: Any) -> None:
    bare.environment["ONCOCLAIMS_MAPPINGS"] = f"one{os.pathsep}two"
    ran = bare("rules", "check")
    assert (ran.code, ran.err) == (1, "one: no such folder of mappings\ntwo: no such folder of mappings\n")
    bare.environment.clear()
    bare.environment["ONCOCLAIMS_LOG_LEVEL"] = "loud"
    loud = bare("charges")
    assert loud.code == 1
    assert loud.err.startswith("ONCOCLAIMS_LOG_LEVEL: ")


@pytest.mark.system
def test_conform(bare: Any, say: SimpleNamespace) -> None:
    bare.file("feed/good.hl7", say.dft("H-1"))
    bare.file("feed/odd.hl7", say.dft("H-2", on="2026AB99") + say.dft("H-3").replace(b"PID|1", b"PID|one"))
    rows = bare("conform", "feed", "--json").rows()
    assert all(list(row) == ["file", "message", "code", "at", "words"] for row in rows)
    assert {row["file"] for row in rows} >= {"odd.hl7"}
    told = bare("conform", "feed")
    assert (told.code, told.err) == (0, "")
    assert "Conformance" in told.out
    assert bare("conform", "nowhere").code == 1
    assert bare("conform", "feed/odd.hl7", "--json").rows() == [row for row in rows if row["file"] == "odd.hl7"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(bare: Any, command: str) -> None:
    ran = bare(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Usage: oncoclaims" in ran.out


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["charges", "--frobnicate"],
        ["explain"],
        ["trace"],
        ["replay"],
        ["charges", "surplus"],
        ["serve", "--role", "cook"],
        ["serve", "--now", "2026-01-01"],
        ["serve", "--mllp-port", "many"],
        ["rules", "frobnicate"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_2(clinic: Any, words: list[str]) -> None:
    ran = clinic(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage: oncoclaims" in ran.err


def test_a_stub_with_a_faulty_scenario(bare: Any) -> None:
    bare.file("bad.toml", 'name = "x"\n[[rule]]\nverb = "dance"\n[[rule]]\nverb = "deny"\ntimes = 3\n')
    ran = bare("stub", "--scenario", "bad.toml")
    assert ran.code == 1
    assert len(ran.err.splitlines()) >= 2
    assert "Traceback" not in ran.err
    assert bare("stub", "--scenario", "none.toml").code == 1
