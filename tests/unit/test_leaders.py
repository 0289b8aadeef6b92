"""Any interleaving of two to five workers: one live leader a group, no follower of a follower, nobody waits for ever.

Redis is played by `Truth`, whose operations do what the Lua scripts do; the views, rounds and shards are the real ones.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from askonce_worker.answering.coalescing import Follow, Lead, Stale
from askonce_worker.inflight.leader import Claimant, Ended, Leader, Led
from askonce_worker.inflight.leaders import View
from askonce_worker.inflight.records import decode_leader, encode_leader
from askonce_worker.inflight.rounds import Round
from askonce_worker.inflight.shard import START, Record, Shard, Snapshot
from askonce_worker.inflight.vectors import quantised
from support.inflight import SCOPE, ask, near, no_conflict, unit

GROUPS = 3
KEPT = 6
TRIES = 3


def leader(question, name="x/1", embedding="model") -> Leader:
    vector = None if question.vector is None else quantised(question.vector)
    fields = (question.fingerprint, question.scope, question.epochs, question.text, embedding, vector, question.slow)
    return Leader(name, *fields)


def claim(question, position=0, name="y/1") -> Claimant:
    return Claimant(question, leader(question, name), position)


class Truth:
    """Hash, trimmed stream, and the answers; the cache that every settled answer is in."""

    def __init__(self):
        self.leaders, self.feed, self.answers, self.cached = {}, [], {}, set()
        self.last, self.count = START, 0

    def append(self, change):
        self.count += 1
        self.feed.append(Record(f"{self.count}-0", self.last, change))
        self.last = f"{self.count}-0"
        del self.feed[:-KEPT]

    def since(self, seen):
        return [record for record in self.feed if int(record.id[:-2]) > int(seen[:-2])]

    def lead(self, seen, leaders):
        came = self.since(seen)
        if seen != self.last and (not came or came[0].after != seen):
            return None
        if any(isinstance(record.change, Led) for record in came):
            return False, came
        for each in leaders:
            self.leaders[each.id] = each
            self.append(Led(each))
        return True, self.since(seen)

    def end(self, name, share):
        if self.leaders.pop(name, None) is not None:
            self.answers[name] = share
            self.append(Ended(name, share))


@dataclass
class Open:
    """A question somewhere between its arrival and its answer."""

    group: int
    question: object
    tries: int = 0
    follow: Follow | None = None


@dataclass
class Worker:
    name: str
    shard: Shard
    dead: bool = False
    waiting: list = field(default_factory=list)
    batch: dict = field(default_factory=dict)
    round: Round | None = None
    sent: tuple | None = None
    reply: object = None
    following: list = field(default_factory=list)


class Interleavings(RuleBasedStateMachine):
    @initialize(count=st.integers(2, 5))
    def begin(self, count):
        self.truth, self.now, self.names = Truth(), 0.0, 0
        self.groups = [unit(seed) for seed in range(GROUPS)]
        self.workers = [self.new_worker(f"w{n}") for n in range(count)]
        self.asking = {}  # leader -> the open question, while its LLM call runs

    def new_worker(self, name):
        shard = Shard(View("model", no_conflict, settled_most=2))
        shard.replace(Snapshot(START, []), 0.0)
        return Worker(name, shard)

    def pick(self, number, able):
        able = [worker for worker in self.workers if not worker.dead and able(worker)]
        return able[number % len(able)] if able else None

    def look_up_and_wait(self, worker, item):
        """The position is noted, then the cache looked into."""
        if item.group not in self.truth.cached:
            self.names += 1
            name = f"{worker.name}/{self.names}"
            worker.waiting.append((item, claim(item.question, worker.shard.view.tick, name)))

    @rule(number=st.integers(0, 9), group=st.integers(0, GROUPS - 1), wording=st.integers(0, 2))
    def a_question_comes(self, number, group, wording):
        worker = self.pick(number, lambda _: True)
        vector = near(self.groups[group], 0.99, seed=50 + wording)
        if worker:
            self.look_up_and_wait(worker, Open(group, ask(f"{group} {wording}", vector)))

    @rule(number=st.integers(0, 9))
    def it_compares(self, number):
        worker = self.pick(number, lambda w: w.sent is None and (w.round is not None or w.waiting))
        if worker:
            self.compare(worker)

    def compare(self, worker):
        if worker.round is None:
            worker.batch = {each.leader.id: (item, each) for item, each in worker.waiting}
            worker.round = Round(worker.shard.view, [each for _, each in worker.waiting])
            worker.waiting = []
        if worker.shard.broken:
            self.reload(worker)
        self.take(worker, worker.round.decide(self.now))
        if worker.round.proposals:
            worker.sent = (worker.shard.position, [each.leader for each in worker.round.proposals])
        else:
            worker.round = None

    def take(self, worker, decisions):
        for each, decision in decisions:
            item, _ = worker.batch.pop(each.leader.id)
            if isinstance(decision, Lead):
                assert decision.leader == each.leader.id
                self.asking[decision.leader] = item
            elif isinstance(decision, Follow):
                assert each.leader.id not in self.truth.leaders, "a leader follows"
                assert decision.leader not in worker.batch or decision.leader in self.truth.leaders
                item.follow = decision
                worker.following.append(item)
            else:
                self.look_up_and_wait(worker, item)

    @rule(number=st.integers(0, 9))
    def redis_runs_the_script(self, number):
        worker = self.pick(number, lambda w: w.sent is not None and w.reply is None)
        if worker:
            seen, leaders = worker.sent
            before = set(self.truth.leaders)
            worker.reply = (self.truth.lead(seen, leaders),)
            for name in set(self.truth.leaders) - before:
                item = worker.batch[name][0]
                allowed = item.group not in self.truth.cached or not item.question.may_follow
                assert allowed, "it is in the cache, and is asked again"

    @rule(number=st.integers(0, 9), lost=st.booleans())
    def the_reply_comes_or_is_lost(self, number, lost):
        worker = self.pick(number, lambda w: w.reply is not None)
        if worker:
            self.receive(worker, lost)

    def receive(self, worker, lost):
        [reply], worker.reply, worker.sent = worker.reply, None, None
        if lost or reply is None:
            worker.shard.broken = True
            return
        appended, records = reply
        worker.shard.apply(records, self.now)
        if appended:
            self.take(worker, worker.round.appended())
            worker.round = None

    @rule(number=st.integers(0, 9), most=st.integers(1, 4))
    def it_reads_the_feed(self, number, most):
        worker = self.pick(number, lambda _: True)
        if worker:
            worker.shard.apply(self.truth.since(worker.shard.position)[:most], self.now)

    @rule(number=st.integers(0, 9))
    def it_reads_all_anew(self, number):
        worker = self.pick(number, lambda _: True)
        if worker:
            self.reload(worker)

    def reload(self, worker):
        worker.shard.replace(Snapshot(self.truth.last, list(self.truth.leaders.values())), self.now)

    @precondition(lambda self: self.asking)
    @rule(number=st.integers(0, 99), share=st.sampled_from(["any", "any", "same", "none"]))
    def the_llm_answers(self, number, share):
        name = sorted(self.asking)[number % len(self.asking)]
        item = self.asking.pop(name)
        if share == "any":
            self.truth.cached.add(item.group)
        self.truth.end(name, share)

    @rule(number=st.integers(0, 9))
    def a_worker_dies(self, number):
        if sum(not worker.dead for worker in self.workers) > 1:
            worker = self.pick(number, lambda _: True)
            worker.dead = True
            self.asking = {name: item for name, item in self.asking.items() if not name.startswith(f"{worker.name}/")}

    @rule(number=st.integers(0, 9))
    def followers_look(self, number):
        worker = self.pick(number, lambda w: w.following)
        if worker:
            following, worker.following = worker.following, []
            for item in following:
                self.look(worker, item)

    def look(self, worker, item):
        name = item.follow.leader
        if name in self.truth.leaders:
            if not next(each for each in self.workers if each.name == name.split("/")[0]).dead:
                worker.following.append(item)
                return
            self.truth.end(name, "none")
        share = self.truth.answers[name]
        if share == "none":
            item.tries += 1
            item.question = replace(item.question, may_follow=item.tries < TRIES)
            self.look_up_and_wait(worker, item)

    @invariant()
    def one_live_leader_a_group(self):
        names = [each for each in self.truth.leaders if not self.asks_for_itself(each)]
        texts = [self.truth.leaders[name].text[0] for name in names]
        assert len(texts) == len(set(texts))

    def asks_for_itself(self, name):
        item = self.asking.get(name) or next((w.batch[name][0] for w in self.workers if name in w.batch), None)
        return item is None or not item.question.may_follow

    def teardown(self):
        """From anywhere, all that is open comes to an end when every worker goes on."""
        if not hasattr(self, "truth"):
            return
        for _ in range(200):
            living = [worker for worker in self.workers if not worker.dead]
            if not self.asking and not any(w.waiting or w.round or w.following for w in living):
                return
            for worker in living:
                self.go_on(worker)
            while self.asking:
                self.the_llm_answers(0, "any")
        pytest.fail("somebody waits for ever")

    def go_on(self, worker):
        if worker.sent is None and (worker.round or worker.waiting):
            self.compare(worker)
        if worker.sent is not None:
            if worker.reply is None:
                worker.reply = (self.truth.lead(*worker.sent),)
            self.receive(worker, lost=False)
        following, worker.following = worker.following, []
        for item in following:
            self.look(worker, item)


class TestInterleavings(Interleavings.TestCase):
    settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


def test_a_lost_reply_does_not_make_a_leader_follow_itself():
    view = View("model", no_conflict)
    mine = claim(ask("a", unit(1)))
    round_ = Round(view, [mine])
    assert round_.decide(0.0) == []
    view.apply(Led(mine.leader), 0.0)
    assert round_.decide(0.0) == [(mine, Lead("y/1", SCOPE))]


def test_whoever_came_first_is_followed_on_a_retry():
    view = View("model", no_conflict)
    second = claim(ask("b", near(unit(1), 0.97)))
    round_ = Round(view, [second, claim(ask("c", near(unit(1), 0.97, seed=998)), name="y/2")])
    assert round_.decide(0.0) == []
    assert round_.proposals == [second]
    view.apply(Led(leader(ask("a", unit(1)))), 0.0)
    assert {decision.leader for _, decision in round_.decide(0.0)} == {"x/1"}
    assert round_.proposals == []


def test_a_record_that_does_not_follow_the_last_one_breaks_the_shard_until_it_is_read_anew():
    shard = Shard(View("model", no_conflict))
    shard.replace(Snapshot("5-0", []), 0.0)
    question = leader(ask("a"))
    assert shard.apply([Record("4-0", "3-0", Led(question))], 0.0) == []
    assert not shard.broken
    assert shard.apply([Record("8-0", "7-0", Led(question))], 0.0) == []
    assert shard.broken
    shard.replace(Snapshot("8-0", [question]), 0.0)
    assert shard.view.is_live("x/1")
    assert shard.apply([Record("9-0", "8-0", None), Record("9-1", "9-0", Ended("x/1", "none"))], 0.0)
    assert not shard.view.is_live("x/1")


def test_a_lookup_older_than_the_view_is_stale():
    view = View("model", no_conflict)
    old, fresh = claim(ask("a"), view.tick), ask("a")
    view.replace([], 0.0)
    assert Round(view, [old]).decide(0.0) == [(old, Stale())]
    assert Round(view, [claim(fresh, view.tick)]).decide(0.0) == []


def test_on_a_retry_the_newcomers_alone_are_compared():
    view = View("model", no_conflict)
    for seed in range(50):
        view.apply(Led(leader(ask(f"{seed}", unit(seed)), f"x/{seed}")), 0.0)
    tick = view.tick
    view.apply(Led(leader(ask("new", unit(77)), "x/new")), 0.0)
    assert [each.id for each in view.since(tick).live()] == ["x/new"]


def test_equal_fingerprints_come_before_what_is_more_similar():
    view = View("model", no_conflict)
    view.apply(Led(leader(ask("b", unit(1)), "x/similar")), 0.0)
    view.apply(Led(leader(ask("a", near(unit(1), 0.92)), "x/same")), 0.0)
    [follow] = view.match([claim(ask("a", unit(1)))], 0.0)
    assert (follow.leader, follow.same) == ("x/same", True)


def test_the_most_similar_one_that_the_guard_lets_pass():
    view = View("model", lambda text, other: "no" if other == "best" else None)
    for text, similarity in (("good", 0.95), ("best", 0.99), ("better", 0.97)):
        view.apply(Led(leader(ask(text, near(unit(1), similarity, seed=len(text))), f"x/{text}")), 0.0)
    [follow] = view.match([claim(ask("a", unit(1)))], 0.0)
    assert follow.text == "better"


def test_vectors_of_another_model_are_not_compared_but_fingerprints_are():
    view = View("model", no_conflict)
    view.apply(Led(leader(ask("a", unit(1)), embedding="other")), 0.0)
    similar, same = claim(ask("b", unit(1))), claim(ask("a", unit(1)))
    assert [follow and follow.same for follow in view.match([similar, same], 0.0)] == [None, True]


def test_a_settled_leader_serves_older_lookups_and_later_ones_only_while_reusable():
    view = View("model", no_conflict)
    question = ask("a", unit(1))
    before = view.tick
    view.apply(Led(leader(question)), 0.0)
    view.apply(Ended("x/1", "any", 5.0), 0.0)
    after = view.tick
    assert [bool(view.match([claim(question, at)], now)[0]) for at in (before, after) for now in (1.0, 6.0)] == [
        True,
        True,
        True,
        False,
    ]


def test_what_is_forgotten_makes_older_lookups_stale():
    view = View("model", no_conflict, settled_for=30.0)
    view.apply(Led(leader(ask("a"))), 0.0)
    position = view.tick
    view.apply(Ended("x/1", "any"), 0.0)
    view.apply(Led(leader(ask("b"), "x/2")), 31.0)
    assert view.floor > position
    assert not view.is_live("x/1")


def test_similarities_are_the_same_to_the_last_bit_in_any_layout():
    vectors = [near(unit(1000, 1536), 0.95, seed=seed) for seed in range(40)]
    flat = np.full(1536, 1536**-0.5, np.float32)
    found = []
    for order in (range(40), range(39, -1, -1)):
        view = View("model", no_conflict)
        for at in order:
            view.apply(Led(leader(ask(f"{at}", vectors[at]), f"x/{at}")), 0.0)
        found.append(
            [view.match([claim(ask("q", vector))], 0.0)[0].similarity for vector in (unit(1000, 1536), *vectors)]
        )
    assert found[0] == found[1]
    assert np.square(quantised(flat).astype(np.int64)).sum() < 2**24


@pytest.mark.parametrize("dimensions", [1, 2, 384, 1536])
def test_the_rounded_similarity_is_close_to_the_true_one(dimensions):
    vector = unit(1, dimensions)
    for similarity in (0.9, 0.95, 0.99) if dimensions > 1 else (1.0,):
        other = near(vector, similarity) if dimensions > 1 else vector
        view = View("model", no_conflict)
        view.apply(Led(leader(ask("a", other))), 0.0)
        [follow] = view.match([claim(ask("a?", vector, threshold=similarity - 0.01))], 0.0)
        assert follow.similarity == pytest.approx(similarity, abs=1e-3 if dimensions > 2 else 1e-2)


def test_a_vector_that_does_not_tell_two_texts_apart_is_no_match():
    view = View("model", no_conflict)
    view.apply(Led(leader(ask("how do I pay", unit(1)))), 0.0)
    same_words, other_words = (claim(ask(text, unit(1))) for text in ("How do I pay?", "who is it"))
    assert view.match([same_words, other_words], 0.0)[0].similarity == pytest.approx(1)
    assert view.match([other_words], 0.0) == [None]


def test_a_vector_without_direction_is_none():
    assert quantised(np.zeros(8, np.float32)) is None
    assert quantised(np.full(8, np.nan, np.float32)) is None


def test_who_cannot_wait_follows_no_leader_of_a_slow_tier_but_has_its_answer_once_it_is_there():
    vector = unit(1)
    slow = leader(ask("how tall is it", vector, slow=True))
    view = View("model", no_conflict)
    view.apply(Led(slow), 0.0)
    same, similar = ask("how tall is it", vector, patient=False), ask("and how tall", near(vector, 0.99), patient=False)
    assert view.match([claim(same), claim(similar)], 0.0) == [None, None]
    patient = view.match([claim(ask("how tall is it", vector)), claim(ask("and how tall", near(vector, 0.99)))], 0.0)
    assert [follow.leader for follow in patient] == [slow.id, slow.id]
    view.apply(Ended(slow.id, "any", 30.0, 0), 0.0)
    assert view.match([claim(same)], 0.0)[0].leader == slow.id


def test_a_slow_leader_is_one_for_those_who_read_of_it():
    for slow in (False, True):
        read = decode_leader("x/1", encode_leader(leader(ask("how tall is it", unit(1), slow=slow))))
        assert read.slow is slow
