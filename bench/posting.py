"""What comes back: answers posted a second, and what the ledger came to on a past day, over many entries.

Answers come as a payer delivers them, five hundred ClaimResponses in a Bundle, and go all the way: journal, letters,
match, balance, entries, one commit a claim. `--answers` and `--entries` say how many; a million entries stand for ten
years of a large department, fewer are measured and scaled, and the table says so. The rebuild folds the same journal
again, messages and answers of that many claims, and is measured on SQLite.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from _common import Row, folder, keep, machine, table
from lanes import postgres
from sending import calling, ready

from adapters.cli.balances import By, grouped
from adapters.fhir import wire
from adapters.model.balance import ageing
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.journal import JournalKind
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.money import decimal
from adapters.model.people import Identifier, PersonHint
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.exchange import Exchange, Intent, encode_exchange, encode_intent
from adapters.pipeline.fold import Folding
from adapters.pipeline.remitting import remittance_receipt
from adapters.ports import Receipt
from adapters.serve.lanes import Lanes
from adapters.store import SqlStore
from adapters.wiring import SystemClock

EACH = 500
"""Answers in a body."""
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MILLION = 1_000_000
CLAIMS = 10_000
"""Claims of which a rebuild is told."""
PAGE = 5_000
_CARC = "https://x12.org/codes/claim-adjustment-reason-codes"


def response(on_file: ClaimOnFile) -> wire.JsonObject:
    """The answer to a claim: of each line a part paid, a part given up, a part the patient's."""

    def part(category: str, amount: int) -> wire.JsonObject:
        money: wire.JsonObject = {"value": decimal(amount), "currency": "USD"}
        return {"category": {"coding": [{"code": category}]}, "amount": money}

    def taken(group: str, reason: str, amount: int) -> wire.JsonObject:
        coded: wire.JsonObject = {"coding": [{"system": _CARC, "code": reason}]}
        return {**part("adjustment", amount), "category": {"text": group}, "reason": coded}

    items: list[wire.JsonValue] = []
    for line in on_file.claim.lines:
        off, share = line.amount * 3 // 10, line.amount // 10
        said: list[wire.JsonValue] = [
            part("submitted", line.amount),
            taken("CO", "45", off),
            taken("PR", "2", share),
            part("benefit", line.amount - off - share),
        ]
        items.append({"itemSequence": line.line, "adjudication": said})
    return {
        "resourceType": "ClaimResponse",
        "identifier": [{"system": "urn:payer", "value": f"ICN-{on_file.claim.id}"}],
        "status": "active",
        "use": "claim",
        "outcome": "complete",
        "request": {"identifier": {"value": on_file.claim.id}},
        "item": items,
    }


def called(kind: JournalKind, one: ClaimOnFile, body: bytes, at: datetime) -> Receipt:
    """The journal entry of what was about to happen at the payer, or happened there (`serve.calling`)."""
    payer = one.claim.payer.id
    digest = hashlib.sha256(body).hexdigest()
    return Receipt(kind, f"payer:{payer}", payer, f"payer:{payer}", "json", one.claim.id, digest, body, b"", at)


