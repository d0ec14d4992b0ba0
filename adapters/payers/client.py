"""Calls to a payer's FHIR endpoint. Every outcome is a value; nothing here decides what it means for the claim.

Nothing of a patient stands in a URL or a log: searches are POSTed (R4 http.html#search-post), httpx is silent.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx
import tenacity
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from adapters.errors import BadSetup
from adapters.model.site import Payer
from adapters.payers.finding import Found, found_in
from adapters.payers.lines import Lines
from adapters.payers.login import NoTokenError, Posted, Tokens
from adapters.payers.origin import endpoint_problems, followed, origin
from adapters.payers.pace import Pace
from adapters.payers.searching import named, searched
from adapters.payers.task import poll_task
from adapters.pipeline.exchange import Exchange

LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of an answer that are read, after decompression; of a larger one only the status counts."""
LONGEST_WAIT: Final = 60
"""Seconds that are waited between two attempts. A payer that asks for more gets the claim at a later time."""
_FHIR: Final = "application/fhir+json"
_FORM: Final = "application/x-www-form-urlencoded"
_NOT_TAKEN: Final = frozenset({429, 503})
_NOT_LEFT: Final = frozenset({"not-sent", "no-login"})
"""Failures before a byte of the request could reach the payer."""
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.ProxyError,
)
"""What certainly happened before a byte of the request could reach the payer."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None
    failure: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    why: str = ""
    final: bool = False
    """Of what was not sent: trying again would not help (a key is missing, a scope is not granted)."""

    def header(self, name: str) -> str:
        return (self.headers or {}).get(name, "")


class PayerClient:
    """Speaks to payers by their profiles. Safe to use from several threads; close it when done.

    `sleep` is waited with between attempts (by itself it ends when `hurry` is said); `verify` is the TLS context
    (default: the usual roots, always verified); `ticks` is a clock that is never set back, in seconds; `transport` stands
    in for the network.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None] | None = None,
        verify: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        ticks: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._hurried = threading.Event()
        self._sleep = sleep or self._pause
        self._now = now
        self._ticks = ticks
        self._lines = Lines(verify, transport)
        self._tokens = Tokens(now)
        self._paces: dict[str, Pace] = {}
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._lines.close()

    def hurry(self) -> None:
        """The program is to end: nobody waits for another attempt from now on, and none is made after a wait."""
        self._hurried.set()

    def _pause(self, seconds: float) -> None:
        self._hurried.wait(seconds)

    def rests(self, payer: Payer) -> float:
        """Seconds for which the payer is to be left alone, because it failed too often or asked for it; else 0."""
        return self._pace(payer).rests(payer.endpoint, self._now().timestamp())

    def submit(self, claim: str, payer: Payer, body: bytes) -> Exchange:
        """Send a claim by the call of the payer's profile: `Claim/$submit`, or a create on condition of its identifier.

        Tried again, up to the profile's `attempts`, only while the payer certainly did not take it: no connection, no
        token, 429, 503. The outcome of the last attempt is given.
        """
        profile = payer.endpoint
        create = profile.call == "create"
        headers = {"If-None-Exist": named("identifier", claim)} if create else {}
        if profile.idempotency_header:
            headers[profile.idempotency_header] = claim
        if profile.respond_async:
            headers["Prefer"] = "respond-async"
        path = "Claim" if create else "Claim/$submit"
        answer = self._patiently(payer, lambda: self._call("POST", path, payer, body, headers))
        return self._submitted(Exchange(claim, "create" if create else "submit"), payer, answer)

    def poll(self, claim: str, payer: Payer, location: str = "") -> Exchange:
        """Ask for the answer to a claim that the payer has: where it said the answer will be, else by a Task where its
        profile says so, else by a search."""
        url = followed(payer.endpoint.base_url, location)
        if url:
            answer = self._patiently(payer, lambda: self._call("GET", url, payer))
            if answer.status not in (404, 410):
                return self._questioned(Exchange(claim, "poll"), payer, answer)
        if payer.endpoint.ask == "task":
            body = poll_task(claim, self._now())
            answer = self._patiently(payer, lambda: self._call("POST", "Task", payer, body))
            return self._questioned(Exchange(claim, "poll"), payer, answer)
        return replace(self.search(claim, payer), call="poll")

    def search(self, claim: str, payer: Payer) -> Exchange:
        """Ask whether the payer knows of the claim at all: for its answer, and where there is none for the Claim."""
        if payer.endpoint.search == "none":
            return Exchange(claim, "search", failure="not-offered")
        answer, found = searched(claim, lambda kind, form: self._asked(payer, kind, form))
        exchange = self._came(Exchange(claim, "search"), answer)
        if answer.status is None or not 200 <= answer.status < 300 or answer.status == 202:
            return self._questioned(exchange, payer, answer)
        return self._found(exchange, payer, found)

    def _asked(self, payer: Payer, kind: str, form: str) -> _Answer:
        """A search of a type. A parameter that the payer does not know must be an error (R4 search.html#errors)."""
        strict = {"Prefer": "handling=strict"}
        if payer.endpoint.search == "get":
            # Our identifier of the claim is a random number: it says nothing of anybody to whoever logs addresses.
            return self._patiently(payer, lambda: self._call("GET", f"{kind}?{form}", payer, headers=strict))
        strict["Content-Type"] = _FORM
        return self._patiently(payer, lambda: self._call("POST", f"{kind}/_search", payer, form.encode(), strict))

    def read(self, payer: Payer, reference: str) -> bytes | None:
        """A resource that the payer has named. Nothing (`b""`) where asking again would not help: it lies elsewhere, or the
        payer says that it is not there (404, 410); None where it cannot be had now."""
        url = followed(payer.endpoint.base_url, reference)
        if not url:
            return b""
        answer = self._patiently(payer, lambda: self._call("GET", url, payer))
        if answer.status in (404, 410):
            return b""
        return answer.body or None if answer.status == 200 else None

    def _submitted(self, exchange: Exchange, payer: Payer, answer: _Answer) -> Exchange:
        exchange = self._came(exchange, answer)
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

    def _questioned(self, exchange: Exchange, payer: Payer, answer: _Answer) -> Exchange:
        exchange = self._came(exchange, answer)
        if answer.status == 202:
            return replace(exchange, location=followed(payer.endpoint.base_url, answer.header("content-location")))
        if answer.status is None or not 200 <= answer.status < 300:
            return replace(exchange, body=answer.body)
        return self._found(exchange, payer, found_in(answer.body))

    def _found(self, exchange: Exchange, payer: Payer, found: Found) -> Exchange:
        """What was found; an answer that is only named is fetched from its place, once."""
        place = followed(payer.endpoint.base_url, found.place) if not found.body else ""
        if place:
            answer = self._patiently(payer, lambda: self._call("GET", place, payer))
            exchange = self._came(exchange, answer)
            if answer.status is None or not 200 <= answer.status < 300:
                return replace(exchange, body=answer.body)
            found = found_in(answer.body)
        return replace(exchange, body=found.body, matches=found.claims)

    def _came(self, exchange: Exchange, answer: _Answer) -> Exchange:
        return Exchange(
            exchange.claim,
            exchange.call,
            answer.status,
            answer.failure,
            retry_after=_retry_after(answer, self._now()),
            why=answer.why,
        )

    def _patiently(self, payer: Payer, call: Callable[[], _Answer]) -> _Answer:
        """Call until it is certain that the payer took the request, or no attempt is left."""
        profile, pace = payer.endpoint, self._pace(payer)
        pace.begin(profile)
        failed, asked = True, 0.0
        tries = _Tries(call, self._hurried.is_set)
        try:
            retrying = tenacity.Retrying(
                sleep=self._sleep,
                stop=tenacity.stop_any(
                    tenacity.stop_after_attempt(profile.attempts), _AskedForLonger(self._now), _Spent(pace)
                ),
                wait=_AsAsked(self._now, profile.first_wait_seconds, profile.longest_wait_seconds),
                retry=tenacity.retry_if_result(_worth_another),
                retry_error_callback=_result,
            )
            answer: _Answer = retrying(tries)
            failed = answer.status is None or answer.status == 429 or answer.status >= 500
            if answer.status in _NOT_TAKEN:
                asked = float(_retry_after(answer, self._now()) or 0)
            return answer
        finally:
            pace.end(profile, self._now().timestamp(), failed=failed, asked=asked)

    def _call(
        self, method: str, path: str, payer: Payer, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> _Answer:
        """One request. `path` is under the payer's base, or an absolute URL that was found to stay in its origin."""
        if problems := endpoint_problems(payer):
            return _Answer(None, "not-sent", why=problems[0], final=True)
        base = payer.endpoint.base_url.rstrip("/")
        url = path if path.startswith(("http://", "https://")) else f"{base}/{path}"
        if origin(url) != origin(base):
            return _Answer(None, "not-sent", why="the address is not the payer's", final=True)
        wait = self._pace(payer).slot(payer.endpoint, self._ticks())
        if wait > 0:
            self._sleep(wait)
            if self._hurried.is_set():
                return _Answer(None, "not-sent", why="the program is to end", final=True)
        sent = {"Accept": _FHIR, **({"Content-Type": _FHIR} if body else {}), **(headers or {})}
        login = payer.endpoint.login
        if login is None:
            return self._request(method, url, payer, body, sent)
        answer = _Answer(None)
        for _ in range(2):
            try:
                token = self._tokens.token(payer.id, login, lambda to, form: self._posted(to, form, payer))
            except NoTokenError as refused:
                return _Answer(None, "no-login", why=str(refused), final=not refused.passing)
            answer = self._request(method, url, payer, body, {**sent, "Authorization": f"Bearer {token}"})
            if answer.status != 401:
                break
            # Refused at the door: nobody looked at the claim. The token may have been revoked; another one is tried.
            self._tokens.forget(payer.id, login, token)
        return answer

    def _posted(self, url: str, form: bytes, payer: Payer) -> Posted:
        """A form for a token. Whether the answer was lost or never given is all one: the next has its own assertion."""
        answer = self._request("POST", url, payer, form, {"Accept": "application/json", "Content-Type": _FORM})
        return Posted(answer.status, answer.body)

    def _request(self, method: str, url: str, payer: Payer, body: bytes, headers: Mapping[str, str]) -> _Answer:
        """One request on the wire, and all that can come of it."""
        seconds = payer.endpoint.timeout_seconds
        # Unasked compression is read as well; a piece of it, some 64 kB, cannot unpack to more than a thousandfold.
        sent = {"Accept-Encoding": "identity", **headers}
        # The timeout of httpx holds for each piece of an answer; a payer that dribbles is given as long for the whole.
        deadline = time.monotonic() + 2 * seconds
        try:
            line = self._lines.to(payer)
            with line.stream(method, url, content=body or None, headers=sent, timeout=seconds) as response:
                read = _body(response, deadline)
                return _Answer(response.status_code, "", response.headers, read)
        except BadSetup as bad:
            return _Answer(None, "not-sent", why=bad.problems[0], final=True)
        except _NOT_SENT:
            return _Answer(None, "not-sent")
        except (httpx.HTTPError, httpx.StreamError):
            # Timeouts, resets and garbage after the request was on its way.
            return _Answer(None, "no-answer")

    def _pace(self, payer: Payer) -> Pace:
        with self._guard:
            return self._paces.setdefault(payer.id, Pace())


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


class _Tries:
    """The attempts of one call: the first is always made; of those after a wait none once the program is to end."""

    def __init__(self, call: Callable[[], _Answer], ends: Callable[[], bool]) -> None:
        self._call = call
        self._ends = ends
        self._last: _Answer | None = None

    def __call__(self) -> _Answer:
        if self._last is not None and self._ends():
            return replace(self._last, final=True)
        self._last = self._call()
        return self._last


def _result(state: tenacity.RetryCallState) -> _Answer:
    """The answer of the attempt just made; an exception of it is raised again."""
    if state.outcome is None:
        raise RuntimeError("an attempt without an outcome")
    answer: _Answer = state.outcome.result()
    return answer


class _AsAsked(wait_base):
    """Wait as long as Retry-After says, and a little more so that many do not come at once; else back off, jittered."""

    def __init__(self, now: Callable[[], datetime], first: float, longest: float) -> None:
        self._now = now
        self._backoff = tenacity.wait_random_exponential(multiplier=first, max=min(longest, LONGEST_WAIT))

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


class _Spent(stop_base):
    """Stop where the payer has had its share of retries: when everything fails, retries only make it worse."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:  # noqa: ARG002 - tenacity's form
        return not self._pace.retry()


def _worth_another(answer: _Answer) -> bool:
    """Whether the payer certainly did not take it, and might the next time."""
    return not answer.final and (answer.failure in _NOT_LEFT or answer.status in _NOT_TAKEN)


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
