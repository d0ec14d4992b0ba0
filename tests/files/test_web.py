"""The part of the site file for HTTPS and its clients, through the door that site files come by."""

from __future__ import annotations

from importlib import resources

import pytest

from adapters.errors import BadSetup
from adapters.model.listening import TlsFiles
from adapters.model.site import Site
from adapters.model.web import Client, WebListening
from adapters.rules import Ruleset
from adapters.settings import read_site, rules_of

BASE = (
    resources.files("adapters.demo").joinpath("site.toml").read_text(encoding="utf-8").replace('fees = "fees.csv"', "")
)
WEB = """
[[feeds]]
name = "bound"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/New_York"
facility = "{facility}"
certificates = ["engine.example"]

[web]
base_url = "https://adapter.clinic.example:8443"
host = "10.20.0.5"
port = 8443
networks = ["10.20.0.0/24"]
tls = { certificate = "tls/web.pem", key = "tls/web.key" }

[[clients]]
id = "clinic-ehr"
feed = "{fhir}"
jwks = "clients/ehr.jwks.json"
scopes = ["system/Procedure.c", "system/*.write"]
"""


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    """The mappings as shipped."""
    return rules_of()


def fhir_feed() -> str:
    part = next(part for part in BASE.split("[[") if part.startswith("feeds]]") and 'media = "fhir"' in part)
    return part.split('name = "', 1)[1].partition('"')[0]


def site(text: str, rules: Ruleset) -> Site:
    facility = BASE.split("[[facilities]]", 1)[1].split('id = "', 1)[1].partition('"')[0]
    return read_site(
        BASE + text.replace("{facility}", facility).replace("{fhir}", fhir_feed()), "conf/site.toml", rules
    )


def test_what_a_site_says_of_https(rules: Ruleset) -> None:
    said = site(WEB, rules)
    files = TlsFiles("conf/tls/web.pem", "conf/tls/web.key", "")
    assert said.web == WebListening("https://adapter.clinic.example:8443", files, "10.20.0.5", 8443, ("10.20.0.0/24",))
    assert said.clients == (
        Client("clinic-ehr", fhir_feed(), "conf/clients/ehr.jwks.json", ("system/Procedure.c", "system/*.write")),
    )
    assert said.web.fhir_url == "https://adapter.clinic.example:8443/fhir"
    assert said.web.token_url == "https://adapter.clinic.example:8443/token"


def test_without_it_http_stays_at_home(rules: Ruleset) -> None:
    said = site("", rules)
    assert (said.web, said.clients) == (None, ())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('base_url = "https:', 'base_url = "http:', "web: base_url: is no https address"),
        ("adapter.clinic.example:8443", "user@adapter.clinic.example", "web: base_url: is no https address"),
        ("adapter.clinic.example:8443", "adapter.clinic.example:x", "web: base_url: is no https address"),
        ("example:8443", "example:8443/", "a slash at its end"),
        ("example:8443", "example:8443?x=1", "a query"),
        ('host = "10.20.0.5"', 'host = "everywhere"', "web: host: 'everywhere' is no IP address"),
        ("10.20.0.0/24", "0.0.0.0/0", "web: networks: 0.0.0.0/0 is everybody"),
        ("10.20.0.0/24", "10.20.0.5/24", "web: networks: '10.20.0.5/24' is no CIDR block"),
        ("tls = { certificate", "# tls = { certificate", "web.tls: "),
        (', key = "tls/web.key"', "", "web.tls.key: "),
        ("system/Procedure.c", "patient/Procedure.c", "clients.0.scopes.0: "),
        ('"system/Procedure.c", "system/*.write"', "", "clients.0.scopes: "),
        ('id = "clinic-ehr"', 'id = "clinic ehr"', "clients.0.id: "),
        ('feed = "{fhir}"', 'feed = "elsewhere"', "clients.clinic-ehr: no feed 'elsewhere'"),
        ('feed = "{fhir}"', 'feed = "bound"', "clients.clinic-ehr: the feed 'bound' is for those"),
    ],
)
def test_a_fault_is_told_with_its_place(rules: Ruleset, old: str, new: str, words: str) -> None:
    assert old in WEB
    with pytest.raises(BadSetup) as told:
        site(WEB.replace(old, new), rules)
    assert any(words in problem and problem.startswith("conf/site.toml: ") for problem in told.value.problems), (
        told.value.problems
    )


def test_one_without_the_other_is_a_fault(rules: Ruleset) -> None:
    listener, _, client = WEB.partition("[[clients]]")
    with pytest.raises(BadSetup, match="web: nobody may send"):
        site(listener, rules)
    feeds, _, _ = listener.partition("[web]")
    with pytest.raises(BadSetup, match="there is no \\[web\\]"):
        site(f"{feeds}[[clients]]{client}", rules)
    with pytest.raises(BadSetup, match="clients: 'clinic-ehr' is there twice"):
        site(f"{WEB}[[clients]]{client}", rules)
