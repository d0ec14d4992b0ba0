"""Dated rules: mappings read with all their faults at once, asked by day and facts. Pure; see mappings/README.md."""

from adapters.rules.answers import (
    AddOn,
    Attributes,
    Block,
    BlockPlan,
    CarcSpec,
    Decision,
    DetectorSpec,
    DifferenceSpec,
    HoldSpec,
    Limit,
    Nothing,
    OptionSpec,
    Pair,
    PlbSpec,
    RarcSpec,
)
from adapters.rules.check import check
from adapters.rules.decision import DecisionBody
from adapters.rules.editions import Disagreement, disagreements
from adapters.rules.load import load
from adapters.rules.problem import Problem
from adapters.rules.ruleset import Ruleset
from adapters.rules.versions import Rule, Version

__all__ = [
    "AddOn",
    "Attributes",
    "Block",
    "BlockPlan",
    "CarcSpec",
    "Decision",
    "DecisionBody",
    "DetectorSpec",
    "DifferenceSpec",
    "Disagreement",
    "HoldSpec",
    "Limit",
    "Nothing",
    "OptionSpec",
    "Pair",
    "PlbSpec",
    "Problem",
    "RarcSpec",
    "Rule",
    "Ruleset",
    "Version",
    "check",
    "disagreements",
    "load",
]
