"""Search: by what people know, found by whole words, with nothing of it in an address or a log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.model.user import Role
from adapters.store.searching import parts_of, whole
from tests.pages.clinic import CANARIES, Clinic
from tests.pages.filled import CHARGE, DENIED, NUMBER, filled, lane, message_of
from tests.pages.visiting import OURS, hidden, logged, sent
from tests.serve.conftest import FAMILY, GIVEN, MRN


@pytest.fixture(scope="module")
def made() -> Iterator[Clinic]:
    built = filled()
    built.signed_in(Role.VIEWER)
    yield built
    built.close()


def found(made: Clinic, words: str) -> str:
    answer = sent(made.client, "/search", "/search", {"words": words})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    "words",
    [
        FAMILY,
        GIVEN.upper(),
        f"{GIVEN} {FAMILY}",
        f"{FAMILY}, {GIVEN}",
        "1948-02-29",
        "MEM0042",
        "mem-0042",
        MRN,
    ],
)
def test_a_patient_is_found_by_what_people_know(made: Clinic, words: str) -> None:
    page = found(made, words)
    assert f"{FAMILY}, {GIVEN}" in page
    assert f'href="/claims/{DENIED}"' in page
    assert page.count('<th scope="row">') == 1


@pytest.mark.parametrize("words", ["Canary", f"{FAMILY} Peter", "nobody", "9", "%", "'; drop table claims; --"])
def test_what_is_not_on_file_is_not_found(made: Clinic, words: str) -> None:
    assert "Nothing on file bears this name or number." in found(made, words)


def test_claims_and_messages_are_found_by_their_numbers(made: Clinic) -> None:
    assert f'href="/claims/{DENIED}"' in found(made, NUMBER)
    assert f'href="/claims/{DENIED}"' in found(made, DENIED[:8])
    assert f'href="/claims/{DENIED}"' in found(made, DENIED.upper())
    assert f'href="/explain/{CHARGE}"' in found(made, CHARGE)
    assert f'href="/messages/{message_of(made, "C1")}"' in found(made, "C1")
    assert f'href="/messages/{message_of(made, "C1")}"' in found(made, message_of(made, "C1"))
    assert f"{FAMILY}, {GIVEN}" in found(made, lane(made))


def test_the_words_stay_on_the_page(made: Clinic) -> None:
    with logged() as said:
        page = found(made, FAMILY)
        asked = made.client.get(f"/search?words={FAMILY}")
    assert f'value="{FAMILY}"' in page
    assert FAMILY not in asked.text, "an address searches for nothing"
    assert not any(canary in said.getvalue() for canary in CANARIES)
    for part in page.split('href="')[1:]:
        assert not any(canary in part.split('"')[0] for canary in CANARIES)


def test_what_is_typed_is_escaped(made: Clinic) -> None:
    page = found(made, '"><script>alert(1)</script>')
    assert "<script>" not in page


def test_searching_again_by_the_same_form_is_no_second_doing(made: Clinic) -> None:
    page = made.client.get("/search").text
    form = {**hidden(page), "words": FAMILY}
    for _ in range(2):
        assert f"{FAMILY}, {GIVEN}" in made.client.post("/search", data=form, headers=OURS).text
    assert made.client.post("/search", data={"words": FAMILY}, headers=OURS).status_code == 403


def test_words_are_folded() -> None:
    assert parts_of("Müller-Lüdenscheidt, J. Ána") == ("muller", "ludenscheidt", "ana")
    assert parts_of("  ") == ()
    assert whole(" 1EG4-TE5-MK73 ") == "1eg4te5mk73"
    assert whole("1948-02-29") == "19480229"
