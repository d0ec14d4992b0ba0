"""The doors of the set-up: environment, site file, fee table, mappings. Every fault told at once, with its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from adapters.errors import BadSetup
from adapters.model.charge import Component
from adapters.model.site import Enrolment, Mode, Setting, Site
from adapters.rules import Problem, Ruleset
from adapters.settings import Settings, of_environment, read_site, rules_of, site_of, told

GOOD = """
name = "Heron Marsh"
zone = "America/Chicago"
options = { "codes.imrt-delivery-pre2026" = "G6015" }
crosswalk = { L300 = "77300" }
people = { 1999999901 = "radiation-oncologist" }

[[facilities]]
id = "HERON"
name = "Heron Marsh Center"
npi = "1999999950"
setting = "freestanding"
place_of_service = "11"
aliases = ["HM"]

[[facilities.entities]]
id = "heron"
name = "Heron Marsh Center"
npi = "1999999950"
tin = "990000044"
bills = "global"
claim_type = "professional"

[[payers]]
id = "reed"
name = "Reed Health"
kind = "commercial"
aliases = ["REED"]

[payers.endpoint]
base_url = "https://payer.invalid/fhir"
call = "create"

[[feeds]]
name = "heron-dft"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/Chicago"
facility = "HERON"
person_aliases = { HERONHIS = "urn:heron:mrn" }

[[families]]
service = "dosimetry"
mode = "accept"
since = 2024-01-01
facility = "HERON"

[[prices]]
code = "77300"
amount = 12.345
from = 2024-01-01
to = 2024-12-31
"""


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    """The mappings as shipped."""
    return rules_of()


@pytest.fixture
def problems(rules: Ruleset) -> Callable[..., tuple[str, ...]]:
    """`problems(old, new, …)`: what is said of the good site file with these texts exchanged."""

    def of(*pairs: tuple[str, str], fees: str = "") -> tuple[str, ...]:
        text = GOOD
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        try:
            read_site(text, "site.toml", rules, fees, "fees.csv")
        except BadSetup as bad:
            return bad.problems
        return ()

    return of


def test_a_good_site_file(rules: Ruleset) -> None:
    site = read_site(GOOD, "site.toml", rules)
    assert (site.name, site.zone) == ("Heron Marsh", "America/Chicago")
    heron = site.facility("HM")
    assert heron is not None
    assert (heron.setting, heron.entities[0].bills) == (Setting.FREESTANDING, Component.GLOBAL)
    reed = site.payer("reed health")
    assert reed is not None
    assert (reed.cycle, reed.wait_days, reed.timely_filing_days, reed.after_sending) == ("week", 0, None, "replace")
    assert (reed.endpoint.call, reed.endpoint.idempotent, reed.endpoint.attempts) == ("create", False, 4)
    feed = site.feed("heron-dft")
    assert feed is not None
    assert (feed.processing, feed.applications, feed.person_aliases) == ("P", (), {"HERONHIS": "urn:heron:mrn"})
    family = site.mode("dosimetry", date(2024, 6, 1), "HERON")
    assert family is not None
    assert (family.mode, family.prefer) == (Mode.ACCEPT, "ours")
    assert site.mode("dosimetry", date(2023, 12, 31), "HERON") is None
    (price,) = site.prices
    assert (price.amount, price.start, price.end) == (Decimal("12.345"), date(2024, 1, 1), date(2024, 12, 31))
    assert (site.crosswalk, site.people) == ({"L300": "77300"}, {"1999999901": "radiation-oncologist"})


def test_enrolments_and_revenue_codes(rules: Ruleset) -> None:
    more = """
[revenue]
planning = "0333"
96413 = "0335"

