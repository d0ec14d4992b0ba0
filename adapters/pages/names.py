"""What things are called in addresses: a lane and a hash where an id says something of a clinic or a patient.

Ids of claims, charges, work items, lanes and journal entries are random or hashes and stand as they are. A course's id
holds the clinic's label, a hold's the number of what was done, an answer's what the payer wrote: they never do.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from adapters.explain import hold_id
from adapters.model.charge import Hold

_PLAIN: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAMED: Final = re.compile(rf"({_PLAIN.pattern})\.([0-9a-f]{{16}})")


def _hash(id: str, digits: int) -> str:
    return hashlib.sha256(id.encode()).hexdigest()[:digits]


def course_name(episode: str) -> str:
    """The name of a course in an address: its lane, and a hash in place of the clinic's label."""
    return f"{episode.partition('/')[0]}.{_hash(episode, 12)}"


def thing_name(person: str, id: str) -> str:
    """The name of a thing of a person in an address: its id where that says nothing, else the lane and a hash."""
    return id if _PLAIN.fullmatch(id) else f"{person}.{_hash(id, 16)}"


def hold_name(person: str, hold: Hold) -> str:
    """The name of a hold in an address."""
    return thing_name(person, hold_id(hold))


def lane_of_name(name: str) -> str:
    """The lane that a name of `thing_name` is of; empty where it is a plain id."""
    named = _NAMED.fullmatch(name)
    return named[1] if named else ""


def is_plain(id: str) -> bool:
    """Whether an id may stand in an address as it is."""
    return _PLAIN.fullmatch(id) is not None
