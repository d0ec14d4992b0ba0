"""Payers over FHIR: one call in, one `Exchange` out, whatever happens on the wire."""

from adapters.payers.client import PayerClient
from adapters.payers.keys import published, write_new
from adapters.payers.origin import endpoint_problems
from adapters.payers.ready import credential_problems

__all__ = ["PayerClient", "credential_problems", "endpoint_problems", "published", "write_new"]
