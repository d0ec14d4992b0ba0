"""`learn`: what a folder of messages says about its dialect, and a dialect file to begin with."""

from __future__ import annotations

import tomllib
from typing import Any

from adapters.rules.dialect import Dialect, parse_dialect


def test_learn(bare: Any, say: Any) -> None:
    bare.file("feed/1.hl7", say.dft("C1"))
    bare.file("feed/2.hl7", say.dft("C2", mrn="PB-77"))
    bare.file("feed/odd.hl7", "no message")
    rows = bare("learn", "feed", "--id", "our-feed", "--json").rows()
    seen = {(row["topic"], row["where"], row["value"]): row["count"] for row in rows if row["topic"] != "proposal"}
    assert seen["message-type", "MSH-9", "DFT^P03"] == 2
    assert seen["unread", "", "no-msh"] == 1
    proposed = next(row["value"] for row in rows if row["topic"] == "proposal")
    dialect = parse_dialect(tomllib.loads(proposed), "our-feed.toml", proposed)
    assert isinstance(dialect, Dialect)
    assert dialect.id == "our-feed"
    told = bare("learn", "feed")
    assert told.code == 0
    assert "transaction-type" in told.out
    assert 'id = "learned"' in told.out
    assert "PB-77" not in told.out + str(rows)


def test_wrong_use(bare: Any) -> None:
    assert bare("learn").code == 2
    missing = bare("learn", "nowhere")
    assert (missing.code, "nowhere" in missing.err) == (1, True)
    bare.file("feed/1.hl7", "")
    assert bare("learn", "feed", "--id", "Not An Id").code == 2
