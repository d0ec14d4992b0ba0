"""Claims leave and come back: against a stub payer on a socket, and against payers that fail in every way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.errors import StoreDown
from adapters.model.claim import ClaimState
from adapters.model.journal import JournalKind
from adapters.model.record import Due
from adapters.pipeline import Exchange, sending
from adapters.serve import calling

pytestmark = pytest.mark.slow


class Scripted:
    """A payer client that answers as told, and notes what it was asked."""

    def __init__(self, *answers, then=None):
        self.answers = list(answers)
        self.then = then
        self.calls = []

    def _next(self, call, claim, body=b""):
        self.calls.append((call, claim, body))
        answer = self.answers.pop(0) if self.answers else self.then
        if isinstance(answer, Exception):
            raise answer
        return replace(answer, claim=claim, call=call)

    def submit(self, claim, payer, body):
        return self._next(payer.endpoint.call, claim, body)

    def poll(self, claim, _payer, location=""):
        return self._next("poll", claim, location)

    def search(self, claim, _payer):
        return self._next("search", claim)

    def rests(self, _payer):
        return 0.0


def exchange(status=None, **more) -> Exchange:
    return Exchange("", "", status, **more)


LOST = exchange(failure="no-answer")
UNSENT = exchange(failure="not-sent")
TAKEN = exchange(201)
NOTHING = exchange(200, matches=0)
PAYER = "http://127.0.0.1:1/fhir"


def ready(program, put, message, *args, **over):
    one = program(*args, **over)
    put(one, message())
    one.lanes.work()
    assert one.states() == ["ready"]
    return one


def record(program):
    return program.store.load(program.store.lanes()[0])


def due(program) -> list[str]:
    return [d.what for d in record(program).due]


def answers(program) -> int:
    return program.store.counts().by_kind.get(JournalKind.ANSWER, 0)


# ---------------------------------------------------------------- against the stub


def test_a_claim_is_sent_adjudicated_and_posted(program, payer, put, message):
    stub, base = payer()
    one = ready(program, put, message, base)
    assert one.lanes.run_due() == 1
    assert one.states() == ["complete"]
    paid = {account.value: amount for account, amount in one.store.trial_balance().items()}
    assert (paid["payer-payment"], paid["contractual"], paid["patient-responsibility"]) == (5348, 5365, 1337)
    assert paid["receivable"] == 0
    assert one.lanes.run_due() == 0
    assert len(stub.books.accounts) == 1


@pytest.mark.parametrize("body", ["claim", "bundle"])
def test_both_bodies_are_understood(program, payer, put, message, body, rules):
    _stub, base = payer()
    one = program(base)
    site = replace(one.site, payers=tuple(replace(p, endpoint=replace(p.endpoint, body=body)) for p in one.site.payers))
    one.lanes.house = replace(one.house, site=site)
    put(one, message())
    one.lanes.run_due()
    assert one.states() == ["complete"]


def test_a_conditional_create_is_taken_then_found(program, payer, put, message, clock):
    _stub, base = payer()
    one = ready(program, put, message, base, call="create", idempotent="true")
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["accepted"], ["poll"])
    assert one.lanes.run_due() == 0
    clock.forward(seconds=900)
    assert one.lanes.run_due() == 1
    assert (one.states(), due(one)) == (["complete"], [])
    assert one.works() == []


def test_throttled_claims_wait_as_they_were_told_and_go_once(program, payer, put, message):
    stub, base = payer('[[rule]]\nverb = "throttle"\ntimes = 2\nretry_after = 7\n')
    one = ready(program, put, message, base)
    one.lanes.run_due()
    assert one.states() == ["complete"]
    assert len(one.slept) == 2
    assert all(7 <= seconds <= 8 for seconds in one.slept)
    assert answers(one) == 1
    assert len(stub.books.accounts) == 1


def test_a_payer_that_throttles_beyond_patience_gets_the_claim_later(program, payer, put, message, clock):
    stub, base = payer('[[rule]]\nverb = "throttle"\ntimes = 3\n')
    one = ready(program, put, message, base)
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["ready"], ["send"])
    assert one.lanes.run_due() == 0
    clock.forward(seconds=900)
    one.lanes.run_due()
    assert one.states() == ["complete"]
    assert len(stub.books.accounts) == 1


@pytest.mark.parametrize("verb", ["hang_up", "slow"])
@pytest.mark.parametrize("call", ["submit", "create"])
def test_a_lost_answer_is_found_by_repeating_where_that_is_harmless(program, payer, put, message, clock, verb, call):
    seconds = "seconds = 1.0\n" if verb == "slow" else ""
    stub, base = payer(f'idempotent = true\n[[rule]]\nverb = "{verb}"\n{seconds}')
    one = ready(program, put, message, base, idempotent="true", call=call, timeout="0.3")
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["sent?"], ["repeat"])
    for _ in range(2):
        clock.forward(seconds=900)
        one.lanes.run_due()
    assert one.states() == ["complete"]
    assert len(stub.books.accounts) == 1
    sent = [r for r in stub.requests if r.claim and "_search" not in r.path]
    assert len(sent) == 2


def test_a_lost_answer_is_never_repeated_where_that_may_double_the_claim(program, payer, put, message, clock):
    stub, base = payer('[[rule]]\nverb = "hang_up"\n')
    one = ready(program, put, message, base)
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["sent?"], ["search"])
    assert one.works() == [("unknown-outcome", "sent-without-answer")]
    clock.forward(seconds=86399)
    assert one.lanes.run_due() == 0
    clock.forward(seconds=1)
    one.lanes.run_due()
    assert one.states() == ["complete"]
    assert one.works() == []
    assert len(stub.books.accounts) == 1
    assert len([r for r in stub.requests if r.claim]) == 1


def test_a_garbled_answer_is_a_claim_taken(program, payer, put, message, clock):
    _stub, base = payer('[[rule]]\nverb = "garble"\n')
    one = ready(program, put, message, base)
    one.lanes.run_due()
    assert one.states() == ["accepted"]
    assert one.works() == [("unmatched-response", "unreadable")]
    clock.forward(seconds=900)
    one.lanes.run_due()
    assert one.states() == ["complete"]
    assert one.works() == []


def test_a_server_error_is_no_evidence(program, payer, put, message, clock):
    stub, base = payer('[[rule]]\nverb = "fail"\n')
    one = ready(program, put, message, base)
    one.lanes.run_due()
    assert one.states() == ["sent?"]
    clock.forward(days=1)
    one.lanes.run_due()  # the search finds nothing, after the payer's own delay
    assert one.states() == ["ready"]
    clock.forward(seconds=900)
    one.lanes.run_due()
    assert one.states() == ["complete"]
    assert len(stub.books.accounts) == 1


@pytest.mark.parametrize("new_id", ["true", "false"])
def test_a_pended_claim_is_polled_until_it_is_decided(program, payer, put, message, clock, new_id):
    _stub, base = payer(f'[[rule]]\nverb = "pend"\npolls = 2\nnew_id = {new_id}\n')
    one = ready(program, put, message, base)
    one.lanes.run_due()
    states = [one.states()[0]]
    for _ in range(4):
        clock.forward(seconds=900)
        one.lanes.run_due()
        states.append(one.states()[0])
    assert states == ["queued", "queued", "queued", "complete", "complete"]
    assert one.store.trial_balance()


def test_an_answer_given_twice_is_posted_once(program, payer, put, message, clock):
    _stub, base = payer('[[rule]]\nverb = "twice"\n')
    one = ready(program, put, message, base, call="create")
    one.lanes.run_due()
    clock.forward(seconds=900)
    one.lanes.run_due()
    assert one.states() == ["complete"]
    assert len(record(one).remittances) == 1


def test_nobody_listens(program, put, message, clock):
    one = ready(program, put, message, PAYER)
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["ready"], ["send"])
    assert len(one.slept) == 2
    assert record(one).claims[0].submitted_at == ""


def test_a_second_claim_is_not_kept_by_the_first(program, payer, put, message):
    _stub, base = payer('[[rule]]\nverb = "hang_up"\nwhen = { nth = 1 }\n')
    one = program(base)
    put(one, message("C1", day="20260105"))
    put(one, message("C2", transaction="T2", day="20260106"))
    one.lanes.run_due()
    assert sorted(one.states()) == ["complete", "sent?"]


# ---------------------------------------------------------------- against scripts


def test_the_intent_is_on_file_before_the_call(program, put, message):
    seen = []

    class Looking(Scripted):
        def submit(self, claim, payer, body):
            seen.append([c.state for c in record(one).claims])
            return super().submit(claim, payer, body)

    one = ready(program, put, message, PAYER, payers=Looking(TAKEN))
    one.lanes.run_due()
    assert seen == [[ClaimState.UNKNOWN]]
    assert one.states() == ["accepted"]


def test_a_crash_after_the_call_leaves_a_claim_to_be_searched_for(program, put, message, clock, monkeypatch):
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN, NOTHING, TAKEN))

    receive = one.store.receive

    def crash(receipt):
        if receipt.kind is JournalKind.ANSWER:
            raise StoreDown("pulled plug")
        return receive(receipt)

    monkeypatch.setattr(one.store, "receive", crash)
    with pytest.raises(StoreDown):
        one.lanes.run_due()
    monkeypatch.undo()
    assert (one.states(), due(one)) == (["sent?"], ["search"])
    assert one.lanes.run_due() == 0
    clock.forward(days=1)
    one.lanes.run_due()
    assert [call for call, _, _ in one.payers.calls] == ["submit", "search"]
    assert one.states() == ["ready"]


def test_a_repeat_says_the_same_bytes(program, put, message, clock):
    one = ready(program, put, message, PAYER, idempotent="true", payers=Scripted(LOST, LOST, TAKEN))
    for _ in range(3):
        one.lanes.run_due()
        clock.forward(days=2)
    assert one.states() == ["accepted"]
    assert [call for call, _, _ in one.payers.calls] == ["submit"] * 3
    assert len({body for _, _, body in one.payers.calls}) == 1
    assert answers(one) == 3


def test_a_repeat_that_did_not_leave_says_nothing_about_the_first_call(program, put, message, clock):
    one = ready(program, put, message, PAYER, idempotent="true", payers=Scripted(LOST, UNSENT, exchange(503), TAKEN))
    states = []
    for _ in range(4):
        one.lanes.run_due()
        states.append(one.states()[0])
        clock.forward(seconds=900)
    assert states == ["sent?", "sent?", "sent?", "accepted"]


@pytest.mark.parametrize("failure", [UNSENT, LOST, exchange(503), exchange(404), exchange(500), exchange(302)])
def test_a_search_that_failed_is_no_evidence_of_absence(program, put, message, clock, failure):
    one = ready(program, put, message, PAYER, payers=Scripted(LOST, failure, NOTHING))
    one.lanes.run_due()
    clock.forward(days=1)
    assert one.lanes.run_due() == 1
    assert (one.states(), due(one)) == (["sent?"], ["search"])
    assert one.lanes.run_due() == 0
    clock.forward(days=1)
    one.lanes.run_due()
    assert one.states() == ["ready"]


@pytest.mark.parametrize("failure", [UNSENT, LOST, exchange(503), exchange(404), NOTHING])
def test_a_poll_that_failed_is_made_again_later_and_not_at_once(program, put, message, clock, failure):
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN, then=failure))
    one.lanes.run_due()
    for n in range(3):
        clock.forward(seconds=900)
        assert one.lanes.run_due() == 1, n
        assert one.lanes.run_due() == 0, n
        assert (one.states(), due(one)) == (["accepted"], ["poll"])


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_is_final_and_a_person_corrects_it(program, put, message, status):
    outcome = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}'
    one = ready(program, put, message, PAYER, payers=Scripted(exchange(status, body=outcome)))
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["refused"], [])
    assert one.works() == [("refused-claim", "rejected")]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_a_door_that_stays_shut_refuses_no_claim(program, put, message, status):
    one = ready(program, put, message, PAYER, payers=Scripted(exchange(status)))
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["ready"], ["send"])


@pytest.mark.parametrize("status", [301, 307, 408, 409, 412, 500, 502, 504])
def test_whatever_says_nothing_leaves_the_claim_unknown(program, put, message, status):
    one = ready(program, put, message, PAYER, payers=Scripted(exchange(status)))
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["sent?"], ["search"])


def test_a_conflict_is_searched_for_even_where_repeating_is_harmless(program, put, message):
    one = ready(program, put, message, PAYER, idempotent="true", payers=Scripted(exchange(412)))
    one.lanes.run_due()
    assert (one.states(), due(one)) == (["sent?"], ["search"])
    assert one.works() == [("unknown-outcome", "sent-without-answer")]


def test_two_claims_of_one_name_open_a_work_item_and_post_nothing(program, put, message, clock):
    one = ready(program, put, message, PAYER, payers=Scripted(LOST, exchange(200, matches=2, body=b"{}")))
    one.lanes.run_due()
    clock.forward(days=1)
    one.lanes.run_due()
    assert one.states() == ["accepted"]
    (item,) = one.store.worklist()
    assert (item.kind, item.detail) == ("unmatched-response", "the payer has 2 claims of this name")
    assert record(one).remittances == ()


def test_a_payer_that_asks_for_time_gets_it(program, put, message, clock):
    one = ready(program, put, message, PAYER, payers=Scripted(exchange(429, retry_after=7200), TAKEN))
    one.lanes.run_due()
    clock.forward(seconds=7199)
    assert one.lanes.run_due() == 0
    clock.forward(seconds=1)
    assert one.lanes.run_due() == 1
    assert one.states() == ["accepted"]


def test_where_the_answer_will_be_is_asked_there(program, put, message, clock):
    place = "http://127.0.0.1:1/fhir/jobs/7"
    one = ready(program, put, message, PAYER, payers=Scripted(exchange(202, location=place), exchange(202), NOTHING))
    one.lanes.run_due()
    for _ in range(2):
        clock.forward(seconds=900)
        one.lanes.run_due()
    assert [body for call, _, body in one.payers.calls if call == "poll"] == [place, place]
    assert one.states() == ["queued"]


def test_a_client_that_breaks_may_have_sent_the_claim(program, put, message):
    one = ready(program, put, message, PAYER, payers=Scripted(RuntimeError("Canaryfeather")))
    one.lanes.run_due()
    assert one.states() == ["sent?"]
    assert answers(one) == 1


def test_a_claim_whose_document_is_wrong_is_held_until_a_person_closes_the_item(
    program, put, message, clock, monkeypatch
):
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN))
    monkeypatch.setattr(sending.check, "problems", lambda _document: ("Claim.item[0].net is not what it should be",))
    assert one.lanes.run_due() == 0
    assert (one.states(), one.works(), due(one)) == (["held"], [("hold", "claim-invalid")], [])
    put(one, message("C2", transaction="T2", day="20260106"))  # a step with outcomes does not close it
    one.lanes.work()
    assert sorted(one.states()) == ["held", "ready"]
    assert one.works() == [("hold", "claim-invalid")]
    monkeypatch.undo()
    before = record(one)
    closed = tuple(replace(item, closed=clock.now(), closed_why="repaired") for item in before.work)
    one.store.save(before, replace(before, work=closed), tick=clock.now())
    put(one, message("C3", transaction="T3", day="20260107"))
    one.lanes.work()
    assert one.states() == ["ready"] * 3


def test_a_held_claim_that_is_built_anew_takes_its_item_along(program, put, message, monkeypatch):
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN))
    monkeypatch.setattr(sending.check, "problems", lambda _document: ("wrong",))
    one.lanes.run_due()
    put(one, message("C2", transaction="T2"))  # another line of the same day: another claim
    one.lanes.work()
    assert one.states() == ["abandoned", "ready"]
    assert one.works() == []


def test_one_bad_lane_does_not_keep_the_others(program, put, message, monkeypatch):
    one = program(PAYER, payers=Scripted(then=TAKEN))
    for n in range(3):
        put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}"))
    one.lanes.work()
    bad = one.store.lanes()[1]
    making = calling.document_of

    def breaking(claim, payer):
        if claim.person == bad:
            raise ZeroDivisionError
        return making(claim, payer)

    monkeypatch.setattr(calling, "document_of", breaking)
    assert one.lanes.run_due() == 2
    assert sorted(one.states()) == ["accepted", "accepted", "ready"]


def test_a_payer_without_an_address_is_never_called(program, put, message):
    one = ready(program, put, message, "", payers=Scripted())
    assert due(one) == []
    assert one.lanes.run_due() == 0


def test_sending_and_asking_can_be_done_apart(program, put, message, clock):
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN, NOTHING))
    assert one.lanes.poll() == 0
    assert one.lanes.send() == 1
    clock.forward(seconds=900)
    assert one.lanes.send() == 0
    assert one.lanes.poll() == 1


def test_what_waits_is_read_before_a_cycle_closes(program, put, message):
    one = program(PAYER, payers=Scripted(TAKEN))
    put(one, message("C1"))
    assert one.lanes.run_due() == 1
    assert one.states() == ["accepted"]


# ---------------------------------------------------------------- beside another process


def spoiling(program, monkeypatch, when) -> list[str]:
    """Somebody else writes in the lane right before our save, as often as `when` says of its entries; what was tried."""
    save, tried = program.store.save, []

    def spoilt(before, after, **more):
        kinds = [program.store.entry(id).kind.value for id in more["read"]]
        tried.extend(kinds)
        if when(kinds, tried):
            on_file = program.store.load(before.person)
            save(
                on_file,
                replace(on_file, due=(*on_file.due, Due("note", str(len(tried)), program.clock.now()))),
                tick=more["tick"],
            )
        save(before, after, **more)

    monkeypatch.setattr(program.store, "save", spoilt)
    return tried


def test_an_intent_that_is_spoilt_is_put_on_file_again_and_the_claim_leaves_once(program, put, message, monkeypatch):
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN))
    tried = spoiling(one, monkeypatch, lambda kinds, tried: kinds == ["call"] and tried.count("call") <= 2)
    assert one.lanes.run_due() == 1
    monkeypatch.undo()
    assert tried.count("call") == 3
    assert [call for call, _, _ in one.payers.calls] == ["submit"]
    assert one.states() == ["accepted"]
    assert one.store.counts().unread == 0
    assert one.lanes.work() == 0
    assert one.states() == ["accepted"]


def test_an_answer_is_not_lost_when_somebody_writes_in_the_lane(program, put, message, monkeypatch):
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN))
    tried = spoiling(one, monkeypatch, lambda kinds, tried: kinds == ["answer"] and tried.count("answer") <= 3)
    assert one.lanes.run_due() == 1
    monkeypatch.undo()
    assert tried.count("answer") == 4
    assert one.states() == ["accepted"]
    assert one.store.counts().unread == 0


def test_what_the_caller_has_taken_is_not_taken_again_by_who_sorts(program, put, message, monkeypatch):
    """Who sorts has read the intent as unread before the caller's save, and writes after it."""
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN))
    receive, late = one.store.receive, []

    def received(receipt):
        told = receive(receipt)
        found = one.store.at_hand(9, "").unread
        late.append(one.lanes._sorting.round(found, one.clock.now()).shares)
        return told

    monkeypatch.setattr(one.store, "receive", received)
    assert one.lanes.run_due() == 1
    monkeypatch.undo()
    assert [len(shares) for shares in late] == [1, 1]
    for shares in late:
        one.store.sort(shares)
    assert one.store.at_hand(9, "").lanes == ()
    assert one.states() == ["accepted"]
    assert one.store.verify() == ()


def test_what_who_sorts_has_sorted_is_taken_by_the_caller(program, put, message, monkeypatch):
    """The intent and the answer wait in their lane before the caller's save: it takes them out."""
    one = ready(program, put, message, PAYER, payers=Scripted(TAKEN))
    receive = one.store.receive

    def received(receipt):
        told = receive(receipt)
        assert one.lanes.sort() == 1
        return told

    monkeypatch.setattr(one.store, "receive", received)
    assert one.lanes.run_due() == 1
    monkeypatch.undo()
    assert one.store.at_hand(9, "").lanes == ()
    assert (one.states(), one.store.counts().unread) == (["accepted"], 0)
    one.store.queue.drain(one.lanes._work_lane, workers=1)
    assert one.states() == ["accepted"]
    assert one.store.verify() == ()
