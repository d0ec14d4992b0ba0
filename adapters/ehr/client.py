"""Calls to an EHR's FHIR server: within its origin and below its base only, bounded, repeated while that may help.

Every outcome is a value. Nothing of a patient stands in a log; httpx is silent. Redirects and proxies are off: a
credential of the EHR's goes to the EHR.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urljoin, urlsplit

import httpx
import tenacity
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from adapters.errors import BadSetup
from adapters.model.address import base_problems, origin
from adapters.model.ehr import Ehr

LARGEST_PAGE: Final = 32 * 1024 * 1024
"""Bytes of one answer that are read, after decompression; a larger one is `too-large`."""
LONGEST_WAIT: Final = 60
"""Seconds that are waited between two attempts. An EHR that asks for more is asked again in its next round."""
LONGEST_LINK: Final = 8000
_FHIR: Final = "application/fhir+json"
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SAFE: Final = frozenset({"GET", "PUT", "DELETE"})
_UNCONDITIONAL: Final[Mapping[str, str]] = {}

for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `failure` is empty, `no-answer`, `too-large` or `not-asked` (a foreign address)."""

    status: int = 0
    body: bytes = b""
    failure: str = ""
    retry_after: int | None = None
    """Seconds that it asks for before the next try."""
    location: str = ""

    @property
    def problem(self) -> str:
        """Why there is nothing to read, as a stable code; empty where there is."""
        return self.failure or ("" if 200 <= self.status < 300 else f"status-{self.status}")


def within(base: str, link: str) -> str:
    """A link of an answer as an absolute address, where it stays in the origin of `base` and below it; else nothing."""
    if not link or len(link) > LONGEST_LINK or not link.isprintable():
        return ""
    try:
        url = urljoin(base.rstrip("/") + "/", link)
        parts, root = urlsplit(url), urlsplit(base)
    except ValueError:
        return ""
    if origin(url) is None or origin(url) != origin(base) or parts.fragment:
        return ""
    below = root.path.rstrip("/")
    path = unquote(parts.path)
    if ".." in path.split("/") or not (path == below or path.startswith(f"{below}/")):
        return ""
    return url


def secret_of(file: str) -> str:
    """The one line of a secret's file; raises `BadSetup` where there is none, or where others may read it."""
    path = Path(file)
    try:
        open_to_others = path.stat().st_mode & 0o077
        said = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetup((f"{file}: the secret cannot be read ({type(error).__name__})",)) from None
    if open_to_others:
        raise BadSetup((f"{file}: others may read the secret: chmod 600",))
    if not said or not said.isprintable() or not said.isascii() or " " in said:
        raise BadSetup((f"{file}: not a secret of one printable word",))
    return said


def bearer_of(ehr: Ehr) -> str:
    """The credentials for an EHR by its settings: the token of its file, or none. Raises `BadSetup`."""
    return f"Bearer {secret_of(ehr.token_file)}" if ehr.token_file else ""


class EhrClient:
    """Speaks to EHRs. Safe to use from several threads; close it when done.

    `authorize` gives the Authorization header for an EHR, empty for none; it is asked for every try, so that a token may
    run out. `sleep` is waited with between attempts; `verify` is the TLS context (default: the usual roots).
    """

    def __init__(
        self,
        *,
        authorize: Callable[[Ehr], str] = bearer_of,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._authorize = authorize
        self._sleep = sleep
        self._now = now
        self._http = httpx.Client(
            verify=verify if verify is not None else True,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=4, keepalive_expiry=5.0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def get(self, ehr: Ehr, url: str) -> Answer:
        """Ask for an address of the EHR's. Tried again while it does not answer, or says that it cannot now."""
        return self.call(ehr, "GET", url)

    def call(
        self, ehr: Ehr, method: str, url: str, body: bytes = b"", condition: Mapping[str, str] = _UNCONDITIONAL
    ) -> Answer:
        """One request, repeated up to the EHR's `attempts` where repeating does no harm: not a POST that may have been
        taken. `condition` are headers that say when it is to be done. Raises `BadSetup` where the EHR's token cannot be
        read."""
        address = "" if base_problems(ehr.base_url) else within(ehr.base_url, url)
        if not address:
            return Answer(failure="not-asked")
        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=tenacity.stop_any(tenacity.stop_after_attempt(ehr.attempts), _AskedForLonger()),
            wait=_AsAsked(),
            retry=tenacity.retry_if_result(lambda answer: _worth_repeating(method, answer)),
            retry_error_callback=_result,
        )
        return retrying(lambda: self._once(ehr, method, address, body, condition))

    def _once(self, ehr: Ehr, method: str, url: str, body: bytes, condition: Mapping[str, str]) -> Answer:
        credentials = self._authorize(ehr)
        sent: dict[str, str] = {"Accept": _FHIR, "Accept-Encoding": "gzip", **condition}
        sent |= {"Authorization": credentials} if credentials else {}
        sent |= {"Content-Type": _FHIR} if body else {}
        # The timeout of httpx holds for each piece of an answer; one that dribbles is given as long for the whole.
        deadline = time.monotonic() + 2 * ehr.timeout_seconds
        try:
            with self._http.stream(
                method, url, content=body or None, headers=sent, timeout=ehr.timeout_seconds
            ) as answer:
                read = bytearray()
                for piece in answer.iter_bytes(65536):
                    read += piece
                    if len(read) > LARGEST_PAGE:
                        return Answer(answer.status_code, failure="too-large")
                    if time.monotonic() > deadline:
                        return Answer(failure="no-answer")
                return Answer(
                    answer.status_code,
                    bytes(read),
                    retry_after=_retry_after(answer.headers, self._now()),
                    location=answer.headers.get("location", ""),
                )
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL):
            return Answer(failure="no-answer")


def _worth_repeating(method: str, answer: Answer) -> bool:
    if method in _SAFE:
        return answer.failure == "no-answer" or answer.status in _AGAIN
    return answer.status in (429, 503)


def _result(state: tenacity.RetryCallState) -> Answer:
    if state.outcome is None:
        raise RuntimeError("an attempt without an outcome")
    answer: Answer = state.outcome.result()
    return answer


class _AsAsked(wait_base):
    """Wait as long as Retry-After says, else back off, jittered."""

    def __init__(self) -> None:
        self._backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT / 2)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        asked = _result(retry_state).retry_after
        jittered = float(self._backoff(retry_state))
        return jittered if asked is None else asked + min(jittered, 1.0)


class _AskedForLonger(stop_base):
    """Stop where the EHR asks for more patience than a call has."""

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return (_result(retry_state).retry_after or 0) > LONGEST_WAIT


def _retry_after(headers: Mapping[str, str], now: datetime) -> int | None:
    """Retry-After in seconds, from a number or a date (RFC 9110, 10.2.3); None where it says neither."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(int(text[:9]), 30 * 86400)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # of a year that no clock has
        return None
    if at.tzinfo is None:
        return None
    return max(0, min(int((at - now).total_seconds()) + 1, 30 * 86400))
