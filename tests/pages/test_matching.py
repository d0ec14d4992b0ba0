"""An answer of a payer that names nobody is matched on a page: shown first, posted once, refused where its sums are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html import unescape
from typing import Any

import pytest

from adapters.model.claim import ClaimState, Party
from adapters.model.decision import Verb
from adapters.model.record import PersonRecord
from adapters.model.user import Role
from adapters.model.work import WorkItem
from adapters.pages import match_pages, proposing, signing
from adapters.pages.acting import Done
from adapters.pipeline.remitting import remittance_receipt
from tests.pages.clinic import Clinic, clinic
from tests.pages.filled import lane
from tests.pages.visiting import NOBODYS, OURS, hidden
from tests.serve.conftest import MRN

pytestmark = pytest.mark.slow

CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
WHY = "the number was read off the letter"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(signing, "PACE", 0.001)
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    made = clinic(treated=True)
    yield made
    made.close()


def person(there: Clinic) -> PersonRecord:
    return there.store.load(lane(there))


def sent(there: Clinic) -> str:
    """A claim of one fraction that its payer has and has not answered."""
    before = person(there)
    claim = next(c for c in before.claims if c.claim.total == 25000)
    out = replace(claim, state=ClaimState.ACCEPTED, submitted_at="2026-01-13T12:00:00+00:00")
    there.store.save(before, before.with_claim(out), tick=there.clock.at)
    return claim.claim.id


def part(category: str, amount: float) -> dict[str, Any]:
    return {"category": {"coding": [{"code": category}]}, "amount": {"value": amount, "currency": "USD"}}


def answered(there: Clinic, paid: float) -> WorkItem:
    """The item of an answer that names a claim of nobody's."""
    off = part("adjustment", 50) | {"reason": {"coding": [{"system": CARC, "code": "45"}]}}
    off["category"]["text"] = "CO"
    said = {
        "resourceType": "ClaimResponse",
        "id": f"r{paid}",
        "identifier": [{"system": "urn:lakeside:icn", "value": "ICN-1"}],
        "status": "active",
        "use": "claim",
        "created": "2026-01-19",
        "outcome": "complete",
        "patient": {"identifier": {"value": MRN}},
        "request": {"identifier": {"value": "ZZ-404"}},
        "item": [{"itemSequence": 1, "adjudication": [part("submitted", 250), off, part("benefit", paid)]}],
    }
    there.store.receive(remittance_receipt(json.dumps(said).encode(), "lakeside", there.clock.at))
    there.lanes.work()
    (item,) = [one for one in there.store.worklist() if one.kind == "unmatched-response"]
    return item


def doing(there: Clinic, shown: Any, item: WorkItem) -> Any:
    """What is answered to the second step: the form of the page that was shown, as it stands there."""
    path = f"/work/{item.id}/match"
    (form,) = re.findall(rf'<form method="post" action="{re.escape(path)}/do">(.*?)</form>', shown.text, re.DOTALL)
    return there.client.post(f"{path}/do", data=hidden(form), headers=OURS)


def waiting(there: Clinic, **said: Any) -> list[str]:
    """Three claims of one fraction that wait for an answer; the first was built first and says this otherwise."""
    before = person(there)
    some = [c for c in before.claims if c.claim.total == 25000][:3]
    after = before
    for n, one in enumerate(some):
        claim = replace(one.claim, built_on=date(2026, 1, 10 + n), **(said if n == 0 else {}))
        out = replace(one, claim=claim, state=ClaimState.ACCEPTED, submitted_at="2026-01-13T12:00:00+00:00")
        after = after.with_claim(out)
    there.store.save(before, after, tick=there.clock.at)
    return [one.claim.id for one in some]


def looked(there: Clinic, item: WorkItem, claim: str) -> Any:
    """What is answered to the first step."""
    path = f"/work/{item.id}/match"
    browser = there.signed_in(Role.BILLER)
    assert f'href="{path}"' in browser.get(f"/work/{item.id}").text
    form = {**hidden(browser.get(path).text), "claim": "", "fits": "", "why": WHY}
    form["fits" if f'value="{claim}"' in browser.get(path).text else "claim"] = claim
    return browser.post(path, data=form, headers=OURS)


def test_an_answer_is_posted_to_the_claim_that_a_person_names(there: Clinic) -> None:
    claim, before = sent(there), len(person(there).entries)
    item = answered(there, 200)
    offered = there.signed_in(Role.BILLER).get(f"/work/{item.id}/match").text
    assert re.findall(r'name="fits" value="([^"]+)"', offered) == [claim], "the others wait for no answer"
    shown = looked(there, item, claim)
    words = " ".join(unescape(re.sub(r"<[^>]*>", " ", shown.text)).split())
    assert (shown.status_code, "The answer pays $200.00" in words) == (200, True)
    assert "accepted by the payer adjudicated" in words
    assert "Posted: " in words
    assert "payer payment $200.00" in words
    assert len(person(there).entries) == before, "nothing is posted by looking"
    path = f"/work/{item.id}/match"
    (form,) = re.findall(rf'<form method="post" action="{re.escape(path)}/do">(.*?)</form>', shown.text, re.DOTALL)
    done = there.client.post(f"{path}/do", data=hidden(form), headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, f"/claims/{claim}")
    on_file = person(there).claim(claim)
    assert on_file is not None
    assert (on_file.state, on_file.settlement, on_file.payer_claim_number) == (ClaimState.COMPLETE, "paid", "ICN-1")
    assert not [one for one in there.store.worklist() if one.kind == "unmatched-response"]
    assert not there.store.parked()
    made = there.decisions()[-1]
    (said,) = made.says
    assert (made.by, made.why, said.verb, said.value("before")) == ("a.biller", WHY, Verb.MATCH, "nobody's")
    assert said.value("after") == f"claim {claim}'s, 200.00 paid"
    assert there.client.get(path).status_code == 404, "it waits no more"


