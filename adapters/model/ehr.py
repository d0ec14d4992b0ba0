"""An EHR that is asked: where its FHIR server is, what of it a feed wants, and how it may tell us of news."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from adapters.model.address import base_problems, origin

_OWNER: Final = re.compile(
    r"(CareTeam|HealthcareService|Organization|Practitioner|PractitionerRole)/[A-Za-z0-9.-]{1,64}"
)
"""Who may own a Task (R4 Task.owner) and is no patient, device or relative."""


@dataclass(frozen=True, slots=True)
class Ehr:
    """What the site file says of the EHR behind a feed (`[[ehrs]]`). Secrets are named by their files."""

    feed: str
    """The FHIR feed that what is fetched belongs to."""
    base_url: str
    types: tuple[str, ...]
    """Types of resource that are asked for; what they name is fetched with them."""
    by: str = "search"
    """`search` (`_lastUpdated`), or `history` (`_history?_since=`), which tells of deleted resources as well."""
    since: datetime | None = None
    """The first round asks for what changed from here on; None: for everything."""
    every_seconds: int = 300
    overlap_seconds: int = 300
    """How far each round goes back behind the newest that is known: an EHR's transactions end in another order than
    their times say."""
    page_size: int = 100
    pages: int = 100
    """Pages of one type in one round; the next round goes on where this one stopped."""
    timeout_seconds: float = 30.0
    attempts: int = 4
    token_file: str = ""
    """File of a bearer token for the EHR; empty where it wants none."""
    hook_url: str = ""
    """Address by which the EHR reaches our `/hooks/FEED`; empty where it tells us nothing."""
    hook_secret_file: str = ""
    """File of the secret that the EHR's notifications bear; without one none are taken."""
    hook_hours: int = 720
    """How long a Subscription is made for, before it has to be renewed."""
    questions: str = "off"
    """`task`: what the record lacks is asked for by a Task there; `off`: nothing is."""
    question_owner: str = ""
    """Reference of who is asked (`Organization/billing-questions`); empty where the EHR finds that itself."""
    question_days: int = 7
    """Days that the clinic is given to answer."""
    question_reminder_days: int = 3
    """Days after which a question that is not answered is reminded of, once; 0 for never."""

    def under(self, path: str) -> str:
        """The absolute address of a path below the base."""
        return f"{self.base_url.rstrip('/')}/{path}"


def ehr_problems(ehr: Ehr) -> tuple[str, ...]:
    """What keeps an EHR from being asked; empty when nothing does."""
    problems = [f"ehrs.{ehr.feed}: {one}" for one in base_problems(ehr.base_url)]
    if ehr.since is not None and ehr.since.tzinfo is None:
        problems.append(f"ehrs.{ehr.feed}: since has no offset")
    if ehr.hook_url and (origin(ehr.hook_url) is None or urlsplit(ehr.hook_url).query):
        problems.append(f"ehrs.{ehr.feed}: hook_url is no http or https address without a user and a query")
    if ehr.hook_url and not ehr.hook_secret_file:
        problems.append(f"ehrs.{ehr.feed}: hook_url needs a hook_secret_file")
    if ehr.question_owner and not _OWNER.fullmatch(ehr.question_owner):
        problems.append(f"ehrs.{ehr.feed}: question_owner is no reference like Organization/12")
    return tuple(problems)
