"""Users and sessions: what ends them, what the journal tells, and what nobody can read without the key file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from adapters.model.user import FAILURES, IDLE, LONGEST, WITHIN, Role, User
from adapters.store import SqlStore
from adapters.store.keys import Damaged
from adapters.store.schema import browsers, sessions, users
from tests.store.conftest import NOW

KIM = User("kim", Role.BILLER, "scrypt$4$1$1$c2FsdA==$canary", NOW)
MINUTE = timedelta(minutes=1)


def told(store: SqlStore) -> list[tuple[str, str, str]]:
    """What the journal has of users: who, what, by whom."""
    said = [json.loads(one.body) for one in store.journal() if one.kind.value == "user"]
    assert "canary" not in json.dumps(said)
    return [(one["user"], one["turn"], one["by"]) for one in said]


def test_a_user_is_made_changed_and_removed(store: SqlStore) -> None:
    assert store.put_user(KIM, "console")
    assert store.user("kim") == KIM
    assert store.user("lee") is None
    assert not store.put_user(KIM, "console"), "nothing is told of what is as it was"
    other = User("kim", Role.SUPERVISOR, KIM.secret, NOW + MINUTE)
    assert not store.put_user(other, "boss")
    assert store.users() == (other,)
    assert not store.put_user(User("kim", Role.SUPERVISOR, "another", NOW + 2 * MINUTE), "boss")
    assert store.remove_user("kim", "boss", NOW + 3 * MINUTE)
    assert not store.remove_user("kim", "boss", NOW + 3 * MINUTE)
    assert store.users() == ()
    assert told(store) == [
        ("kim", "made", "console"),
        ("kim", "role", "boss"),
        ("kim", "password", "boss"),
        ("kim", "removed", "boss"),
    ]
    assert store.counts().unread == 0
    assert store.verify() == ()


def test_what_a_password_is_checked_against_is_sealed_to_its_user(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    row = store._read(lambda c: c.execute(select(users)).mappings().one())
    assert b"canary" not in row["sealed"]
    assert all("canary" not in str(value) for value in row.values())
    store._write(lambda c: c.execute(users.update().values(name="lee")))
    with pytest.raises(Damaged):
        store.user("lee")


def test_a_session_begins_only_with_the_secret_that_was_looked_at(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    assert store.sign_in("kim", "another", "d" * 64, NOW) is None
    assert store.sign_in("lee", KIM.secret, "d" * 64, NOW) is None
    found = store.sign_in("kim", KIM.secret, "d" * 64, NOW)
    assert found is not None
    assert store.session("d" * 64, NOW) == found
    assert store.session("e" * 64, NOW) is None
    assert store.sessions(NOW) == (found,)
    assert told(store)[1:] == [("kim", "signed-in", "kim")]


def test_it_ends_idle_late_and_when_the_clock_goes_back(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    store.sign_in("kim", KIM.secret, "d" * 64, NOW)
    at = NOW
    while at + IDLE - MINUTE < NOW + LONGEST:
        at += IDLE - MINUTE
        assert store.session("d" * 64, at) is not None
    assert store.session("d" * 64, NOW + LONGEST) is None
    store.sign_in("kim", KIM.secret, "e" * 64, NOW)
    assert store.session("e" * 64, NOW + IDLE) is None
    assert store.session("e" * 64, NOW - MINUTE) is None
    assert store.session("e" * 64, NOW) is not None


def test_a_look_is_remembered_to_the_minute(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    store.sign_in("kim", KIM.secret, "d" * 64, NOW)
    asked = select(sessions.c.seen)
    before = store._read(lambda c: c.execute(asked).scalar_one())
    store.session("d" * 64, NOW + MINUTE - timedelta(seconds=1))
    assert store._read(lambda c: c.execute(asked).scalar_one()) == before
    store.session("d" * 64, NOW + MINUTE)
    assert store._read(lambda c: c.execute(asked).scalar_one()) == before + 60_000_000


@pytest.mark.parametrize("end", ["role", "password", "removed", "out"])
def test_what_ends_a_session(store: SqlStore, end: str) -> None:
    store.put_user(KIM, "console")
    store.put_user(User("lee", Role.VIEWER, "s", NOW), "console")
    store.sign_in("kim", KIM.secret, "d" * 64, NOW)
    store.sign_in("lee", "s", "e" * 64, NOW)
    match end:
        case "role":
            store.put_user(User("kim", Role.VIEWER, KIM.secret, NOW + MINUTE), "boss")
        case "password":
            store.put_user(User("kim", Role.BILLER, "another", NOW + MINUTE), "boss")
        case "removed":
            store.remove_user("kim", "boss", NOW + MINUTE)
        case _:
            assert store.sign_out("d" * 64, "kim", NOW + MINUTE)
            assert not store.sign_out("d" * 64, "kim", NOW + MINUTE)
    assert store.session("d" * 64, NOW + MINUTE) is None
    assert [one.user for one in store.sessions(NOW + MINUTE)] == ["lee"]


def test_sessions_that_are_over_go_with_the_next_sign_in(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    store.sign_in("kim", KIM.secret, "d" * 64, NOW)
    store.sign_in("kim", KIM.secret, "e" * 64, NOW + IDLE)
    assert store._read(lambda c: list(c.execute(select(sessions.c.id)).scalars())) == ["e" * 64]


def test_a_name_rests_after_too_many_and_no_longer_than_said(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    store.failed_to_sign_in("lee", NOW)
    for n in range(FAILURES - 1):
        store.failed_to_sign_in("kim", NOW + n * MINUTE)
    at = NOW + FAILURES * MINUTE
    assert store.sign_in("kim", KIM.secret, "d" * 64, at) is not None, "one before the last"
    for _ in range(FAILURES + 3):
        store.failed_to_sign_in("kim", at)
    assert store.sign_in("kim", KIM.secret, "e" * 64, at + WITHIN - MINUTE) is None
    assert told(store)[-1] == ("kim", "rests", "kim")
    assert [turn for _, turn, _ in told(store)].count("rests") == 1
    store.failed_to_sign_in("kim", at + WITHIN)
    assert store.sign_in("kim", KIM.secret, "e" * 64, at + WITHIN) is not None


def test_another_password_lets_a_resting_name_in(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    for _ in range(FAILURES):
        store.failed_to_sign_in("kim", NOW)
    store.put_user(User("kim", Role.BILLER, "another", NOW + MINUTE), "console")
    assert store.sign_in("kim", "another", "d" * 64, NOW + MINUTE) is not None


def test_a_restart_ends_no_session(open_file: Callable[..., SqlStore]) -> None:
    with open_file() as first:
        first.put_user(KIM, "console")
        first.sign_in("kim", KIM.secret, "d" * 64, NOW)
    with open_file() as again:
        assert again.session("d" * 64, NOW + MINUTE) is not None


def test_who_is_vouched_for_is_a_user_as_long_and_as_is_said(store: SqlStore) -> None:
    begun = store.let_in("lee", Role.BILLER, "openid$canary", "s1", NOW)
    assert begun is not None
    assert (begun.user, begun.role) == ("lee", Role.BILLER)
    assert store.let_in("lee", Role.BILLER, "openid$canary", "s2", NOW + MINUTE) is not None
    assert store.session("s1", NOW + MINUTE) is not None, "the same role ends nothing"
    assert store.let_in("lee", Role.ADMIN, "openid$canary", "s3", NOW + 2 * MINUTE) is not None
    assert [one.id for one in store.sessions(NOW + 2 * MINUTE)] == ["s3"]
    assert store.let_in("lee", None, "openid$canary", "s4", NOW + 3 * MINUTE) is None
    assert store.users() == ()
    assert store.sessions(NOW + 3 * MINUTE) == ()
    assert store.let_in("lee", None, "openid$canary", "s5", NOW + 4 * MINUTE) is None
    assert told(store) == [
        ("lee", "made", "openid"),
        ("lee", "signed-in", "lee"),
        ("lee", "signed-in", "lee"),
        ("lee", "role", "openid"),
        ("lee", "signed-in", "lee"),
        ("lee", "removed", "openid"),
    ]


def test_who_is_vouched_for_takes_no_name_of_another(store: SqlStore) -> None:
    store.put_user(KIM, "console")
    before = store.counts()
    for role in (Role.ADMIN, None):
        assert store.let_in("kim", role, "openid$canary", "s1", NOW) is None
    assert store.users() == (KIM,)
    assert store.sessions(NOW) == ()
    assert store.counts() == before, "nothing is told of what was not done"


def test_a_browser_that_the_user_has_signed_in_by_has_a_count_of_its_own(open_file: Callable[..., SqlStore]) -> None:
    with open_file() as first:
        first.put_user(KIM, "console")
        user = first.user("kim")
        assert user is not None
        mark = first.mark_of(user, "number-that-nobody-guesses", NOW)
        mine = first.browser_of(mark, user, NOW)
        assert mine
        for n in range(FAILURES):
            first.failed_to_sign_in("kim", NOW, mine)
            first.failed_to_sign_in("lee", NOW, mine)
            assert (first.sign_in("kim", KIM.secret, f"{n}" * 64, NOW, mine) is None) == (n + 1 == FAILURES)
    with open_file() as again:
        user = again.user("kim")
        assert user is not None
        assert user.failures == 0
        assert again.browser_of(mark, user, NOW) == mine, "known by every process that has the key file"
        assert again.sign_in("kim", KIM.secret, "c" * 64, NOW + WITHIN - MINUTE, mine) is None, "a restart ends no rest"
        assert again.sign_in("kim", KIM.secret, "d" * 64, NOW + WITHIN, mine) is not None
        again.failed_to_sign_in("kim", NOW + WITHIN, "e" * 64)
        rows = again._read(lambda c: c.execute(select(browsers)).mappings().all())
        assert [row["id"] for row in rows] == ["e" * 64], "what is over is kept no longer"
        assert again.remove_user("kim", "boss", NOW + WITHIN)
        assert again._read(lambda c: c.execute(select(browsers)).all()) == []
        assert again.verify() == ()