def test_a_match_mends_no_sums_and_names_a_claim_of_ours(there: Clinic) -> None:
    claim = sent(there)
    item = answered(there, 120)
    wrong = looked(there, item, claim)
    assert "No claim that waits for an answer fits it by its sums." in wrong.text
    assert (wrong.status_code, "charge is not paid plus adjustments (by 80.00)" in wrong.text) == (422, True)
    assert f'value="{claim}"' in wrong.text
    for name in ("ZZ-404", "11111111-1111-4111-8111-111111111111"):
        refused = looked(there, item, name)
        assert refused.status_code == 422
    assert there.signed_in(Role.VIEWER).get(f"/work/{item.id}/match").status_code == 403
    assert there.signed_in(Role.BILLER).get(f"/work/{claim}/match").status_code == 404


def test_claims_of_the_patient_that_the_answer_names_are_offered_first(there: Clinic) -> None:
    first, *others = waiting(there, member="M-OTHER", patient_identifier="OTHER-1")
    item = answered(there, 200)
    offered = there.signed_in(Role.BILLER).get(f"/work/{item.id}/match").text
    assert re.findall(r'name="fits" value="([^"]+)"', offered) == [*others, first]
    assert offered.count("the answer names this patient") == len(others)


def test_a_claim_of_another_payer_is_not_offered(there: Clinic) -> None:
    """Its own payer has not decided, so that nothing of another's can be posted to it."""
    first, *others = waiting(there, payer=Party("harbor", "Harbor"))
    item = answered(there, 200)
    offered = there.signed_in(Role.BILLER).get(f"/work/{item.id}/match").text
    assert re.findall(r'name="fits" value="([^"]+)"', offered) == others, first


def test_what_was_not_looked_at_is_not_said_to_fit_nothing(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(there, payer=Party("harbor", "Harbor"))
    item = answered(there, 200)
    monkeypatch.setattr(match_pages, "LOOKED_AT", 1)
    page = there.signed_in(Role.BILLER).get(f"/work/{item.id}/match").text
    assert "Only the first 1 of the claims that wait were looked at" in page


def test_two_who_match_one_answer_at_the_same_moment_post_it_once(
    there: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the decision of the first and the end of its item lie the seconds for which a page waits."""
    claims = waiting(there)
    item = answered(there, 200)
    monkeypatch.setattr(there.store, "settle_parked", lambda *_: False)
    answers = [doing(there, looked(there, item, claim), item) for claim in claims[:2]]
    assert [one.status_code for one in answers] == [303, 409]
    assert "somebody has just said whose it is" in answers[1].text
    states = [on_file.state for claim in claims[:2] if (on_file := person(there).claim(claim))]
    assert states == [ClaimState.COMPLETE, ClaimState.ACCEPTED]


def test_an_answer_whose_match_could_not_be_read_waits_as_before(
    there: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, item = sent(there), answered(there, 200)
    shown = looked(there, item, claim)
    monkeypatch.setattr(proposing, "decide", lambda *_, **__: Done("an entry", taken=True, problem="exception"))
    refused = doing(there, shown, item)
    assert (refused.status_code, "the decision is parked" in refused.text) == (409, True)
    assert item.id in {one.id for one in there.store.worklist()}


def test_who_withdraws_a_match_is_told_that_the_money_stays(there: Clinic) -> None:
    there.clock.forward(minutes=1)
    claim, item = sent(there), answered(there, 200)
    assert doing(there, looked(there, item, claim), item).status_code == 303
    posted, whose = person(there).entries, f"/persons/{lane(there)}"
    browser = there.signed_in(Role.SUPERVISOR)
    page = browser.get(whose).text
    path = re.findall(rf'action="({whose}/withdraw/[^"]+)"', page)[0]
    shown = browser.post(path, data={**hidden(page), "why": "of another claim"}, headers=OURS)
    assert "What was posted stays posted." in shown.text
    (form,) = re.findall(rf'<form method="post" action="{path}/do">(.*?)</form>', shown.text, re.DOTALL)
    assert browser.post(f"{path}/do", data=hidden(form), headers=OURS).status_code == 303
    assert "Taken back: it does not hold any more." in browser.get(whose).text
    assert person(there).entries == posted
