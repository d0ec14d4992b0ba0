"""The key ring: what is sealed opens in its place only, and lookups survive a rotation."""

from __future__ import annotations

import base64
import pathlib

import pytest

from adapters.errors import BadSetup
from adapters.store import Damaged, KeyRing


def test_sealed_opens_in_its_place(keys: KeyRing) -> None:
    sealed = keys.seal(b"body", "journal|1|body")
    assert b"body" not in sealed.data
    assert keys.open(*sealed, "journal|1|body") == b"body"


def test_no_two_seals_are_alike(keys: KeyRing) -> None:
    assert keys.seal(b"same", "x").data != keys.seal(b"same", "x").data


def test_a_moved_row_does_not_open(keys: KeyRing) -> None:
    with pytest.raises(Damaged, match=r"journal\|2"):
        keys.open(*keys.seal(b"body", "journal|1|body"), "journal|2|body")


@pytest.mark.parametrize("byte", range(32))
def test_no_byte_can_change(keys: KeyRing, byte: int) -> None:
    sealed = keys.seal(b"body", "x")
    changed = bytearray(sealed.data)
    changed[byte] ^= 1
    with pytest.raises(Damaged):
        keys.open(sealed.key_id, bytes(changed), "x")


def test_cut_bytes_do_not_open(keys: KeyRing) -> None:
    sealed = keys.seal(b"body", "x")
    for length in (0, 5, 12, 20):
        with pytest.raises(Damaged):
            keys.open(sealed.key_id, sealed.data[:length], "x")


def test_a_key_that_is_not_here_is_said() -> None:
    sealed = KeyRing([("old", b"1" * 32)]).seal(b"body", "x")
    with pytest.raises(Damaged, match="not in the ring"):
        KeyRing([("new", b"2" * 32)]).open(*sealed, "x")


def test_blind_is_equal_for_equal_parts_only(keys: KeyRing) -> None:
    assert keys.blind("a", "b") == KeyRing.ephemeral("tests").blind("a", "b")
    assert keys.blind("a", "b") != keys.blind("ab", "")
    assert keys.blind("a", "b") != KeyRing.ephemeral("other").blind("a", "b")
    assert KeyRing.ephemeral().blind("a") != KeyRing.ephemeral().blind("a")


def test_generate_load_rotate(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "keys"
    first = KeyRing.generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = first.seal(b"body", "x")
    second = KeyRing.rotate(path)
    loaded = KeyRing.load(path)
    assert (first.active, second.active, loaded.active) == ("k1", "k2", "k2")
    assert loaded.open(*sealed, "x") == b"body"
    assert loaded.blind("mrn", "1") == first.blind("mrn", "1")
    assert loaded.open(*second.seal(b"new", "x"), "x") == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_generate_never_overwrites(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "keys"
    KeyRing.generate(path)
    before = path.read_bytes()
    with pytest.raises(BadSetup, match="already"):
        KeyRing.generate(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_keys_that_others_may_read_are_refused(tmp_path: pathlib.Path, mode: int) -> None:
    path = tmp_path / "keys"
    KeyRing.generate(path)
    path.chmod(mode)
    with pytest.raises(BadSetup, match="0600"):
        KeyRing.load(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "without keys"),
        ("k1:!!!\n", "not base64"),
        (f"k1:{base64.b64encode(b'short').decode()}\n", "5 bytes"),
        (f"k 1:{base64.b64encode(b'1' * 32).decode()}\n", "an id is"),
        (f"k1:{base64.b64encode(b'1' * 32).decode()}\n" * 2, "twice"),
    ],
)
def test_bad_files_are_refused_without_showing_keys(tmp_path: pathlib.Path, text: str, fault: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadSetup, match=fault) as refused:
        KeyRing.load(path)
    assert "MTEx" not in str(refused.value)


def test_a_missing_file_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadSetup, match="cannot be read"):
        KeyRing.load(tmp_path / "none")


def test_its_words_show_ids_only() -> None:
    assert repr(KeyRing([("k1", b"1" * 32)])) == "KeyRing(k1)"
