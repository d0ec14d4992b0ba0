"""The issuer at which people sign in, put together: our secret or key from its file, the clock, what is logged and counted."""

from __future__ import annotations

from adapters.ehr.client import secret_of
from adapters.model.endpoint import Login
from adapters.model.openid import OpenId
from adapters.model.web import WebListening
from adapters.openid import Issuer
from adapters.payers.keys import Signers
from adapters.payers.login import assertion
from adapters.ports import Clock
from adapters.serve import metrics
from adapters.serve.logs import log


def issuer_of(web: WebListening, clock: Clock) -> Issuer | None:
    """The issuer of the site file; None where people sign in by passwords of ours."""
    said = web.openid
    if said is None:
        return None
    signers = Signers()

    def sign(token_url: str) -> str:
        return assertion(login_of(said, token_url), signers, int(clock.now().timestamp()))

    return Issuer(said, web.return_url, clock.now, secret=secret_of, sign=sign)


def login_of(said: OpenId, token_url: str = "") -> Login:
    """How we say there who we are, with keys of ours."""
    return Login(token_url, said.client_id, (), said.keys, said.algorithm)


def not_signed_in(reason: str, peer: str) -> None:
    """Somebody could not sign in at the issuer: logged and counted, with nothing of what came."""
    metrics.TOKENS_REFUSED.labels("openid", reason).inc()
    log().warning("sign-in refused", listener="https", reason=reason, host=peer)
