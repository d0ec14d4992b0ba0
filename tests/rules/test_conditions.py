"""What each form of a condition takes."""

from __future__ import annotations

import pytest

from adapters.rules.conditions import taken_by


@pytest.mark.parametrize(
    ("form", "takes", "refuses"),
    [
        ("imrt", ["imrt"], ["3d", "", None]),
        (["3d", "imrt"], ["imrt", "3d"], ["2d", None, ""]),
        (["3d", "absent"], ["3d", None, "", "absent"], ["2d"]),
        ("absent", [None, "", "absent"], ["3d"]),
        ("present", ["3d", "0"], [None, "", "absent"]),
        ("!none", ["some"], ["none", None, ""]),
        (">=2", ["2", "10", "2.0"], ["1", "1.999", "many", "", None]),
        ("<=150", ["150", "-1"], ["150.1", None]),
        (">1", ["1.5"], ["1"]),
        ("<5", ["4.99"], ["5", "five"]),
    ],
)
def test_a_condition_takes_and_refuses(form: object, takes: list[str | None], refuses: list[str | None]) -> None:
    taken = taken_by(form)
    assert not isinstance(taken, str)
    assert [value in taken for value in takes] == [True] * len(takes)
    assert [value in taken for value in refuses] == [False] * len(refuses)


@pytest.mark.parametrize("form", ["", ">=two", "!", "=option:x", [], ["a", ""], ["a", ">=2"], 2, True, {"a": "b"}])
def test_a_condition_of_another_form_is_named(form: object) -> None:
    assert isinstance(taken_by(form), str)
