"""The loader: faults with file and line (one broken file each), all at once; overlays; digests; versions by date."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.rules import Decision, Nothing, Problem, Ruleset, check, load

RULE, UNITS, OPTIONS, LABELS, CODES = "rule.toml", "blocks.toml", "options.toml", "labels.toml", "codes/attributes.csv"

FAULTS = [
    # file, text that stands there once, what is put in its place, line of the fault, words of the fault
    (RULE, b'title = "A rule"', b"title = ", 4, "not TOML"),
    (RULE, b'title = "A rule"', b'title = "A rule"\ntitle = "twice"', 5, "not TOML"),
    (RULE, b'title = "A rule"', b'title = "A \xff rule"', 4, "not UTF-8"),
    (RULE, b'title = "A rule"', b'titel = "A rule"', 4, "unknown key 'titel'"),
    (RULE, b'title = "A rule"', b"title = 3", 4, "title must be text"),
    (RULE, b'kind = "decision"', b'kind = "decisoin"', 2, "kind must be one of"),
    (RULE, b'id = "rule"\n', b"", 1, "id is missing"),
    (RULE, b'id = "rule"', b'id = "units"', 1, "the id units is taken by blocks.toml"),
    (RULE, b'key = "date-of-service"', b'key = "someday"', 3, "key must be one of"),
    (RULE, b'facts = ["thing", "size"]', b'facts = "thing"', 5, "facts must be a list"),
    (RULE, b'facts = ["thing", "size"]', b"facts = []", 5, "names its facts"),
    (RULE, b'cite = "house 1"\n', b"", 8, "cite is missing"),
    (RULE, b'cite = "house 1"', b'cite = ""', 10, "cite is empty"),
    (RULE, b"since = 2025-01-01", b'since = "2025-01-01"', 21, "since must be a date"),
    (RULE, b"since = 2025-01-01", b"since = 2020-01-01", 21, "two versions since 2020-01-01"),
    (RULE, b"since = 2025-01-01", b"since = 2019-01-01", 21, "versions go by date"),
    (RULE, b"since = 2025-01-01\n", b"", 20, "since is missing"),
    (RULE, b"review_by = 2026-01-01", b"review_by = 2025-01-01", 22, "review_by is not after since"),
    (RULE, b"ended = true", b'ended = "yes"', 49, "ended must be true or false"),
    (RULE, b"ended = true", b"ended = true\nend = 1", 50, "unknown key 'end'"),
    (
        RULE,
        b'[[versions.examples]]\ngiven = { thing = "small" }\ngives = { code = "77402" }\n',
        b"",
        8,
        "at least one example",
    ),
    (RULE, b'given = { thing = "small" }\n', b'given = { thing = "tiny" }\n', 16, "example: gives"),
    (RULE, b'given = { thing = "large", size = "9" }', b'given = { thing = "large", size = 9 }', 43, "must be text"),
    (RULE, b'when = { thing = "small" }', b'when = { thin = "small" }', 13, "the rule names no fact 'thin'"),
    (RULE, b'when = { thing = "small" }', b'when = { thing = "small", size = ">=x" }', 13, "no comparison"),
    (RULE, b'"option.colour" = "red"', b'"option.color" = "red"', 26, "there is no option 'color'"),
    (RULE, b'"=option:code"', b'"=option:coed"', 32, "there is no option 'coed'"),
    (RULE, b'"=fact:size"', b'"=fact:weight"', 32, "names neither an option"),
    (RULE, b'"=words:context"', b'"=words:pretext"', 27, "there is no skip 'pretext'"),
    (RULE, b'hold = "review-needed"', b'hold = "hold-it"', 36, "there is no hold 'hold-it'"),
    (RULE, b'then = { code = "77402" }\n', b'then = { code = "99999" }\n', 14, "there is no code '99999'"),
    (RULE, b'then = { code = "77402" }\n', b'then = { coed = "77402" }\n', 14, "the rule gives no 'coed'"),
    (RULE, b'cite = "house 2, first row"', b'cites = "house 2, first row"', 28, "unknown key 'cites'"),
    (RULE, b'when = { size = ">3.5" }', b'when = { size = "present", thing = "!small" }', 34, "never reached"),
    (RULE, b'when = { size = ">3.5" }\n', b"", 34, "when is missing"),
    (UNITS, b"size = 5", b"size = 0", 9, "size must be a whole number"),
    (UNITS, b"tail_min = 3", b'tail_min = "three"', 11, "tail_min is a number or"),
    (UNITS, b"tail_min = 3", b'tail_min = "=option:tail"', 11, "there is no option 'tail'"),
    (UNITS, b"tail_min = 3\n", b"", 6, "tail_min is missing"),
    (UNITS, b"upto = 2", b"upto = 5", 12, "shorter than one block"),
    (UNITS, b"upto = 2", b"up = 2", 12, "unknown key 'up'"),
    (UNITS, b'code = "77427"', b'code = "77428"', 10, "there is no code '77428'"),
    (UNITS, b"77427 = \"3\"", b"77427 = \"2\"", 14, "example: gives {'77427': '3'}, not {'77427': '2'}"),
    (OPTIONS, b'default = "red"', b'default = "green"', 9, "the default of colour is not allowed"),
    (OPTIONS, b'allowed = ["red", "blue"]\n', b"", 5, "either allowed or pattern"),
    (OPTIONS, b'pattern = "[0-9]{5}"', b'pattern = "[0-9"', 15, "not a regular expression"),
    (OPTIONS, b'name = "code"', b'name = "colour"', 12, "colour stands in the registry already"),
    (LABELS, b'release = "person"', b'release = "soon"', 7, "release must be one of wait, person, never"),
    (LABELS, b'release = "person"\n', b'release = "person"\nlet_go = "maybe"\n', 8, "let_go is release or override"),
    (LABELS, b'release = "person"\n', b'release = "wait"\nlet_go = "release"\n', 8, "of a hold that asks a person"),
    (LABELS, b'next_step = "Look at it."\n', b"", 5, "next_step is missing"),
    (LABELS, b'reason = "context"', b'kind = "context"', 12, "unknown key 'kind'"),
    (CODES, b"service,from", b"family,from", 1, "the header must be"),
    (CODES, b"77427,unit,", b"77427,unit,extra,", 4, "15 cells"),
    (CODES, b"77427,unit", b"7742,unit", 4, "not a procedure code"),
    (CODES, b"2020-01-01,,2", b"2020-13-01,,2", 4, "from is no date"),
    (CODES, b"2020-01-01,,2", b"2020-01-01,2019-01-01,2", 4, "to is before from"),
    (CODES, b",,2,,,A,,1,1,2,house", b",,2,,,A,,1,1,2,", 4, "cite is missing"),
    (CODES, b",,2,,,A,,1,1,2,house", b",,2,,,A,,many,1,2,house", 4, "not a mue"),
    (CODES, b"2020-01-01,2024-12-31", b"2020-01-01,2025-12-31", 3, "77402 has another row for some of these days"),
    (CODES, b"77295 77301", b"77295+77301", 5, "addon_of lists procedure codes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "there", "instead", "line", "words"),
    FAULTS,
    ids=lambda value: value.decode(errors="replace")[:40] if isinstance(value, bytes) else None,
)
def test_one_fault_is_named_with_file_and_line(
    small: dict[str, bytes], file: str, there: bytes, instead: bytes, line: int, words: str
) -> None:
    assert there in small[file]
    small[file] = small[file].replace(there, instead, 1)
    problems = load(small)
    assert isinstance(problems, tuple)
    assert [p for p in problems if (p.file, p.line) == (file, line) and words in p.message], problems


def test_the_small_rule_set_is_without_fault(small: dict[str, bytes]) -> None:
    assert isinstance(load(small), Ruleset)


def test_five_faults_of_two_files_are_named_at_once(small: dict[str, bytes]) -> None:
    small[RULE] = (
        small[RULE]
        .replace(b'title = "A rule"', b'titel = "A rule"')
        .replace(b'cite = "house 1"\n', b"")
        .replace(b'hold = "review-needed"', b'hold = "hold-it"')
        .replace(b'"option.colour" = "red"', b'"option.color" = "red"')
    )
    small[CODES] = small[CODES].replace(b"77427,unit", b"7742,unit")
    problems = load(small)
    assert isinstance(problems, tuple)
    found = {(p.file, p.line, p.message) for p in problems}
    assert found >= {
        (RULE, 4, "unknown key 'titel'"),
        (RULE, 8, "cite is missing"),
        (RULE, 25, "there is no option 'color'"),
        (RULE, 35, "there is no hold 'hold-it'"),
        (CODES, 4, "not a procedure code: '7742'"),
    }
    assert list(problems) == sorted(problems)


def test_a_table_where_none_lies_is_a_fault(small: dict[str, bytes]) -> None:
    small["codes/atributes.csv"] = b"code\n"
    problems = load(small)
    assert isinstance(problems, tuple)
    assert [p.file for p in problems] == ["codes/atributes.csv"]


def test_a_problem_reads_as_file_line_and_words() -> None:
    assert str(Problem("a.toml", 3, "odd")) == "a.toml:3: odd"


def test_an_overlay_replaces_a_rule_whole_adds_another_and_says_so(small: dict[str, bytes]) -> None:
    other = small[RULE].replace(b"2020-01-01", b"2021-01-01")
    third = small[RULE].replace(b'id = "rule"', b'id = "third"')
    ruleset = load(small, [{"ours/rule.toml": other, "ours/third.toml": third}])
    assert isinstance(ruleset, Ruleset)
    answer = ruleset.decide("rule", date(2021, 6, 1), {"thing": "small"})
    assert isinstance(answer, Decision)
    assert answer.ref.file == "overlay-1/ours/rule.toml"
    assert isinstance(ruleset.decide("rule", date(2020, 6, 1), {"thing": "small"}), Nothing)
    assert ruleset.rule("third").file == "overlay-1/ours/third.toml"
    assert ruleset.rule("units").file == "blocks.toml"
    assert [rule.id for rule in ruleset.rules] == ["rule", "third", "units"]


def test_a_fault_of_an_overlay_names_the_overlay(small: dict[str, bytes]) -> None:
    problems = load(small, [{}, {"rule.toml": small[RULE].replace(b'cite = "house 1"\n', b"")}])
    assert isinstance(problems, tuple)
    assert {(p.file, p.line) for p in problems} == {("overlay-2/rule.toml", 8)}


def test_rows_of_an_overlays_table_replace_the_rows_of_their_code(small: dict[str, bytes]) -> None:
    header = small[CODES].splitlines()[0]
    row = b"77402,our one,delivery,2022-01-01,,3,,,A,,5,5,1,our payer"
    ruleset = load(small, [{CODES: header + b"\n" + row + b"\n"}])
    assert isinstance(ruleset, Ruleset)
    attributes = ruleset.attributes("77402", date(2023, 1, 1))
    assert attributes is not None
    assert (attributes.mue, attributes.label, attributes.ref.file) == (5, "our one", f"overlay-1/{CODES}")
    assert ruleset.attributes("77402", date(2021, 1, 1)) is None
    assert ruleset.attributes("77427", date(2021, 1, 1)) is not None


def test_the_digest_follows_every_byte_and_no_order(small: dict[str, bytes]) -> None:
    first, again = load(small), load(dict(reversed(small.items())))
    changed = load(small | {RULE: small[RULE] + b"# a comment\n"})
    overlaid = load(small, [{"x/rule.toml": small[RULE]}])
    readme = load(small | {"README.md": b"words"})
    assert isinstance(first, Ruleset)
    assert isinstance(again, Ruleset)
    assert isinstance(changed, Ruleset)
    assert isinstance(overlaid, Ruleset)
    assert isinstance(readme, Ruleset)
    assert first.digest == again.digest == readme.digest
    assert len({first.digest, changed.digest, overlaid.digest}) == 3


def test_a_versions_digest_changes_with_what_it_says_alone(small: dict[str, bytes]) -> None:
    def digests(text: bytes) -> list[str]:
        ruleset = load(small | {RULE: text})
        assert isinstance(ruleset, Ruleset)
        return [version.ref.digest for version in ruleset.rule("rule").versions]

    before = digests(small[RULE])
    assert digests(b"# a comment\n" + small[RULE]) == before
    after = digests(small[RULE].replace(b'size = "<=3"', b'size = "<=3.0"'))
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_check_names_gaps_stale_versions_and_codes_out_of_force(small: dict[str, bytes]) -> None:
    reopened = b'\n[[versions]]\nsince = 2028-01-01\ncite = "again"\n\n[[versions.rows]]\nwhen = {}\nthen = { code = "77402" }\n'
    reopened += b'\n[[versions.examples]]\ngiven = {}\ngives = { code = "77402" }\n'
    small[RULE] += reopened
    small[CODES] = small[CODES].replace(b"2025-01-01,,3", b"2025-01-01,2025-12-31,3")
    ruleset = load(small)
    assert isinstance(ruleset, Ruleset)
    gap = (RULE, 46, "rule: nothing in force from 2027-01-01 to 2028-01-01")
    found = {
        day: {(p.file, p.line, p.message) for p in check(ruleset, day)}
        for day in (date(2025, 6, 1), date(2026, 1, 1), date(2027, 6, 1))
    }
    assert found[date(2025, 6, 1)] == {gap}
    assert found[date(2026, 1, 1)] == {
        gap,
        (RULE, 20, "rule: review was due by 2026-01-01"),
        (RULE, 20, "rule: 77402 is not in force on 2026-01-01"),
        (UNITS, 6, "units: 77402 is not in force on 2026-01-01"),
    }
    assert (RULE, 1, "rule: no version in force on 2027-06-01") in found[date(2027, 6, 1)]
    assert {(p.file, p.line, p.message) for p in check(ruleset)} == {gap}
