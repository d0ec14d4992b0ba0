"""The shipped mappings as bytes, the rule set they make, and a small rule set of our own for faults and look-ups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import mappings
from adapters.rules import Ruleset, load

SMALL = {
    "options.toml": b"""id = "options"
kind = "options"
title = "Options"

[[options]]
name = "colour"
words = "Which colour"
allowed = ["red", "blue"]
default = "red"
cite = "house"

[[options]]
name = "code"
words = "Which code"
pattern = "[0-9]{5}"
cite = "house"
""",
    "labels.toml": b"""id = "labels"
kind = "labels"
title = "Labels"

[[holds]]
code = "review-needed"
release = "person"
words = "Look."
next_step = "Look at it."

[[skips]]
reason = "context"
words = "Only context."

[[findings]]
kind = "odd"
words = "Odd."
""",
    "codes/attributes.csv": b"code,label,service,from,to,pctc,tc_bundled,packaged_technical,status,addon_of,"
    b"""mue,mue_hospital,mai,cite
77402,one,delivery,2020-01-01,2024-12-31,3,,,A,,2,2,3,house
77402,one,delivery,2025-01-01,,3,,,A,,1,,2,house
77427,unit,management,2020-01-01,,2,,,A,,1,1,2,house
77293,added,simulation,2020-01-01,,1,yes,yes,A,77295 77301,,,,house
""",
    "rule.toml": b"""id = "rule"
kind = "decision"
key = "date-of-service"
title = "A rule"
facts = ["thing", "size"]
gives = ["code", "hold", "words", "copy"]

[[versions]]
since = 2020-01-01
cite = "house 1"

[[versions.rows]]
when = { thing = "small" }
then = { code = "77402" }

[[versions.examples]]
given = { thing = "small" }
gives = { code = "77402" }

[[versions]]
since = 2025-01-01
review_by = 2026-01-01
cite = "house 2"

[[versions.rows]]
when = { thing = ["small", "absent"], size = "<=3", "option.colour" = "red" }
then = { code = "77402", words = "=words:context" }
cite = "house 2, first row"

[[versions.rows]]
when = { thing = "!small", size = "present" }
then = { code = "=option:code", copy = "=fact:size" }

[[versions.rows]]
when = { size = ">3.5" }
then = { hold = "review-needed" }

[[versions.examples]]
given = { thing = "small", size = "3" }
gives = { code = "77402", words = "Only context." }

[[versions.examples]]
given = { thing = "large", size = "9" }
gives = { nothing = "option-missing" }

[[versions]]
since = 2027-01-01
cite = "withdrawn"
ended = true
""",
    "blocks.toml": b"""id = "units"
kind = "blocks"
key = "date-of-service"
title = "Units"

[[versions]]
since = 2020-01-01
cite = "house"
size = 5
code = "77427"
tail_min = 3
short = [{ upto = 2, code = "77402", when = { "option.colour" = "red" } }]

[[versions.examples]]
given = { n = "13", closed = "true" }
gives = { 77427 = "3" }
""",
}


@pytest.fixture
def small() -> dict[str, bytes]:
    """Files that load without a fault; a test breaks its copy."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def shipped() -> Mapping[str, bytes]:
    """The mappings as shipped: path inside the package → bytes."""
    root = Path(mappings.__file__).parent
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.suffix in (".toml", ".csv", ".md")
    }


@pytest.fixture(scope="session")
def rules(shipped: Mapping[str, bytes]) -> Ruleset:
    """The rule set that the shipped mappings make."""
    ruleset = load(shipped)
    assert isinstance(ruleset, Ruleset), "\n".join(map(str, ruleset))
    return ruleset
