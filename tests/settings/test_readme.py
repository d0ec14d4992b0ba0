"""The reference of the site file names every key that the file may hold, under the part that holds it, and no other."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from adapters.settings.forms import SitePart

KEY = re.compile(r"`\[{0,2}([a-z_.]+)\]{0,2}`")


def parts(form: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The form and every form within it, each once."""
    seen = [form]
    for one in seen:
        yield one
        for field in one.model_fields.values():
            seen += [inner for inner in _models(field.annotation) if inner not in seen]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


@pytest.fixture(scope="module")
def named(source_tree: pathlib.Path) -> set[str]:
    text = (source_tree / "adapters/settings/README.md").read_text(encoding="utf-8")
    return {name.rpartition(".")[2] for name in KEY.findall(text)}


def keys() -> set[str]:
    return {field.alias or name for part in parts(SitePart) for name, field in part.model_fields.items()}


def test_every_key_is_told(named: set[str]) -> None:
    assert len(keys()) > 100
    assert keys() - named == set()


def test_what_the_first_column_names_is_a_key(source_tree: pathlib.Path) -> None:
    text = (source_tree / "adapters/settings/README.md").read_text(encoding="utf-8")
    first = "\n".join(row.split("|")[1] for row in text.splitlines() if row.startswith("| `"))
    assert {name.rpartition(".")[2] for name in KEY.findall(first)} - keys() == set()
