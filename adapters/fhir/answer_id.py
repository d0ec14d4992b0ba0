"""The identity of an answer: the payer's name of it with a digest of what was decided."""

from __future__ import annotations

import hashlib

from adapters.fhir.tree import Node
from adapters.model.remittance import Adjustment, Remittance


def identity(node: Node, read: Remittance) -> str:
    """`system|value` of the payer's identifier with a digest of what was decided.

    The same adjudication delivered twice, under another resource id or instant, has one identity; another decision on
    the same claim has another. Without an identifier the digest alone stands for it: what else could (the claim that it
    refers to, the id of the resource, the message) is there by one door and not by another. Whoever takes the answer
    adds whose it is.
    """
    first = node.first("identifier")
    base = f"{first['system'].text}|{first['value'].text}" if first["value"].text else ""
    return f"{base}#{digest(read)}"


def digest(read: Remittance) -> str:
    """SHA-256 of what was decided and paid, in one form; words, instants and resource ids play no part."""
    parts = [
        read.decision.value,
        str(read.charge),
        str(read.paid),
        str(read.paid_on),
        read.payment_number,
        *read.errors,
    ]
    parts += [_text(a) for a in read.claim_adjustments]
    for line in sorted(read.lines, key=lambda line: line.line):
        parts.append(f"{line.line} {line.charge} {line.paid} {line.allowed} {line.units} {line.code}")
        parts += [_text(a) for a in line.adjustments]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _text(adjustment: Adjustment) -> str:
    return f"{adjustment.group}-{adjustment.reason} {adjustment.amount} {' '.join(adjustment.remarks)}"
