"""What is decided in two steps: what is shown is what comes, nothing comes that was not shown, and all can be taken back."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
import typer

from adapters.cli import deciding
from adapters.model.claim import ClaimState
from adapters.model.decision import Decision, Verb, saying
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.user import Role
from adapters.pages import proposing, signing
from adapters.pages.names import course_name, hold_name
from adapters.pipeline import House
from tests.pages.clinic import CANARIES, Clinic, clinic
from tests.pages.filled import DENIED, take
from tests.pages.visiting import NOBODYS, OURS, hidden, logged
from tests.serve.conftest import MRN, dft

pytestmark = pytest.mark.slow

OTHER = "CNRY-880042"
SYSTEM = "urn:quietbay:mrn"
FRACTION = {
    "kind": "fraction",
    "start": "2026-01-12T09:00",
    "course": "C1",
    "why": "the machine was offline",
    "name1": "n", "value1": "6",
    "name2": "isocenters", "value2": "1",
    "name3": "technique", "value3": "3d",
    "name4": "modality", "value4": "photon",
    "name5": "diagnosis", "value5": "C61\nC77.5",
}  # fmt: skip


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(signing, "PACE", 0.001)
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    made = clinic(treated=True)
    yield made
    made.close()


def person(there: Clinic) -> PersonRecord:
    return there.store.load(there.store.lanes_of(there.store.lane_of(PersonHint((Identifier(SYSTEM, MRN),)), ""))[0])


def codes(record: PersonRecord) -> Counter[str]:
    return Counter(c.charge.code for c in record.charges if c.status is not ChargeStatus.VOID)


def guard(page: str) -> dict[str, str]:
    found = hidden(page)
    return {"csrf": found["csrf"], "once": found["once"]}


def looked(there: Clinic, role: Role, page: str, path: str, fields: Mapping[str, str]) -> Any:
    """What is answered to the first step of a form that stands on a page."""
    browser = there.signed_in(role)
    form = browser.get(page).text
    if f'action="{path}"' not in form:  # as somebody sends it who knows the address
        form = browser.get("/search").text
    return browser.post(path, data={**guard(form), **fields}, headers=OURS)


def done(there: Clinic, shown: Any, path: str) -> Any:
    """What is answered to the second step: the form of the page that was shown, as it stands there."""
    (form,) = re.findall(rf'<form method="post" action="{re.escape(path)}/do">(.*?)</form>', shown.text, re.DOTALL)
    fields = {name: unescape(value) for name, value in hidden(form).items()}
    return there.client.post(f"{path}/do", data=fields, headers=OURS)


def told(page: str) -> str:
    """The words of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


# ---------------------------------------------------------------- entering


