"""An answer of a payer that names nobody is matched on a page: shown first, posted once, refused where its sums are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from adapters.model.claim import ClaimState
from adapters.model.decision import Verb
from adapters.model.record import PersonRecord
from adapters.model.user import Role
from adapters.model.work import WorkItem
from adapters.pages import signing
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
