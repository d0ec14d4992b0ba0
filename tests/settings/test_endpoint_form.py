"""How a payer is called, as the site file and the policies of the mappings say it together."""

from __future__ import annotations

from dataclasses import fields

import pytest

from adapters.errors import BadSetup
from adapters.model.endpoint import PATIENCE, PayerEndpoint
from adapters.model.site import Payer
from adapters.rules import Ruleset, load
from adapters.settings import read_site, rules_of
from adapters.settings.endpoint_form import EndpointPart

SITE = """
name = "Reed Marsh"
zone = "America/New_York"

[[facilities]]
id = "REED"
name = "Reed Marsh Clinic"
npi = "1999999950"
setting = "freestanding"
place_of_service = "11"

[[facilities.entities]]
id = "reed"
name = "Reed Marsh Clinic"
npi = "1999999950"
tin = "990000077"
bills = "global"
claim_type = "professional"

[[payers]]
id = "first"
name = "First Mutual"
kind = "commercial"

[payers.endpoint]
base_url = "https://payer.example/fhir"
"""


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return rules_of()


def payer(rules: Ruleset, more: str) -> Payer:
    return read_site(SITE + more, "/etc/clinic/site.toml", rules).payers[0]


def problems(rules: Ruleset, more: str) -> str:
    with pytest.raises(BadSetup) as bad:
        payer(rules, more)
    return "\n".join(bad.value.problems)


def test_the_secret_of_a_hook_lies_beside_the_site_file(rules: Ruleset) -> None:
    assert payer(rules, 'hook_secret_file = "first.hook"\n').endpoint.hook_secret_file == "/etc/clinic/first.hook"
    assert payer(rules, "").endpoint.hook_secret_file == ""


def test_without_a_word_everything_is_as_the_model_says(rules: Ruleset) -> None:
    assert payer(rules, "").endpoint == PayerEndpoint(base_url="https://payer.example/fhir")


def test_the_form_and_the_model_agree_on_every_default() -> None:
    form = {name: field.default for name, field in EndpointPart.model_fields.items() if name != "policy"}
    assert form == {field.name: field.default for field in fields(PayerEndpoint)}


def test_a_policy_is_taken_over_and_what_the_site_says_goes_before(rules: Ruleset) -> None:
    slow = payer(rules, 'policy = "slow"\nattempts = 9\n').endpoint
    assert (slow.in_flight, slow.per_minute, slow.timeout_seconds, slow.attempts) == (1, 30, 60.0, 9)
    assert "no policy 'hasty'" in problems(rules, 'policy = "hasty"\n')


def test_the_standard_policy_is_what_holds_without_one(rules: Ruleset) -> None:
    assert payer(rules, 'policy = "standard"\n').endpoint == payer(rules, "").endpoint


def test_keys_and_certificates_lie_beside_the_site_file(rules: Ruleset) -> None:
    login = 'token_url = "https://payer.example/token"\nclient_id = "reed"\nscopes = ["system/Claim.c"]\n'
    made = payer(
        rules, f'[payers.endpoint.login]\n{login}keys = ["now.pem", "next.pem"]\n[payers.endpoint.tls]\nca = "ca.pem"\n'
    )
    assert made.endpoint.login is not None
    assert made.endpoint.login.keys == ("/etc/clinic/now.pem", "/etc/clinic/next.pem")
    assert made.endpoint.tls is not None
    assert (made.endpoint.tls.ca, made.endpoint.tls.certificate) == ("/etc/clinic/ca.pem", "")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('search = "put"\n', "endpoint.search"),
        ("in_flight = 0\n", "endpoint.in_flight"),
        ("longest_wait_seconds = 61.0\n", "endpoint.longest_wait_seconds"),
        ('idempotency_header = "X: y"\n', "endpoint.idempotency_header"),
        ("colour = 1\n", "endpoint.colour"),
        ('[payers.endpoint.tls]\ncertificate = "c.pem"\n', "certificate and key go together"),
        ('[payers.endpoint.login]\nclient_id = "reed"\n', "endpoint.login.token_url"),
        (
            (
                '[payers.endpoint.login]\ntoken_url = "http://payer.example/token"\nclient_id = "r"\n'
                'scopes = ["a"]\nkeys = ["k"]\n'
            ),
            "token_url must be https",
        ),
        (
            (
                '[payers.endpoint.login]\ntoken_url = "https://payer.example/t"\nclient_id = "r"\n'
                'scopes = ["two words"]\nkeys = ["k"]\n'
            ),
            "endpoint.login.scopes.0",
        ),
    ],
)
def test_what_is_said_wrongly_is_told_with_its_place(rules: Ruleset, more: str, words: str) -> None:
    assert words in problems(rules, more)


HEAD = b'id = "policies"\nkind = "policies"\ntitle = "t"\n[[policies]]\nname = "p"\nwords = "w"\n'


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (b"attempts = 1.5", "attempts must be a number"),
        (b"attempts = 0", "attempts must be above zero"),
        (b"per_minute = -1", "per_minute must be above zero"),
        (b"rest_seconds = true", "rest_seconds must be a number"),
        (b'base_url = "x"', "unknown key 'base_url'"),
    ],
)
def test_a_policy_that_says_it_wrongly_is_a_fault_of_its_line(term: bytes, words: str) -> None:
    found = load({"payers/policies.toml": HEAD + term + b"\n"})
    assert isinstance(found, tuple)
    assert any(problem.line == 7 and words in str(problem) for problem in found), found


def test_terms_of_policies_are_fields_of_the_model() -> None:
    assert {field.name for field in fields(PayerEndpoint)} >= PATIENCE
