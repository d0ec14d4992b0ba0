"""Logs: ids, counts and our own words in JSON lines; whatever else is handed in stays out."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adapters.serve import logs


@pytest.fixture
def lines():
    """`lines()`: what was logged since the start of the test; the set-up before is put back."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()

    def read() -> list[dict]:
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield stream, read
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_is_json_with_ids(lines):
    stream, read = lines
    logs.configure("info", stream)
    logs.log().info("received", entry="e-1", media="hl7v2", bytes=512, repeated=False)
    (line,) = read()
    assert line.pop("timestamp")
    assert line == {
        "event": "received",
        "level": "info",
        "entry": "e-1",
        "media": "hl7v2",
        "bytes": 512,
        "repeated": False,
    }


def test_fields_without_a_name_of_ours_stay_out(lines):
    stream, read = lines
    logs.configure("info", stream)
    logs.log().info("received", patient="Canaryfeather", body=b"MSH|", entry="e-1")
    (line,) = read()
    assert "Canaryfeather" not in stream.getvalue()
    assert (line["entry"], line["dropped"]) == ("e-1", 2)


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=300), max_size=8))
def test_only_names_of_the_list_ever_pass(fields):
    kept = logs.only_known_fields(None, "info", dict(fields))
    assert set(kept) <= logs.FIELDS | {"dropped"}
    assert all(len(str(value)) <= 120 for value in kept.values())


def test_the_level_holds(lines):
    stream, read = lines
    logs.configure("warning", stream)
    logs.log().info("received")
    logs.log().warning("parked", reason="no-msh")
    assert [line["event"] for line in read()] == ["parked"]


def test_a_library_loses_its_values(lines):
    stream, read = lines
    logs.configure("info", stream)
    try:
        raise ValueError("Canaryfeather")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Request by %s failed\nCanaryfeather", "Canaryfeather")
    logging.getLogger("somebody").warning("Canaryfeather was here")
    first, second = read()
    assert (first["event"], first["library"], first["error"]) == ("Request by %s failed", "uvicorn.error", "ValueError")
    assert (second["event"], second["library"]) == ("a library said something", "somebody")
    assert "Canaryfeather" not in stream.getvalue()


def test_configuring_twice_says_everything_once(lines):
    stream, read = lines
    logs.configure("info", stream)
    logs.configure("info", stream)
    logging.getLogger("uvicorn.error").error("once")
    assert len(read()) == 1


def test_unconfigured_only_warnings_come_and_never_on_standard_output(lines, capsys):
    structlog.reset_defaults()
    logs.log().info("received")
    logs.log().warning("parked")
    said = capsys.readouterr()
    assert said.out == ""
    assert [json.loads(line)["event"] for line in said.err.splitlines()] == ["parked"]
