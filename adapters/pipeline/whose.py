"""Whose an answer is: the claim's own payer's, another's whom the site knows, or a stranger's, who decides nothing here."""

from __future__ import annotations

from dataclasses import replace

from adapters.model.claim import Claim
from adapters.model.record import SubmissionNews
from adapters.model.remittance import Remittance
from adapters.model.site import Site


def by_payer(news: SubmissionNews, claim: Claim, site: Site) -> SubmissionNews:
    """The news with the answering payer by the site's id where it is another one than the claim's, else without it.

    A name that the site does not know stays as it is said, unless a person has said that the answer is this claim's. An
    answer without an identifier goes by what it decides, and two payers may decide the same of one claim.
    """
    answer = news.answer
    if not isinstance(answer, Remittance) or not answer.payer:
        return news
    named = site.payer(answer.payer)
    if named is None:
        other = "" if answer.matched_by or answer.payer == claim.payer.id else answer.payer
    else:
        other = named.id if named.id != claim.payer.id else ""
    id = f"{answer.id}|{other}" if other and named is not None and answer.id.startswith("#") else answer.id
    return replace(news, answer=replace(answer, payer=other, id=id))


def stranger(answer: Remittance, site: Site) -> str:
    """Why an answer is nobody's: it names a payer that the site does not know. Empty where that is not so."""
    if not answer.payer or site.payer(answer.payer) is not None:
        return ""
    return f"it is by {answer.payer!r}, whom the site file does not know: name the payer there, or match it by hand"
