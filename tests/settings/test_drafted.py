"""A draft out of a browser: read as files are, every fault told, and bounded; of it no file is read and nobody called."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import BadSetup
from adapters.model.draft import Draft, DraftFile
from adapters.settings import Settings, read_site, rules_of, site_of
from adapters.settings.drafted import LARGEST, drafted, mapping_text
from tests.serve.conftest import endpoint

RULES = rules_of()
TEXT = endpoint("http://127.0.0.1:1/fhir")
PRICE = "amount = 120.50"
COLUMNS = "code,modifier,entity,amount,from,to\n"
ENDED = (
    "code,label,service,from,to,pctc,tc_bundled,packaged_technical,status,addon_of,mue,mue_hospital,mai,cite\n"
    "77300,dose calculation,dosimetry,2015-01-01,2025-12-31,1,,,A,,10,10,3,ended for this test\n"
)
OPTION = """id = "our-options"
kind = "options"
title = "Options of our payers"

[[options]]
name = "limits.imrt_devices"
words = "Most IMRT devices that the payer pays in one course"
pattern = '{}'
cite = "a plan's page"
"""
Try = Callable[[Draft], Any]


@pytest.fixture
def said(tmp_path: Path) -> Settings:
    (tmp_path / "site.toml").write_text(TEXT, encoding="utf-8")
    return Settings(site=tmp_path / "site.toml", store="sqlite://")


@pytest.fixture
def tried(said: Settings) -> Try:
    site = site_of(said.site, RULES)
    return lambda draft: drafted(draft, said, RULES, site)


def file(text: str, name: str = "payers/our-options.toml") -> Draft:
    return Draft((DraftFile(name, text),))


def problems(tried: Try, draft: Draft) -> tuple[str, ...]:
    with pytest.raises(BadSetup) as wrong:
        tried(draft)
    return wrong.value.problems


def test_what_is_not_said_is_as_in_force(tried: Try) -> None:
    rules, site = tried(Draft(fees=COLUMNS + "77300,,,150.00,2026-01-01,\n"))
    assert rules.digest == RULES.digest
    assert [row.amount for row in site.prices] == [Decimal("120.50"), Decimal("150.00")]
    rules, site = tried(Draft(site=TEXT.replace(PRICE, "amount = 150.00")))
    assert (rules.digest, [row.amount for row in site.prices]) == (RULES.digest, [Decimal("150.00")])
    rules, site = tried(file(ENDED, "codes/attributes.csv"))
    assert rules.codes["77300"][0].end is not None
    assert rules.digest != RULES.digest
    assert [row.amount for row in site.prices] == [Decimal("120.50")]


def test_files_lie_over_those_in_force_or_in_their_place(said: Settings, tmp_path: Path) -> None:
    (tmp_path / "ours" / "payers").mkdir(parents=True)
    (tmp_path / "ours" / "payers" / "ours.toml").write_text(OPTION.format("[1-9]"), encoding="utf-8")
    over = said.model_copy(update={"mappings": (tmp_path / "ours",)})
    rules = rules_of(over.mappings)
    site = site_of(over.site, rules)
    draft = file(ENDED, "codes/attributes.csv")
    both, _ = drafted(draft, over, rules, site)
    alone, _ = drafted(replace(draft, instead=True), over, rules, site)
    nothing, _ = drafted(Draft(instead=True), over, rules, site)
    assert "limits.imrt_devices" in both.options
    assert both.codes["77300"][0].end is not None
    assert "limits.imrt_devices" not in alone.options
    assert alone.codes["77300"][0].end is not None
    assert nothing.digest == RULES.digest
    assert mapping_text("overlay-1/payers/ours.toml", over.mappings) == ("payers/ours.toml", OPTION.format("[1-9]"))
    name, text = mapping_text("codes/attributes.csv", over.mappings) or ("", "")
    assert (name, text) == ("codes/attributes.csv", ENDED.partition("\n")[0] + "\n")
    (tmp_path / "ours").rename(tmp_path / "gone")
    assert mapping_text("overlay-1/payers/ours.toml", over.mappings) is None
    with pytest.raises(BadSetup, match="no such folder of mappings"):
        drafted(draft, over, rules, site)


@pytest.mark.parametrize(
    "name", ["", "../site.toml", "/etc/passwd", "overlay-1/x.toml", "overlay-2/payers/ours.toml", "README.md", "payers"]
)
def test_only_files_of_the_mappings_are_given(said: Settings, name: str) -> None:
    assert mapping_text(name, said.mappings) is None


def test_all_problems_are_told_at_once_with_file_and_line(tried: Try) -> None:
    draft = Draft(
        (
            DraftFile("edits/one.toml", 'id = "one"\nkind = "decisio"\n'),
            DraftFile("edits/two.toml", 'id = "two"\nkind = "options"\n\n[[options]\n'),
        ),
        site="name = 1\n",
        fees=f"{COLUMNS}77300,,,free,2026-01-01,\n",
    )
    found = problems(tried, draft)
    assert any(one.startswith("edits/one.toml:2: kind must be one of") for one in found), found
    assert any(one.startswith("edits/two.toml:4: not TOML") for one in found), found
    assert "fee table:2: not a row of code, modifier, entity, amount > 0, from, to" in found
    assert any(one.startswith("site file: name: ") for one in found), found
    assert any(one.startswith("site file: zone: ") for one in found), found
    (found_one,) = problems(tried, Draft(site="name = \n"))
    assert found_one.startswith("site file: ")
    assert "line 1" in found_one
    found = problems(
        tried,
        Draft(
            site=TEXT.replace('dialect = "plain-dft"', 'dialect = "none"').replace('facility = "BAY"', 'facility = "X"')
        ),
    )
    assert len(found) == 3
    assert all(one.startswith("site file: ") for one in found)


@pytest.mark.parametrize(
    "name", ["", "x", "../x.toml", "/x.toml", "a/../x.toml", "a//x.toml", "x.TOML", "é.toml", "a\nb.toml"]
)
def test_a_name_is_a_path_inside_the_folder(tried: Try, name: str) -> None:
    (found,) = problems(tried, file(OPTION.format("[1-9]"), name))
    assert "no path inside a folder of mappings" in found


def test_names_that_the_loader_would_pass_over(tried: Try) -> None:
    assert "no table lies here" in problems(tried, file(ENDED, "codes/other.csv"))[0]
    one = DraftFile("payers/a.toml", OPTION.format("[1-9]"))
    assert problems(tried, Draft((one, one))) == ("payers/a.toml: is there twice",)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "\n".join("[" * 40) + "1" + "]" * 40,
        "\n".join(["a = ", *["["] * 5000]),
        "a = " + "9" * 900,
        "a = 1e999999",
        "a = 1e-999999",
        "a = nan",
        "a = inf",
        "a." * 900 + "b = 1",
        "a = '" + "x" * 2000 + "'",
        "#" * 2000,
    ],
)
def test_a_text_that_is_made_to_weigh_is_refused_soon(tried: Try, text: str) -> None:
    begun = time.monotonic()
    assert problems(tried, file(f'id = "x"\nkind = "options"\n{text}\n'))
    assert problems(tried, Draft(site=f"{TEXT}\n{text}\n"))
    assert time.monotonic() - begun < 20


def test_all_together_is_bounded(tried: Try) -> None:
    line = "# a line of a comment\n"
    (found,) = problems(tried, Draft(site=TEXT + line * (LARGEST // len(line))))
    assert "more than 524,288 characters" in found


def test_a_field_that_no_table_has(tried: Try) -> None:
    text = COLUMNS + '"' + "x\n" * 100_000
    assert problems(tried, Draft(fees=text))[0].startswith("fee table: ")
    assert problems(tried, file(ENDED + '"' + "x\n" * 100_000, "codes/attributes.csv"))[0].startswith(
        "codes/attributes.csv: "
    )


@pytest.mark.parametrize("amount", ["1e999999", "1e-999999", "10000000000", "0.0000000001"])
def test_an_amount_has_as_many_digits_as_money(tried: Try, amount: str) -> None:
    assert "digits" in problems(tried, Draft(fees=f"{COLUMNS}77300,,,{amount},2026-01-01,\n"))[0]


def test_a_number_of_a_table_has_as_many_digits_as_are_counted(tried: Try) -> None:
    wrong = problems(tried, file(ENDED.replace(",10,10,", f",{'9' * 5000},10,"), "codes/attributes.csv"))
    assert any("not a mue" in one for one in wrong), [one[:80] for one in wrong]


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*", "a*a*a*b", "a?a?a?a?"])
def test_a_pattern_that_could_be_tried_for_ever(tried: Try, pattern: str) -> None:
    (found,) = problems(tried, file(OPTION.format(pattern)))
    assert found.startswith("payers/our-options.toml: options: ")
    assert "oncoclaims rehearse" in found


@pytest.mark.parametrize("pattern", ["[1-9]", "[1-9][0-9]{0,2}", "none|[0-9A-Z]{5}( [0-9A-Z]{5})*"])
def test_simple_patterns_and_those_in_force_are_taken(tried: Try, pattern: str) -> None:
    rules, _ = tried(file(OPTION.format(pattern)))
    assert rules.options["limits.imrt_devices"].pattern.pattern == pattern


@pytest.mark.parametrize("zone", ["America", "x" * 500, "../../etc/passwd", "zone.tab"])
def test_a_zone_is_one(tried: Try, zone: str) -> None:
    """A folder of zones, and a name that no file can have, were no `ValueError` and ended the command."""
    with pytest.raises(BadSetup, match="not a time zone"):
        read_site(TEXT.replace("America/New_York", zone), "site.toml", RULES)
    assert all("zone" in one for one in problems(tried, Draft(site=TEXT.replace("America/New_York", zone))))


# ---------------------------------------------------------------- what it may not reach


def test_a_fee_table_is_read_where_it_is_in_force_alone(said: Settings, tmp_path: Path) -> None:
    """A site file names its fee table by a path: a draft's could name any file, and a problem would tell of its lines."""
    secret = tmp_path / "keys"
    secret.write_text("CANARY-SECRET\n", encoding="utf-8")
    site = site_of(said.site, RULES)
    for named in ("keys", str(secret), "../keys", "/etc/passwd", "fees.csv", str(tmp_path / "no-such")):
        with pytest.raises(BadSetup) as wrong:
            drafted(Draft(site=f"fees = '{named}'\n{TEXT}"), said, RULES, site)
        assert wrong.value.problems == ("site file: fees: no file is read for a draft; give the fee table beside it",)
    rows = COLUMNS + "77300,,,99.00,2026-01-01,\n"
    _, given = drafted(Draft(site=f"fees = '/etc/passwd'\n{TEXT}", fees=rows), said, RULES, site)
    assert [row.amount for row in given.prices] == [Decimal("120.50"), Decimal("99.00")]
    (tmp_path / "fees.csv").write_text(rows, encoding="utf-8")
    said.site.write_text(f"fees = 'fees.csv'\n{TEXT}", encoding="utf-8")
    site = site_of(said.site, RULES)
    _, same = drafted(Draft(site=f"fees = 'fees.csv'\n{TEXT}# other\n"), said, RULES, site)
    assert [row.amount for row in same.prices] == [Decimal("120.50"), Decimal("99.00")]


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Every file that is opened and every address that is called while a test goes on."""
    found: list[str] = []
    watching = [True]

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if watching and event in ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.listdir"):
            found.append(f"{event} {given[0] if event != 'socket.connect' else given[1]}")

    sys.addaudithook(hook)
    yield found
    watching.clear()


def test_nothing_that_a_site_file_names_is_opened_or_called(
    said: Settings, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, certificates, secrets, the issuer: the names of all are canaries, and nobody looks at them."""
    trap = tmp_path / "canary"
    trap.mkdir()
    for name in ("key.pem", "secret", "chain.pem", "ca.pem", "client.json"):
        (trap / name).write_text("CANARY-SECRET", encoding="utf-8")
        (trap / name).chmod(0o600)
    more = f"""
hook_secret_file = "{trap}/secret"
[payers.endpoint.login]
token_url = "https://canary.invalid/token"
client_id = "us"
scopes = ["system/Claim.cs"]
keys = ["{trap}/key.pem"]
[payers.endpoint.tls]
certificate = "{trap}/chain.pem"
key = "{trap}/key.pem"
ca = "{trap}/ca.pem"
[[feeds]]
"""
    text = TEXT.replace("http://127.0.0.1:1/fhir", "https://canary.invalid/fhir").replace("[[feeds]]\n", more, 1)
    text = text.replace('applications = ["QBAY"]', 'applications = ["QBAY"]\ncertificates = ["qbay"]')
    text += f"""
[[listeners]]
name = "canary"
host = "127.0.0.1"
port = 2575
[listeners.tls]
certificate = "{trap}/chain.pem"
key = "{trap}/key.pem"
ca = "{trap}/ca.pem"
"""
    site = site_of(said.site, RULES)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("somebody is called"))
    opened.clear()
    _, found = drafted(Draft(site=text), said, RULES, site)
    assert any(str(said.site) in one for one in opened), "the watch sees what is opened"
    assert not [one for one in opened if "canary" in one or "socket" in one or "Popen" in one]
    assert "canary" not in repr((found.listeners, found.web, found.clients, found.ehrs, found.desks))
    assert [(p.endpoint.login, p.endpoint.tls, p.endpoint.hook_secret_file) for p in found.payers] == [(None, None, "")]


def test_what_was_changed_on_disk_since_is_not_in_force(said: Settings, tried: Try) -> None:
    said.site.write_text(TEXT.replace(PRICE, "amount = 1.00"), encoding="utf-8")
    assert (
        "the site file on disk is no more the one in force" in problems(tried, file(ENDED, "codes/attributes.csv"))[0]
    )
    overlaid = said.model_copy(update={"mappings": (said.site.parent,)})
    (said.site.parent / "codes").mkdir()
    (said.site.parent / "codes" / "attributes.csv").write_text(ENDED, encoding="utf-8")
    with pytest.raises(BadSetup, match="the mappings on disk are no more those in force"):
        drafted(Draft(site=TEXT, instead=True), overlaid, RULES, read_site(TEXT, "site.toml", RULES))


def test_a_draft_shows_nothing_of_itself() -> None:
    shown = repr(Draft((DraftFile("a.toml", "CANARY"),), site="CANARY", fees="CANARY"))
    assert "CANARY" not in shown
