"""How a dialect has questions written: what is taken up, and every fault of a form, told at once with its line."""

from __future__ import annotations

import pathlib
import re
import tomllib

import pytest

import mappings
from adapters.model.question import Step
from adapters.rules.dialect import Dialect, parse_dialect
from adapters.rules.location import Location
from adapters.rules.question_form import Blank

HEAD = 'id = "x"\nmedia = "hl7v2"\ntitle = "t"\ncite = "c"\n'
MSH = "MSH|^~\\&|US|HERE|{MSH-3}|{MSH-4}|{now}||ORU^R01|{control}|{MSH-11:P}|2.3"
PID = "PID|1||{PID-3}"
OBX = "OBX|1|TX|A||{words}||||||{status}|{question}"
STEPS = "".join(f'[question.{step}]\nstatus = "P"\nwords = "It says: {{missing}}"\n' for step in Step)


def parsed(segments: list[str], steps: str = STEPS, head: str = HEAD, more: str = "") -> Dialect | list[str]:
    listed = ", ".join(f"'{one}'" for one in segments)
    text = f"{head}[question]\n{more}segments = [{listed}]\n{steps}"
    found = parse_dialect(tomllib.loads(text), "x.toml", text)
    return found if isinstance(found, Dialect) else [f"{one.line}: {one.message}" for one in found]


def test_segments_take_up_the_texts_of_their_step() -> None:
    dialect = parsed([MSH, PID, OBX])
    assert isinstance(dialect, Dialect)
    assert dialect.question is not None
    message = dialect.question.steps[Step.REMINDED]
    assert message[1] == ("PID|1||", Blank("", Location("PID", 3)))
    said = ("OBX|1|TX|A||It says: ", Blank("missing"), "||||||P|", Blank("question"))
    assert message[2] == said
    assert Blank("", Location("MSH", 11), "P") in message[0]


def test_a_step_may_be_another_message() -> None:
    own = f"[question.withdrawn]\nsegments = ['{MSH}', '{PID}', 'NTE|1||{{question}}']\n"
    steps = STEPS.partition("[question.withdrawn]")[0] + own
    dialect = parsed([MSH, PID, OBX], steps)
    assert isinstance(dialect, Dialect)
    assert dialect.question is not None
    assert [pieces[0] for pieces in dialect.question.steps[Step.WITHDRAWN]][2] == "NTE|1||"


def test_without_a_table_nothing_is_asked() -> None:
    dialect = parse_dialect(tomllib.loads(HEAD), "x.toml", HEAD)
    assert isinstance(dialect, Dialect)
    assert dialect.question is None


@pytest.mark.parametrize(
    ("segments", "problem"),
    [
        ([], "segments must begin with MSH|^~\\&|…, up to MSH-12"),
        (["MSH|^~\\&|US", PID, OBX], "segments must begin with MSH|^~\\&|…, up to MSH-12"),
        ([MSH.replace("^~\\&", "#~\\&"), PID, OBX], "segments must begin with MSH|^~\\&|…, up to MSH-12"),
        ([MSH.replace("{now}", "2026"), PID, OBX], "MSH-7 must be {now}"),
        ([MSH.replace("ORU^R01", "ORU"), PID, OBX], "MSH-9 must be a type like ORU^R01^ORU_R01"),
        ([MSH.replace("{control}", "X{control}"), PID, OBX], "MSH-10 must be {control}"),
        ([MSH.replace("2.3", "3"), PID, OBX], "MSH-12 must be a version like 2.5.1"),
        ([MSH, OBX], "there must be one PID, with {PID-3} in its third field"),
        ([MSH, PID, PID, OBX], "there must be one PID, with {PID-3} in its third field"),
        ([MSH, "PID|1||{PID-2}", OBX], "there must be one PID, with {PID-3} in its third field"),
        ([MSH, PID, OBX, MSH], "MSH is there twice"),
        ([MSH, PID, OBX.replace("{question}", "")], "{question} must stand somewhere"),
        ([MSH, PID, OBX.replace("{words}", "")], "{missing} must stand somewhere"),
        ([MSH, PID, OBX.replace("{status}", "{statsu}")], "OBX: nothing is called 'statsu', and it is no place"),
        ([MSH, PID, OBX.replace("{status}", "{PID-0}")], "OBX: nothing is called 'PID-0', and it is no place"),
        ([MSH, PID, OBX + "{"], "OBX: a brace that opens or closes nothing"),
        ([MSH, PID, OBX, "not a segment"], "no segment: 'not a segment'"),
        ([MSH, PID, OBX + "\u2028"], "OBX: a character that cannot stand there"),
    ],
)
def test_a_form_that_cannot_be_is_told(segments: list[str], problem: str) -> None:
    found = parsed(segments)
    assert isinstance(found, list)
    assert any(problem in one for one in found), found


def test_all_faults_are_told_with_their_lines() -> None:
    steps = STEPS.replace('status = "P"', 'now = "P"', 1) + "[question.forgotten]\nx = 1\n"
    found = parsed([MSH, PID, OBX], steps, more='charset = "EBCDIC"\n')
    assert isinstance(found, list)
    assert [one.partition(":")[0] for one in found] == ["6", "8", "9", "20"]
    for part in ("'EBCDIC' is none of", "nothing is called 'status'", "'now' cannot name a text", "'forgotten'"):
        assert any(part in one for one in found), found


def test_the_example_of_the_readme_is_a_form() -> None:
    readme = (pathlib.Path(mappings.__file__).parent / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(\[question\]\n.*?)```", readme, re.DOTALL)
    dialect = parse_dialect(tomllib.loads(HEAD + block), "README.md", HEAD + block)
    assert isinstance(dialect, Dialect), dialect
    assert dialect.question is not None
    assert Blank("why") in dialect.question.steps[Step.WITHDRAWN][3]


def test_it_is_for_hl7_v2_only() -> None:
    found = parsed([MSH, PID, OBX], head=HEAD.replace("hl7v2", "fhir"))
    assert isinstance(found, list)
    assert any("question is for HL7 v2 only" in one for one in found)


def test_other_letters_are_no_ascii() -> None:
    found = parsed([MSH, PID, OBX + "é"], more='charset = "ASCII"\n')
    assert isinstance(found, list)
    assert any("OBX: a character that cannot stand there" in one for one in found)
