"""What a fraction says of its treatment: modality, technique, image guidance, respiratory motion."""

from __future__ import annotations

from adapters.fhir import codex
from adapters.fhir.draft import Draft
from adapters.fhir.tree import Node


def modalities(node: Node) -> list[tuple[str, Node]]:
    """The SNOMED codes of the modalities told, each with its place."""
    concepts = codex.said_in(node, codex.MODALITY_AND_TECHNIQUE, codex.MODALITY)
    return [found for concept in concepts for found in codex.snomed(concept)]


def treatment(draft: Draft) -> None:
    """Modality and technique; several that do not agree leave the fact out, because no rule says which counts."""
    node = draft.resource.node
    beams = _mapped(draft, modalities(node), codex.MODALITIES)
    if set(beams) == {"photon", "electron"}:
        draft.add("modality", "mixed", beams["electron"].at)
        draft.add("technique", "mixed", beams["electron"].at)
        return
    if len(beams) == 1:
        (beam, place), *_ = beams.items()
        draft.add("modality", beam, place.at)
        if beam == "electron":
            draft.add("technique", "electron", place.at)
            return
        if beam == "proton":
            return
    elif beams:
        draft.unmapped(next(iter(beams.values())))
    told = [
        (code, place)
        for concept in codex.said_in(node, codex.MODALITY_AND_TECHNIQUE, codex.TECHNIQUE)
        for code, place in codex.snomed(concept)
    ]
    techniques = _mapped(draft, told, codex.TECHNIQUES)
    if len(techniques) == 1:
        (technique, place), *_ = techniques.items()
        draft.add("technique", technique, place.at)
    elif techniques:
        draft.unmapped(next(iter(techniques.values())))


def guidance(draft: Draft) -> None:
    """The image guidance at the session, in the one word that billing knows."""
    told = [
        (code, place)
        for concept in codex.said_in(draft.resource.node, codex.IMAGE_GUIDANCE, "modality")
        for code, place in codex.snomed(concept)
    ]
    found = _mapped(draft, told, codex.GUIDANCE)
    best = next((method for method in codex.GUIDANCE_ORDER if method in found), "")
    if best:
        draft.add("guidance", best, found[best].at)


def motion(draft: Draft) -> None:
    """Whether respiratory motion was managed actively, and by what method in the sender's words."""
    told = codex.active_motion(draft.resource.node)
    if told is None:
        return
    answer, concept = told
    if not answer:
        draft.unmapped(concept)
        return
    draft.add("motion.active", answer, concept.at)
    if answer == "true":
        draft.take("motion.method", concept["text"] or concept.first("coding")["display"])


def _mapped(draft: Draft, told: list[tuple[str, Node]], table: dict[str, str]) -> dict[str, Node]:
    """Our words for the codes, each with the first place that says it; a code outside the table is told."""
    found: dict[str, Node] = {}
    for code, place in told:
        if code in table:
            found.setdefault(table[code], place)
        else:
            draft.unmapped(place)
    return found
