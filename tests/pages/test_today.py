"""Today, one item, and what is decided about it: by whom, once, journalled, and told nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.decision import Verb
from adapters.model.lists import WorkListed
from adapters.model.user import Role
from adapters.model.work import WorkItem, open_item
from adapters.pages import acting, signing
from adapters.pages.today_view import NOBODY, SOON, Wanted, today_view
from tests.pages.clinic import CANARIES, NOW, Clinic, clinic
from tests.pages.visiting import NOBODYS, OURS, hidden, logged

HELD, EDIT = "documentation-missing", "units-exceeded"
TODAY = date(2026, 3, 2)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    made = clinic(treated=True)
    yield made
    made.close()


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


# ---------------------------------------------------------------- what is shown


def work(n: int, *, kind: str = "denial", amount: int = 0, due: date | None = None, **more: Any) -> WorkListed:
    opened = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=n)
    item = open_item(kind, "197", f"claim-{n}", category="a", action="call", opened=opened, amount=amount, due=due)
    return WorkListed(replace(item, assigned=more.get("assigned", "")), more.get("payer", ""))


def numbers(view: Any) -> list[str]:
    return [one.item.about.removeprefix("claim-") for one in view.items]


def test_what_is_due_soon_comes_first_then_the_money() -> None:
    items = [
        work(1, amount=100),
        work(2, amount=90_000),
        work(3, amount=5, due=TODAY + SOON),
        work(4, amount=7, due=TODAY - timedelta(days=1)),
        work(5, amount=100_000, due=TODAY + timedelta(days=8)),
    ]
    assert numbers(today_view(items, Wanted(), TODAY)) == ["4", "3", "5", "2", "1"]
    assert numbers(today_view(items, Wanted(order="money"), TODAY)) == ["5", "2", "1", "4", "3"]
    assert numbers(today_view(items, Wanted(order="due"), TODAY)) == ["4", "3", "5", "2", "1"]
    assert numbers(today_view(items, Wanted(order="age"), TODAY)) == ["1", "2", "3", "4", "5"]


def test_filters_say_what_they_say() -> None:
    items = [
        work(1, kind="hold", assigned="kim", payer="lakeside", due=TODAY),
        work(2, kind="hold", due=TODAY - timedelta(days=1), amount=300),
        work(3, assigned="lee", payer="sandbar"),
    ]
    for wanted, found in (
        (Wanted(kind="hold"), ["2", "1"]),
        (Wanted(assigned="kim"), ["1"]),
        (Wanted(assigned=NOBODY), ["2"]),
        (Wanted(payer="sandbar"), ["3"]),
        (Wanted(due="overdue"), ["2"]),
        (Wanted(due="week"), ["2", "1"]),
        (Wanted(due="none"), ["3"]),
        (Wanted(kind="hold", due="none"), []),
    ):
        assert numbers(today_view(items, wanted, TODAY)) == found, wanted
    view = today_view(items, Wanted(kind="hold"), TODAY)
    assert (view.count, view.amount, view.overdue) == (2, 300, 1)
    assert [(group.kind, group.count, group.amount) for group in view.groups] == [("hold", 2, 300), ("denial", 1, 0)]
    assert (view.assignees, view.payers) == (("kim", "lee"), ("lakeside", "sandbar"))
    assert Wanted.of({"order": "sideways", "due": "never", "kind": "hold"}) == Wanted(kind="hold")


@given(
    st.lists(st.tuples(st.integers(-50_000, 50_000), st.none() | st.integers(-20, 40)), max_size=40),
    st.sampled_from(["urgent", "money", "due", "age"]),
    st.integers(1, 7),
    st.data(),
)
def test_pages_are_the_list_even_if_items_go_meanwhile(
    made: list[tuple[int, int | None]], order: str, limit: int, data: st.DataObject
) -> None:
    items = [
        work(n, amount=amount, due=None if days is None else TODAY + timedelta(days=days))
        for n, (amount, days) in enumerate(made)
    ]
    whole = numbers(today_view(items, Wanted(order=order), TODAY, limit=1000))
    assert sorted(whole) == sorted(one.item.about.removeprefix("claim-") for one in items)
    seen: list[str] = []
    gone: set[str] = set()
    after, left = "", items
    while True:
        view = today_view(left, Wanted(order=order, after=after), TODAY, limit)
        seen += numbers(view)
        after = view.after
        if not after:
            break
        if seen and data.draw(st.booleans()):
            # Even the one by whose key the list goes on.
            gone.add(seen[-1])
            left = [one for one in left if one.item.about.removeprefix("claim-") not in gone]
    assert seen == whole


def test_the_list_says_what_waits_and_what_to_do(there: Clinic) -> None:
    text = plain(there.signed_in(Role.VIEWER).get("/today").text)
    assert "Tuesday 20 January 2026 · 2 items, $490.00" in text
    assert "hold: documentation missing The record does not hold the documentation" in text
    assert text.index("$310.00") < text.index("$180.00", text.index("$310.00"))
    assert "Nothing fits these filters." in plain(there.client.get("/today?kind=denial").text)
    assert "2 items by these filters" in plain(there.client.get("/today?kind=hold").text)
    assert "2 items, $490.00" in plain(there.client.get("/today?order=money").text), "an order leaves nothing out"


def test_the_list_as_a_file(there: Clinic) -> None:
    answer = there.signed_in(Role.VIEWER).get("/today.csv?order=money")
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = answer.content.decode("utf-8-sig").splitlines()
    assert head == "kind,code,amount,due,opened,assigned,payer,next,detail,id"
    assert [row.split(",")[:3] for row in rows] == [["hold", HELD, "310.00"], ["hold", EDIT, "180.00"]]


def test_an_item_says_why_and_where_to_look(there: Clinic) -> None:
    item = there.item(HELD)
    page = there.signed_in(Role.VIEWER).get(f"/work/{item.id}").text
    text = plain(page)
    assert "The line would bill 77427 × 1 on 9 Jan 2026, $310.00" in text
    assert "By rule" in text
    assert "You look only" in text
    assert "<button>Release" not in page
    for to in ("/courses/", "/explain/", "/messages/"):
        assert f'href="{to}' in page
    (course,) = set(re.findall(r'href="(/courses/[^"]+)"', page))
    assert there.client.get(course).status_code == 200


@pytest.mark.parametrize("path", ["/work/none", "/work/b7c0a1de-52c7-5d5a-8a5e-0b1f6d2f9c01", "/work/%00"])
def test_what_is_not_there_is_told(there: Clinic, path: str) -> None:
    answer = there.signed_in(Role.VIEWER).get(path)
    assert (answer.status_code, "No such item" in answer.text) == (404, True)


# ---------------------------------------------------------------- what is done


def act(there: Clinic, role: Role, item: WorkItem, verb: str, **fields: str) -> Any:
    there.signed_in(role)
    form = {"why": "the exam is noted on paper", **fields}
    return _sent(there, item, verb, form)


def _sent(there: Clinic, item: WorkItem, verb: str, form: dict[str, str]) -> Any:
    """Sent from the item's own page; where the page has no form for it, as somebody forges one with the session's token."""
    shown = hidden(there.client.get(f"/work/{item.id}").text)
    guard = {"csrf": shown.get("csrf", ""), "once": shown.get("once", "x"), "seen": shown.get("seen", "")}
    return there.client.post(f"/work/{item.id}/{verb}", data={**guard, **form}, headers=OURS)


def test_a_release_is_journalled_with_before_and_after_and_told_once(there: Clinic) -> None:
    item = there.item(HELD)
    done = act(there, Role.BILLER, item, "release")
    assert (done.status_code, done.headers["location"]) == (303, f"/work/{item.id}")
    made = there.decisions()[-1]
    (one,) = made.says
    assert (made.by, made.why, made.supervisor) == ("a.biller", "the exam is noted on paper", False)
    assert (one.verb, one.value("before"), one.value("after")) == (Verb.RELEASE, "open", "goes out as 77427 x 1")
    page = there.client.get(done.headers["location"]).text
    assert 'role="status">Let go. Decision ' in page
    assert "a.biller" in plain(page)
    assert 'role="status"' not in there.client.get(done.headers["location"]).text
    record = there.store.load(item.person)
    assert "77427" in [charge.charge.code for charge in record.charges]
    assert there.store.verify() == ()


def test_an_item_is_assigned_and_closed(there: Clinic) -> None:
    there.user("lee", Role.BILLER)
    item = there.item(HELD)
    assert act(there, Role.BILLER, item, "assign", to="LEE").status_code == 303
    assert there.item(HELD).assigned == "lee"
    assert act(there, Role.BILLER, item, "assign", to="stranger").status_code == 409
    assert there.item(HELD).assigned == "lee"
    assert "Next:" in there.client.get(f"/work/{item.id}").text
    assert act(there, Role.BILLER, item, "close").status_code == 303
    assert "Next:" not in there.client.get(f"/work/{item.id}").text
    closed = there.store.work_item(item.id)
    assert closed is not None
    assert (closed.closed_by, closed.closed_why) == ("a.biller", "the exam is noted on paper")
    (one,) = there.decisions()[-1].says
    assert (one.value("before"), one.value("after")) == ("open, assigned to lee", "closed")
    again = act(there, Role.BILLER, item, "close")
    assert (again.status_code, "closed already" in again.text) == (409, True)


@pytest.mark.parametrize(
    ("role", "verb", "status"),
    [
        (Role.VIEWER, "assign", 403),
        (Role.VIEWER, "close", 403),
        (Role.VIEWER, "release", 403),
        (Role.VIEWER, "override", 403),
        (Role.BILLER, "override", 403),
        (Role.BILLER, "release", 409),
        (Role.SUPERVISOR, "override", 303),
        (Role.ADMIN, "override", 303),
    ],
)
def test_who_may_do_what_about_an_edit(there: Clinic, role: Role, verb: str, status: int) -> None:
    item, before = there.item(EDIT), len(there.decisions())
    done = act(there, role, item, verb)
    assert done.status_code == status
    assert len(there.decisions()) - before == (status == 303)
    if status == 303:
        assert there.decisions()[-1].supervisor


def test_only_a_supervisor_takes_a_decision_back(there: Clinic) -> None:
    item = there.item(HELD)
    assert act(there, Role.BILLER, item, "release").status_code == 303
    entry = next(one.id for one in reversed(there.store.journal()) if one.kind.value == "decision")
    assert act(there, Role.BILLER, item, f"withdraw/{entry}").status_code == 403
    assert act(there, Role.SUPERVISOR, item, f"withdraw/{entry}").status_code == 303
    assert there.item(HELD).closed is None
    page = plain(there.client.get(f"/work/{item.id}").text)
    assert "release withdrawn" in page
    other = there.item(EDIT)
    assert act(there, Role.SUPERVISOR, other, f"withdraw/{entry}").status_code == 404
    assert act(there, Role.SUPERVISOR, item, "withdraw/none").status_code == 404


@pytest.mark.parametrize("why", ["", "   ", "x" * 501, "two\nlines"])
def test_a_decision_has_a_reason(there: Clinic, why: str) -> None:
    item, before = there.item(HELD), len(there.decisions())
    done = act(there, Role.BILLER, item, "close", why=why)
    assert (done.status_code, 'role="alert"' in done.text) == (422, True)
    assert len(there.decisions()) == before


def test_sent_twice_is_done_once(there: Clinic) -> None:
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    guard = hidden(browser.get(f"/work/{item.id}").text)
    form = {"csrf": guard["csrf"], "once": guard["once"], "why": "mine", "to": "a.biller"}
    before = len(there.decisions())
    headers = {**OURS, "Referer": f"http://127.0.0.1/work/{item.id}"}
    answers = [browser.post(f"/work/{item.id}/assign", data=form, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 303]
    assert len(there.decisions()) - before == 1
    assert "had been sent already" in browser.get(f"/work/{item.id}").text


@pytest.mark.parametrize("verb", ["assign", "close", "release", "override"])
def test_get_changes_nothing(there: Clinic, verb: str) -> None:
    browser, item = there.signed_in(Role.ADMIN), there.item(HELD)
    before = len(there.store.journal())
    for path in ("/today", "/today.csv", f"/work/{item.id}"):
        assert browser.get(path).status_code == 200
    assert browser.get(f"/work/{item.id}/{verb}").status_code == 405
    assert len(there.store.journal()) == before


def test_lanes_that_rest_do_it_later(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "PATIENCE", 0.0)
    monkeypatch.setattr(there.lanes, "work", lambda: None)
    fresh = Clinic(there.store, there.house, there.clock, there.payers, there.lanes)
    item = fresh.item(HELD)
    fresh.signed_in(Role.BILLER)
    assert _sent(fresh, item, "close", {"why": "done"}).status_code == 303
    assert "the lanes have not taken it yet and will" in fresh.client.get(f"/work/{item.id}").text
    assert fresh.item(HELD).closed is None


# ---------------------------------------------------------------- what is told to nobody


def test_nothing_of_a_patient_stands_in_an_address_a_title_or_a_log(there: Clinic) -> None:
    item = there.item(HELD)
    with logged() as seen:
        browser = there.signed_in(Role.BILLER)
        pages = [browser.get("/today"), browser.get(f"/work/{item.id}")]
        pages.append(act(there, Role.BILLER, item, "close", why="a reason of canary-4417"))
        pages.append(browser.get(f"/work/{item.id}?patient={CANARIES[0]}"))
    assert '"route": "/work/{id}"' in seen.getvalue()
    for canary in (*CANARIES, "canary-4417"):
        assert canary not in seen.getvalue()
    for page in pages:
        assert "canary-4417" not in str(page.headers.get("location"))
        for canary in CANARIES:
            assert not re.search(rf'(href|action|id|title)="[^"]*{canary}', page.text)
            assert canary not in "".join(re.findall("<title>.*?</title>", page.text))


def test_what_people_write_is_text_and_never_markup(there: Clinic) -> None:
    evil = "\"><script>alert('x')</script><b onload=x>"
    item = there.item(HELD)
    assert act(there, Role.BILLER, item, "close", why=evil).status_code == 303
    for path in (f"/work/{item.id}", "/today", f"/today?kind={evil}&payer={evil}"):
        page = there.client.get(path).text
        assert "<script" not in page
        assert "<b onload" not in page
        assert not re.search(r"<[^>]*(?:\sstyle=|\son[a-z]+=|javascript:|https?://)", page)


def test_tables_name_their_rows_and_columns(there: Clinic) -> None:
    browser = there.signed_in(Role.SUPERVISOR)
    for path in ("/today", f"/work/{there.item(HELD).id}"):
        page = browser.get(path).text
        assert re.findall(r"<th\b(?![^>]*scope=)[^>]*>", page) == []
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:href="#|for="|list=")([^"]+)"', page)) <= set(ids)
        assert page.count("<main ") == page.count("<h1") == page.count("<nav ") == 1
        assert page.index('href="#main"') < page.index("<nav ")
        assert all("csrf" in form for form in re.findall(r"<form .*?</form>", page, re.DOTALL) if "/work/" in form)


def test_the_clock_of_the_site_says_what_is_today(there: Clinic) -> None:
    there.clock.at = NOW.replace(hour=3)  # still the evening before at the site
    assert "Monday 19 January 2026" in plain(there.signed_in(Role.VIEWER).get("/today").text)
