"""What is entered, set against what is on file: whom it concerns, which lines, and how things stood before."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from adapters.model.decision import Decision, Verb
from adapters.model.facts import FACTS, form_of, words_of
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Tick
from adapters.pipeline.deciding import receipt_of
from adapters.pipeline.entering import Placed, placed
from adapters.pipeline.foreseeing import foreseen
from adapters.pipeline.identity import Two, called, how_many, saying_of_two
from adapters.work.entered import read_entered
from tests.pages.clinic import Clinic, clinic
from tests.pages.filled import take
from tests.serve.conftest import MRN, dft

OTHER = "CNRY-880042"
SYSTEM = "urn:quietbay:mrn"


@pytest.fixture
def there() -> Iterator[Clinic]:
    made = clinic(treated=True)
    take(made, dft("C7", transaction="T7", mrn=OTHER), "A7")
    yield made
    made.close()


def lanes(there: Clinic) -> tuple[str, str]:
    here, other = (there.store.lane_of(PersonHint((Identifier(SYSTEM, mrn),)), "") for mrn in (MRN, OTHER))
    return here, other


def entered(there: Clinic, text: str) -> Placed | tuple[str, ...]:
    found = read_entered(text, as_json=False, zone=ZoneInfo(there.site.zone))
    assert not isinstance(found, tuple), found
    return placed(there.store, found)


def event_of(there: Clinic, lane: str, kind: str) -> str:
    return next(event.id for event in there.store.load(lane).events if event.kind == kind)


def merged(there: Clinic) -> None:
    here, other = lanes(there)
    says = saying_of_two(there.store, Verb.MERGE, Two(here, other))
    assert isinstance(says, tuple)
    there.store.receive(receipt_of(Decision("lee", "the same card", there.clock.at, says, PersonHint(lane=here))))
    there.lanes.work()
    assert there.store.lanes_of(other) == (here, other)


def test_what_speaks_of_two_numbers_of_one_person_is_of_one_person(there: Clinic) -> None:
    """Their lines lie in one lane and their events in two: it was refused as speaking of more than one person."""
    here, other = lanes(there)
    text = "".join(
        f'[[fact]]\nevent = "{event_of(there, lane, kind)}"\nname = "diagnosis"\nvalue = "C77.5"\n'
        for lane, kind in ((other, "coded-charge"), (here, "fraction"))
    )
    assert entered(there, text) == ("the file: it speaks of more than one person",)
    merged(there)
    found = entered(there, text)
    assert isinstance(found, Placed)
    assert found.person == PersonHint(lane=other), "what is said first says with which lane it goes"
    assert [one.value("before") for one in found.says] == ["C61", "C61"]
    patient = f'[patient]\nsystem = "{SYSTEM}"\nvalue = "{OTHER}"\n'
    whole = entered(there, patient + text)
    assert isinstance(whole, Placed)
    assert whole.person.identifiers == (Identifier(SYSTEM, OTHER),)


def test_a_line_of_another_is_refused(there: Clinic) -> None:
    here, other = lanes(there)
    line = there.store.load(here).charges[0].id
    assert entered(there, f'lane = "{other}"\n[[do-not-bill]]\nline = "{line}"\n') == (
        "the file: it speaks of more than one person",
    )
    found = entered(there, f'lane = "{here}"\n[[do-not-bill]]\nline = "{line}"\n')
    assert isinstance(found, Placed)
    assert found.says[0].value("after") == "not billed"
    absent = entered(there, '[[do-not-bill]]\nline = "no/such|line|of|a|hold"\n')
    assert absent == ("do-not-bill[1].line: no charge or held line on file has this id, or it would bill nothing",)
    assert entered(there, 'lane = "nobody"\n[[event]]\nkind = "fraction"\ndate = 2026-01-05\n') == (
        "lane: nobody on file has it",
    )


def test_what_is_foreseen_is_what_comes(there: Clinic) -> None:
    """Every line of the person before and after, and the money, as they were foreseen."""
    here, _ = lanes(there)
    charge = next(c for c in there.store.load(here).charges if c.charge.code == "77290")
    found = entered(
        there,
        f'lane = "{here}"\n[[do-not-bill]]\nline = "{charge.id}"\n'
        '[[event]]\nkind = "fraction"\nstart = 2026-01-12T09:00:00\ncourse = "C1"\n'
        'facts = { n = 6, technique = "3d", modality = "photon", isocenters = 1, diagnosis = ["C61"] }\n',
    )
    assert isinstance(found, Placed)
    decision = Decision("lee", "the log book", there.clock.at, found.says, found.person)
    tick = Tick(there.clock.at, there.clock.at.date())
    ahead = foreseen(there.store, decision, there.house, tick)
    assert foreseen(there.store, decision, there.house, tick).mark == ahead.mark
    assert (ahead.after - ahead.before, len(ahead.lines)) == (25000, 3)
    before = {c.id for c in there.store.load(here).charges}
    there.store.receive(receipt_of(decision))
    there.lanes.work()
    record = there.store.load(here)
    due = [c for c in record.charges if c.status != "void"]
    assert sum(c.charge.amount for c in due) == ahead.after
    assert {c.charge.code for c in record.charges if c.id not in before} == {"77407"}
    spelled = sorted(turn.after.spelled for turn in ahead.lines if turn.after)
    assert spelled == ["77290 x 1", "77290 x 1", "77407 x 1"]
    again = foreseen(there.store, decision, there.house, tick)
    assert again.nothing, "said once more it changes nothing"


def test_who_is_called_so(there: Clinic) -> None:
    here, other = lanes(there)
    site = there.site
    assert called(there.store, site, OTHER) == called(there.store, site, f"{SYSTEM}|{OTHER}") == {other}
    assert called(there.store, site, here) == {here}
    assert called(there.store, site, "nobody") == called(there.store, site, f"urn:else|{OTHER}") == frozenset()
    assert (how_many({here}), how_many(())) == ("", "nobody on file is named so")
    assert "several" in how_many({here, other})
    assert saying_of_two(there.store, Verb.UNMERGE, Two(here, other)) == "they are two persons already"


def test_the_words_of_a_fact_are_its_form() -> None:
    chosen = {name: words_of(name) for name in FACTS if words_of(name)}
    assert chosen["technique"][0] == "2d"
    assert chosen["motion.active"] == ("true", "false")
    for name, words in chosen.items():
        assert all(FACTS[name].fullmatch(word) for word in words), name
        assert form_of(name) == " or ".join(words)
    assert (words_of("plan"), form_of("plan"), form_of("n"), form_of("shoe")) == ((), "", "a whole number", "")