def posted(store: SqlStore, made: House) -> tuple[int, float]:
    """How many claims of the store were answered, and in how many seconds, from the bytes to the last commit."""
    now = SystemClock().now()
    claims = [one for lane in store.lanes() for one in store.load(lane).claims]
    waiting = []
    for n, one in enumerate(claims):
        id = one.claim.id
        left = Intent(id, ClaimEvent.SEND, "sent", now.isoformat(), n)
        took = Exchange(id, "create", 202, at=now.isoformat(), number=n)
        for kind, body in (
            (JournalKind.CALL, encode_intent(left)),
            (JournalKind.ANSWER, encode_exchange(took)),
        ):
            waiting.append(store.receive_soon(called(kind, one, body, now)))
    for done in waiting:
        done.result()
    lanes = Lanes(store, made, PayerClient(), SystemClock())
    lanes.work()
    if any(one.state is not ClaimState.ACCEPTED for lane in store.lanes() for one in store.load(lane).claims):
        raise SystemExit("not every claim is at the payer")
    bodies = []
    for first in range(0, len(claims), EACH):
        entries: list[wire.JsonValue] = [{"resource": response(one)} for one in claims[first : first + EACH]]
        bodies.append(wire.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    start = time.perf_counter()
    for body in bodies:
        store.receive(remittance_receipt(body, "", now))
    lanes.work()
    taken = time.perf_counter() - start
    balance = store.trial_balance()
    if -balance[Account.CHARGES] != sum(one.claim.total for one in claims) or balance.get(Account.RECEIVABLE):
        raise SystemExit("not all that was answered is posted")
    return len(claims), taken


def filled(store: SqlStore, entries: int) -> None:
    """That many balanced entries more, of claims that are billed and half of them paid, over two years."""
    each = 1000
    for first in range(0, entries, each):
        lane = store.person(PersonHint((Identifier("mrn", f"ledger {first}"),)), "feed")
        before = store.load(lane)
        made = []
        for n in range(first, first + each):
            at = AT - timedelta(days=730 - n * 730 // entries)
            if n % 3 == 2:
                side = (Account.PAYER_PAYMENT, Account.RECEIVABLE)
                name = f"old-{n - 1}"
            else:
                side, name = (Account.RECEIVABLE, Account.CHARGES), f"old-{n}"
            sides = (EntryLine(side[0], 12345, name, 1), EntryLine(side[1], -12345, name, 1))
            made.append(Entry(f"e{n}", at, f"claim:{name}", sides))
        store.save(before, replace(before, entries=(*before.entries, *made)), tick=AT)


def asked(store: SqlStore) -> dict[str, float]:
    """Seconds of each question about a day in the middle."""
    day = AT - timedelta(days=365)
    found = {}
    for name, ask in (
        ("trial balance at a past day", lambda: store.trial_balance_at(day)),
        ("balance of every claim at a past day", lambda: grouped(store.balances_at(day), By.CLAIM, {})),
        ("ageing at a past day", lambda: ageing(store.open_at(day, ZoneInfo("America/New_York")), day.date())),
    ):
        start = time.perf_counter()
        ask()
        found[name] = time.perf_counter() - start
    return found


def rebuilt(store: SqlStore, made: House) -> float:
    """Seconds in which the journal of the store is folded again to the records of all its claims."""
    start = time.perf_counter()
    after, folding = 0, Folding(made, store.person)
    while page := store.journal(after, PAGE):
        for entry in page:
            folding.add(entry)
        after = page[-1].seq
    taken = time.perf_counter() - start
    claims = sum(c.state is ClaimState.COMPLETE for record in folding.records.values() for c in record.claims)
    if claims != sum(1 for _ in store.claims()):
        raise SystemExit(f"the journal gives {claims} claims, the store has {sum(1 for _ in store.claims())}")
    return taken


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--entries", type=int, default=100_000)
    said = parser.parse_args()
    logging.disable(logging.ERROR)
    print(machine())
    cells, rows = [], []
    with folder() as at, contextlib.ExitStack() as stack:
        url_of = stack.enter_context(postgres(at / "pg"))
        urls = {"SQLite": f"sqlite:///{at / 'posting.db'}"}
        if url_of is not None:
            import psycopg

            with psycopg.connect(url_of("postgres"), autocommit=True) as admin:
                admin.execute("CREATE DATABASE posting")
            urls["PostgreSQL"] = url_of("posting")
        for name, url in urls.items():
            made = calling("http://127.0.0.1:9/fhir", 1)
            with ready(url, made, said.answers) as store:
                count, seconds = posted(store, made)
                rate = count / seconds
                cells.append((f"answers posted, {name}", f"{rate:,.0f}/s", f"{count:,} in {seconds:.1f} s"))
                rows.append(Row(f"answers of payers posted, {name}", f"{rate:,.0f}/s", "bytes to commit, one process"))
                if name == "SQLite":
                    again = rebuilt(store, made) * CLAIMS / count
                    note = "measured" if count == CLAIMS else f"folded {count:,}, scaled"
                    cells.append((f"rebuild of {CLAIMS:,} claims", f"{again:.1f} s", note))
                    rows.append(Row(f"rebuild of {CLAIMS:,} claims with their answers", f"{again:.1f} s", note))
                filled(store, said.entries)
                scale = MILLION / said.entries
                for what, taken in asked(store).items():
                    whole = taken * scale
                    note = "measured" if scale == 1 else f"{taken:.2f} s for {said.entries:,}, scaled"
                    cells.append((f"{what}, {name}", f"{whole:.2f} s", note))
                    rows.append(Row(f"{what}, a million entries, {name}", f"{whole:.2f} s", note))
    table("What comes back", ("what", "figure", "of"), cells)
    keep(__file__, rows)


if __name__ == "__main__":
    main()
