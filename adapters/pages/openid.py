"""Signing in at the clinic's issuer: out with a question of this browser's own, and back with an answer to it, once.

GET /sign-in/openid sends the browser to the issuer, and takes what it comes back with. All that is kept meanwhile is a
cookie: a random key, of which state, nonce and the verifier of PKCE are made, when it began, and where one wanted to go.
It is `SameSite=Lax`, since the browser comes back from another site, and no session. A link leads here and no form, so
the policy of our forms (`form-action`) needs no exception; all that it does is that cookie.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from adapters.errors import StoreDown
from adapters.model.openid import RETURN_PATH, Begun, OpenId, Trouble
from adapters.model.user import user_name
from adapters.pages.admission import LONGEST_WORD, Doors, digest, set_session
from adapters.pages.sheet import HEADERS, message
from adapters.pages.signing import Tried, down, onward_of
from adapters.smart.id_tokens import Identity
from adapters.smart.tokens import SKEW, Reason

BEGUN: Final = "oncoclaims_begun"
VALID: Final = timedelta(minutes=10)
"""How long one may take to sign in there."""
_LONGEST_CODE: Final = 4096
_COOKIE: Final = re.compile(r"([A-Za-z0-9_-]{20,100})\.([0-9]{1,12})\.([A-Za-z0-9_-]*)")
_ONCE: Final = ("state", "code", "error", "iss")
"""What an answer says at most once."""
_AGAIN: Final = "This sign-in is over, or it began in another browser or window: begin again here."
_NOT_ACCEPTED: Final = "What came back from the sign-in is not accepted: begin again, and if it stays so ask an admin."
_NOT_THERE: Final = "The place where you sign in does not answer now. Try again in a moment."
_TOO_MANY: Final = "There were too many tries from here: wait a minute, and begin again."
_NOT_GRANTED: Final = "You were not signed in there."
_NO_NAME: Final = "You are signed in there, but what it calls you is no name of a user here: ask an admin."
_NO_ROLE: Final = "You are signed in there, but nothing said of you there lets you in here: ask an admin."
_ANOTHERS: Final = "You are signed in there, but your name is another user's here: ask an admin."


class Vouching(Protocol):
    """The issuer (`adapters.openid.Issuer`)."""

    @property
    def said(self) -> OpenId:
        """What the site file says of it."""
        ...

    def address(self, begun: Begun) -> str | Trouble:
        """Where the browser signs in."""
        ...

    def identity(self, code: str, begun: Begun, named: str) -> Identity | Reason | Trouble:
        """Whom the issuer vouches for in exchange for the code; `named` is the issuer that the answer bears."""
        ...


def openid_routes(
    doors: Doors, plain: APIRouter, tries: Tried, issuer: Vouching, tell: Callable[[str, str], None]
) -> None:
    """The one address, there and back; `tell` is told why somebody could not sign in, and from which address."""
    doors.elsewhere = True
    plain.add_api_route(RETURN_PATH, _There(doors, tries, issuer, tell).come, methods=["GET"])


@dataclass(frozen=True, slots=True)
class _There:
    doors: Doors
    tries: Tried
    issuer: Vouching
    tell: Callable[[str, str], None]

    def come(self, request: Request) -> Response:
        """Out to the issuer, or back from it; whoever comes back has nothing left of having gone."""
        try:
            if not any(name in request.query_params for name in _ONCE):
                return self._out(request)
            answer = self._back(request)
        except StoreDown:
            answer = down()
        secure = request.url.scheme == "https"
        answer.delete_cookie(_cookie_name(request), path="/", httponly=True, samesite="lax", secure=secure)
        return answer

    def _out(self, request: Request) -> Response:
        now = self.doors.wired.clock.now()
        then = onward_of(request.query_params.get("then", "")[:LONGEST_WORD])
        held = f"{self.doors.random_token()}.{int(now.timestamp())}.{_text(then.encode())}"
        address = self.issuer.address(_begun(held))
        if isinstance(address, Trouble):
            return self._refused(request, address.value, 503, _NOT_THERE, then)
        answer = RedirectResponse(address, 303, headers=HEADERS)
        answer.set_cookie(
            _cookie_name(request),
            held,
            max_age=int(VALID.total_seconds()),
            path="/",
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    def _back(self, request: Request) -> Response:
        now, store = self.doors.wired.clock.now(), self.doors.wired.store
        if self.tries.wait(_peer(request), now):
            return self.doors.asks(request, 429, _TOO_MANY, then=onward_of(""))
        held = request.cookies.get(_cookie_name(request), "")
        began = _COOKIE.fullmatch(held)
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name in _ONCE]
        said = dict(pairs)
        if began is None or len(said) < len(pairs) or not _lately(int(began[2]), now):
            return self._failed(request, "state", _AGAIN)
        begun, then = _begun(held), onward_of(_read(began[3]))
        if not hmac.compare_digest(said.get("state", "").encode(), begun.state.encode()):
            return self._failed(request, "state", _AGAIN, then)
        if not store.first_use(digest(f"openid|{begun.state}"), now + VALID, now):
            return self._failed(request, Reason.USED.value, _AGAIN, then)
        code = said.get("code", "")
        if "error" in said or not 0 < len(code) <= _LONGEST_CODE:
            return self._refused(request, "no-code", 403, _NOT_GRANTED, then)
        found = self.issuer.identity(code, begun, said.get("iss", ""))
        if found is Trouble.UNREACHABLE:
            return self._refused(request, found.value, 503, _NOT_THERE, then)
        if isinstance(found, Trouble | Reason):
            return self._failed(request, found.value, _NOT_ACCEPTED, then)
        return self._let_in(request, found, then)

    def _let_in(self, request: Request, found: Identity, then: str) -> Response:
        """A session for whom the issuer vouches for, as a user of the role that is said of this person now."""
        said, token = self.issuer.said, self.doors.random_token()
        name, role = user_name(found.name), said.role(found.values)
        if not name:
            return self._failed(request, "name", _NO_NAME, then)
        now = self.doors.wired.clock.now()
        session = self.doors.wired.store.let_in(name, role, said.secret(found.subject), digest(token), now)
        if role is None:
            return self._failed(request, "role", _NO_ROLE, then)
        if session is None:
            return self._failed(request, "name-taken", _ANOTHERS, then)
        # A Strict cookie is not sent along a redirect that began at another site: the page goes on by itself.
        answer = message("Opening", ("The pages open in a moment.",), 200, onward=then)
        set_session(answer, request, token)
        return answer

    def _failed(self, request: Request, reason: str, words: str, then: str = "") -> Response:
        """Refused, and counted for the address that it came from."""
        self.tries.failed(_peer(request), self.doors.wired.clock.now())
        return self._refused(request, reason, 403, words, then)

    def _refused(self, request: Request, reason: str, status: int, words: str, then: str) -> Response:
        self.tell(reason, _peer(request))
        return self.doors.asks(request, status, words, then=onward_of(then))


def _begun(held: str) -> Begun:
    """What a cookie's key makes: each of its own kind, so that none of them tells another, and bound to the whole cookie."""
    key, _, rest = held.partition(".")
    return Begun(*(_made(key, f"{kind}|{rest}") for kind in ("state", "nonce", "verifier")))


def _made(key: str, what: str) -> str:
    return _text(hmac.digest(key.encode(), what.encode(), "sha256"))


def _lately(began: int, now: datetime) -> bool:
    # A second process may be the one that it comes back to, and its clock a little behind.
    return -SKEW.total_seconds() <= now.timestamp() - began <= VALID.total_seconds()


def _cookie_name(request: Request) -> str:
    return f"__Host-{BEGUN}" if request.url.scheme == "https" else BEGUN


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _read(value: str) -> str:
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    except ValueError:
        return ""
