"""The rehearsal as a page: what the command says, for supervisors; nothing of what is pasted is kept but in memory."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import DoubleCharge
from adapters.model.claim import ClaimState
from adapters.model.draft import Draft, DraftFile
from adapters.model.record import ChargeStatus
from adapters.model.user import LONGEST, Role
from adapters.pages import aside, rehearse_pages, rehearse_view
from adapters.pages.admission import LARGEST_FORM
from adapters.pages.looking import KEPT
from adapters.pages.rehearse_pages import LARGEST, MOST_FILES, draft_of
from adapters.pipeline import House
from adapters.settings import Settings
from adapters.settings.drafted import drafted, mapping_text
from tests.pages.clinic import _PRICES, CANARIES, NOW, RULES, Clinic, clinic
from tests.pages.filled import take
from tests.pages.visiting import OURS, hidden, logged, sent
from tests.serve.conftest import FAMILY, dft, endpoint

SITE = endpoint("http://127.0.0.1:1/fhir") + _PRICES
ENDED = (
    "code,label,service,from,to,pctc,tc_bundled,packaged_technical,status,addon_of,mue,mue_hospital,mai,cite\n"
    "77300,dose calculation,dosimetry,2015-01-01,2025-12-31,1,,,A,,10,10,3,ended for this test\n"
)
DEARER = SITE.replace("120.50", "150.00")
PLACE = "/rules/rehearse"


def on_disk(made: Clinic, folder: Path) -> Clinic:
    """The clinic with its site file where a service has it."""
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    said = Settings(site=folder / "site.toml")
    held: Any = made
    held.drafted = lambda draft: drafted(draft, said, RULES, made.site)
    held.mapping_text = lambda file: mapping_text(file, said.mappings)
    return made


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    built = on_disk(clinic(treated=True), tmp_path_factory.mktemp("site"))
    yield built
    built.close()


@pytest.fixture
def made(there: Clinic) -> Clinic:
    there.clock.at = NOW
    there.signed_in(Role.SUPERVISOR)
    return there


def pasted(made: Clinic, **fields: str) -> Any:
    return sent(made.client, PLACE, PLACE, fields)


def rehearsed(made: Clinic, **fields: str) -> str:
    """The address of what a form began."""
    answer = pasted(made, **fields)
    assert answer.status_code == 303, answer.text
    where: str = answer.headers["location"]
    assert re.fullmatch(rf"{PLACE}/[0-9a-f]{{32}}", where)
    return where


def shown(made: Clinic, path: str) -> str:
    for _ in range(40):
        answer = made.client.get(path)
        if answer.status_code != 202:
            break
        assert 'http-equiv="refresh"' in answer.text
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:600])
    return answer.text


def rows(made: Clinic, where: str, more: str = "") -> list[dict[str, str]]:
    text = shown(made, f"{where}/lines.csv{more}")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_another_price_is_told_in_money(made: Clinic) -> None:
    where = rehearsed(made, site=DEARER)
    page = shown(made, where)
    assert "<b>+$29.50</b>. 1 of 1 persons, 1 line." in page
    (row,) = rows(made, where)
    assert (row["what"], row["now"], row["amount now"], row["then"], row["amount then"], row["effect"]) == (
        "changed", "77300", "120.50", "77300", "150.00", "29.50",
    )  # fmt: skip
    assert (row["units now"], row["day"]) == ("1", "2026-01-05")
    assert FAMILY in row["patient"]
    charge = made.store.load(made.store.lanes()[0]).charges
    assert row["charge"] in {one.id for one in charge}
    assert all(one.charge.price is None or str(one.charge.price) != "150.00" for one in charge), "nothing is written"
    lines = page.partition('id="lines"')[2]
    links = [html.unescape(link) for link in re.findall(r'href="(/(?:courses|explain|claims)/[^"]+)"', lines)]
    assert f"/explain/{row['charge']}" in links
    assert any(link.startswith("/courses/") for link in links)
    for link in links:
        assert made.client.get(link).status_code == 200, link


def test_page_and_command_say_the_same(made: Clinic) -> None:
    where = rehearsed(made, site=DEARER.replace("90.00", "45.00").replace("250.00", "251.00"))
    page = shown(made, where)
    then = House.of(RULES, drafted_site(made, DEARER.replace("90.00", "45.00").replace("250.00", "251.00")))
    seen = rehearse_view.looked_over(made.store, made.house, then, made.clock.at, lambda: None)
    assert f"{seen.outcome.lines} line" in page
    assert len(seen.outcome.groups) > 1
    for group in seen.outcome.groups:
        name = rehearse_view.group_name(group.key)
        some = rows(made, where, f"?group={name}")
        assert len(some) == group.lines
        assert sum(round(100 * float(row["effect"])) for row in some) == group.effect
        assert f"{where}?group={name}" in page
    effects = [abs(float(row["effect"])) for row in rows(made, where)]
    assert effects == sorted(effects, reverse=True)
    assert sum(round(100 * float(row["effect"])) for row in rows(made, where)) == seen.outcome.effect


def drafted_site(made: Clinic, text: str) -> Any:
    held: Any = made
    return held.drafted(Draft(site=text))[1]


def test_other_mappings_hold_a_line(made: Clinic) -> None:
    where = rehearsed(made, name1="codes/attributes.csv", text1=ENDED.replace("\n", "\r\n"))
    (row,) = rows(made, where)
    assert (row["what"], row["hold"], row["effect"], row["then"]) == ("held", "not-effective", "-120.50", "77300")
    page = shown(made, where)
    assert "<b>−$120.50</b>" in page
    assert "codes/attributes.csv; pasted by a.supervisor at 09:00" in page
    back = shown(made, f"{PLACE}?again={where.rpartition('/')[2]}")
    assert html.escape(ENDED) in back


def test_a_held_line_explains_itself(made: Clinic) -> None:
    """A line that is held now and released then has no charge on file: its hold says why."""
    where = rehearsed(made, site=SITE.replace('code = "77336"', 'code = "77338"'))
    page = shown(made, where)
    assert "price missing" in page
    lines = page.partition('id="lines"')[2]
    for link in re.findall(r'href="(/explain/[^"]+)"', lines):
        assert made.client.get(link).status_code == 200


def test_fees_alone(made: Clinic) -> None:
    where = rehearsed(made, fees="code,modifier,entity,amount,from,to\n77300,,,1.00,2026-01-01,\n")
    assert [row["effect"] for row in rows(made, where)] == ["-119.50"]
    assert "fee table; pasted by" in shown(made, where)


def test_all_that_is_wrong_is_told_and_the_texts_stay(made: Clinic) -> None:
    answer = pasted(
        made, name1="edits/one.toml", text1='id = "one"\nkind = "<decisio>"\n', name2="", text2="a = ", site="name = "
    )
    assert answer.status_code == 422
    assert "a file without a name: no path inside a folder of mappings" in answer.text
    answer = pasted(made, name1="edits/one.toml", text1='id = "one"\nkind = "<decisio>"\n', site="name = ")
    assert answer.status_code == 422
    assert "edits/one.toml:2: kind must be one of" in answer.text
    assert "site file: Invalid value" in answer.text
    assert "id = &#34;one&#34;\nkind = &#34;&lt;decisio&gt;&#34;\n</textarea>" in answer.text
    assert "name = \n</textarea>" in answer.text
    assert "Nothing was tried" in answer.text
    assert pasted(made).status_code == 422
    assert "Nothing is pasted" in pasted(made).text


def test_one_more_file_and_a_file_to_begin_with(made: Clinic) -> None:
    answer = pasted(made, do="more", name1="a.toml", text1="x", fees="CODE")
    assert answer.status_code == 200
    assert 'name="text2"' in answer.text
    assert "CODE\n</textarea>" in answer.text
    begun = shown(made, f"{PLACE}?file=edits/course-limits.toml")
    assert 'value="edits/course-limits.toml"' in begun
    assert html.escape('id = "course-limits"').replace("&quot;", "&#34;") in begun
    assert made.client.get(f"{PLACE}?file=../site.toml").status_code == 404
    assert made.client.get(f"{PLACE}?file=site.toml").status_code == 404
    taken = pasted(made, do="take", file="edits/course-limits.toml", name1="a.toml", text1="MINE", fees="CODE")
    assert taken.status_code == 200
    assert 'name="name2" value="edits/course-limits.toml"' in taken.text
    assert "MINE\n</textarea>" in taken.text
    assert "CODE\n</textarea>" in taken.text
    refused = pasted(made, do="take", file="../site.toml", text1="MINE")
    assert refused.status_code == 422
    assert "No file of the mappings in force bears this name." in refused.text
    assert 'Quiet Bay Clinic"' not in refused.text
    full = {f"name{n}": f"f{n}.toml" for n in range(1, MOST_FILES + 1)}
    last = pasted(made, do="more", **full)
    assert f'name="text{MOST_FILES}"' in last.text
    assert f'name="text{MOST_FILES + 1}"' not in last.text


def test_what_came_back_from_the_form_is_what_was_begun_with(made: Clinic) -> None:
    """A file in force, taken and sent back unchanged by a browser, is the same file."""
    _, text = mapping_text("edits/course-limits.toml", ()) or ("", "")
    draft = draft_of({"name3": " edits/course-limits.toml ", "text3": text.replace("\n", "\r\n")})
    assert draft == Draft((DraftFile("edits/course-limits.toml", text),))
    assert draft_of({"site": " \r\n ", "fees": "\ufeffa"}) == Draft(fees="a\n")
    assert draft_of({"instead": "yes"}) == Draft(instead=True)


# ---------------------------------------------------------------- who, and what is left behind


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLER])
def test_only_a_supervisor_rehearses(made: Clinic, role: Role) -> None:
    where = rehearsed(made, site=DEARER)
    assert PLACE in shown(made, "/rules")
    made.signed_in(role)
    assert PLACE not in shown(made, "/rules")
    guard = {k: v for k, v in hidden(made.client.get("/search").text).items() if k in ("csrf", "once")}
    for path in (PLACE, f"{PLACE}?file=edits/course-limits.toml", where, f"{where}/lines.csv"):
        answer = made.client.get(path)
        assert answer.status_code == 403
        assert FAMILY not in answer.text
    for path in (PLACE, where):
        assert made.client.post(path, data={**guard, "site": DEARER}, headers=OURS).status_code == 403
    large = {**guard, "site": "x" * (LARGEST_FORM + 1)}
    assert made.client.post(PLACE, data=large, headers=OURS).status_code == 400, "more is read of a supervisor's alone"
    made.client.cookies.clear()
    assert made.client.post(PLACE, data=large, headers=OURS).status_code == 400
    assert made.client.post(PLACE, data={"site": DEARER}, headers=OURS).status_code == 403
    assert made.client.get(where).status_code == 403


def test_a_form_that_is_not_ours_or_too_large_is_not_taken(made: Clinic) -> None:
    found = hidden(made.client.get(PLACE).text)
    guard = {"csrf": found["csrf"], "once": found["once"], "site": DEARER}
    assert made.client.post(PLACE, data={**guard, "csrf": "x"}, headers=OURS).status_code == 403
    assert made.client.post(PLACE, data=guard, headers={"Origin": "https://other.example"}).status_code == 403
    assert made.client.post(PLACE, data=guard).status_code == 403
    assert made.client.post(PLACE, data={**guard, "site": "x" * LARGEST}, headers=OURS).status_code == 400
    bigger = made.client.post(PLACE, data={**guard, "site": SITE + "# x\n" * LARGEST_FORM}, headers=OURS)
    assert bigger.status_code == 303, "a site file with many prices"


def test_nothing_pasted_reaches_a_file_the_log_or_an_address(made: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when it is right, not when it is wrong, and not when the program fails over it."""
    written: list[str] = []
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: written.append("text"))
    monkeypatch.setattr(Path, "write_bytes", lambda *_, **__: written.append("bytes"))
    canary = "CANARYSETTING"
    right = DEARER.replace("Lakeside Mutual", canary)
    before = len(made.store.journal())

    def fails(*_given: object) -> None:
        raise ValueError(f"cannot do with {canary}")

    with logged() as said:
        where = rehearsed(made, site=right, name1="codes/attributes.csv", text1=ENDED.replace("ended for", canary))
        shown(made, where)
        assert canary in pasted(made, site=right.replace("zone", canary)).text
        monkeypatch.setattr(rehearse_view, "rehearse", fails)
        failed = shown(made, rehearsed(made, site=right + "\n"))
        monkeypatch.setattr(made, "drafted", fails)
        assert pasted(made, site=right).status_code == 500
    assert "1 person (ValueError)" in failed
    assert canary not in failed
    assert said.getvalue()
    assert canary not in said.getvalue() + where
    assert not any(one in said.getvalue() for one in CANARIES)
    assert not written
    assert len(made.store.journal()) == before


