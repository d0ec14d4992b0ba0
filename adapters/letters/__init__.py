"""Texts for people outside: the patient's statement, the letter of an appeal, the list of what an auditor wants, and the
history of a claim. Pure functions from a record to plain text; what is missing is said, never made up."""

from adapters.letters.appeal import appeal
from adapters.letters.history import History, history
from adapters.letters.packet import Packet, packet
from adapters.letters.statement import Statement, statement

__all__ = ["History", "Packet", "Statement", "appeal", "history", "packet", "statement"]
