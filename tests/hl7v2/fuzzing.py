"""Looks for bytes that break framing, reader or capture, led by what code they reach: `python fuzzing.py TARGET ...`.

Started by `test_fuzzing.py` in a process of its own, since atheris ends it. Options after the target are libFuzzer's.
What breaks a target ends the process with its traceback and the input in Base64.
"""

from __future__ import annotations

import itertools
import pathlib
import sys
import tomllib
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import atheris

with atheris.instrument_imports(include=["adapters.hl7v2", "adapters.fhir", "adapters.model.event"]):
    import mappings
    from adapters.fhir.capture import capture as capture_fhir
    from adapters.fhir.problem import Refused as RefusedFhir
    from adapters.hl7v2.ack import AckCode, Verdict, acknowledge, wants_accept
    from adapters.hl7v2.batch import split_batch
    from adapters.hl7v2.capture import Refused, capture
    from adapters.hl7v2.envelope import read_envelope
    from adapters.hl7v2.mllp import Decoder, Frame
    from adapters.hl7v2.reader import Message, over_limits
    from adapters.model.event import problems_of
    from adapters.model.record import Captured
    from adapters.model.site import Feed
    from adapters.rules.dialect import Dialect, parse_dialect

NOW: Final = datetime(2026, 1, 7, 12, tzinfo=UTC)
ZONE: Final = "America/New_York"
FRAME_LIMIT: Final = 4_000


def _dialects() -> dict[str, Dialect]:
    found = {}
    for file in sorted((pathlib.Path(mappings.__file__).parent / "feeds").glob("*.toml")):
        dialect = parse_dialect(tomllib.loads(file.read_text(encoding="utf-8")), file.name)
        assert isinstance(dialect, Dialect), file.name
        found[file.stem] = dialect
    return found


DIALECTS: Final = _dialects()


def framing(data: bytes) -> None:
    """However a stream is cut the same frames come out of it, and no frame is longer than the limit."""
    step = 1 + (data[0] if data else 0)
    told = []
    for size in (len(data) + 1, step):
        decoder = Decoder(FRAME_LIMIT)
        found = [item for start in range(0, len(data), size) for item in decoder.feed(data[start : start + size])]
        decoder.eof()
        frames = [item.payload for item in found if isinstance(item, Frame)]
        assert all(len(frame) <= FRAME_LIMIT for frame in frames)
        told.append(frames)
    assert told[0] == told[1]


def message(data: bytes) -> None:
    """Any bytes are read and answered, by every dialect of v2; what is captured is whole events."""
    envelope = read_envelope(data)
    code = wants_accept(envelope, Verdict.STORED) or AckCode.AA
    assert Message.parse(acknowledge(envelope, code, now=NOW, control_id="A1")).first("MSA") is not None
    assert Message.parse(data).raw == data
    for body in split_batch(data).messages:
        over_limits(Message.parse(body))
    for name in ("example-dft-flat", "example-dft-zseg", "example-ras", "example-oru-course", "plain-dft"):
        feed = Feed("any", "hl7v2", name, ZONE, "main", person_system="urn:clinic:mrn")
        found = capture(data, feed=feed, dialect=DIALECTS[name], message="m1", received=NOW)
        _whole(() if isinstance(found, Refused) else found)


def resource(data: bytes) -> None:
    """Any bytes as FHIR: refused with a reason, or captured as whole events."""
    for name in ("codex-rt", "us-core-coded"):
        feed = Feed("any", "fhir", name, ZONE, "main", person_system="urn:clinic:mrn")
        found = capture_fhir(data, feed=feed, dialect=DIALECTS[name], message="m1", received=NOW, zone=ZoneInfo(ZONE))
        _whole(() if isinstance(found, RefusedFhir) else found)


def _whole(found: tuple[Captured, ...]) -> None:
    for captured in found:
        for event in captured.events:
            assert not list(problems_of(event)), event.kind


TARGETS: Final = {target.__name__: target for target in (framing, message, resource)}


def main() -> None:
    """Fuzz the target named first; does not come back."""
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *itertools.islice(sys.argv, 2, None)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
