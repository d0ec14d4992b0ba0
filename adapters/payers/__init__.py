"""Payers over FHIR: one call in, one `Exchange` out, whatever happens on the wire."""

from adapters.payers.client import PayerClient
from adapters.payers.origin import endpoint_problems

__all__ = ["PayerClient", "endpoint_problems"]
