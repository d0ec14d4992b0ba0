"""The Dockerfile without a Docker engine: its build stage is run in a scratch folder, the rest read.

What stands in for the image: `/src` and `/opt` become folders of the scratch, `python` the interpreter of the
tests. What needs root or a base image (the user, the volume) is read, not run.
"""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

Step = tuple[str, str]


def steps(text: str) -> list[list[Step]]:
    """The instructions of each stage as (word, rest), continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    stages: list[list[Step]] = []
    for line in joined.splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest.strip()))
    return stages


def of(stage: list[Step], word: str) -> list[str]:
    """What stands after each instruction of that word."""
    return [rest for name, rest in stage if name == word]


def let_through(ignore: str, path: str) -> bool:
    """Whether .dockerignore, which names what may pass (`*`, then `!name`), lets a path through."""
    return f"!{path}" in ignore.splitlines()


def play(stage: list[Step], tree: pathlib.Path, scratch: pathlib.Path) -> None:
    """Do what the stage says under `scratch`: COPY from the tree, RUN with the image's paths moved there."""
    source = scratch / "src"
    source.mkdir()
    ignore = (tree / ".dockerignore").read_text(encoding="utf-8")
    python = scratch / "python"
    python.mkdir()
    (python / "python").symlink_to(sys.executable)
    environ = {**os.environ, "PATH": f"{python}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}
    for word, rest in stage:
        if word == "COPY":
            *names, target = shlex.split(rest)
            for name in names:
                assert let_through(ignore, name), f".dockerignore keeps {name} out"
                if (tree / name).is_dir():
                    junk = shutil.ignore_patterns("__pycache__", "*.pyc")
                    shutil.copytree(tree / name, source / target, ignore=junk)
                else:
                    shutil.copy(tree / name, source / target)
        elif word == "RUN":
            command = re.sub(r"(?<![\w.])/(src|opt)\b", lambda found: f"{scratch}/{found[1]}", rest)
            done = subprocess.run(
                ["sh", "-c", command], cwd=source, env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{rest}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def dockerfile(source_tree: pathlib.Path) -> list[list[Step]]:
    """The stages of the Dockerfile."""
    return steps((source_tree / "Dockerfile").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_the_build_stage_gives_a_program_that_runs(
    dockerfile: list[list[Step]], source_tree: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """After the steps of the build stage the console script runs, and no build or test tool came with it."""
    play(dockerfile[0], source_tree, tmp_path)
    bin_ = tmp_path / "opt" / "oncoclaims" / "bin"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environ = {**os.environ, "PYTHONPATH": ""}
    listed = subprocess.run(
        [bin_ / "python", "-m", "pip", "list", "--format=json"],
        cwd=elsewhere, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = {entry["name"] for entry in json.loads(listed.stdout)}
    assert "oncoclaims" in names
    assert not names & {"pytest", "hypothesis", "hatchling", "ruff", "mypy", "playwright", "hl7"}
    helped = subprocess.run(
        [bin_ / "oncoclaims", "--help"],
        cwd=elsewhere,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert helped.returncode == 0, helped.stderr
    assert "serve" in helped.stdout


def test_the_image_runs_as_nobody_in_particular(dockerfile: list[list[Step]]) -> None:
    """A fixed id that is not root's, set after everything that needs root, and owning the volume."""
    final = dockerfile[-1]
    (user,) = of(final, "USER")
    uid, gid = user.split(":")
    assert int(uid) >= 10000
    assert int(gid) >= 10000
    words = [word for word, _ in final]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in ("RUN", "COPY"))
    made = " ".join(of(final, "RUN"))
    assert f"--uid {uid}" in made
    assert f"-o {uid} -g {gid}" in made
    assert of(final, "VOLUME") == ['["/data"]']


def test_nothing_to_build_with_reaches_the_image(dockerfile: list[list[Step]]) -> None:
    """The final stage copies from the build stage alone, and installs nothing."""
    final = dockerfile[-1]
    assert of(final, "COPY") == ["--from=build /opt/oncoclaims /opt/oncoclaims"]
    assert not any("pip" in rest or "apt-get" in rest for rest in of(final, "RUN"))


def test_every_installation_is_hash_locked(dockerfile: list[list[Step]]) -> None:
    """What comes from an index comes by hash and as a wheel; what does not, may not ask the index."""
    installs = [part for rest in of(dockerfile[0], "RUN") for part in rest.split("&&") if "pip install" in part]
    assert len(installs) == 3
    for part in installs:
        assert ("--require-hashes" in part and "--only-binary :all:" in part) or "--no-index" in part


def test_what_is_started(dockerfile: list[list[Step]]) -> None:
    """The console script with `serve`, as a list: no shell between the engine's signals and the program."""
    assert of(dockerfile[-1], "ENTRYPOINT") == ['["/opt/oncoclaims/bin/oncoclaims"]']
    assert of(dockerfile[-1], "CMD") == ['["serve"]']


class _Health(http.server.BaseHTTPRequestHandler):
    """Answers `/200` with 200 and anything else with 503."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/200" else 503)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def health_url() -> Iterator[str]:
    """A loopback listener that is well at `/200` and unwell elsewhere."""
    server = http.server.HTTPServer(("127.0.0.1", 0), _Health)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("path", "healthy"), [("/200", True), ("/503", False)])
def test_the_health_check_tells_well_from_unwell(
    dockerfile: list[list[Step]], health_url: str, path: str, healthy: bool
) -> None:
    """The command of HEALTHCHECK, run against a listener that answers 200 or 503."""
    (check,) = of(dockerfile[-1], "HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    assert command[0] == "/opt/oncoclaims/bin/python"
    environ = {**os.environ, "ONCOCLAIMS_HEALTH": health_url + path, "no_proxy": "127.0.0.1"}
    done = subprocess.run([sys.executable, *command[1:]], env=environ, capture_output=True, check=False)
    assert (done.returncode == 0) is healthy


def test_compose_takes_every_right_away(source_tree: pathlib.Path) -> None:
    """Each service: read-only tree, no capabilities, no new privileges, scratch in memory."""
    services = yaml.safe_load((source_tree / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert set(services) == {"adapter", "stub"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"]
        assert not {"privileged", "cap_add", "ports", "user"} & set(service)
    assert services["adapter"]["volumes"] == ["data:/data"]


def test_a_step_that_fails_is_seen(source_tree: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The player of steps can fail, at a command as at a file that .dockerignore keeps out."""
    (stage,) = steps("FROM x\nRUN echo made > /src/made \\\n && false")
    with pytest.raises(AssertionError, match="echo made"):
        play(stage, source_tree, tmp_path)
    assert (tmp_path / "src" / "made").read_text() == "made\n"
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(AssertionError, match=r"keeps Makefile out"):
        play(steps("FROM x\nCOPY Makefile ./")[0], source_tree, other)
