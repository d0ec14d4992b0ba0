"""Fuzzing led by coverage: no bytes break framing, reader or capture. Short in every run, ten minutes each in a soak."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

from fhir_server_stub.story import make_story
from tests.soak import seed, size

HARNESS = pathlib.Path(__file__).with_name("fuzzing.py")

pytestmark = [
    pytest.mark.soak,
    pytest.mark.system,
    pytest.mark.timeout(0),
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="NO ATHERIS: it has wheels for CPython to 3.13 on Linux; the fuzzing was not done",
    ),
]


def seeds(target: str) -> list[bytes]:
    """What the fuzzing starts from: the messages of the demonstration."""
    told = [outgoing.body for outgoing in make_story().messages]
    v2 = [body for body in told if isinstance(body, bytes)]
    return {
        "framing": [b"\x03\x0b" + body + b"\x1c\r" for body in v2],
        "message": v2,
        "resource": [json.dumps(body).encode() for body in told if isinstance(body, dict)],
    }[target]


@pytest.mark.parametrize("target", ["framing", "message", "resource"])
def test_no_bytes_break_it(target: str, tmp_path: pathlib.Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    bodies = seeds(target)
    assert bodies
    for number, body in enumerate(bodies):
        (corpus / f"{number}").write_bytes(body)
    options = [
        f"-max_total_time={size(10, 600)}",
        f"-seed={seed() % 2**31 or 1}",
        "-max_len=8000",
        "-timeout=10",  # one input over ten seconds is a finding, as is one that takes two GiB
        "-rss_limit_mb=2048",
        f"-artifact_prefix={tmp_path}/",
    ]
    ran = subprocess.run(
        [sys.executable, str(HARNESS), target, *options, str(corpus)],
        capture_output=True,
        text=True,
        errors="replace",
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    done = [line for line in ran.stderr.splitlines() if line.startswith("Done ")]
    assert done, ran.stderr[-3000:]
    assert int(done[0].split()[1]) > 100
