"""Facts that a sender says in places of its own, by the feed's dialect: extensions, the plan, a document's presence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from adapters.fhir import links
from adapters.fhir.bundle import Resource, named
from adapters.fhir.draft import Draft
from adapters.fhir.tree import Node, codes_of, extensions, identifier_value, value_of
from adapters.model.why import Fact
from adapters.rules.dialect import ElementRule
from adapters.rules.element import ElementPath

_NAMED_BY: Final = {
    "encounter": ("encounter",),
    "request": ("basedOn", "request"),
    "medication": ("medicationReference",),
}
"""Base of a path → elements that name it; plan, phase and course are above by `partOf`."""
_DEAD: Final = frozenset({"entered-in-error", "superseded"})


def own(draft: Draft) -> None:
    """Take what the dialect's `extensions` and `elements` say of this kind; `elements` before the profile's own word."""
    for extension in draft.resource.node.each("extension"):
        name = draft.reading.extensions.get(extension["url"].text)
        if name:
            value = value_of(extension)
            _take(draft, name, value)
    for rule in draft.reading.dialect.elements:
        if rule.concerns(draft.kind):
            _by(draft, rule)


def lent(draft: Draft, base: str) -> None:
    """Take what paths that start at a resource of this kind find in it, for whoever names it."""
    for rule in draft.reading.dialect.elements:
        told = False
        for path in rule.sources:
            if path.base == base and not told:
                for node in _at(draft.resource, path):
                    told = _told(draft, rule, node, draft.add) or told
                    if told and not rule.repeat:
                        break


def _by(draft: Draft, rule: ElementRule) -> None:
    for path in rule.sources:
        told = False
        if path.base != "self" and any(
            draft.resource.node.each(name) for name in _NAMED_BY.get(path.base, ("partOf",))
        ):
            draft.add("awaits", f"{rule.name}:{path.base}", draft.resource.place)
            for name in ("basedOn", "request") if path.base == "request" else ():
                for reference in draft.resource.node.each(name):
                    draft.names("order", reference)
        for node in _nodes(draft, path):
            take = draft.add if told else draft.instead
            told = _told(draft, rule, node, take) or told
            if told and not rule.repeat:
                return
        if told:
            return
    if rule.default and not any(fact.name == rule.name for fact in draft.facts):
        at = f"assumed: {draft.resource.place} does not say the {rule.name}"
        draft.facts.append(Fact(rule.name, rule.default, draft.reading.source(at)))


def _told(draft: Draft, rule: ElementRule, node: Node, take: Callable[[str, str, str], None]) -> bool:
    """Take the value of a place; false where it holds none."""
    words = list(_words(node))
    if not words:
        return False
    if not rule.values:
        take(rule.name, *words[0])
        return True
    with_system = [(f"{system}|{code}", at.at) for system, code, at in codes_of(node)]
    for word, at in (*with_system, *words):
        if word.casefold() in rule.values:
            take(rule.name, rule.values[word.casefold()], at)
            return True
    draft.unmapped(node)
    return True


def _words(node: Node) -> Iterator[tuple[str, str]]:
    """(what a value says, place): of a Boolean, number, text or Quantity the value, of a concept each code, then its text."""
    if isinstance(node.value, bool):
        yield ("true" if node.value else "false"), node.at
    elif node.number is not None:
        yield format(node.number, "f"), node.at
    elif node.text:
        yield node.text, node.at
    elif (number := node["value"].number) is not None:
        yield format(number, "f"), node["value"].at
    else:
        if node["code"].text:  # a Coding by itself
            yield node["code"].text, node["code"].at
        for _, code, at in codes_of(node):
            yield code, at.at
        if node["text"].text:
            yield node["text"].text, node["text"].at


def _nodes(draft: Draft, path: ElementPath) -> Iterator[Node]:
    if path.document:
        yield from _documents(draft, path.document)
        return
    for resource in _from(draft, path.base):
        yield from _at(resource, path)


def _at(resource: Resource, path: ElementPath) -> Iterator[Node]:
    nodes = [resource.node]
    for step in path.steps:
        nodes = [below for node in nodes for below in _below(node, step)]
    yield from (_leaf(node) for node in nodes)


def _below(node: Node, step: str) -> tuple[Node, ...]:
    name, _, argument = step.removesuffix(")").partition("(")
    if name == "extension" and argument:
        return extensions(node, argument)
    if name == "identifier" and argument:
        value = identifier_value(node, system=argument)
        return (value,) if value.text else ()
    return node.each(name)


def _leaf(node: Node) -> Node:
    """The value of an extension where the path ends at one; any other node as it is."""
    return value_of(node) if node["url"].text and not node["value"] and value_of(node) else node


def _from(draft: Draft, base: str) -> Iterator[Resource]:
    reading, resource = draft.reading, draft.resource
    if base == "self":
        yield resource
    elif base in ("plan", "phase", "course"):
        yield from (link.resource for link in links.above(reading, resource) if link.what == base)
    else:
        for name in _NAMED_BY[base]:
            for reference in resource.node.each(name):
                if found := reading.content.resolve(reference, resource):
                    yield found


def _documents(draft: Draft, wanted: str) -> Iterator[Node]:
    """`true`, at the type of each current document of the wanted type that is about the same thing."""
    for other in draft.reading.content.resources:
        if other.type != "DocumentReference" or other.node["status"].text in _DEAD:
            continue
        if other.node["docStatus"].text in ("preliminary", "entered-in-error") or not _about(draft, other):
            continue
        for system, code, at in codes_of(other.node["type"]):
            if f"{system}|{code}" == wanted:
                yield Node(True, at.at)


def _about(draft: Draft, document: Resource) -> bool:
    """Of the same person, and of the same procedure, visit, or, where it names neither, the same day."""
    reading, resource = draft.reading, draft.resource
    mine, theirs = resource.node["subject"], document.node["subject"]
    if not mine or named(mine, "Patient") != named(theirs, "Patient"):
        return False
    context = document.node["context"]
    related, visits = context.each("related"), context.each("encounter")
    if any(reading.content.resolve(reference, document) == resource for reference in related):
        return True
    if visits and resource.node["encounter"]:
        return named(resource.node["encounter"], "Encounter") in {named(visit, "Encounter") for visit in visits}
    written = draft.when(document.node["date"])
    start = draft.when(resource.node["performedPeriod"]["start"], resource.node["performedDateTime"])
    return not related and written is not None and start is not None and written.day == start.day


def _take(draft: Draft, name: str, value: Node) -> None:
    if isinstance(value.value, bool):
        draft.add(name, "true" if value.value else "false", value.at)
    else:
        draft.take(name, value)
