"""Published and site tables: bytes in, rows out, and tables held in memory.

`read_table` gives a table's heading, rows and problems; `canonical`, `row_of` and `digest_of` are the form in which rows
are stored and named; `questions` is what can be asked of them wherever they lie, `held.HeldTables` answers from rows in memory.
"""

from __future__ import annotations

from adapters.tables.canonical import (
    ROW_OF_KIND,
    Value,
    Values,
    canonical,
    columns_of,
    digest_of,
    digest_of_set,
    row_of,
)
from adapters.tables.read import read_table
from adapters.tables.source import MAX_LINE, MAX_PROBLEMS, Heading, Problem, Reading, SourceFile, bounded

__all__ = [
    "MAX_LINE",
    "MAX_PROBLEMS",
    "ROW_OF_KIND",
    "Heading",
    "Problem",
    "Reading",
    "SourceFile",
    "Value",
    "Values",
    "bounded",
    "canonical",
    "columns_of",
    "digest_of",
    "digest_of_set",
    "read_table",
    "row_of",
]