[[enrolments]]
npi = "1234567893"
payer = "reed"
from = 2026-01-01
filed = 2026-02-01
"""
    site = read_site(GOOD + more, "site.toml", rules)
    assert site.revenue == {"planning": "0333", "96413": "0335"}
    assert site.enrolments == (Enrolment("1234567893", "reed", date(2026, 1, 1), None, date(2026, 2, 1)),)
    wrong = more.replace("1234567893", "1234567894").replace("reed", "sedge").replace("planning", "plannning")
    with pytest.raises(BadSetup) as refused:
        read_site(GOOD + wrong + "to = 2025-01-01\n", "site.toml", rules)
    assert sorted(refused.value.problems) == [
        "site.toml: enrolments: '1234567894' ends before it begins",
        "site.toml: enrolments: '1234567894' is no NPI, its check digit is wrong",
        "site.toml: enrolments: no payer 'sedge'",
        "site.toml: revenue: 'plannning' is no procedure code and no service family",
    ]


def test_the_digest_is_that_of_site_file_and_fee_table(rules: Ruleset) -> None:
    fees = "code,modifier,entity,amount,from,to\n77301,,,1.00,2024-01-01,\n"
    digests = {
        read_site(GOOD, "a", rules).digest,
        read_site(GOOD, "b", rules).digest,
        read_site(GOOD + "\n", "a", rules).digest,
        read_site(GOOD, "a", rules, fees).digest,
    }
    assert len(digests) == 3


def test_the_demo_s_site_file_is_a_good_one(rules: Ruleset) -> None:
    with resources.as_file(resources.files("adapters.demo") / "site.toml") as path:
        site = site_of(path, rules)
    assert {facility.setting for facility in site.facilities} == {Setting.HOSPITAL, Setting.FREESTANDING}
    assert len(site.prices) > 10


FAULTS = [
    (('zone = "America/Chicago"', 'zone = "Mars/Olympus"'), "zone: "),
    (('name = "Heron Marsh"', "name = 7"), "name: "),
    (('name = "Heron Marsh"', 'nam = "x"'), "name: "),
    (('name = "Heron Marsh"', 'name = "x"\ncolour = "blue"'), "colour: "),
    (('npi = "1999999950"', 'npi = "12"'), "facilities.0.npi: "),
    (('setting = "freestanding"', 'setting = "barn"'), "facilities.0.setting: "),
    (('place_of_service = "11"', 'place_of_service = "1"'), "facilities.0.place_of_service: "),
    (('id = "heron"', 'id = "Heron House"'), "facilities.0.entities.0.id: "),
    (('tin = "990000044"', 'tin = "99-0000044"'), "facilities.0.entities.0.tin: "),
    (('bills = "global"', 'bills = "all"'), "facilities.0.entities.0.bills: "),
    (('claim_type = "professional"', 'claim_type = "paper"'), "facilities.0.entities.0.claim_type: "),
    (('kind = "commercial"', 'kind = "friendly"'), "payers.0.kind: "),
    (('aliases = ["REED"]', 'aliases = "REED"'), "payers.0.aliases: "),
    (('aliases = ["REED"]', 'cycle = "fortnight"'), "payers.0.cycle: "),
    (('aliases = ["REED"]', "wait_days = -1"), "payers.0.wait_days: "),
    (('aliases = ["REED"]', "timely_filing_days = 0"), "payers.0.timely_filing_days: "),
    (('aliases = ["REED"]', 'after_sending = "pray"'), "payers.0.after_sending: "),
    (('call = "create"', 'call = "shout"'), "payers.0.endpoint.call: "),
    (('call = "create"', 'body = "letter"'), "payers.0.endpoint.body: "),
    (('call = "create"', "attempts = 0"), "payers.0.endpoint.attempts: "),
    (('call = "create"', "attempts = 21"), "payers.0.endpoint.attempts: "),
    (('call = "create"', "timeout_seconds = 0"), "payers.0.endpoint.timeout_seconds: "),
    (('call = "create"', "poll_after_seconds = -1"), "payers.0.endpoint.poll_after_seconds: "),
    (('call = "create"', "search_delay_seconds = -1"), "payers.0.endpoint.search_delay_seconds: "),
    (('call = "create"', 'secret = "x"'), "payers.0.endpoint.secret: "),
    (('media = "hl7v2"', 'media = "fax"'), "feeds.0.media: "),
    (("person_aliases", 'processing = "X"\nperson_aliases'), "feeds.0.processing: "),
    (('mode = "accept"', 'mode = "guess"'), "families.0.mode: "),
    (("since = 2024-01-01", 'since = "soon"'), "families.0.since: "),
    (('mode = "accept"', 'mode = "compare"\nprefer = "cheaper"'), "families.0.prefer: "),
    (("amount = 12.345", "amount = 0"), "prices.0.amount: "),
    (("from = 2024-01-01", "from = 2024-13-01"), ""),
]


@pytest.mark.parametrize(("change", "place"), FAULTS, ids=[f"{new.splitlines()[0]}" for (_, new), _ in FAULTS])
def test_each_field_is_checked(problems: Callable[..., tuple[str, ...]], change: tuple[str, str], place: str) -> None:
    said = problems(change)
    assert said
    assert all(one.startswith("site.toml: ") for one in said)
    assert any(one.startswith(f"site.toml: {place}") for one in said), said


def test_the_file_says_of_itself_what_does_not_fit(problems: Callable[..., tuple[str, ...]]) -> None:
    feed = GOOD[GOOD.index("[[feeds]]") : GOOD.index("[[families]]")]
    payer = GOOD[GOOD.index("[[payers]]") : GOOD.index("[payers.endpoint]")]
    for change, words in (
        (('facility = "HERON"\nperson', 'facility = "NOWHERE"\nperson'), "feeds.heron-dft: no facility 'NOWHERE'"),
        (('dialect = "plain-dft"', 'dialect = "klingon"'), "feeds.heron-dft: no dialect 'klingon' in the mappings"),
        (('dialect = "plain-dft"', 'dialect = "codex-rt"'), "feeds.heron-dft: dialect 'codex-rt' is not for hl7v2"),
        (('media = "hl7v2"', 'media = "fhir"'), "feeds.heron-dft: dialect 'plain-dft' is not for fhir"),
        (
            ('dialect = "plain-dft"', 'dialect = "plain-dft"\npayer = "nobody"'),
            "feeds.heron-dft: payer 'nobody' is none of the site's, or the feed is not fhir",
        ),
        (('2024-01-01\nfacility = "HERON"', '2024-01-01\nfacility = "FAR"'), "families.dosimetry: no facility 'FAR'"),
        (("[[families]]", f"{feed}[[families]]"), "feeds: 'heron-dft' is there twice"),
        (("[[feeds]]", f"{payer}[[feeds]]"), "payers: 'reed' is there twice"),
    ):
        assert problems(change) == (f"site.toml: {words}",)


@pytest.mark.parametrize(
    "address",
    ["http://payer.invalid/fhir", "https://me@payer.invalid/fhir", "payer.invalid", "https://p.invalid/fhir?a=1"],
)
def test_a_payer_is_called_by_tls_or_not_at_all(problems: Callable[..., tuple[str, ...]], address: str) -> None:
    (said,) = problems(("https://payer.invalid/fhir", address))
    assert said.startswith("site.toml: payer reed: base_url ")
    assert "me@" not in said
    assert problems(("https://payer.invalid/fhir", "http://127.0.0.1:8090/fhir")) == ()
    assert problems(("https://payer.invalid/fhir", "")) == ()


def test_options_are_those_of_the_mappings(problems: Callable[..., tuple[str, ...]]) -> None:
    unknown = problems(("codes.imrt-delivery-pre2026", "codes.no-such-option"))
    assert len(unknown) == 1
    assert "codes.no-such-option" in unknown[0]
    value = problems(('"G6015"', '"G60150"'))
    assert len(value) == 1
    assert "codes.imrt-delivery-pre2026" in value[0]
    of_payer = problems(('aliases = ["REED"]', 'options = { "codes.nobody" = "1" }'))
    assert len(of_payer) == 1
    assert of_payer[0].startswith("site.toml: payers.reed.options: ")


def test_a_preset_gives_its_options_and_what_the_payer_says_goes_before(
    problems: Callable[..., tuple[str, ...]], rules: Ruleset
) -> None:
    assert problems(('aliases = ["REED"]', 'preset = "nobody"')) == (
        "site.toml: payers.reed: no preset 'nobody' in the mappings",
    )
    known = GOOD.replace('aliases = ["REED"]', 'preset = "unitedhealthcare"')
    reed = read_site(known, "site.toml", rules).payer("reed")
    assert reed is not None
    assert reed.options["guidance.commercial_26"] == "from-2026-03-01"
    own = known.replace(
        'preset = "unitedhealthcare"', 'preset = "unitedhealthcare"\noptions = { "guidance.commercial_26" = "no" }'
    )
    said = read_site(own, "site.toml", rules).payer("reed")
    assert said is not None
    assert said.options["guidance.commercial_26"] == "no"


def test_dated_options_are_those_of_the_mappings_once_a_day(problems: Callable[..., tuple[str, ...]]) -> None:
    later = 'dated_options = [{ since = 2026-07-01, options = { "management.short_three_four" = "yes" } }'
    assert problems(('aliases = ["REED"]', f"{later}]")) == ()
    twice = problems(('aliases = ["REED"]', f"{later}, {later.partition('[')[2]}]"))
    assert twice == ("site.toml: payers.reed.dated_options.2026-07-01: is there twice",)
    (value,) = problems(('aliases = ["REED"]', f"{later.replace('yes', 'maybe')}]"))
    assert value.startswith("site.toml: payers.reed.dated_options.2026-07-01: option management.short_three_four")
    (empty,) = problems(('aliases = ["REED"]', "dated_options = [{ since = 2026-07-01, options = {} }]"))
    assert "dated_options.0.options" in empty


def test_all_faults_are_told_at_once(problems: Callable[..., tuple[str, ...]]) -> None:
    fees = "code,modifier,entity,amount,from,to\n77301,,,free,2024-01-01,\n"
    said = problems(
        ('kind = "commercial"', 'kind = "friendly"'),
        ('mode = "accept"', 'mode = "guess"'),
        ('setting = "freestanding"', 'setting = "barn"'),
        fees=fees,
    )
    assert len(said) == 4
    assert said[0].startswith("fees.csv:2: ")
    across = problems(
        ('dialect = "plain-dft"', 'dialect = "klingon"'),
        ('2024-01-01\nfacility = "HERON"', '2024-01-01\nfacility = "FAR"'),
        ("codes.imrt-delivery-pre2026", "codes.no-such-option"),
        fees=fees,
    )
    assert len(across) == 4


def test_a_site_file_that_is_no_toml(rules: Ruleset, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('name = "half', encoding="utf-8")
    with pytest.raises(BadSetup) as bad:
        site_of(tmp_path / "site.toml", rules)
    (said,) = bad.value.problems
    assert said.startswith(f"{tmp_path / 'site.toml'}: ")
    assert "end of document" in said


def test_a_site_file_that_is_not_text(rules: Ruleset, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_bytes(b'name = "H\xe9ron"\n')
    with pytest.raises(BadSetup) as bad:
        site_of(tmp_path / "site.toml", rules)
    assert bad.value.problems == (f"{tmp_path / 'site.toml'}: the site file is not UTF-8",)


def test_files_that_are_not_there(rules: Ruleset, tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="the site file cannot be read"):
        site_of(tmp_path / "none.toml", rules)
    (tmp_path / "site.toml").write_text(GOOD.replace("crosswalk", 'fees = "none.csv"\ncrosswalk'), encoding="utf-8")
    with pytest.raises(BadSetup, match=r"fees: none.csv cannot be read"):
        site_of(tmp_path / "site.toml", rules)


FEES = """code,modifier,entity,amount,from,to,remark
77300,,,120.50,2024-01-01,,a remark is left alone
77300,26,heron,30,2024-01-01,2024-12-31,
"""


def test_a_fee_table(rules: Ruleset, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(GOOD.replace("crosswalk", 'fees = "fees.csv"\ncrosswalk'), encoding="utf-8")
    (tmp_path / "fees.csv").write_text(FEES, encoding="utf-8")
    site = site_of(tmp_path / "site.toml", rules)
    assert [(p.code, p.modifier, p.entity, p.amount, p.end) for p in site.prices] == [
        ("77300", "", "", Decimal("12.345"), date(2024, 12, 31)),
        ("77300", "", "", Decimal("120.50"), None),
        ("77300", "26", "heron", Decimal(30), date(2024, 12, 31)),
    ]


@pytest.mark.parametrize(
    "row",
    [
        "77301,,,free,2024-01-01,",
        "77301,,,0,2024-01-01,",
        "77301,,,-1,2024-01-01,",
        "77301,,,NaN,2024-01-01,",
        "77301,,,Infinity,2024-01-01,",
        "77301,,,1.00,,",
        "77301,,,1.00,01/02/2024,",
        "77301,,,1.00,2024-01-01,never",
        "77301,,",
        ",,,1.00,2024-01-01,",
        "77301,,,1.00,2024-02-01,2024-01-01",
    ],
)
def test_ill_formed_rows_of_a_fee_table_are_named_by_line(problems: Callable[..., tuple[str, ...]], row: str) -> None:
    (said,) = problems(fees=f"code,modifier,entity,amount,from,to\n77300,,,1.00,2024-01-01,\n{row}\n")
    assert said.startswith("fees.csv:3: ")


def test_prices_name_entities_of_the_site(problems: Callable[..., tuple[str, ...]]) -> None:
    fees = "code,modifier,entity,amount,from,to\n77300,,herron,1.00,2024-01-01,\n"
    said = problems(("amount = 12.345", 'amount = 1.00\nentity = "egret"'), fees=fees)
    assert said == ("site.toml: prices: there is no entity 'egret'", "fees.csv: there is no entity 'herron'")


def test_every_ill_formed_row_is_told(problems: Callable[..., tuple[str, ...]]) -> None:
    said = problems(fees="code,modifier,entity,amount,from,to\nA,,,x,2024-01-01,\nB,,,1,2024-01-01,\nC,,,1,x,\n")
    assert [one.split(":")[1] for one in said] == ["2", "4"]


def test_a_fee_table_without_its_columns(problems: Callable[..., tuple[str, ...]]) -> None:
    assert problems(fees="code,price\n77300,1\n") == (
        "fees.csv:1: missing columns: modifier, entity, amount, from, to",
    )


# ---------------------------------------------------------------- environment and mappings


def test_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    monkeypatch.setenv("ONCOCLAIMS_STORE", "sqlite:///here.db")
    monkeypatch.setenv("ONCOCLAIMS_MAPPINGS", f"{one}{os.pathsep}{two}")
    monkeypatch.setenv("ONCOCLAIMS_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("ONCOCLAIMS_SOMETHING_ELSE", "is of no concern")
    said = of_environment()
    assert (said.store, said.mappings, said.log_level) == ("sqlite:///here.db", (one, two), "debug")
    assert said.keys == Path("oncoclaims.keys")


def test_an_environment_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCOCLAIMS_LOG_LEVEL", "loud")
    with pytest.raises(BadSetup) as bad:
        of_environment()
    (said,) = bad.value.problems
    assert said.startswith("ONCOCLAIMS_LOG_LEVEL: ")


def test_without_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ONCOCLAIMS_")]:
        monkeypatch.delenv(name)
    assert of_environment() == Settings()
    assert (Settings().store, Settings().site) == ("sqlite:///oncoclaims.db", Path("site.toml"))


def test_overlays_that_are_no_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadSetup) as bad:
        rules_of((tmp_path / "none", tmp_path / "file"))
    assert bad.value.problems == tuple(f"{tmp_path / n}: no such folder of mappings" for n in ("none", "file"))


def test_an_overlay_replaces_rows_of_a_table_and_names_its_own_files(tmp_path: Path, rules: Ruleset) -> None:
    folder = tmp_path / "ours"
    (folder / "codes").mkdir(parents=True)
    table = folder / "codes" / "attributes.csv"
    header = (resources.files("mappings") / "codes" / "attributes.csv").read_text(encoding="utf-8").splitlines()[0]
    row = dict.fromkeys(header.split(","), "") | {"code": "77300", "label": "our word", "service": "dosimetry"}
    row |= {"from": "2015-01-01", "pctc": "1", "status": "A", "cite": "our payer"}
    table.write_text(f"{header}\n{','.join(row.values())}\n", encoding="utf-8")
    ours = rules_of((folder,)).attributes("77300", date(2026, 1, 5))
    shipped = rules.attributes("77300", date(2026, 1, 5))
    assert ours is not None
    assert shipped is not None
    assert (ours.label, shipped.label != "our word") == ("our word", True)
    table.write_text(f"{header}\n77300,half a row\n", encoding="utf-8")
    with pytest.raises(BadSetup) as bad:
        rules_of((folder,))
    assert all(said.startswith(f"{table}:2: ") for said in bad.value.problems)


def test_a_problem_names_the_overlay_s_own_path() -> None:
    overlays = (Path("first"), Path("second"))
    assert told(Problem("overlay-2/a/b.toml", 3, "odd"), overlays) == f"{Path('second/a/b.toml')}:3: odd"
    assert told(Problem("charges/delivery.toml", 3, "odd"), overlays) == "charges/delivery.toml:3: odd"
    assert told(Problem("overlay-9/a.toml", 3, "odd"), overlays) == "overlay-9/a.toml:3: odd"


def test_the_fixture_is_a_site(rules: Ruleset) -> None:
    assert isinstance(read_site(GOOD, "site.toml", rules), Site)
