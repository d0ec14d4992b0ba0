"""The words of radiotherapy in FHIR: CodeX Radiation Therapy 2.0.0 and mCODE 4.0.0 (standards/fhir.md 1.1, 1.2).

Only what is certain is mapped; a code outside these tables is told as an omission, never guessed.
"""

from __future__ import annotations

from typing import Final

from adapters.fhir.tree import Node, codes_of, extensions, value_of
from adapters.model.codes import SNOMED

_CODEX: Final = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/codexrt-"
_MCODE: Final = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-"

DICOM_UID: Final = "urn:dicom:uid"
SESSION: Final = "1287742003"
"""Encounter.serviceType of a treatment session."""

MODALITY_AND_TECHNIQUE: Final = f"{_MCODE}radiotherapy-modality-and-technique"
MODALITY: Final = f"{_MCODE}radiotherapy-modality"
TECHNIQUE: Final = f"{_MCODE}radiotherapy-technique"
IMAGE_GUIDANCE: Final = f"{_CODEX}image-guided-radiotherapy-modality"
RESPIRATORY_MOTION: Final = f"{_CODEX}radiotherapy-respiratory-motion-management"
FREE_BREATHING: Final = f"{_CODEX}radiotherapy-free-breathing-motion-mgmt-technique"
NUMBER_IN_PLAN: Final = f"{_CODEX}radiotherapy-fraction-number-in-plan"
NUMBER_IN_PHASE: Final = f"{_CODEX}radiotherapy-fraction-number-in-phase"
PLANNED: Final = f"{_CODEX}radiotherapy-fractions-planned"
PRESCRIBED: Final = f"{_CODEX}radiotherapy-fractions-prescribed"
DELIVERED: Final = f"{_CODEX}radiotherapy-fractions-delivered"
SESSIONS: Final = f"{_MCODE}radiotherapy-sessions"
DOSE_TO_VOLUME: Final = f"{_MCODE}radiotherapy-dose-delivered-to-volume"
DICOM_REFERENCE: Final = f"{_CODEX}dicom-reference"

PROCEDURES: Final[dict[str, str]] = {
    "1297069006": "fraction",
    "1217123003": "course",
    "1222565005": "phase",
    "1255724003": "plan",
}
"""SNOMED code of Procedure.code → what the Procedure reports."""

_PROFILES: Final[dict[str, str]] = {
    "codexrt-radiotherapy-treated-fraction": "fraction",
    "codexrt-radiotherapy-course-summary": "course",
    "mcode-radiotherapy-course-summary": "course",
    "codexrt-radiotherapy-treated-phase": "phase",
    "codexrt-radiotherapy-treated-plan": "plan",
}

MODALITIES: Final[dict[str, str]] = {"1156506007": "photon", "45643008": "electron", "10611004": "proton"}

NOT_EXTERNAL_BEAM: Final = frozenset(
    {
        "80347004",
        "1156505006",
        "394902000",
        "1156708005",
        "1156384006",
        "169359004",
        "438629002",
        "440252007",
    }
)
"""Neutrons, carbon ions, brachytherapy, radiopharmaceuticals: services that no rule here derives."""

TECHNIQUES: Final[dict[str, str]] = {
    "441799006": "imrt",
    "1156530009": "imrt",
    "1162782007": "3d",
    "1156526006": "2d",
}
"""VMAT (1156530009) is intensity modulated treatment."""

GUIDANCE: Final[dict[str, str]] = {
    "717193008": "cbct",
    "77477000": "cbct",
    "168537006": "stereo-xray",
    "44491008": "stereo-xray",
    "16310003": "ultrasound",
}
GUIDANCE_ORDER: Final = ("cbct", "stereo-xray", "ultrasound")
"""Of several modalities at one session the first of these counts, whatever the order they were sent in."""

_MOTION: Final[dict[str, str]] = {
    "721031000124102": "false",  # without respiratory motion management
    "721071000124104": "false",  # free breathing; what is done during it is said by the other extension
    "721051000124109": "true",  # breath hold
    "721061000124106": "true",  # gating
    "1286801002": "true",  # real-time tracking
    "1286802009": "false",  # internal target volume: a margin, nothing acts while the beam is on
    "721081000124101": "false",  # abdominal compression: acts on the patient, not on the beam
}
_MOTION_WORDS: Final = ("breath hold", "breath-hold", "gating", "gated", "tracking")
"""The value set has three codes; senders write the rest as text beside the null flavour UNC."""


def reports(procedure: Node) -> str:
    """What a Procedure reports: fraction, course, phase, plan, or the empty string for anything else."""
    for system, code, _ in codes_of(procedure["code"]):
        if system in (SNOMED, "") and code in PROCEDURES:
            return PROCEDURES[code]
    for profile in procedure["meta"].each("profile"):
        name = profile.text.partition("|")[0].rpartition("/")[2]
        if name in _PROFILES:
            return _PROFILES[name]
    return ""


def snomed(concept: Node) -> list[tuple[str, Node]]:
    """(code, place) of the SNOMED codings of a concept; a coding without its system is taken as such."""
    return [(code, node) for system, code, node in codes_of(concept) if system in (SNOMED, "")]


def said_in(procedure: Node, outer: str, inner: str) -> list[Node]:
    """The values of a nested extension, in every repetition of the outer one."""
    return [value_of(e) for o in extensions(procedure, outer) for e in extensions(o, inner)]


def active_motion(procedure: Node) -> tuple[str, Node] | None:
    """Whether motion was managed actively while the beam was on (`true`, `false`), and where it is said.

    None when nothing is said; an empty text when something is said that has no certain meaning.
    """
    told = [value_of(e) for url in (RESPIRATORY_MOTION, FREE_BREATHING) for e in extensions(procedure, url)]
    answers = [(_motion(concept), concept) for concept in told]
    for wanted in ("true", "", "false"):
        for answer, concept in answers:
            if answer == wanted:
                return answer, concept
    return None


def _motion(concept: Node) -> str:
    for code, _ in snomed(concept):
        if code in _MOTION:
            return _MOTION[code]
    words = concept["text"].text.casefold()
    return "true" if any(word in words for word in _MOTION_WORDS) else ""
