"""What the README of the folder shows is what happens: its site file is read, its messages get its answers."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.model.listening import Listening
from adapters.serve.mllp import start_listener
from adapters.settings import read_site, rules_of
from adapters.store import KeyRing, open_store
from adapters.wiring import SystemClock

README = resources.files("adapters.hl7v2").joinpath("README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """The fenced blocks of that kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site() -> Any:
    """The demo's site with the feeds and listeners of the README, and the feed that its second listener speaks of."""
    demo = resources.files("adapters.demo").joinpath("site.toml").read_text(encoding="utf-8")
    facility = demo.split("[[facilities]]", 1)[1].split('id = "', 1)[1].partition('"')[0]
    (said,) = blocks("toml")
    said = said.replace('facility = "HARBOR"', f'facility = "{facility}"')
    old = said.split("[[listeners]]", 1)[0]
    old = re.sub(r"^certificates = .*$", "", old, flags=re.MULTILINE).replace('"engine-dft"', '"old-engine"')
    text = demo.replace('fees = "fees.csv"', "") + old.replace('["QBAY"]', '["OLD"]') + said
    return read_site(text, "site.toml", rules_of())


@pytest.fixture
def told(site: Any) -> Iterator[Any]:
    """`told(message)`: what comes back, with a line break for each CR. Plain, so the feed asks for no certificate."""
    free = replace(site, feeds=tuple(replace(feed, certificates=()) for feed in site.feeds))
    with open_store("sqlite://", KeyRing.ephemeral("readme"), SystemClock()) as store:
        wired: Any = SimpleNamespace(site=free, store=store, clock=SystemClock())
        listener = start_listener(wired, Listening("mllp", port=0))

        def send(message: str) -> str:
            with socket.create_connection(("127.0.0.1", listener.port), 5) as peer:
                peer.sendall(b"\x0b" + message.replace("\n", "\r").encode() + b"\x1c\r")
                read = b""
                while not read.endswith(b"\x1c\r"):
                    read += peer.recv(65536)
            return read[1:-2].decode().replace("\r", "\n")

        yield send
        listener.close()


def test_its_site_file_is_a_good_one(site: Any) -> None:
    assert [one.name for one in site.listeners] == ["engine", "vpn"]
    assert site.feed("engine-dft").certificates == ("engine.qbay.example",)


def test_its_messages_get_the_answers_that_it_shows(told: Any) -> None:
    message, taken, refused = blocks("hl7")
    for sent, answer in ((message, taken), (message.replace("|P|2.5.1", "|T|2.5.1"), refused)):
        shown = "".join("[^|\n]+" if part == "…" else re.escape(part) for part in re.split("(…)", answer))
        assert re.fullmatch(shown, told(sent)), told(sent)
