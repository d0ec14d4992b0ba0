"""Tables that come into force while the house goes on: the house is exchanged, then every lane is stepped again once.

An activation is an entry of the journal. Every process that steps lanes looks for one each second and exchanges its
house between two steps; one of them then has every lane on file derived anew, and tells the journal when it is done. A
pass that was broken off begins again: a lane that is right already costs a derivation and writes nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final, Protocol

from adapters.errors import BadSetup, StoreDown
from adapters.pipeline import House
from adapters.pipeline.force import InForce
from adapters.serve.lanes import Lanes
from adapters.serve.logs import log
from adapters.serve.wired import LaneStore

EVERY: Final = 1.0
"""Seconds between two looks."""
_TASK: Final = "tables"


class Forced(Protocol):
    """The program put together, as the tables in force concern it."""

    house: House
    force: InForce

    @property
    def store(self) -> LaneStore:
        """The store."""
        ...

    def force_now(self) -> InForce:
        """What the journal says is in force."""
        ...

    def house_of(self, force: InForce) -> House:
        """The house under this; raises `BadSetup` where an edition in force is not there."""
        ...

    def all_stepped(self, force: InForce) -> None:
        """Every lane on file has been stepped under this: the journal says so."""
        ...


class Switching:
    """Looks at what is in force, exchanges the house, has the lanes stepped again."""

    def __init__(self, wired: Forced, lanes: Lanes, *, steps: bool = True) -> None:
        """`steps`: whether this process steps all lanes again, or only exchanges its house."""
        self._wired = wired
        self._lanes = lanes
        self._steps = steps
        self._refused = ""
        self._stop = threading.Event()

    def look(self) -> bool:
        """Exchange the house if other tables are in force than it has; whether that was so.

        Where an edition is not there the house stays what it was, and that is told. Raises `StoreDown`.
        """
        force = self._wired.force_now()
        if force.entry == self._wired.force.entry:
            return False
        changed = force.tables != self._lanes.house.tables.digest
        if changed:
            try:
                house = self._wired.house_of(force)
            except BadSetup as missing:
                if self._refused != force.entry:
                    log().error("tables in force are not there", count=len(missing.problems))
                self._refused = force.entry
                return False
            self._lanes.house = house
            self._wired.house = house
            log().info("other tables are in force", count=len(force.editions))
        self._wired.force = force
        return changed

    def step_all(self) -> int:
        """Step every lane again, if the journal does not say that this was done; how many that were.

        Only one process does it at a time. A lane that cannot be derived is told and left: it stays as it is.
        """
        force = self._wired.force
        if force.applied or not self._steps or force.tables != self._lanes.house.tables.digest:
            return 0
        done = 0
        with self._wired.store.queue.alone(_TASK) as mine:
            for person in self._wired.store.lanes() if mine else ():
                if self._stop.is_set():
                    return done
                try:
                    self._lanes.renew(person)
                except StoreDown:
                    raise
                except Exception as error:  # noqa: BLE001  # one lane's fault must not keep the others
                    log().error("a lane cannot be stepped", lane=person, error=type(error).__name__)
                done += 1
            if mine:
                self._wired.all_stepped(force)
        self.look()
        return done

    def once(self) -> int:
        """Look, and step all lanes again where that is due: for a command that does its work and ends."""
        self.look()
        return self.step_all()

    def _go_on(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                # What was exchanged now is stepped at the next look: by then every process has seen it too.
                if not self.look():
                    self.step_all()
            except StoreDown:
                log().error("the store is down")
            except Exception as error:  # noqa: BLE001  # a thread that dies in silence keeps old tables in force
                log().error("unexpected", error=type(error).__name__)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Look each second, in a thread, while the block lasts."""
        thread = threading.Thread(target=self._go_on, name="tables", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
