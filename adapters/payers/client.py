"""Calls to a payer's FHIR endpoint. Every outcome is a value; nothing here decides what it means for the claim.

Nothing of a patient stands in a URL or a log: searches are POSTed (R4 http.html#search-post), httpx is silent.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlsplit

import httpx
import tenacity
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from adapters.fhir.claim import CLAIM_SYSTEM
from adapters.model.site import Payer
from adapters.payers.finding import found_in
from adapters.payers.origin import endpoint_problems, followed
from adapters.pipeline.exchange import Exchange

LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of an answer that are read, after decompression; of a larger one only the status counts."""
LONGEST_WAIT: Final = 60
"""Seconds that are waited between two attempts. A payer that asks for more gets the claim at a later time."""
_FHIR: Final = "application/fhir+json"
_FORM: Final = "application/x-www-form-urlencoded"
_NOT_TAKEN: Final = frozenset({429, 503})
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.ProxyError,
)
"""What certainly happened before a byte of the request could reach the payer."""

for _library in ("httpx", "httpcore"):
    # They log URLs and headers; there is nothing in them that the journal does not have.
    logging.getLogger(_library).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None
    failure: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes = b""

    def header(self, name: str) -> str:
        return (self.headers or {}).get(name, "")


class PayerClient:
    """Speaks to payers by their profiles. Safe to use from several threads; close it when done.

    `sleep` is waited with between attempts; `verify` is the TLS context (default: the usual roots, always verified).
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None] = time.sleep,
        verify: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sleep = sleep
        self._now = now
        self._http = httpx.Client(
            verify=verify if verify is not None else True,
            trust_env=False,
            follow_redirects=False,
            # A connection that the payer closed while it was idle would fail in the middle of a claim, and nobody
            # could say whether it was taken. A new one fails before anything is sent.
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=0),
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

    def submit(self, claim: str, payer: Payer, body: bytes) -> Exchange:
        """Send a claim by the call of the payer's profile: `Claim/$submit`, or a create on condition of its identifier.

        Tried again, up to the profile's `attempts`, only while the payer certainly did not take it: no connection, 429,
        503. The outcome of the last attempt is given.
        """
        create = payer.endpoint.call == "create"
        headers = {"If-None-Exist": _named("identifier", claim)} if create else {}
        path = "Claim" if create else "Claim/$submit"
        answer = self._patiently(payer, lambda: self._call("POST", path, payer, body, headers))
        return self._submitted(Exchange(claim, "create" if create else "submit"), payer, answer)

    def poll(self, claim: str, payer: Payer, location: str = "") -> Exchange:
        """Ask for the answer to a claim that the payer has: where it said the answer will be, else by a search."""
        url = followed(payer.endpoint.base_url, location)
        if url:
            answer = self._patiently(payer, lambda: self._call("GET", url, payer))
            if answer.status not in (404, 410):
                return _questioned(Exchange(claim, "poll"), payer, answer, self._now())
        return replace(self.search(claim, payer), call="poll")

    def search(self, claim: str, payer: Payer) -> Exchange:
        """Ask whether the payer knows of the claim at all: ClaimResponses whose request has its identifier."""
        body = _named("request.identifier", claim).encode()
        headers = {"Content-Type": _FORM}
        answer = self._patiently(payer, lambda: self._call("POST", "ClaimResponse/_search", payer, body, headers))
        return _questioned(Exchange(claim, "search"), payer, answer, self._now())

    def _submitted(self, exchange: Exchange, payer: Payer, answer: _Answer) -> Exchange:
        exchange = Exchange(
            exchange.claim,
            exchange.call,
            answer.status,
            answer.failure,
            retry_after=_retry_after(answer, self._now()),
        )
        if answer.status == 202:
            link = answer.header("content-location") or answer.header("location")
        else:
            # What a create gives back is the place of the Claim; only an answer is worth asking for later.
            link = answer.header("location")
            link = link if "/ClaimResponse/" in urlsplit(link).path else ""
        echoed = exchange.call == "create" and answer.status in (200, 201) and found_in(answer.body).claims is None
        return replace(
            exchange,
            body=b"" if echoed else answer.body,
            location=followed(payer.endpoint.base_url, link),
        )

    def _patiently(self, payer: Payer, call: Callable[[], _Answer]) -> _Answer:
        """Call until it is certain that the payer took the request, or no attempt is left."""
        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=tenacity.stop_any(tenacity.stop_after_attempt(payer.endpoint.attempts), _AskedForLonger(self._now)),
            wait=_AsAsked(self._now),
            retry=tenacity.retry_if_result(_certainly_not_taken),
            retry_error_callback=_result,
        )
        return retrying(call)

    def _call(
        self, method: str, path: str, payer: Payer, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> _Answer:
        """One request. `path` is under the payer's base, or an absolute URL that was found to stay in its origin."""
        if endpoint_problems(payer):
            return _Answer(None, "not-sent")
        base = payer.endpoint.base_url.rstrip("/")
        url = path if path.startswith(("http://", "https://")) else f"{base}/{path}"
        # Unasked compression is read as well; a piece of it, some 64 kB, cannot unpack to more than a thousandfold.
        sent = {
            "Accept": _FHIR,
            "Accept-Encoding": "identity",
            **({"Content-Type": _FHIR} if body else {}),
            **(headers or {}),
        }
        # The timeout of httpx holds for each piece of an answer; a payer that dribbles is given as long for the whole.
        deadline = time.monotonic() + 2 * payer.endpoint.timeout_seconds
        try:
            with self._http.stream(
                method, url, content=body or None, headers=sent, timeout=payer.endpoint.timeout_seconds
            ) as response:
                read = _body(response, deadline)
                return _Answer(response.status_code, "", response.headers, read)
        except _NOT_SENT:
            return _Answer(None, "not-sent")
        except (httpx.HTTPError, httpx.StreamError):
            # Timeouts, resets and garbage after the request was on its way.
            return _Answer(None, "no-answer")


