"""Which links stay with the payer, and which addresses may be called."""

from __future__ import annotations

import pytest

from adapters.model.site import Payer, PayerEndpoint
from adapters.payers.origin import endpoint_problems, followed, is_loopback, origin

BASE = "https://payer.example/fhir"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("ClaimResponse/7", f"{BASE}/ClaimResponse/7"),
        ("/jobs/7", "https://payer.example/jobs/7"),
        ("https://payer.example:443/jobs/7", "https://payer.example:443/jobs/7"),
        (f"{BASE}/ClaimResponse/7/_history/2", f"{BASE}/ClaimResponse/7/_history/2"),
    ],
)
def test_links_within_the_origin_are_followed(link, url):
    assert followed(BASE, link) == url


@pytest.mark.parametrize(
    "link",
    [
        "",
        "http://payer.example/jobs/7",
        "https://payer.example.evil/fhir/jobs/7",
        "https://payer.example:8443/jobs/7",
        "https://payer.example@evil.example/jobs/7",
        "//evil.example/jobs/7",
        "\\\\evil.example\\jobs",
        "https://evil.example\\@payer.example/",
        "https://[::1]/",
        "http://169.254.169.254/latest",
        "http://2852039166/",
        "file:///etc/passwd",
        "gopher://payer.example/",
        "https://payer.example:99999/",
        "https://payer.example/jobs\r\nX: y",
        f"{BASE}/ClaimResponse?patient.identifier=CNRY-1",
        f"{BASE}/jobs#x",
        "x" * 3000,
    ],
)
def test_other_links_are_not(link):
    found = followed(BASE, link)
    assert found == "" or origin(found) == origin(BASE)
    if "\\" not in link:
        assert found == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "", "127.0.0.1.evil.example"])  # noqa: S104
def test_not_this_machine(host):
    assert not is_loopback(host)


def problems(base: str) -> tuple[str, ...]:
    return endpoint_problems(Payer("p", "P", "commercial", endpoint=PayerEndpoint(base)))


def test_only_tls_beyond_this_machine():
    assert problems(BASE) == ()
    assert problems("http://127.0.0.1:8090/fhir") == ()
    assert problems("http://payer.example/fhir") == ("payer p: base_url must be https beyond this machine",)
    assert len(problems("http://payer.example/fhir?a=b")) == 2
    assert problems("payer.example") == ("payer p: base_url is no http or https address without a user",)