def test_a_person_who_cannot_be_derived_is_told(made: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_given: object) -> None:
        raise DoubleCharge("one slot twice")

    monkeypatch.setattr(rehearse_view, "rehearse", fails)
    page = shown(made, rehearsed(made, site=DEARER + "# fails\n"))
    assert "Nothing could be derived for 1 person (DoubleCharge)" in page
    assert "Do not put this in force" in page
    assert "No line would be another" not in page


# ---------------------------------------------------------------- looks that are kept


def test_what_has_come_since_is_told_and_looked_for_when_asked(tmp_path: Path) -> None:
    other = on_disk(clinic(treated=True), tmp_path)
    other.signed_in(Role.SUPERVISOR)
    where = rehearsed(other, site=DEARER)
    assert "nothing has come since" in shown(other, where)
    take(other, dft("C9", transaction="T9", day="20260106"), "A9")
    assert re.search(r"\d entr(y has|ies have) come since", shown(other, where))
    assert len(rows(other, where)) == 1
    assert sent(other.client, where, where, {}).status_code == 303
    assert "nothing has come since" in shown(other, where)
    assert len(rows(other, where)) == 2
    other.close()


def test_what_is_sent_and_what_drifts_is_told_apart(tmp_path: Path) -> None:
    """A claim that is out is only ever corrected; a record that was stepped under other settings is no effect of these."""
    other = on_disk(clinic(treated=True), tmp_path)
    other.signed_in(Role.SUPERVISOR)
    (lane,) = other.store.lanes()
    before = other.store.load(lane)
    (line,) = [one for one in before.charges if one.charge.code == "77300"]
    claims = [
        replace(one, state=ClaimState.COMPLETE, settlement="paid", payer_claim_number="P1")
        if one.claim.id == line.claim
        else one
        for one in before.claims
    ]
    charges = [
        replace(one, status=ChargeStatus.SENT)
        if one.claim == line.claim
        else replace(one, charge=replace(one.charge, price=Decimal("1.00")))
        if one.charge.code == "77336"
        else one
        for one in before.charges
    ]
    other.store.save(before, replace(before, charges=tuple(charges), claims=tuple(claims)), tick=NOW)
    more = ENDED + ENDED.partition("\n")[2].replace("77300,dose calculation,dosimetry", "77336,physics,physics")
    where = rehearsed(other, name1="codes/attributes.csv", text1=more)
    page = shown(other, where)
    found = {row["now"]: (row["status"], row["effect"]) for row in rows(other, where) if row["now"]}
    assert found == {"77300": ("settled", "-120.50"), "77336": ("claimed", "-90.00")}
    assert [row["now"] for row in rows(other, where, "?sent=yes")] == ["77300"]
    told = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "then $1,430.00 : −$210.50" in told or "then $1,430.00: −$210.50" in told
    assert "1 of these lines went to a payer already: −$120.50 of the effect. 1 claim that is out would be" in told
    assert "Beside these, and not of these rules: 1 line on file is not as what is in force derives it today" in told
    assert f'href="/claims/{line.claim}"' in page
    other.close()


