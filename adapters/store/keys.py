"""The key ring: sealing what is at rest, and looking up what must not lie there plain.

Sealing is AES-256-GCM with a fresh 96-bit nonce for each row; the place of the row (table, person, id) is bound in as
associated data, so that a row moved or swapped does not open. An identifier is looked up by its blind index, an
HMAC-SHA256 under a key derived from the first key of the ring: a rotation adds a key at the end and leaves every
lookup as it is, and no key is ever taken out while a row needs it.

A signer is an Ed25519 key (RFC 8032) of its own line, `sign:ID:base64`; the last one signs, every one of them is known
again. It signs what `seal.py` says of the journal, so that whoever can write the database alone cannot say it anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.errors import BadSetup
from adapters.store.head import sync_folder
from adapters.store.refusals import Damaged

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SIGNER: Final = "sign"

Keys = Sequence[tuple[str, bytes]]
"""Keys by id, in the order they came."""


class Signed(NamedTuple):
    """A signature with the id of the key that made it; both empty where there is none."""

    key_id: str
    signature: bytes


class Sealed(NamedTuple):
    """Sealed bytes (nonce, ciphertext, tag) with the id of the key that opens them."""

    key_id: str
    data: bytes


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key of its own for each purpose, so that no two uses share one (HMAC-SHA256 as a one-step KDF)."""
    return hmac.digest(key, b"oncoclaims " + purpose, hashlib.sha256)


