"""The daily reconciliation: scheduled, delivered, documented, charged, claimed, paid; and the leakage detectors."""

from adapters.reconciling.desk import Desk
from adapters.reconciling.rows import Share, reconcile_record
from adapters.reconciling.sums import gathered, grouped

__all__ = ["Desk", "Share", "gathered", "grouped", "reconcile_record"]
