"""Acceptance cases: a course in a file, run through the pipeline like any feed, and set against what it should bill."""

from adapters.cases.command import case

__all__ = ["case"]
