"""Dated rules: mappings read with all their faults at once, asked by day and facts. Pure; see mappings/README.md."""

from adapters.rules.answers import (
    Attributes,
    Block,
    BlockPlan,
    CarcSpec,
    Decision,
    HoldSpec,
    Nothing,
    OptionSpec,
    Pair,
)
from adapters.rules.check import check
from adapters.rules.load import load
from adapters.rules.problem import Problem
from adapters.rules.ruleset import Ruleset
from adapters.rules.versions import Rule, Version

__all__ = [
    "Attributes",
    "Block",
    "BlockPlan",
    "CarcSpec",
    "Decision",
    "HoldSpec",
    "Nothing",
    "OptionSpec",
    "Pair",
    "Problem",
    "Rule",
    "Ruleset",
    "Version",
    "check",
    "load",
]
