"""Lines of keys and tables in a TOML text."""

from __future__ import annotations

import pytest

from adapters.rules.locate import Path, line_at, lines_of

TEXT = '''# a comment with [brackets]
id = "x"
"quoted key" = 1
[plain.inner]
a.b = 2
[[versions]]
since = 2020-01-01
list = [
    { upto = 2, code = "[" },
    "]", # a comment ]
]
text = """
[[versions]]
since = 3
"""
after = 1
[[versions.rows]]
when = { thing = "a" }
[[versions.rows]]
when = { thing = "b" }
[[versions]]
since = 2021-01-01
[[versions.rows]]
then = {}
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("id",), 2),
        (("quoted key",), 3),
        (("plain", "inner"), 4),
        (("plain", "inner", "a", "b"), 5),
        (("versions", 0), 6),
        (("versions", 0, "since"), 7),
        (("versions", 0, "list", 0, "upto"), 8),
        (("versions", 0, "text"), 12),
        (("versions", 0, "after"), 16),
        (("versions", 0, "rows", 0), 17),
        (("versions", 0, "rows", 1, "when", "thing"), 20),
        (("versions", 1, "since"), 22),
        (("versions", 1, "rows", 0, "then", "code"), 24),
        (("versions", 1, "cite"), 21),
        (("nowhere",), 1),
    ],
)
def test_a_path_is_found_at_its_line_or_at_what_is_around_it(path: Path, line: int) -> None:
    assert line_at(lines_of(TEXT), path) == line
