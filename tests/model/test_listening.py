"""Listeners as a site says them: who may connect, and everything that is wrong with them at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.model.listening import Listening, TlsFiles, listening_problems
from adapters.model.site import Feed

FEED = Feed("charges", "hl7v2", "d", "UTC", "BAY", certificates=("engine",))
FILES = TlsFiles("server.pem", "server.key", "ca.pem")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("192.0.2.7", False),
        ("", False),
        ("localhost.example", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, local: bool) -> None:
    assert Listening("x", host).local is local


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        ("192.0.2.7", True),
        ("192.0.2.255", True),
        ("192.0.3.1", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:192.0.3.7", False),
        ("2001:db8::9", True),
        ("2001:db9::9", False),
        ("fe80::1%eth0", False),
        ("127.0.0.1", True),
        ("::1", True),
        ("nonsense", False),
        ("", False),
    ],
)
def test_peers_are_let_in_by_network(peer: str, admitted: bool) -> None:
    said = Listening("x", "::", networks=("192.0.2.0/24", "2001:db8::/32"))
    assert said.admits(peer) is admitted
    assert replace(said, networks=()).admits(peer), "without networks anybody may show a certificate"


def problems(*listeners: Listening, feeds: tuple[Feed, ...] = (FEED,)) -> list[str]:
    return list(listening_problems(listeners, feeds))


def test_listeners_that_are_in_order() -> None:
    free = replace(FEED, name="free", certificates=())
    assert (
        problems(
            Listening("wire", "10.0.0.4", 2575, ("charges",), FILES),
            Listening("inside", "127.0.0.1", 2576),
            Listening("vpn", "10.0.0.4", 2577, ("free",), networks=("10.9.0.0/16",)),
            Listening("any", "127.0.0.1", 0),
            Listening("other", "127.0.0.1", 0),
            feeds=(FEED, free),
        )
        == []
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Listening("x", "10.0.0.4"), "beyond this machine it needs tls"),
        (Listening("x", "0.0.0.0", networks=("0.0.0.0/0",)), "0.0.0.0/0 is everybody"),  # noqa: S104
        (Listening("x", "10.0.0.4", networks=("10.0.0.1/8",)), "'10.0.0.1/8' is no CIDR block"),
        (Listening("x", "engine.example", 2575, ("charges",), FILES), "'engine.example' is no IP address"),
        (Listening("x", feeds=("nobody",)), "no HL7 v2 feed 'nobody'"),
        (Listening("x", feeds=("ehr",)), "no HL7 v2 feed 'ehr'"),
        (Listening("x", feeds=("charges",)), "'charges' speaks by certificate only"),
        (Listening("x", feeds=("free",), tls=FILES), "'free' names no certificates"),
        (Listening("x", tls=FILES), "'free' names no certificates"),
    ],
)
def test_what_is_wrong_with_one(said: Listening, words: str) -> None:
    feeds = (FEED, replace(FEED, name="free", certificates=()), Feed("ehr", "fhir", "d", "UTC", "BAY"))
    found = problems(said, feeds=feeds)
    assert len(found) == 1
    assert found[0].startswith("listeners.x: ")
    assert words in found[0]


def test_all_is_told_at_once() -> None:
    found = problems(
        Listening("a", "10.0.0.4", 2575, ("nobody",)),
        Listening("a", "10.0.0.4", 2575, networks=("10.0.0.0/8",)),
    )
    assert found == [
        "listeners: the name 'a' is there twice",
        "listeners: the address '10.0.0.4 port 2575' is there twice",
        "listeners.a: beyond this machine it needs tls (certificate, key, ca), or the networks that may speak without it",
        "listeners.a: feeds: no HL7 v2 feed 'nobody'",
    ]
