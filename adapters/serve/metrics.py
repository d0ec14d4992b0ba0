"""Counters for Prometheus. Labels are words of ours (a medium, a reason, a state), never anything that was sent."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from adapters.model.claim import ClaimState
from adapters.ports import LaneQueue, Store
from adapters.store import Counts

REGISTRY: Final = CollectorRegistry()
RECEIVED: Final = Counter("oncoclaims_received", "Entries stored and acknowledged", ["media"], registry=REGISTRY)
REPEATED: Final = Counter("oncoclaims_repeated", "Entries that had come before", ["media"], registry=REGISTRY)
REUSED: Final = Counter("oncoclaims_control_reused", "Control ids used for another body", ["media"], registry=REGISTRY)
REFUSED: Final = Counter(
    "oncoclaims_refused", "Refused: kept unread, or (FHIR) not stored", ["media", "code"], registry=REGISTRY
)
FAULTS: Final = Counter("oncoclaims_faults", "Input that is no message", ["listener", "kind"], registry=REGISTRY)
UNSTORED: Final = Counter("oncoclaims_unstored", "Not acknowledged because the store was down", registry=REGISTRY)
CERTIFICATE_END: Final = Gauge(
    "oncoclaims_certificate_end_seconds",
    "When a certificate of a listener ends, in seconds since 1970",
    ["listener", "file"],
    registry=REGISTRY,
)
UNREADABLE_TLS: Final = Counter(
    "oncoclaims_certificates_not_reloaded", "Changed TLS files that could not be used", ["listener"], registry=REGISTRY
)
TOKENS: Final = Counter("oncoclaims_tokens", "Access tokens issued", registry=REGISTRY)
TOKENS_REFUSED: Final = Counter(
    "oncoclaims_tokens_refused", "Assertions and access tokens refused", ["what", "reason"], registry=REGISTRY
)
ASKED: Final = Counter("oncoclaims_ehr_rounds", "Rounds of asking an EHR", ["feed", "how"], registry=REGISTRY)
QUESTIONS: Final = Counter(
    "oncoclaims_questions", "Questions to the clinic, by what became of them", ["feed", "what"], registry=REGISTRY
)
NOTIFIED: Final = Counter(
    "oncoclaims_ehr_notifications", "Notifications of an EHR's subscriptions", ["feed", "what"], registry=REGISTRY
)
MISSED: Final = Counter(
    "oncoclaims_ehr_notifications_missed", "Gaps in the numbers of an EHR's notifications", ["feed"], registry=REGISTRY
)
TOLD: Final = Counter("oncoclaims_payer_notifications", "Notifications of payers", ["payer", "what"], registry=REGISTRY)
_FRESH: Final = 60.0
"""Seconds for which a count that means reading every lane is told again."""
CONNECTIONS: Final = Gauge("oncoclaims_mllp_connections", "Open MLLP connections", registry=REGISTRY)


class Steps(Protocol):
    """Whoever steps lanes."""

    @property
    def steps(self) -> int:
        """Steps saved since the start."""
        ...


class Counted(Store, Protocol):
    """A store that can say what became of its entries."""

    @property
    def queue(self) -> LaneQueue:
        """The queue of lanes."""
        ...

    def counts(self) -> Counts:
        """The journal by what became of its entries."""
        ...


class StoreFigures:
    """What the store itself says, asked when the metrics are; register it once in a registry of its own."""

    def __init__(self, store: Counted, lanes: Steps | None = None) -> None:
        self._store = store
        self._lanes = lanes
        self._states: tuple[float, dict[str, int]] | None = None

    def collect(self) -> Iterator[Metric]:
        counts = self._store.counts()
        entries = GaugeMetricFamily("oncoclaims_entries", "Journal entries by what became of them", labels=["state"])
        for state, number in (("unread", counts.unread), ("taken", counts.taken), ("parked", counts.parked)):
            entries.add_metric([state], number)
        yield entries
        standing = self._store.queue.counts()
        lanes = GaugeMetricFamily("oncoclaims_lanes", "Lanes of the queue by how they stand", labels=["state"])
        for state, number in (("waiting", standing.waiting), ("working", standing.working)):
            lanes.add_metric([state], number)
        yield lanes
        yield GaugeMetricFamily("oncoclaims_lanes_stalled", "Lanes whose worker has died", value=standing.stalled)
        if self._lanes is not None:
            yield CounterMetricFamily("oncoclaims_lane_steps", "Steps of lanes saved", value=self._lanes.steps)
        claims = GaugeMetricFamily("oncoclaims_claims", "Claims by state", labels=["state"])
        for state, number in self._claims().items():
            claims.add_metric([state], number)
        yield claims

    def _claims(self) -> dict[str, int]:
        """Claims by state, every state told so that no series comes and goes. Counted anew once a minute at most:
        it means reading every lane."""
        now = time.monotonic()
        if self._states is None or now - self._states[0] > _FRESH:
            tally: Tally[str] = Tally()
            for person in self._store.lanes():
                tally.update(claim.state.value for claim in self._store.load(person).claims)
            self._states = (now, {state.value: tally[state.value] for state in ClaimState})
        return self._states[1]


class PayerFigures:
    """How long each payer is left alone by this process, asked when the metrics are."""

    def __init__(self, resting: Callable[[], Mapping[str, float]]) -> None:
        self._resting = resting

    def collect(self) -> Iterator[Metric]:
        rests = GaugeMetricFamily(
            "oncoclaims_payer_rest_seconds", "For how long a payer that failed is not called", labels=["payer"]
        )
        for payer, seconds in self._resting().items():
            rests.add_metric([payer], seconds)
        yield rests


class Exposition:
    """All metrics of a process in the text format of Prometheus. `resting`: seconds by the site's ids of payers."""

    def __init__(
        self, store: Counted, lanes: Steps | None = None, resting: Callable[[], Mapping[str, float]] = dict
    ) -> None:
        # Registering asks the collector what it will tell; that a store is down then must not stop the start.
        self._of_store = CollectorRegistry(auto_describe=False)
        self._of_store.register(StoreFigures(store, lanes))
        self._of_store.register(PayerFigures(resting))

    def text(self) -> bytes:
        """The metrics now; raises `StoreDown` when the store does not answer."""
        return generate_latest(REGISTRY) + generate_latest(self._of_store)