def test_a_service_is_entered_as_it_was_shown(there: Clinic) -> None:
    id = person(there).person
    path, before = f"/persons/{id}/enter", len(there.decisions())
    shown = looked(there, Role.BILLER, f"{path}?kind=fraction", path, FRACTION)
    assert shown.status_code == 200
    assert "no line 12 Jan 2026: 77407 x 1 $250.00 claimed" in told(shown.text)
    assert "an original is drawn up" in told(shown.text)
    assert len(there.decisions()) == before, "nothing is written by looking"
    was = codes(person(there))
    there.clock.forward(minutes=4)
    answer = done(there, shown, path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/persons/{id}")
    assert codes(person(there)) - was == {"77407": 1}
    made = there.decisions()[-1]
    assert (made.by, made.why, made.supervisor) == ("a.biller", "the machine was offline", False)
    assert made.says[0].values("fact.diagnosis") == ("C61", "C77.5")
    listed = told(there.client.get(f"/persons/{id}").text)
    assert "fraction on 2026-01-12 09:00, course C1" in listed
    assert "Withdraw" not in listed, "a biller takes nothing back"


def test_all_that_is_wrong_is_told_at_once_and_nothing_typed_is_lost(there: Clinic) -> None:
    path = f"/persons/{person(there).person}/enter"
    wrong = {**FRACTION, "value1": "six", "start": "", "end": "tomorrow", "besides": "many", "why": "", "name9": "shoe"}
    answer = looked(there, Role.BILLER, f"{path}?kind=fraction", path, {**wrong, "value9": "44"})
    assert answer.status_code == 422
    problems = re.findall(r"<li><b>(.*?)</b>", answer.text)
    assert sorted(problems) == ["besides", "end", "facts", "n", "the form", "why"]
    for typed in ("six", "C61\nC77.5", "tomorrow", "many", "shoe", "44"):
        assert re.search(rf'(value="|>){re.escape(typed)}["<]', answer.text), typed
    assert 'name="value1" rows="1" maxlength="2000" aria-label="Value of n" aria-invalid="true"' in answer.text
    changed = looked(there, Role.BILLER, f"{path}?kind=fraction", path, {**FRACTION, "step": "change"})
    assert (changed.status_code, "C61\nC77.5" in changed.text) == (200, True)


def test_what_a_kind_says_comes_first_and_every_fact_can_be_said(there: Clinic) -> None:
    id = person(there).person
    browser = there.signed_in(Role.BILLER)
    shown = browser.get(f"/persons/{id}/enter?kind=simulation").text
    rows = re.findall(r'<input name="name\d+" list="facts" maxlength="60" value="(.*?)"', shown)
    assert [row for row in rows if row] == ["complexity", "diagnosis"]
    assert rows.count("") == 6
    assert re.search(r'<select name="value1".*?<option>intermediate</option>', shown)
    assert '<option value="guidance.reviewed_at">' in shown
    paid = browser.get(f"/persons/{id}/enter?kind=patient-payment").text
    assert 'value="amount"' in paid
    for kind in ("merge", "decision", "patient", "tea"):
        assert browser.get(f"/persons/{id}/enter?kind={kind}").status_code == 404
    assert '<option value="merge"' not in browser.get(f"/persons/{id}/enter").text


def test_from_a_course_its_label_is_filled_in_and_stands_in_no_address(there: Clinic) -> None:
    browser = there.signed_in(Role.BILLER)
    course = re.findall(r'href="(/courses/[^"]+)"', browser.get("/courses").text)[0]
    (link,) = re.findall(r'href="(/persons/[^"]+/enter\?[^"]+)"', browser.get(course).text)
    assert "C1" not in link
    assert 'name="course" list="courses" maxlength="200" value="C1"' in browser.get(f"{link}&kind=fraction").text
    assert browser.get(course.replace("courses", "visits")).status_code == 404
    viewer = there.signed_in(Role.VIEWER)
    assert "/enter" not in viewer.get(course).text


def test_a_payment_says_what_it_would_post(there: Clinic) -> None:
    path = f"/persons/{person(there).person}/enter"
    fields = {
        "kind": "patient-payment",
        "date": "2026-01-19",
        "why": "at the desk",
        "name1": "amount",
        "value1": "25.00",
    }
    shown = looked(there, Role.BILLER, f"{path}?kind=fraction", path, fields)
    assert "Posted: receivable" in told(shown.text) or "Posted: patient" in told(shown.text)
    assert "$25.00" in told(shown.text)
    assert done(there, shown, path).status_code == 303
    assert sum(line.amount for entry in person(there).entries for line in entry.lines if line.amount > 0) == 2500


# ---------------------------------------------------------------- one line


def test_a_line_is_not_billed_and_what_it_kept_back_goes_out(there: Clinic) -> None:
    record = person(there)
    charge = next(c for c in record.charges if c.charge.code == "77290")
    page, path = f"/explain/{charge.id}", f"/explain/{charge.id}/drop"
    shown = looked(there, Role.BILLER, page, path, {"why": "done elsewhere"})
    words = told(shown.text)
    assert "77290 x 1 at 180.00, claimed" in words
    assert "held: units exceeded" in words, "of the two simulations of the day the other one may go"
    assert "held: not billed" in words
    answer = done(there, shown, path)
    assert answer.status_code == 303
    held = Counter(hold.code for hold in person(there).holds)
    assert (held["not-billed"], held["units-exceeded"]) == (1, 0)
    (made,) = there.decisions()[-1].says
    assert (made.value("before"), made.value("after")) == ("77290 x 1 at 180.00, claimed", "not billed")


def test_a_held_line_is_dropped_from_the_page_that_explains_it(there: Clinic) -> None:
    record = person(there)
    hold = next(one for one in record.holds if one.code == "documentation-missing")
    page = f"/explain/{hold_name(record.person, hold)}"
    course = f"/courses/{course_name(hold.slot.episode)}"
    assert f'href="{page}"' in there.signed_in(Role.BILLER).get(course).text
    shown = looked(there, Role.BILLER, page, f"{page}/drop", {"why": "nobody saw the patient"})
    assert done(there, shown, f"{page}/drop").status_code == 303
    assert {one.code for one in person(there).holds} == {"not-billed", "units-exceeded"}
    assert there.client.get(page).status_code == 404
    gone = looked(there, Role.BILLER, f"/persons/{record.person}", f"{page}/drop", {"why": "again"})
    assert gone.status_code == 404


def test_a_line_is_billed_otherwise_by_a_supervisor(there: Clinic) -> None:
    charge = next(c for c in person(there).charges if c.charge.code == "77290")
    page = f"/explain/{charge.id}"
    fields = {"why": "it was a simple one", "code": "77336", "modifiers": " 59,", "units": ""}
    assert 'action="/' not in there.signed_in(Role.VIEWER).get(page).text.replace('action="/sign-out"', "")
    assert "/bill" not in there.signed_in(Role.BILLER).get(page).text
    assert looked(there, Role.BILLER, page, f"{page}/bill", fields).status_code == 403
    empty = looked(there, Role.SUPERVISOR, page, f"{page}/bill", {"why": "x"})
    assert (empty.status_code, "says neither code, modifiers nor units" in empty.text) == (422, True)
    odd = looked(there, Role.SUPERVISOR, page, f"{page}/bill", {"why": "x", "units": "-1", "modifiers": "LONG"})
    assert {"units", "modifiers"} <= set(re.findall(r"<li><b>(.*?)</b>", odd.text))
    shown = looked(there, Role.SUPERVISOR, page, f"{page}/bill", fields)
    assert "77336-59 x 1 $90.00" in told(shown.text)
    assert done(there, shown, f"{page}/bill").status_code == 303
    assert "77336-59" in {"-".join((c.charge.code, *c.charge.modifiers)) for c in person(there).charges}
    assert there.decisions()[-1].supervisor


def test_a_fact_is_corrected_of_an_event_or_of_all_sessions(there: Clinic) -> None:
    charge = next(c for c in person(there).charges if c.charge.code == "77407")
    page = f"/explain/{charge.id}"
    (event,) = re.findall(r'<option value="(event:[^"]+)"', there.signed_in(Role.BILLER).get(page).text)
    fields = {"of": event, "fact": "isocenters", "value": "2", "why": "seen on the plan"}
    for wrong, name in (({"value": "many"}, "isocenters"), ({"fact": "shoe"}, "the form"), ({"of": "event:x"}, "of")):
        refused = looked(there, Role.BILLER, page, f"{page}/fact", {**fields, **wrong})
        assert (refused.status_code, re.findall(r"<li><b>(.*?)</b>", refused.text)) == (422, [name])
    of_all = {**fields, "of": "course:C1", "fact": "motion.method", "value": "gating"}
    every = looked(there, Role.BILLER, "/search", f"{page}/fact", of_all)
    assert every.status_code == 200
    assert "every session of course C1" in told(every.text)
    shown = looked(there, Role.BILLER, page, f"{page}/fact", fields)
    assert "Before 1 Then 2" in told(shown.text)
    was = codes(person(there))
    assert done(there, shown, f"{page}/fact").status_code == 303
    assert was["77407"] - codes(person(there))["77407"] == 1
    (said,) = there.decisions()[-1].says
    assert (said.value("before"), said.value("after")) == ("1", "2")


# ---------------------------------------------------------------- what changed in between


def test_what_has_changed_since_it_was_shown_is_shown_anew(there: Clinic) -> None:
    id = person(there).person
    path = f"/persons/{id}/enter"
    shown = looked(there, Role.BILLER, f"{path}?kind=fraction", path, FRACTION)
    take(there, dft("C2", transaction="T2", day="20260112"), "A2")
    there.decide(
        f'[patient]\nsystem = "{SYSTEM}"\nvalue = "{MRN}"\n[[event]]\nkind = "fraction"\n'
        'start = 2026-01-12T09:00:00-05:00\ncourse = "C1"\nfacts = { n = 6, technique = "imrt", modality = "photon" }\n'
    )
    before = len(there.decisions())
    refused = done(there, shown, path)
    assert (refused.status_code, "it has changed since you looked" in refused.text) == (409, True)
    assert len(there.decisions()) == before
    assert done(there, refused, path).status_code == 303, "as it stands now it may be agreed to"


def test_the_second_step_alone_does_nothing(there: Clinic) -> None:
    path = f"/persons/{person(there).person}/enter"
    browser, before = there.signed_in(Role.BILLER), len(there.decisions())
    unseen = browser.post(f"{path}/do", data={**guard(browser.get("/search").text), **FRACTION}, headers=OURS)
    assert unseen.status_code == 409
    shown = looked(there, Role.BILLER, f"{path}?kind=fraction", path, FRACTION)
    other = done(there, shown, path)
    twice = done(there, shown, path)
    assert (other.status_code, twice.status_code, len(there.decisions()) - before) == (303, 303, 1)
    assert "had been sent already" in there.client.get("/today").text


def test_nothing_that_is_typed_stands_in_an_address_or_a_log(there: Clinic) -> None:
    id = person(there).person
    path, secret = f"/persons/{id}/enter", "Zebrafinch"
    with logged() as log:
        fields = {**FRACTION, "course": secret, "why": f"{secret} said so", "name6": "by", "value6": secret}
        shown = looked(there, Role.BILLER, f"{path}?kind=fraction", path, fields)
        answer = done(there, shown, path)
        merged = looked(there, Role.SUPERVISOR, f"/persons/{id}", f"/persons/{id}/merge", {"other": secret, "why": "x"})
        assert merged.status_code == 422
        assert shown.text.count(secret) > 3
        assert secret not in str(answer.headers)
        assert "POST" in log.getvalue()
        assert not [word for word in (secret, *CANARIES) if word in log.getvalue()]


def test_what_cannot_be_foreseen_is_told_and_not_done(there: Clinic) -> None:
    """A claim is out in the name of an entity that the site file has no more: no step of its person goes well."""
    paid_claim(there)
    id = person(there).person
    path = f"/persons/{id}/enter"
    shown = looked(there, Role.BILLER, f"{path}?kind=fraction", path, FRACTION)
    assert shown.status_code == 200
    site, before = there.house.site, len(there.store.journal())
    there.house = House.of(
        there.house.rules,
        replace(
            site,
            facilities=tuple(
                replace(one, entities=tuple(replace(entity, id=f"{entity.id}-new") for entity in one.entities))
                for one in site.facilities
            ),
        ),
    )
    for answer in (done(there, shown, path), looked(there, Role.BILLER, f"{path}?kind=fraction", path, FRACTION)):
        assert answer.status_code == 409
        assert re.findall(r"<li><b>(.*?)</b>", answer.text) == ["the site file"]
        assert "a billing entity that the site does not have" in answer.text
        assert 'value="the machine was offline"' in answer.text, "nothing typed is lost"
    assert [one.kind.value for one in there.store.journal()[before:] if one.kind.value == "decision"] == []


def test_few_look_ahead_at_once(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look at a long record keeps a processor for seconds; what comes in waits for the same one."""
    turns = threading.BoundedSemaphore(1)
    monkeypatch.setattr(proposing, "_TURNS", turns)
    monkeypatch.setattr(proposing, "_PATIENCE", 0.01)
    path = f"/persons/{person(there).person}/enter"
    with turns:
        busy = looked(there, Role.BILLER, f"{path}?kind=fraction", path, FRACTION)
    assert (busy.status_code, "Try again in a moment" in busy.text) == (409, True)
    assert 'value="the machine was offline"' in busy.text
    assert looked(there, Role.BILLER, f"{path}?kind=fraction", path, FRACTION).status_code == 200
    assert turns.acquire(blocking=False), "the turn is given back"


def test_what_is_refused_at_the_second_step_keeps_what_was_typed(there: Clinic) -> None:
    charge = next(c for c in person(there).charges if c.charge.code == "77407")
    page = f"/explain/{charge.id}"
    (event,) = re.findall(r'<option value="(event:[^"]+)"', there.signed_in(Role.BILLER).get(page).text)
    fields = {"of": event, "fact": "isocenters", "value": "many", "why": "seen on the plan"}
    refused = looked(there, Role.BILLER, page, f"{page}/fact/do", fields)
    assert refused.status_code == 409
    assert 'value="isocenters"' in refused.text
    assert 'value="seen on the plan"' in refused.text


# ---------------------------------------------------------------- who is who


def two(there: Clinic) -> tuple[str, str]:
    """The patient under another number as well, with a charge of that day under each."""
    take(there, dft("C7", transaction="T7", mrn=OTHER), "A7")
    there.decide(
        f'[patient]\nsystem = "{SYSTEM}"\nvalue = "{OTHER}"\n[[event]]\nkind = "fraction"\n'
        'start = 2026-01-05T09:00:00-05:00\ncourse = "C1"\n'
        'facts = { n = 1, technique = "3d", modality = "photon", isocenters = 1, diagnosis = ["C61"] }\n'
    )
    here, other = (there.store.lane_of(PersonHint((Identifier(SYSTEM, mrn),)), "") for mrn in (MRN, OTHER))
    return here, other


def seen(there: Clinic, *lanes: str) -> Counter[str]:
    return sum((codes(there.store.load(root)) for root in {there.store.lanes_of(lane)[0] for lane in lanes}), Counter())


def test_two_are_merged_parted_and_it_is_withdrawn(there: Clinic) -> None:
    here, other = two(there)
    before = seen(there, here, other)
    path = f"/persons/{here}/merge"
    with logged() as log:
        shown = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, {"other": OTHER, "why": "the same card"})
    assert f'"about": "{here} {other}"' in log.getvalue(), "the other was looked at as well"
    words = told(shown.text)
    assert "One person, with one record." in words
    assert words.count(OTHER) == 1
    assert "77407 x 1 $250.00" in words, "the fraction that both have is charged once"
    assert done(there, shown, path).status_code == 303
    assert there.store.lanes_of(here) == (here, other)
    after = seen(there, here, other)
    assert before - after == {"77407": 1}
    again = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, {"other": OTHER, "why": "the same card"})
    assert (again.status_code, "they are one person already" in again.text) == (422, True)

    there.clock.forward(minutes=1)
    path = f"/persons/{here}/unmerge"
    shown = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, {"lane": other, "why": "two sisters"})
    assert "2 persons, each with a record of their own." in told(shown.text)
    assert done(there, shown, path).status_code == 303
    assert there.store.lanes_of(other) == (other,)
    assert seen(there, here, other) == before

    (entry,) = re.findall(rf'"/persons/{here}/withdraw/([0-9a-f-]+)"', there.client.get(f"/persons/{here}").text)[:1]
    path = f"/persons/{here}/withdraw/{entry}"
    shown = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, {"why": "one person after all"})
    assert "One person, with one record." in told(shown.text)
    assert done(there, shown, path).status_code == 303
    assert there.store.lanes_of(other) == (here, other)
    twice = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, {"why": "again"})
    assert (twice.status_code, "it is withdrawn already" in twice.text) == (422, True)


def test_what_names_nobody_or_oneself_is_refused_beside_the_form(there: Clinic) -> None:
    here, other = two(there)
    path = f"/persons/{here}/merge"
    for name, words in (("NOBODY", "nobody on file"), (MRN, "one and the same lane"), ("", "nobody on file")):
        refused = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, {"other": name, "why": "the same card"})
        assert (refused.status_code, words in refused.text) == (422, True), name
        assert 'value="the same card"' in refused.text
    turned = {"other": f"{SYSTEM}|{OTHER}", "stays": "other", "why": "the same card"}
    shown = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, turned)
    assert done(there, shown, path).status_code == 303
    assert there.store.lanes_of(here) == (other, here)
    for id in ("no-lane", DENIED):
        assert there.client.get(f"/persons/{id}").status_code == 404
        assert there.client.get(f"/persons/{id}/enter").status_code == 404
    apart = looked(there, Role.SUPERVISOR, f"/persons/{here}", f"/persons/{here}/unmerge", {"lane": "x", "why": "y"})
    assert apart.status_code == 422


def test_only_what_is_about_the_patient_is_taken_back_there(there: Clinic) -> None:
    here, _ = two(there)
    take(there, dft("C8", mrn="CNRY-990055", transaction="T8"), "A8")
    third = there.store.lane_of(PersonHint((Identifier(SYSTEM, "CNRY-990055"),)), "")
    entry = next(one.id for one in there.store.journal() if one.kind.value == "decision")
    for path, words in (
        (f"/persons/{third}/withdraw/{entry}", "not about this patient"),
        (f"/persons/{here}/withdraw/{DENIED}", "no such decision"),
    ):
        refused = looked(there, Role.SUPERVISOR, f"/persons/{here}", path, {"why": "x"})
        assert (refused.status_code, words in refused.text) == (422, True)
    shown = looked(there, Role.SUPERVISOR, f"/persons/{here}", f"/persons/{here}/withdraw/{entry}", {"why": "a slip"})
    assert done(there, shown, f"/persons/{here}/withdraw/{entry}").status_code == 303
    assert codes(person(there)) == {"77300": 1}, "all that was entered is as if it had not been"


# ---------------------------------------------------------------- a claim


def paid_claim(there: Clinic) -> str:
    """A claim of the clinic that its payer has paid, under a number of its own."""
    before = person(there)
    of = next(c for c in before.charges if c.charge.code == "77407").claim
    claim = next(c for c in before.claims if c.claim.id == of)
    paid = replace(claim, state=ClaimState.COMPLETE, settlement="paid", payer_claim_number="PAYNO-12")
    there.store.save(before, before.with_claim(paid), tick=there.clock.at)
    return of


def test_a_claim_is_cancelled_once_and_kept_when_that_is_withdrawn(there: Clinic) -> None:
    id = paid_claim(there)
    page, path, whose = f"/claims/{id}", f"/claims/{id}/void", f"/persons/{person(there).person}"
    others = [c.claim.id for c in person(there).claims if c.claim.id != id]
    there.clock.forward(minutes=1)
    assert "/void" not in there.signed_in(Role.BILLER).get(page).text
    assert "Not now: only a claim that the payer has decided" in there.client.get(f"/claims/{others[0]}").text
    wrong = looked(there, Role.SUPERVISOR, page, path, {"reason": "boredom", "why": "sent twice"})
    assert (wrong.status_code, 'value="sent twice"' in wrong.text) == (422, True)
    shown = looked(there, Role.SUPERVISOR, page, path, {"reason": "duplicate", "why": "sent twice"})
    assert "a void is drawn up" in told(shown.text)
    assert done(there, shown, path).headers["location"] == page
    (void,) = [c for c in person(there).claims if c.claim.frequency == "8"]
    assert (void.claim.replaces, void.state) == (id, ClaimState.READY)
    (said,) = there.decisions()[-1].says
    assert (said.value("before"), said.value("after")) == ("paid, number PAYNO-12", "cancelled: it was sent twice")
    again = looked(there, Role.SUPERVISOR, page, path, {"reason": "other", "why": "again"})
    assert (again.status_code, "it is to be cancelled already" in again.text) == (422, True)
    entry = re.findall(r"/withdraw/([0-9a-f-]+)", there.client.get(whose).text)[0]
    shown = looked(there, Role.SUPERVISOR, whose, f"{whose}/withdraw/{entry}", {"why": "it was not"})
    assert done(there, shown, f"{whose}/withdraw/{entry}").status_code == 303
    assert [c.state for c in person(there).claims if c.claim.frequency == "8"] == [ClaimState.ABANDONED]


# ---------------------------------------------------------------- the same by command


@pytest.mark.parametrize("verb", [Verb.MERGE, Verb.UNMERGE, Verb.VOID, Verb.BILL, Verb.WITHDRAW, Verb.OVERRIDE])
def test_what_a_page_asks_of_a_supervisor_no_biller_does_by_command(there: Clinic, verb: Verb) -> None:
    there.user("kim", Role.BILLER)
    wired: Any = there
    made = Decision("kim", "why not", there.clock.at, (saying(verb, mark="x"),), PersonHint(lane=person(there).person))
    before = len(there.store.journal())
    with pytest.raises(typer.Exit):
        deciding.decide(wired, made)
    assert len(there.store.journal()) == before
