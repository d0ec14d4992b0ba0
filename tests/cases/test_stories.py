"""Our own stories through the command: what people see, what scripts read, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app

STORIES = Path(__file__).parent / "stories"
FILES = sorted(STORIES.glob("*.yaml"))
KEYS = {
    "id",
    "charges",
    "holds",
    "findings",
    "claims",
    "claim_state",
    "claim_states",
    "postings",
    "worklist",
    "statements",
    "payer_claim_count",
}


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["case", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_there_is_a_story_for_each_thing_that_a_course_can_do() -> None:
    assert len(FILES) >= 8


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_story_ends_as_it_expects(file: Path) -> None:
    code, out, err = run(file, "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert set(said) == KEYS
    assert said["id"] == file.stem


def test_several_files_are_one_table_whose_last_line_counts() -> None:
    code, out, _ = run(*FILES)
    assert code == 0
    assert out.splitlines()[-1] == f"{len(FILES)} of {len(FILES)} cases pass"
    assert all(file.stem in out for file in FILES)


def test_several_files_as_json_are_one_object_a_line() -> None:
    code, out, _ = run(*FILES, "--json")
    assert code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == [file.stem for file in FILES]


def test_every_charge_names_its_events_and_its_rule() -> None:
    _, out, _ = run(STORIES / "story-new-year.yaml", "--json")
    charges = json.loads(out)["charges"]
    assert charges
    for charge in charges:
        assert charge["from"]
        assert charge["why"].partition(" since ")[0] in {"delivery", "guidance", "management", "physics"}
    (unit,) = [charge for charge in charges if charge["code"] == "77427"]
    assert {"f1", "f2", "f3", "f4", "f5"} <= set(unit["from"])
    assert "f6" not in unit["from"]


def test_a_difference_is_told_and_is_exit_code_1(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    said = (STORIES / "story-levels.yaml").read_text(encoding="utf-8")
    wrong.write_text(said.replace("{code: '77402', modifiers: [], units: 1", "{code: '77402', modifiers: [], units: 2"))
    code, out, _ = run(wrong)
    assert code == 1
    assert "charge missing: code=77402" in out
    assert out.splitlines()[-1] == "0 of 1 cases pass"
    code, out, err = run(wrong, "--json")
    assert code == 1
    assert json.loads(out)["charges"]
    assert "story-levels: charge missing" in err


def test_a_case_without_expect_only_tells_what_it_would_bill(tmp_path: Path) -> None:
    asked = tmp_path / "asked.yaml"
    said = (STORIES / "story-levels.yaml").read_text(encoding="utf-8")
    asked.write_text(said[: said.index("expect:")])
    code, out, _ = run(asked, "--json")
    assert code == 0
    billed = [charge["code"] for charge in json.loads(out)["charges"]]
    assert sorted(billed) == ["77336", "77402", "77402", "77407", "77412", "77412", "77412"]


def test_the_same_case_says_the_same_twice() -> None:
    file = STORIES / "story-claims.yaml"
    assert run(file, "--json") == run(file, "--json")


def test_a_file_that_is_not_there_is_refused_and_the_others_are_run(tmp_path: Path) -> None:
    code, out, err = run(tmp_path / "none.yaml", FILES[0])
    assert code == 1
    assert "none.yaml" in err
    assert out.splitlines()[-1] == "1 of 2 cases pass"
