"""Payers that answer in their own ways and time: against the stub on a socket, through store, lanes and client."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from adapters.model.endpoint import Login
from adapters.payers import PayerClient, published, write_new
from adapters.pipeline import Exchange
from adapters.serve.lanes import Lanes

pytestmark = pytest.mark.slow


def sent(program, put, message, base, **over):
    """The program with one claim, sent, under a profile with these terms."""
    one = program(base)
    profiled(one, **over)
    put(one, message())
    one.lanes.run_due()
    return one


def profiled(one, **over):
    site = replace(one.site, payers=tuple(replace(p, endpoint=replace(p.endpoint, **over)) for p in one.site.payers))
    one.site, one.house = site, replace(one.house, site=site)
    one.lanes.house = one.house


def later(one, clock, times=1, **by):
    for _ in range(times):
        clock.forward(**(by or {"seconds": 900}))
        one.lanes.run_due()


def record(one):
    return one.store.load(one.store.lanes()[0])


# ---------------------------------------------------------------- how an answer comes


def test_an_answer_promised_with_202_is_fetched_where_it_was_said_to_be(program, payer, put, message, clock):
    stub, base = payer('[[rule]]\nverb = "defer"\npolls = 2\n')
    one = sent(program, put, message, base, respond_async=True)
    assert one.states() == ["accepted"]
    assert record(one).claims[0].poll_at.startswith(f"{base}/status/")
    later(one, clock, 3)
    assert one.states() == ["complete"]
    asked = [r.path for r in stub.requests if "/status/" in r.path]
    assert len(asked) == 3
    assert len(stub.books.accounts) == 1


def test_an_answer_is_asked_for_by_a_task(program, payer, put, message, clock):
    stub, base = payer('[[rule]]\nverb = "pend"\npolls = 1\n')
    one = sent(program, put, message, base, ask="task")
    assert one.states() == ["queued"]
    later(one, clock, 3)
    assert one.states() == ["complete"]
    assert "/fhir/Task" in [r.path for r in stub.requests]
    assert not [r for r in stub.requests if r.path.endswith("_search")]


def test_documents_that_do_not_come_are_a_denial_with_the_payers_reason(program, payer, put, message, clock):
    stub, base = payer('[[rule]]\nverb = "documents"\nseconds = 864000\ncarc = "252"\n')
    one = sent(program, put, message, base)
    assert one.states() == ["queued"]
    later(one, clock, days=11)
    later(one, clock)
    assert one.states() == ["complete"]
    assert [(item.kind, item.code) for item in one.store.worklist()] == [("denial", "252")]
    assert stub.books.accounts[0].lines[0].denied


def test_documents_that_come_are_paid_for(program, payer, put, message, clock):
    _stub, base = payer('[[rule]]\nverb = "documents"\nseconds = 864000\n')
    one = sent(program, put, message, base)
    claim = record(one).claims[0].claim.id
    about = [{"identifier": {"system": "urn:oncoclaims:claim", "value": claim}}]
    body = {"resourceType": "Communication", "status": "completed", "about": about}
    assert httpx.post(f"{base}/Communication", json=body, trust_env=False).status_code == 201
    later(one, clock)
    assert one.states() == ["complete"]
    assert one.works() == []


@pytest.mark.parametrize("how", ["patient", "claim", "sum", "line", "currency", "more"])
def test_a_wrong_answer_moves_no_cent_and_opens_a_work_item(program, payer, put, message, clock, how):
    _stub, base = payer(f'[[rule]]\nverb = "wrong"\nhow = "{how}"\n')
    one = sent(program, put, message, base)
    assert one.states() == ["accepted"]
    paid = {account.value: amount for account, amount in one.store.trial_balance().items()}
    assert paid.get("payer-payment", 0) == 0
    assert paid["receivable"] == -paid["charges"] == 12050
    assert len(one.works()) == 1
    later(one, clock)
    assert (one.states(), one.works()) == (["complete"], []), "asked again, it says what is right"


def test_a_key_makes_a_repeat_harmless_within_its_window(program, payer, put, message, clock):
    stub, base = payer('key_header = "Idempotency-Key"\nkey_seconds = 86400\n[[rule]]\nverb = "hang_up"\n')
    window = {"idempotent": True, "idempotency_header": "Idempotency-Key", "idempotent_seconds": 86400}
    one = sent(program, put, message, base, **window)
    assert one.states() == ["sent?"]
    later(one, clock)
    assert one.states() == ["complete"]
    assert len([r for r in stub.requests if r.path.endswith("$submit")]) == 2
    assert len(stub.books.accounts) == 1


def test_past_its_window_a_key_is_not_trusted_and_the_payer_is_asked(program, payer, put, message, clock):
    """We were away for longer than the payer keeps keys: the repeat that was due would be a second claim."""
    stub, base = payer('key_header = "Idempotency-Key"\nkey_seconds = 3600\n[[rule]]\nverb = "hang_up"\n')
    window = {"idempotent": True, "idempotency_header": "Idempotency-Key", "idempotent_seconds": 3600}
    one = sent(program, put, message, base, **window)
    assert [d.what for d in record(one).due] == ["repeat"]
    later(one, clock, hours=2)
    assert one.states() == ["complete"]
    assert len([r for r in stub.requests if r.path.endswith("$submit")]) == 1
    assert len(stub.books.accounts) == 1


def test_a_search_in_place_of_a_repeat_is_no_evidence_of_absence(program, payer, put, message, clock):
    _stub, base = payer('key_header = "K"\n[[rule]]\nverb = "fail"\n')
    one = sent(program, put, message, base, idempotent=True, idempotency_header="K", idempotent_seconds=3600)
    later(one, clock, hours=2)
    assert one.states() == ["sent?"], "not before the delay that the payer states"
    later(one, clock, days=1)
    assert one.states() == ["ready"]


def test_a_claim_that_the_payer_has_not_answered_yet_is_not_sent_again(
    program, payer, put, message, clock, monkeypatch
):
    """Its first word was lost, and for days there is no ClaimResponse: that is no sign that it has no Claim."""
    stub, base = payer('[[rule]]\nverb = "defer"\nseconds = 864000\n[[rule]]\nverb = "hang_up"\n')
    search = type(stub).search

    def decided(self, kind, query):
        return [found for found in search(self, kind, query) if found.get("outcome") != "queued"]

    monkeypatch.setattr(type(stub), "search", decided)
    one = sent(program, put, message, base)
    assert one.states() == ["sent?"]
    later(one, clock, days=1, hours=1)
    assert (one.states(), one.works()) == (["accepted"], [])
    later(one, clock, 3, days=4)
    assert one.states() == ["complete"]
    assert len(stub.books.accounts) == 1


def test_a_payer_that_answers_no_search_is_never_searched(program, payer, put, message, clock):
    stub, base = payer('searchable = false\n[[rule]]\nverb = "hang_up"\n')
    one = sent(program, put, message, base, search="none")
    later(one, clock, 3, days=1)
    assert one.states() == ["sent?"]
    assert one.works() == [("unknown-outcome", "sent-without-answer")]
    assert len(stub.requests) == 1


# ---------------------------------------------------------------- signing in


@pytest.fixture(params=["RS384", "ES384"])
def guarded(request, payer, tmp_path):
    """A payer that lets nobody in without a token; how to sign in there."""
    algorithm = request.param
    write_new(tmp_path / "key", algorithm)
    login = Login("", "clinic", ("system/Claim.c", "system/ClaimResponse.rs"), (str(tmp_path / "key"),), algorithm)
    stub, base = payer()
    door = base.removesuffix("/fhir") + "/token"
    login = replace(login, token_url=door)
    keys = json.dumps(published([login])["keys"][0]).replace('": ', '" = ')
    text = f'[login]\nclient = "clinic"\nscopes = ["system/Claim.c", "system/ClaimResponse.rs"]\nkeys = [{keys}]\n'
    return stub, base, login, text


def play(stub, base, text):
    told = httpx.post(base.removesuffix("/fhir") + "/control/scenario", content=text, trust_env=False)
    assert told.status_code == 200, told.text


def test_a_claim_is_sent_with_a_token(program, put, message, clock, guarded):
    stub, base, login, text = guarded
    play(stub, base, text)
    one = sent(program, put, message, base, login=login)
    assert one.states() == ["complete"]
    assert len(stub.desk.tokens) == 1
    assert not stub.desk.refused


def test_a_token_that_was_revoked_is_replaced_and_the_claim_goes_once(program, put, message, clock, guarded):
    stub, base, login, text = guarded
    play(stub, base, text)
    one = sent(program, put, message, base, login=login)
    stub.desk.tokens.clear()
    put(one, message("C2", transaction="T2", day="20260106"))
    one.lanes.run_due()
    assert sorted(one.states()) == ["complete", "complete"]
    assert len(stub.books.accounts) == 2
    assert not stub.desk.refused, "every request had an assertion of its own"


def test_less_than_was_asked_for_is_no_token_and_nothing_leaves(program, put, message, clock, guarded):
    stub, base, login, text = guarded
    play(stub, base, text + 'granted = ["system/Claim.c"]\n')
    one = sent(program, put, message, base, login=login)
    assert one.states() == ["ready"]
    assert not [r for r in stub.requests if r.path.endswith("$submit")]
    play(stub, base, text)
    later(one, clock)
    assert one.states() == ["complete"]


def test_an_unknown_client_sends_nothing_and_the_claim_stays_ready(program, put, message, clock, guarded, tmp_path):
    stub, base, login, text = guarded
    play(stub, base, text)
    write_new(tmp_path / "other", login.algorithm)
    one = sent(program, put, message, base, login=replace(login, keys=(str(tmp_path / "other"),)))
    assert one.states() == ["ready"]
    assert stub.desk.refused == ["no key of that name"]


# ---------------------------------------------------------------- side by side


class Office:
    """Payers as a client that notes who is called when; `slow` ones hold their caller until `free` is set."""

    def __init__(self, slow=(), rests=()):
        self.slow, self.rests_now = set(slow), set(rests)
        self.free = threading.Event()
        self.begun, self.ended = Counter(), Counter()
        self.inside, self.most = Counter(), Counter()
        self.lock = threading.Lock()

    def submit(self, claim, payer, body):  # noqa: ARG002
        with self.lock:
            self.begun[payer.id] += 1
            self.inside[payer.id] += 1
            self.most[payer.id] = max(self.most[payer.id], self.inside[payer.id])
        if payer.id in self.slow:
            assert self.free.wait(20)
        with self.lock:
            self.inside[payer.id] -= 1
            self.ended[payer.id] += 1
        return Exchange(claim, "submit", 201)

    def rests(self, payer):
        return 30.0 if payer.id in self.rests_now else 0.0


@pytest.fixture
def two(program, put, message):
    """`two(office, claims)`: claims of as many people, by turns for the two payers, with lanes that call side by side."""

    def make(office, claims=6):
        one = program("http://127.0.0.1:1/fhir", payers=office)
        first = replace(one.site.payers[0], endpoint=replace(one.site.payers[0].endpoint, in_flight=2))
        second = replace(first, id="hillside", name="Hillside Mutual", aliases=("HLSD",))
        site = replace(one.site, payers=(first, second))
        one.site, one.house = site, replace(one.house, site=site)
        one.lanes = Lanes(one.store, one.house, office, one.clock, abreast=True)
        for n in range(claims):
            body = message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}")
            put(one, body.replace(b"LKSD", b"HLSD").replace(b"Lakeside", b"Hillside") if n % 2 else body)
        one.lanes.work()
        return one

    return make


def test_a_payer_that_does_not_answer_delays_no_other(two):
    office = Office(slow=["lakeside"])
    one = two(office)
    thread = threading.Thread(target=one.lanes.run_due)
    thread.start()
    deadline = time.monotonic() + 10
    while office.ended["hillside"] < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert office.ended == {"hillside": 3}
    assert office.most["lakeside"] <= 2, "no more hands than its profile says"
    office.free.set()
    thread.join(20)
    assert office.ended == {"hillside": 3, "lakeside": 3}
    assert one.states() == ["accepted"] * 6


def test_a_payer_that_rests_is_not_called_and_its_claims_stay_due(two):
    office = Office(rests=["lakeside"])
    one = two(office)
    assert one.lanes.run_due() == 3
    assert sorted(one.states()) == ["accepted"] * 3 + ["ready"] * 3
    office.rests_now.clear()
    one.clock.forward(seconds=31)
    assert one.lanes.run_due() == 3
    assert one.states() == ["accepted"] * 6


def test_everything_is_called_once_though_it_is_looked_at_again_and_again(two, monkeypatch):
    monkeypatch.setattr("adapters.serve.calling._LOOK", 0.02)
    monkeypatch.setattr("adapters.serve.abreast.AGAIN", 0.0)
    office = Office(slow=["lakeside", "hillside"])
    one = two(office, 10)
    thread = threading.Thread(target=one.lanes.run_due)
    thread.start()
    time.sleep(0.4)
    office.free.set()
    thread.join(20)
    assert office.begun == {"hillside": 5, "lakeside": 5}
    assert one.store.verify() == ()


def test_told_to_stop_it_begins_nothing_more(two):
    office = Office(slow=["lakeside", "hillside"])
    one = two(office, 10)
    stop = one.lanes._stop
    thread = threading.Thread(target=one.lanes.run_due)
    thread.start()
    deadline = time.monotonic() + 10
    while sum(office.begun.values()) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    time.sleep(1.2)
    office.free.set()
    thread.join(20)
    assert sum(office.begun.values()) == 4
    assert sorted(one.states()) == ["accepted"] * 4 + ["ready"] * 6


def test_a_dead_payer_is_found_out_and_left_alone(program, put, message, payer, clock):
    """Nobody listens at one of them: after a few calls it rests, and what is due for it stays due without a call."""
    _stub, base = payer()
    client = PayerClient(sleep=lambda _s: None, now=clock.now)
    one = program(base, payers=client)
    first = one.site.payers[0]
    dead = replace(
        first,
        id="hillside",
        name="Hillside Mutual",
        aliases=("HLSD",),
        endpoint=replace(first.endpoint, base_url="http://127.0.0.1:1/fhir", attempts=1, rest_after=3, in_flight=1),
    )
    site = replace(one.site, payers=(first, dead))
    one.site, one.house = site, replace(one.house, site=site)
    one.lanes = Lanes(one.store, one.house, client, clock, abreast=True)
    for n in range(12):
        body = message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}")
        put(one, body.replace(b"LKSD", b"HLSD").replace(b"Lakeside", b"Hillside") if n % 2 else body)
    assert one.lanes.run_due() == 6 + 3
    assert sorted(one.states()) == ["complete"] * 6 + ["ready"] * 6
    assert one.lanes.run_due() == 0
    clock.forward(seconds=31)
    assert one.lanes.run_due() == 1, "one call finds out whether it is back"
