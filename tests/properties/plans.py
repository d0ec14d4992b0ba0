"""What a seed decides before anything happens: the clinic, its payers, and all that will be said of its patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from tests.properties import network, telling
from tests.properties.telling import Message
from tests.properties.weather import Storm


@dataclass(frozen=True, slots=True)
class Plan:
    """What the seed decides before anything happens."""

    setting: str
    cycle: str
    kinds: tuple[str, str]
    trouble: float
    """Share of the requests to payers that something happens to."""
    messages: tuple[tuple[datetime, Message], ...]
    """When each leaves its sender for the first time."""


def plan(dice: Random, storm: Storm) -> Plan:
    """A small clinic and what its senders will say, with the time at which each message leaves."""
    setting = dice.choice(("freestanding", "hospital"))
    said: list[Message] = []
    for who in range(dice.randint(1, 2)):
        said += _course(dice, setting, who)
    leaving: list[tuple[datetime, Message]] = []
    for message in said:
        at = message.at + timedelta(seconds=dice.randint(0, 3600))
        if storm.chance("message late by days", 0.15):
            at += timedelta(hours=dice.randint(12, 200))
        leaving.append((at, message))
    kinds = (dice.choice(network.KINDS), dice.choice(network.KINDS))
    trouble = dice.choice((0.0, 0.2, 0.4, 0.7))
    return Plan(setting, dice.choice(("day", "day", "week")), kinds, trouble, tuple(leaving))


def _course(dice: Random, setting: str, who: int) -> Iterator[Message]:
    """What is said of one patient."""
    yield telling.registration(setting, who)
    days = dice.randint(1, 4)
    if dice.random() < 0.4:
        yield telling.registration(setting, who, version=1, until=dice.randrange(days))
    for n in range(days):
        technique, isocenters = dice.choice((("3d", 1), ("3d", 2), ("imrt", 1), ("2d", 1)))
        told = {"technique": technique, "isocenters": isocenters}
        if dice.random() < 0.8 or technique == "2d":
            yield telling.session(setting, who, n, **told)
            if dice.random() < 0.25:
                change = {"technique": "imrt", "isocenters": dice.choice((1, 2)), "done": dice.random() < 0.6}
                yield telling.session(setting, who, n, version=dice.choice((1, 9, 30)), **change)
            if dice.random() < 0.2:
                yield telling.twin(setting, who, n, technique=technique, isocenters=isocenters)
        else:
            yield telling.twin(setting, who, n, **told)
            if dice.random() < 0.3:
                yield telling.twin(setting, who, n, version=2, done=dice.random() < 0.5, **told)
        if dice.random() < 0.3:
            code = dice.choice(("77300", "77407"))
            yield telling.coded(setting, who, n, code)
            if dice.random() < 0.4:
                yield telling.coded(setting, who, n, code, version=dice.choice((1, 20)), kind=dice.choice(("CR", "CD")))
            elif dice.random() < 0.3:
                yield telling.coded(setting, who, n, code, version=25, units=2)
