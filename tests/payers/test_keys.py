"""Our signing keys: files that only we can read, and what is published of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adapters.errors import BadSetup
from adapters.model.endpoint import Login
from adapters.payers.keys import Signers, published, signer, write_new

PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def login(*keys: Path, algorithm: str = "ES384") -> Login:
    return Login("https://payer.example/token", "clinic", ("system/Claim.c",), tuple(map(str, keys)), algorithm)


def put(path: Path, body: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(body)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_new_key_is_ours_alone_and_is_never_written_over(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "key"
    made = write_new(path, algorithm)
    assert path.stat().st_mode & 0o777 == 0o600
    assert signer(str(path), algorithm).id == made.id
    with pytest.raises(BadSetup, match="File exists"):
        write_new(path, algorithm)


def test_what_is_published_is_public_and_holds_both_keys_of_a_change(tmp_path: Path) -> None:
    paths = [tmp_path / "old", tmp_path / "new"]
    ids = [write_new(path, "ES384").id for path in paths]
    found = published([login(*paths), login(*reversed(paths))])
    assert [key["kid"] for key in found["keys"]] == ids
    for key in found["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops"}
        assert (key["use"], key["alg"], key["crv"]) == ("sig", "ES384", "P-384")
    assert json.dumps(found)


def test_of_an_rsa_key_no_private_part_is_published(tmp_path: Path) -> None:
    write_new(tmp_path / "key", "RS384")
    (key,) = published([login(tmp_path / "key", algorithm="RS384")])["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg", "key_ops"}


def test_every_bad_file_is_told_and_nothing_of_what_is_in_it(tmp_path: Path) -> None:
    small = rsa.generate_private_key(65537, 1024).private_bytes(*PKCS8)  # noqa: S505 - to be refused
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(*PKCS8)
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    paths = [
        put(tmp_path / "open", write_new(tmp_path / "k", "ES384").key.as_pem(private=True), 0o644),
        put(tmp_path / "junk", b"SECRETWORDS"),
        put(tmp_path / "curve", other),
        put(tmp_path / "public", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
    ]
    with pytest.raises(BadSetup) as bad:
        published(
            [login(*paths), login(tmp_path / "nowhere"), login(put(tmp_path / "small", small), algorithm="RS384")]
        )
    told = "\n".join(bad.value.problems)
    for words in (
        "mode 0644",
        "junk: holds no private key",
        "secp256r1",
        "public: holds no private key",
        "No such file",
        "shorter than 2048",
    ):
        assert words in told
    assert "SECRETWORDS" not in told


def test_a_changed_file_signs_from_then_on(tmp_path: Path) -> None:
    path, signers = tmp_path / "key", Signers()
    first = write_new(path, "ES384")
    assert signers.of(login(path)).id == first.id
    path.unlink()
    second = write_new(path, "ES384")
    assert second.id != first.id
    assert signers.of(login(path)).id == second.id
