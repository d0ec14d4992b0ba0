"""Desks as the site file says them and as commands use them."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.ehr.sending import MllpSender, Sent
from adapters.errors import BadSetup
from adapters.model.desk import Desk
from adapters.model.listening import TlsFiles
from adapters.rules import Ruleset
from adapters.settings import read_site
from tests.cli.conftest import SITE, Clinic
from tests.ehr.engine import Engine
from tests.ehr.office import MORE, START, ZSEG, examined, registered, session


@pytest.mark.parametrize(
    ("said", "problems"),
    [
        ('feed = "charges"\nport = 0', ["desks.0.port: Input should be greater than or equal to 1"]),
        ('feed = "charges"\nport = 6661\nhost = "engine.example"', ["desks.charges: beyond this machine it needs tls"]),
        ('feed = "charges"\nport = 6661\nserver_name = "x"', ["desks.charges: server_name says nothing without tls"]),
        (
            'feed = "ehr"\nport = 6661\n\n[[desks]]\nfeed = "ehr"\nport = 6661\nhost = "no host"',
            ["desks: feed 'ehr' is there twice", "there is no HL7 v2 feed", "host: 'no host' is no name or address"],
        ),
    ],
)
def test_the_site_file_says_how_or_is_refused(mapped: Ruleset, said: str, problems: list[str]) -> None:
    text = ZSEG.replace("{dialect}", "example-dft-zseg") + f"\n[[desks]]\n{said}\n"
    with pytest.raises(BadSetup) as refused:
        read_site(text, "site.toml", mapped)
    for problem in problems:
        assert any(problem in one for one in refused.value.problems), refused.value.problems


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_no_certificates(mapped: Ruleset, host: str) -> None:
    text = ZSEG.replace("{dialect}", "example-dft-zseg")
    site = read_site(f'{text}\n[[desks]]\nfeed = "charges"\nport = 6661\nhost = "{host}"\n', "site.toml", mapped)
    assert (site.desks[0].host, site.asked_feeds) == (host, ("charges",))


def test_certificates_lie_beside_the_site_file_and_are_looked_at_before_a_call(mapped: Ruleset) -> None:
    tls = 'tls = { certificate = "us.pem", key = "us.key", ca = "ca.pem" }'
    text = ZSEG.replace("{dialect}", "example-dft-zseg")
    part = f'\n[[desks]]\nfeed = "charges"\nport = 6661\nhost = "engine.example"\n{tls}\n'
    (desk,) = read_site(text + part, "conf/site.toml", mapped).desks
    assert desk.tls == TlsFiles("conf/us.pem", "conf/us.key", "conf/ca.pem")
    with pytest.raises(BadSetup, match=r"us\.key|us\.pem"):
        MllpSender().send(desk, "MSH|", "C")


def test_a_feed_whose_dialect_says_no_question_has_no_desk(mapped: Ruleset) -> None:
    with pytest.raises(BadSetup) as refused:
        read_site(SITE + '\n[[desks]]\nfeed = "charges"\nport = 6661\n', "site.toml", mapped)
    (problem,) = refused.value.problems
    assert problem.endswith("desks.charges: the dialect of this feed says no question: give it [question]")


def test_a_name_that_is_no_host_is_not_connected() -> None:
    desk = Desk("charges", "a..b", 6661, timeout_seconds=0.3)
    assert MllpSender().send(desk, "MSH|^~\\&|A\r", "C") == Sent("not-connected")


@pytest.mark.system
def test_the_commands_ask_and_show_it(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ONCOCLAIMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    clinic = Clinic(tmp_path)
    clinic.file("site.toml", ZSEG.replace("{dialect}", "example-dft-zseg") + MORE.format(port=engine.port))
    assert clinic("init").code == 0
    assert f"desk of charges: 127.0.0.1 port {engine.port}, plain" in clinic("doctor").out
    for number, body in enumerate((registered(), *map(session, range(1, 6)))):
        clinic.file(f"in/{number}.hl7", body)
    assert clinic("ingest", "in", "--now", START.isoformat()).code == 0
    first = clinic("poll", "--desk", "all", "--now", START.isoformat())
    assert (first.code, first.out) == (0, "charges: questions to the clinic: 1 asked\n")
    rows = clinic("worklist", "--json").rows()
    item = next(row["id"] for row in rows if row["code"] == "documentation-missing")
    words = "the clinic was asked on 2026-01-18 17:00Z by charges, for 2026-01-25"
    assert words in clinic("work", "show", item).out
    held = next(row["id"] for row in clinic("charges", "--held", "--json").rows() if row["code"] == "77427")
    assert words in clinic("explain", held).out
    clinic.file("answer.hl7", examined())
    assert clinic("ingest", "answer.hl7", "--now", (START + timedelta(days=1)).isoformat()).code == 0
    engine.answers = ["AE:closed already"]
    refused = clinic("poll", "--desk", "charges", "--json", "--now", (START + timedelta(days=2)).isoformat())
    assert refused.code == 1
    assert refused.rows()[0]["questions"] == {"asked": 0, "reminded": 0, "answered": 1, "withdrawn": 0}
    assert "charges: a question to the clinic: refused-AE" in refused.err
    question = clinic("work", "show", item, "--json").rows()[0]["question"]
    assert (question["stage"], question["by"], question["told"]) == ("answered", "mllp", False)
    assert (question["id"], question["reply"]) == (engine.seen("OBR", 3)[0], "closed already")
    assert any(row["code"] == "question-refused" for row in clinic("worklist", "--json").rows())
    assert clinic("poll", "--desk", "all", "--now", (START + timedelta(days=3)).isoformat()).code == 0
    assert not any(row["code"] == "question-refused" for row in clinic("worklist", "--json").rows())
    assert clinic("poll", "--desk", "ehr").err == "the site has no desk for the feed 'ehr'\n"
    assert clinic("rebuild", "--check").code == 0