def _named(parameter: str, claim: str) -> str:
    """A search by our identifier of a claim, as a form and as If-None-Exist want it."""
    return f"{parameter}={quote(f'{CLAIM_SYSTEM}|{claim}', safe='')}"


def _body(response: httpx.Response, deadline: float) -> bytes:
    """The body, or nothing of one that is too large; raises `httpx.ReadTimeout` past the deadline."""
    read = bytearray()
    for piece in response.iter_bytes():
        read += piece
        if len(read) > LARGEST_ANSWER:
            return b""
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the whole answer took too long")
    return bytes(read)


def _result(state: tenacity.RetryCallState) -> _Answer:
    """The answer of the attempt just made; an exception of it is raised again."""
    if state.outcome is None:
        raise RuntimeError("an attempt without an outcome")
    answer: _Answer = state.outcome.result()
    return answer


class _AsAsked(wait_base):
    """Wait as long as Retry-After says, and a little more so that many do not come at once; else back off, jittered."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT / 2)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        asked = _retry_after(_result(retry_state), self._now())
        jittered = float(self._backoff(retry_state))
        return jittered if asked is None else asked + min(jittered, 1.0)


class _AskedForLonger(stop_base):
    """Stop where the payer asks for more patience than a call has."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return (_retry_after(_result(retry_state), self._now()) or 0) > LONGEST_WAIT


def _certainly_not_taken(answer: _Answer) -> bool:
    return answer.failure == "not-sent" or answer.status in _NOT_TAKEN


def _retry_after(answer: _Answer, now: datetime) -> int | None:
    """Retry-After in seconds, from a number or a date (RFC 9110, 10.2.3); None where it says neither."""
    text = answer.header("retry-after").strip()
    if text.isdecimal():
        return min(int(text[:9]), 30 * 86400)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return max(0, min(int((at - now).total_seconds()) + 1, 30 * 86400))


def _questioned(exchange: Exchange, payer: Payer, answer: _Answer, now: datetime) -> Exchange:
    exchange = Exchange(
        exchange.claim, exchange.call, answer.status, answer.failure, retry_after=_retry_after(answer, now)
    )
    if answer.status == 202:
        return replace(exchange, location=followed(payer.endpoint.base_url, answer.header("content-location")))
    if answer.status is None or not 200 <= answer.status < 300:
        return replace(exchange, body=answer.body)
    found = found_in(answer.body)
    return replace(exchange, body=found.body, matches=found.claims)
