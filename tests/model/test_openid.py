"""What a site file may say of signing in at an issuer, and what it means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.files.web import OpenIdPart
from adapters.model.openid import OpenId, openid_problems
from adapters.model.user import Role, User

SAID = OpenId("https://login.test", "c", (("a", Role.BILLER), ("b", Role.ADMIN)), client_secret_file="f")


@pytest.mark.parametrize(
    ("values", "role"),
    [({"a"}, Role.BILLER), ({"a", "b", "x"}, Role.ADMIN), ({"A", "admin", ""}, None), (set(), None)],
)
def test_of_several_values_the_role_that_may_most_and_of_none_nobody(values: set[str], role: Role | None) -> None:
    assert SAID.role(values) is role


def test_a_name_is_of_one_person_of_one_issuer() -> None:
    kept = SAID.secret("u-1")
    assert User("kim", Role.BILLER, kept, datetime(2026, 1, 20, tzinfo=UTC)).elsewhere
    others = {SAID.secret("u-2"), replace(SAID, issuer="https://login.tes").secret("tu-1")}
    assert kept not in others
    assert replace(SAID, client_id="another").secret("u-1") == kept
    assert "u-1" not in kept


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issuer": "http://login.test"}, "openid.issuer: must be https beyond this machine"),
        ({"issuer": "https://a@login.test"}, "openid.issuer: is no http or https address without a user"),
        ({"issuer": "https://login.test/#x"}, "openid.issuer: is no http or https address without a user"),
        ({"issuer": "https://login.test/?t=1"}, "openid.issuer: has a query"),
        ({"client_secret_file": ""}, "either client_secret_file or keys"),
        ({"keys": ("k",)}, "either client_secret_file or keys"),
        ({"scopes": ("profile",)}, "the scope openid is missing"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], words: str) -> None:
    (problem,) = openid_problems(replace(SAID, **change), pages=True)
    assert words in problem


def test_what_is_right_is_nothing_to_tell_of() -> None:
    assert list(openid_problems(SAID, pages=True)) == []
    assert list(openid_problems(replace(SAID, issuer="http://127.0.0.1:9/x"), pages=True)) == []
    assert list(openid_problems(SAID, pages=False)) == ["openid: nobody signs in here as long as pages is not true"]


def test_the_part_of_the_site_file_is_read_with_its_files() -> None:
    said = {"issuer": "https://login.test", "client_id": "c", "roles": {"a": "biller", "b": "admin"}}
    read = OpenIdPart.model_validate({**said, "client_secret_file": "f", "ca": "ca.pem"}).openid(Path("/site"))
    assert read == replace(SAID, client_secret_file="/site/f", ca="/site/ca.pem")
    keyed = OpenIdPart.model_validate({**said, "keys": ["k1", "k2"], "algorithm": "ES384"}).openid(Path("/site"))
    assert (keyed.keys, keyed.client_secret_file) == (("/site/k1", "/site/k2"), "")
    for wrong in ({"roles": {}}, {"roles": {"a": "root"}}, {"prompt": "none"}, {"issuer": ""}, {"other": 1}):
        with pytest.raises(ValidationError):
            OpenIdPart.model_validate({**said, **wrong})