def test_parts_of_a_long_list(made: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "PAGE", 1)
    where = rehearsed(made, site=DEARER.replace("310.00", "311.00").replace("90.00", "91.00"))
    page = shown(made, where)
    assert f"{where}?after=1" in page
    second = shown(made, f"{where}?after=1")
    assert "To the beginning" in second
    assert f"{where}?after=2" in second
    assert shown(made, f"{where}?after=xyz") != second
    every = rows(made, where)
    monkeypatch.setattr(rehearse_view, "MOST", 1)
    cut = rehearsed(made, site=DEARER.replace("310.00", "311.00").replace("90.00", "91.00") + "# cut\n")
    assert rows(made, cut) == every[:1]
    assert f"{len(every) - 1} with less effect are left out" in shown(made, cut)


def test_a_file_runs_nothing(made: Clinic) -> None:
    """What the rules say of themselves stands in the file as text."""
    where = rehearsed(made, name1="codes/attributes.csv", text1=ENDED)
    with_formula = replace(
        rehearse_view.looked_over(
            made.store, made.house, House.of(RULES, drafted_site(made, DEARER)), NOW, lambda: None
        ).lines[0],
        patient="=HYPERLINK(1)",
        cite="+cmd",
    )
    text = rehearse_pages.csv_answer("x.csv", rehearse_view.COLUMNS, [rehearse_view.cells(with_formula)]).body.decode()
    assert "'=HYPERLINK(1)" in text
    assert "'+cmd" in text
    assert (
        made.client.get(f"{where}/lines.csv").headers["content-disposition"] == 'attachment; filename="rehearsal.csv"'
    )


def test_an_address_of_nothing(made: Clinic) -> None:
    for name in ("0" * 32, "x", "%C3%A9"):
        assert made.client.get(f"{PLACE}/{name}").status_code == 404
        assert made.client.get(f"{PLACE}/{name}/lines.csv").status_code == 404
        assert sent(made.client, PLACE, f"{PLACE}/{name}", {}).status_code == 404
    assert made.client.get(f"{PLACE}?again={'0' * 32}").status_code == 404


def test_a_draft_is_forgotten(made: Clinic) -> None:
    where = rehearsed(made, site=DEARER + "# old\n")
    for n in range(KEPT):
        rehearsed(made, site=DEARER + f"# {n}\n")
    assert made.client.get(where).status_code == 404
    last = rehearsed(made, site=DEARER + "# last\n")
    made.clock.at = NOW + LONGEST + timedelta(minutes=1)
    made.signed_in(Role.SUPERVISOR, "late")
    assert made.client.get(last).status_code == 404
    assert "Rehearsed before" not in shown(made, PLACE)
