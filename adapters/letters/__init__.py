"""Texts for people outside: the patient's statement (also as a page), the letter of an appeal, the list of what an auditor
wants, and the history of a claim. Pure functions from a record to plain text; what is missing is said, never made up."""

from adapters.letters.appeal import appeal
from adapters.letters.history import History, history
from adapters.letters.packet import Packet, packet
from adapters.letters.statement import Statement, statement
from adapters.letters.statement_page import article, page

__all__ = ["History", "Packet", "Statement", "appeal", "article", "history", "packet", "page", "statement"]
