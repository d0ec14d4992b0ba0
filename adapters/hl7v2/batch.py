"""Files and batches: several messages in one frame or file (v2.5.1 sections 2.10.3, 2.15.2-3, 2.15.6-7).

`[FHS] { [BHS] { MSH … } [BTS] } [FTS]`. Messages are cut out as bytes, untouched, so that each is journalled
and acknowledged as it came. Whatever does not fit that shape is told as a problem; nothing is
dropped in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from adapters.hl7v2.syntax import Problem

_NAMES = (b"MSH", b"BHS", b"FHS", b"BTS", b"FTS")
_MARK = re.compile(rb"(?:\A(?:\xef\xbb\xbf|[\x00\x0b\t ])*|[\r\n][\x00\x0b\t ]*)(FHS|BHS|MSH|BTS|FTS)(?![A-Za-z0-9])")
_BLANK = b"\x00\x0b\x1c\t\n\r \xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of a frame or file, in order, as received.

    `enveloped` says that file or batch headers were there. `declared` is the sum of the counts of BTS-1, None
    when no trailer states one. A wrong count is a problem, and the messages are there all the same: the
    sender must be asked which ones are missing, but a charge that came is a charge that came.
    """

    messages: tuple[bytes, ...] = field(repr=False)
    enveloped: bool = False
    declared: int | None = None
    problems: tuple[Problem, ...] = ()


def split_batch(data: bytes) -> Batch:
    """Cut a payload or file into its messages.

    One message, or something with neither MSH nor a batch header in it, comes back as it is, alone.
    """
    if data.startswith(b"MSH") and sum(map(data.count, _NAMES)) == 1:
        return Batch((data,))  # the usual case, decided without the pattern
    marks = [(match.start(1), match.group(1)) for match in _MARK.finditer(data)]
    if not marks or (len(marks) == 1 and marks[0][1] == b"MSH" and not data[: marks[0][0]].strip(_BLANK)):
        return Batch((data,))
    return _Split(data).run(marks)


class _Split:
    """The walk over the header and trailer segments of one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.messages: list[bytes] = []
        self.problems: list[Problem] = []
        self.field_mark = b"|"
        self.declared: int | None = None
        self.in_batch: bool = False
        self.in_file: bool = False
        self.batches = 0
        self.batch_began_at = 0  # how many messages stood before the open batch

    def run(self, marks: list[tuple[int, bytes]]) -> Batch:
        if self.data[: marks[0][0]].strip(_BLANK):
            self._problem("text-outside", "there is text before the first header")
        ends = [*(position for position, _ in marks[1:]), len(self.data)]
        for (position, name), end in zip(marks, ends, strict=True):
            part = self.data[position:end]
            if name == b"MSH":
                self.messages.append(part)
                continue
            line, _, after = part.replace(b"\n", b"\r").partition(b"\r")
            if after.strip(_BLANK):
                self._problem("text-outside", "there are segments outside any message")
            if name in (b"FHS", b"BHS"):
                self._header(name, line)
            else:
                self._trailer(name, line)
        if self.in_batch:
            self._problem("no-batch-trailer", "the batch was not closed by BTS")
        if self.in_file:
            self._problem("no-file-trailer", "the file was not closed by FTS")
        enveloped = any(name != b"MSH" for _, name in marks)
        return Batch(tuple(self.messages), enveloped, self.declared, tuple(self.problems))

    def _problem(self, code: str, words: str) -> None:
        self.problems.append(Problem(code, f"after message {len(self.messages)}", words))

    def _header(self, name: bytes, line: bytes) -> None:
        self.field_mark = line[3:4] or b"|"
        if name == b"FHS":
            if self.in_file or self.in_batch or self.messages:
                self._problem("header-misplaced", "FHS stands inside a file")
            self.in_file = True
            return
        if self.in_batch:
            self._problem("header-misplaced", "BHS stands inside a batch")
            return
        self.in_batch = True
        self.batches += 1
        self.batch_began_at = len(self.messages)

    def _trailer(self, name: bytes, line: bytes) -> None:
        stated = self._count(line)
        if name == b"FTS":
            if not self.in_file:
                self._problem("trailer-misplaced", "FTS without FHS")
            elif self.in_batch:
                self._problem("no-batch-trailer", "the file ended inside a batch")
                self.in_batch = False
            # Messages that stand in a file without BHS are one batch (section 2.10.3.1: BHS is optional).
            batches = self.batches or min(1, len(self.messages))
            if stated is not None and stated != batches:
                self._problem("file-count", f"FTS-1 states {stated} batches, there are {batches}")
            self.in_file = False
            return
        if not self.in_batch:
            self._problem("trailer-misplaced", "BTS without BHS")
        found = len(self.messages) - self.batch_began_at
        if stated is not None:
            self.declared = (self.declared or 0) + stated
            if stated != found:
                self._problem("batch-count", f"BTS-1 states {stated} messages, there are {found}")
        self.in_batch = False
        self.batch_began_at = len(self.messages)

    def _count(self, line: bytes) -> int | None:
        """BTS-1 or FTS-1; an unreadable one is a problem, an empty one states nothing."""
        parts = line.rstrip(_BLANK).split(self.field_mark, 2)
        text = parts[1].strip() if len(parts) > 1 else b""
        if not text:
            return None
        if not text.isdigit() or len(text) > 9:
            self._problem("count-unreadable", "the count of a trailer is not a number")
            return None
        return int(text)
