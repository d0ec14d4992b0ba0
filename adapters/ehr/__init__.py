"""EHRs that are asked: polled for what changed, and asked for what their notifications name. See README.md here."""

from adapters.ehr.client import EhrClient
from adapters.ehr.notes import Heard, hear
from adapters.ehr.polling import Polled, poll

__all__ = ["EhrClient", "Heard", "Polled", "hear", "poll"]