class KeyRing:
    """Keys of 32 bytes by id, in the order they came; the last seals, all open, the first blinds; the last signer signs."""

    __slots__ = ("_active", "_ciphers", "_index", "_secrets", "_signers")

    def __init__(self, keys: Keys, signers: Keys = ()) -> None:
        problems = (*_problems(keys, "key"), *_problems(signers, "signing key"))
        if not keys:
            problems = ("a key ring without keys", *problems)
        if problems:
            raise BadSetup(problems)
        self._signers = {id: Ed25519PrivateKey.from_private_bytes(key) for id, key in signers}
        self._ciphers = {id: AESGCM(_derived(key, b"seal")) for id, key in keys}
        self._active = keys[-1][0]
        self._index = _derived(keys[0][1], b"index")
        self._secrets = _derived(keys[0][1], b"secrets")

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """The ring in a file of `id:base64` and `sign:id:base64` lines; raises `BadSetup` unless the owner alone may read it."""
        return cls(*_read(path))

    @classmethod
    def generate(cls, path: Path) -> KeyRing:
        """A new ring of one key and one signer in a new file of mode 0600; `BadSetup` where a file stands already."""
        key, signer = ("k1", os.urandom(_KEY_BYTES)), ("s1", os.urandom(_KEY_BYTES))
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise BadSetup((f"{path}: there is a key file already, and losing it loses the store",)) from None
        _write(handle, _line(*key) + _signer_line(*signer))
        # The name of a new file is in its folder: without this a power cut may take the file, and with it the store.
        sync_folder(path.parent)
        return cls([key], [signer])

    @classmethod
    def rotate(cls, path: Path) -> KeyRing:
        """The ring of the file with one more key at its end: new rows are sealed with it, old ones still open."""
        keys, signers = _read(path)
        added = (_free("k", keys), os.urandom(_KEY_BYTES))
        _write(os.open(path, os.O_WRONLY | os.O_APPEND), _line(*added))
        return cls([*keys, added], signers)

    @classmethod
    def add_signer(cls, path: Path) -> KeyRing:
        """The ring of the file with one more signer at its end: it signs from now on, older signatures still hold."""
        keys, signers = _read(path)
        added = (_free("s", signers), os.urandom(_KEY_BYTES))
        _write(os.open(path, os.O_WRONLY | os.O_APPEND), _signer_line(*added))
        return cls(keys, [*signers, added])

    @classmethod
    def ephemeral(cls, seed: str = "") -> KeyRing:
        """A ring kept nowhere, for tests and the demo; one seed gives one key and so the same ids of persons."""
        key = hashlib.sha256(f"oncoclaims ephemeral {seed}".encode()).digest() if seed else os.urandom(_KEY_BYTES)
        return cls([("ephemeral", key)], [("ephemeral", _derived(key, b"ephemeral signer"))])

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"

    @property
    def active(self) -> str:
        """Id of the key that seals new rows."""
        return self._active

    @property
    def signs(self) -> bool:
        """Whether there is a signer."""
        return bool(self._signers)

    def sign(self, data: bytes) -> Signed:
        """The data signed by the last signer; the empty signature without one."""
        if not self._signers:
            return Signed("", b"")
        key_id = next(reversed(self._signers))
        return Signed(key_id, self._signers[key_id].sign(data))

    def has_signed(self, data: bytes, signed: Signed) -> bool:
        """Whether a signer of this ring made the signature over exactly this data."""
        signer = self._signers.get(signed.key_id)
        if signer is None:
            return False
        try:
            signer.public_key().verify(signed.signature, data)
        except InvalidSignature:
            return False
        return True

    def seal(self, plain: bytes, place: str) -> Sealed:
        """The bytes sealed with the active key, bound to their place."""
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(self._active, nonce + self._ciphers[self._active].encrypt(nonce, plain, place.encode()))

    def open(self, key_id: str, data: bytes, place: str) -> bytes:
        """The bytes that were sealed for this place; raises `Damaged` when bytes, place or key are others."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Damaged(f"{place}: sealed with a key that is not in the ring")
        try:
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise Damaged(f"{place}: does not open, it was altered or moved") from None

    def blind(self, *parts: str) -> str:
        """The blind index of these parts (64 hex digits): equal for equal parts, telling nothing without the ring."""
        # Lengths before the parts: ("ab", "c") and ("a", "bc") must not meet.
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.digest(self._index, text.encode(), hashlib.sha256).hex()

    def secret(self, purpose: str) -> bytes:
        """64 bytes for one purpose outside the store: the same in every process that has this ring, and after a rotation."""
        return hmac.digest(self._secrets, purpose.encode(), hashlib.sha512)


def _problems(keys: Keys, what: str) -> tuple[str, ...]:
    problems: list[str] = []
    seen: set[str] = set()
    for place, (id, key) in enumerate(keys, start=1):
        if not _ID.fullmatch(id):
            problems.append(f"{what} {place}: an id is 1 to 32 letters, digits, - or _")
        if id in seen:
            problems.append(f"{what} {place}: its id stands twice")
        if len(key) != _KEY_BYTES:
            problems.append(f"{what} {place}: {len(key)} bytes, not {_KEY_BYTES}")
        seen.add(id)
    return tuple(problems)


def _line(id: str, key: bytes) -> bytes:
    return f"{id}:{base64.b64encode(key).decode()}\n".encode()


def _signer_line(id: str, key: bytes) -> bytes:
    return f"{_SIGNER}:".encode() + _line(id, key)


def _free(letter: str, keys: Keys) -> str:
    """The next id that no key has."""
    taken = {id for id, _ in keys}
    number = len(keys) + 1
    while f"{letter}{number}" in taken:
        number += 1
    return f"{letter}{number}"


def _write(handle: int, line: bytes) -> None:
    """Write and sync: a store sealed with a key that a power cut took would be lost."""
    with os.fdopen(handle, "wb") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Keys and signers of the file."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetup((f"{path}: the key file cannot be read ({type(error).__name__})",)) from None
    if os.name == "posix" and mode & _OTHERS:
        raise BadSetup((f"{path}: mode {stat.S_IMODE(mode):04o}, only the owner may read keys (0600)",))
    keys: list[tuple[str, bytes]] = []
    signers: list[tuple[str, bytes]] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        kind, _, rest = line.strip().partition(":")
        # Two colons: base64 has none, so a key whose id is "sign" is not mistaken for a signer.
        signer = kind == _SIGNER and ":" in rest
        id, _, encoded = (rest if signer else line.strip()).partition(":")
        try:
            (signers if signer else keys).append((id, base64.b64decode(encoded, validate=True)))
        except binascii.Error:
            problems.append(f"{path}:{number}: not base64")
    if problems:
        raise BadSetup(tuple(problems))
    return keys, signers
