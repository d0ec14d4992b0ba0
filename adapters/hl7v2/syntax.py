"""The delimiters of a message, its escape sequences (HL7 v2.5.1 chapter 2, sections 2.5.4, 2.7) and
the shape in which the readers of this folder tell problems.

Escapes are decoded on access, after splitting: decoding first would turn `\\F\\` into a field separator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

SEGMENT_END = "\r"
HEADERS = ("MSH", "BHS", "FHS")
"""Segments whose field 1 is the field separator itself; their numbering starts one later than the others'."""

_RECOMMENDED = "^~\\&"


@dataclass(frozen=True, slots=True)
class Separators:
    """The delimiters a message declares in MSH-1 and MSH-2: one printable, non-alphanumeric character each.

    `truncation` (from v2.7, the fifth character of MSH-2) is '' where the sender declares none.
    """

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        """MSH-2 as written on the wire."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD = Separators()


@lru_cache(maxsize=256)
def separators_of(field: str, declared: str) -> Separators | None:
    """The delimiters declared by MSH-1 (`field`) and MSH-2 (`declared`), or None when they cannot be used.

    MSH-2 may have one to five characters. What a short MSH-2 leaves out is read as the recommended character
    (section 2.5.4 lets a sender omit delimiters that it does not need), so a sub-component still splits.
    Unusable: no MSH-1, an empty or longer MSH-2, a repeated character, a letter, digit, blank, quote or control.
    """
    if len(field) != 1 or not 1 <= len(declared) <= 5:
        return None
    characters = field + declared + _RECOMMENDED[len(declared) :]
    if len(set(characters)) != len(characters):
        return None
    if any(not "!" <= c <= "~" or c.isalnum() or c == '"' for c in characters):
        return None
    return Separators(*characters)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a message or batch: a stable code, the place (`FT1[2]-10`, or ''), and words.

    Words never quote the message.
    """

    code: str
    where: str
    words: str


# Escapes that are well formed but have no plain-text meaning here: the character-set switches C and M, local
# Z sequences, formatting commands other than a line break. They are kept as they stand.
_KEPT = re.compile(r"Z.*|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4,6}|\.[a-z]{2}[+-]?[0-9]*", re.DOTALL)
_HEX = re.compile(r"X(?:[0-9A-Fa-f]{2})+")
_LINE_BREAK = re.compile(r"\.(?:br|sp(?:\+?[0-9]{1,2})?)")


def unescape(text: str, separators: Separators = STANDARD) -> str:
    """The plain text of an already split value.

    `\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\P\\` become the delimiters, `\\X..\\` its bytes (UTF-8, else
    Windows-1252), `\\.br\\` and `\\.sp\\` a line feed; `\\H\\ \\N\\` (highlighting) are dropped. Everything
    unknown stays verbatim, a lone escape character too; so does `\\X00\\`, since databases refuse
    NUL in text.
    """
    mark = separators.escape
    opened = text.find(mark)
    if opened < 0:
        return text
    plain = {
        "F": separators.field,
        "S": separators.component,
        "T": separators.subcomponent,
        "R": separators.repetition,
        "E": mark,
        "P": separators.truncation or "#",
        "H": "",
        "N": "",
    }
    done: list[str] = []
    at = 0
    while opened >= 0:
        closed = text.find(mark, opened + 1)
        if closed < 0:
            break
        body = text[opened + 1 : closed]
        if not body:
            opened = closed
            continue
        meaning = plain.get(body)
        if meaning is None:
            meaning = _meaning(body)
        if meaning is not None:
            done.append(text[at:opened])
            done.append(meaning)
            at = closed + 1
            opened = text.find(mark, at)
        elif _KEPT.fullmatch(body) or _HEX.fullmatch(body):
            opened = text.find(mark, closed + 1)
        else:
            # Not an escape ("C:\DIR"): the second mark may itself open the next one.
            opened = closed
    done.append(text[at:])
    return "".join(done)


def _meaning(body: str) -> str | None:
    if _LINE_BREAK.fullmatch(body):
        return "\n"
    if not _HEX.fullmatch(body):
        return None
    octets = bytes.fromhex(body[1:])
    if 0 in octets:
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return windows_1252(octets)


def escape(text: str, separators: Separators = STANDARD) -> str:
    """`text` made safe for one outbound value: delimiters as `\\F\\` and so on, C0 and DEL as `\\Xhh\\`.

    After it no value can end its own field or segment, whatever it holds; `unescape` gives `text` back
    (but for NUL, which stays escaped).
    """
    mark = separators.escape
    if text.isalnum():
        return text
    letters = {
        separators.field: "F",
        separators.component: "S",
        separators.subcomponent: "T",
        separators.repetition: "R",
        mark: "E",
    }
    if separators.truncation:
        letters[separators.truncation] = "P"
    out: list[str] = []
    for character in text:
        letter = letters.get(character)
        if letter is not None:
            out.append(f"{mark}{letter}{mark}")
        elif character < " " or character == "\x7f":
            out.append(f"{mark}X{ord(character):02X}{mark}")
        else:
            out.append(character)
    return "".join(out)


_UNASSIGNED_1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_HIGH_1252 = {code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if code not in _UNASSIGNED_1252}


def windows_1252(data: bytes) -> str:
    """Windows-1252 that never fails: its five unassigned bytes become the C1 controls of the same number."""
    return data.decode("latin-1").translate(_HIGH_1252)
