"""Whether the files that calls to a payer need are there and fit, looked at before the first call."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.errors import BadSetup
from adapters.model.site import Payer
from adapters.payers.keys import signer
from adapters.payers.lines import tls_context


def credential_problems(payer: Payer) -> Iterator[str]:
    """What is wrong with the signing keys and the TLS files of a payer; all of it, nothing of what is in them."""
    login, tls = payer.endpoint.login, payer.endpoint.tls
    for path in login.keys if login else ():
        try:
            signer(path, login.algorithm if login else "")
        except BadSetup as bad:
            yield from (f"payer {payer.id}: {problem}" for problem in bad.problems)
    if tls is not None:
        try:
            tls_context(tls)
        except BadSetup as bad:
            yield from (f"payer {payer.id}: {problem}" for problem in bad.problems)
