"""What every store does with durable jobs, on SQLite and on a real PostgreSQL."""

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from loraloop.errors import LeaseLost, StoreBusy, UnknownThing, UsageError
from loraloop.jobs import Lease, NewJob, RetryRule
from loraloop.processes import identity
from loraloop.store.sql import SqlStore, open_store

ME = identity(os.getpid())
RULE = RetryRule(delay_s=0.0)
LONG_S, OVER_S = 1000.0, -1.0


def taken(store: SqlStore, **named: str) -> Lease:
    """A lease that lasts."""
    lease = store.leases.take(ME, LONG_S, **named)
    assert lease is not None
    return lease


def gone() -> str:
    """The identity of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        who = identity(child.pid)
    return who


def test_a_job_comes_back_as_it_was_enqueued(store: SqlStore) -> None:
    """Everything that was said survives; the same key of the same bot is the same job."""
    new = NewJob("b", "slot-1", "n", "kim", "asked", 3, 2, {"collect": {"dataset_id": "ds-1"}}, {"k": "값"})
    job = store.jobs.add(new)
    assert {key: job[key] for key in new} == dict(new)
    assert (job.status, store.jobs.get(job.id)) == ("queued", job)
    assert store.jobs.add(NewJob("b", "slot-1", "other")) == job
    assert store.jobs.add(NewJob("c", "slot-1")).id != job.id
    assert store.jobs.add(NewJob("b")).id != store.jobs.add(NewJob("b")).id
    assert store.jobs.get("job-x") is None
    assert [event.kind for event in store.jobs.events(job.id)] == ["JobQueued"]


def test_a_job_is_enqueued_with_the_change_that_wants_it_or_not_at_all(store: SqlStore) -> None:
    """One transaction holds both: an error takes back the state and the job."""
    with pytest.raises(UnknownThing), store.together():  # noqa: PT012 - what comes before the error is the test
        store.state.write("k", 1)
        store.jobs.add(NewJob("b", "lost"))
        store.jobs.ask("job-x", "cancel", "kim")
    assert (store.state.read("k"), store.jobs.list("b")) == (None, [])
    with store.together():
        store.state.write("k", 1)
        store.jobs.add(NewJob("b", "kept"))
    assert (store.state.read("k"), [job.key for job in store.jobs.list("b")]) == (1, ["kept"])


def test_jobs_are_listed_newest_first_page_by_page(store: SqlStore) -> None:
    """A page goes on where the last one ended, in the jobs of one bot and in the events of one job."""
    made = [store.jobs.add(NewJob("b")).id for _ in range(5)]
    store.jobs.add(NewJob("other"))
    assert [job.id for job in store.jobs.list("b", limit=2)] == made[:2:-1]
    assert [job.id for job in store.jobs.list("b", after=made[3])] == made[2::-1]
    with pytest.raises(UnknownThing):
        store.jobs.list("other", after=made[0])
    store.jobs.ask(made[0], "pause", "kim")
    newest, first = store.jobs.events(made[0])
    assert (newest.facts["wish"], store.jobs.events(made[0], after=newest.number)) == ("pause", [first])


def test_the_first_of_the_highest_priority_is_next_one_a_bot(store: SqlStore) -> None:
    """Priority before order; while a bot's job is under way its others wait, and other bots' go on."""
    low, high = store.jobs.add(NewJob("b")), store.jobs.add(NewJob("b", priority=1))
    other = store.jobs.add(NewJob("c"))
    assert taken(store).job_id == high.id
    assert taken(store).job_id == other.id
    assert store.leases.take(ME, LONG_S) is None
    assert store.leases.take(ME, LONG_S, job_id=low.id) is None
    assert [job.status for job in store.jobs.list("b")] == ["running", "queued"]


def test_of_eight_workers_one_gets_a_job(store: SqlStore, reopened: Callable[[], SqlStore]) -> None:
    """Whoever asks at the same moment, over whatever connection, one has it."""
    store.jobs.add(NewJob("b"))
    stores = [store, reopened()]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: stores[n % 2].leases.take(ME, LONG_S), range(8)))
    assert sum(lease is not None for lease in got) == 1


def test_a_lease_that_is_kept_alive_is_not_lost_and_one_that_is_not_is(store: SqlStore) -> None:
    """A heartbeat moves the end of a lease; silence past it, or the death of its owner, loses it."""
    job = store.jobs.add(NewJob("b"))
    lease = store.leases.take(ME, OVER_S)
    assert lease is not None
    assert [one.id for _, one in store.leases.lost()] == [job.id]
    told = store.leases.beat(lease, LONG_S, stage="train", steps=7, total=9, process="p")
    assert (told.stage, told.steps, told.total, told.process) == ("train", 7, 9, "p")
    assert store.leases.lost() == []
    assert store.leases.reclaim(lease, RULE) is None
    store.leases.end(lease, "put_back", RULE)
    assert store.leases.take(gone(), LONG_S) is not None
    assert [one.id for _, one in store.leases.lost()] == [job.id]


def test_whoever_lost_a_job_can_change_nothing(store: SqlStore, reopened: Callable[[], SqlStore]) -> None:
    """No heartbeat, stage, end or any other write of the older holder reaches the database."""
    store.jobs.add(NewJob("b"))
    older = store.leases.take(ME, OVER_S)
    assert older is not None
    store.leases.reclaim(older, RULE)
    newer = taken(store)
    assert newer.fence == older.fence + 1
    before = store.jobs.get(newer.job_id)
    stale = reopened()
    for effect in (
        lambda: stale.leases.beat(older, LONG_S, steps=99),
        lambda: stale.leases.record(older, "train", {"adapter_id": "x"}),
        lambda: stale.leases.end(older, "succeeded", RULE),
        lambda: stale.state.write("k", 1),
        lambda: stale.events.append("b", "X", "a", {}),
    ):
        with pytest.raises(LeaseLost), stale.fenced(older):
            effect()
    assert (store.jobs.get(newer.job_id), store.state.read("k"), store.events.tail("b")) == (before, None, [])
    with stale.fenced(newer):
        stale.state.write("k", 2)
    assert store.state.read("k") == 2


def test_a_stage_is_recorded_once(store: SqlStore) -> None:
    """A second record of a stage gives what the first one was."""
    store.jobs.add(NewJob("b"))
    lease = taken(store)
    assert store.leases.record(lease, "train", {"adapter_id": "one"}) == {"adapter_id": "one"}
    assert store.leases.record(lease, "train", {"adapter_id": "two"}) == {"adapter_id": "one"}
    job = store.leases.end(lease, "succeeded", RULE)
    assert (job.status, job.stages, job.owner, job.finished_at is not None) == (
        "succeeded", {"train": {"adapter_id": "one"}}, "", True)  # fmt: skip


def test_crashes_are_counted_apart_from_errors(store: SqlStore) -> None:
    """Two crashes put a job aside; errors are tried again up to their limit; a person has it tried anew."""
    job = store.jobs.add(NewJob("b", max_errors=3))
    ends = ["error", "crash", "error", "crash"]
    statuses = [store.leases.end(taken(store), how, RULE, "why").status for how in ends]  # type: ignore[arg-type]
    assert statuses == ["queued", "queued", "queued", "quarantined"]
    found = store.jobs.get(job.id)
    assert found is not None
    assert (found.errors, found.crashes, found.error) == (2, 2, "why")
    assert store.leases.take(ME, LONG_S) is None
    store.jobs.ask(job.id, "retry", "kim")
    ended = [store.leases.end(taken(store), "error", RULE, "why").status for _ in range(3)]
    assert ended == ["queued", "queued", "failed"]


def test_a_job_that_failed_waits_before_it_is_tried_again(store: SqlStore) -> None:
    """Nobody gets it meanwhile, but who names it; a job that was put back has made no mistake."""
    job = store.jobs.add(NewJob("b"))
    store.leases.end(taken(store), "error", RetryRule(delay_s=100.0), "why")
    assert store.leases.take(ME, LONG_S) is None
    back = store.leases.end(taken(store, job_id=job.id), "put_back", RetryRule(delay_s=100.0))
    assert (back.errors, back.status, store.leases.take(ME, LONG_S)) == (1, "queued", None)


def test_cancel_and_pause_reach_the_holder_and_win_over_an_error(store: SqlStore) -> None:
    """A waiting job stops at once; one under way hears of it at its heartbeat, and is final only when let go."""
    job = store.jobs.add(NewJob("b"))
    assert store.jobs.ask(job.id, "pause", "kim").status == "paused"
    assert store.leases.take(ME, LONG_S) is None
    assert store.jobs.ask(job.id, "resume", "kim").status == "queued"
    lease = taken(store)
    assert store.jobs.ask(job.id, "cancel", "kim").status == "running"
    assert store.leases.beat(lease, LONG_S).wish == "cancel"
    assert store.leases.end(lease, "crash", RULE, "killed").status == "cancelled"
    for wish in ("cancel", "pause", "resume"):
        with pytest.raises(UsageError, match="is cancelled"):
            store.jobs.ask(job.id, wish, "kim")  # type: ignore[arg-type]
    with pytest.raises(UnknownThing):
        store.jobs.ask("job-x", "cancel", "kim")


def test_a_job_that_is_done_is_not_leased_again_though_its_lease_ended(store: SqlStore) -> None:
    """Nothing that has its end is lost."""
    store.jobs.add(NewJob("b"))
    lease = store.leases.take(ME, OVER_S)
    assert lease is not None
    store.leases.end(lease, "succeeded", RULE)
    assert (store.leases.lost(), store.leases.reclaim(lease, RULE)) == ([], None)
    assert store.leases.take(ME, LONG_S) is None


def test_a_job_and_its_lease_are_one_transaction(store: SqlStore) -> None:
    """What is begun by hand is nobody else's in between; while another is held nothing is enqueued."""
    job, lease = store.leases.begin(NewJob("b"), ME, LONG_S)
    assert lease == Lease(job.id, 1)
    with pytest.raises(StoreBusy):
        store.leases.begin(NewJob("b"), ME, LONG_S)
    assert [one.id for one in store.jobs.list("b")] == [job.id]
    store.leases.end(lease, "succeeded", RULE)
    assert store.leases.begin(NewJob("b", job.key), ME, LONG_S) == (store.jobs.get(job.id), None)


def test_a_reboot_ends_every_lease_and_sleep_none(tmp_path: Path) -> None:
    """On one host a lease belongs to a boot of the machine, and its clock cannot be set."""
    now = ["boot-1", 5.0]
    with closing(open_store(tmp_path / "loraloop.db", steady=lambda: (str(now[0]), float(now[1])))) as store:
        store.jobs.add(NewJob("b"))
        assert store.leases.take(ME, 10.0) is not None
        now[1] = 14.0
        assert store.leases.lost() == []
        now[:] = ["boot-2", 6.0]
        assert len(store.leases.lost()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_workers_that_die_and_stall_at_random_lose_no_job_and_do_none_twice(store: SqlStore, seed: int) -> None:
    """However they die, stall and come back, a bot has one valid holder; every job is done, and its effect once."""
    drawn = random.Random(seed)
    jobs = [store.jobs.add(NewJob(f"b{n % 2}", max_errors=10**6)).id for n in range(4)]
    done: Counter[str] = Counter()
    held: list[Lease | None] = [None] * 4
    rule = RetryRule(max_crashes=10**6, delay_s=0.0)
    for _ in range(300):
        if len(done) == len(jobs):
            break
        me, what = drawn.randrange(4), drawn.random()
        lasts_s = OVER_S if drawn.random() < 0.2 else LONG_S  # a stall: whatever it holds is over at once
        lease = held[me]
        if lease is not None and what < 0.1:  # it dies: nobody beats for it any more
            with suppress(LeaseLost):
                store.leases.beat(lease, OVER_S)
            held[me] = None
        elif lease is None:
            for one, _ in store.leases.lost():
                store.leases.reclaim(one, rule)
            held[me] = store.leases.take("", lasts_s)
        else:
            held[me] = _worked(store, lease, lasts_s, rule, drawn, done)
        running = [job for bot in ("b0", "b1") for job in store.jobs.list(bot) if job.status == "running"]
        assert len({job.bot for job in running}) == len(running)
        valid = [(job.id, job.fence) for job in running]
        assert len([one for one in held if one and (one.job_id, one.fence) in valid]) <= len(valid)
    assert done == Counter(jobs)
    assert sorted(event["facts"]["job"] for event in store.events.tail("b")) == sorted(jobs)


def _worked(
    store: SqlStore, lease: Lease, lasts_s: float, rule: RetryRule, drawn: random.Random, done: Counter[str]
) -> Lease | None:
    """Let a holder do something; returns what it believes to hold afterwards."""
    what = drawn.random()
    try:
        with store.fenced(lease):
            if what < 0.4:
                store.leases.beat(lease, lasts_s)
                return lease
            if what < 0.6:
                store.leases.end(lease, "error", rule, "no")
                return None
            with store.together():
                store.events.append("b", "Effect", "worker", {"job": lease.job_id})
                store.leases.end(lease, "succeeded", rule)
            done[lease.job_id] += 1
    except LeaseLost:
        pass
    return None


@pytest.mark.slow
def test_a_stage_that_does_not_hold_any_more_is_undone_with_all_after_it(store: SqlStore) -> None:
    """What came before it stays, it can be recorded anew, and whoever lost the job undoes nothing."""
    job = store.jobs.add(NewJob("b", stages={"collect": {"dataset_id": "ds-1"}}))
    lease = taken(store)
    for stage in ("train", "evaluate"):
        store.leases.record(lease, stage, {"id": "old"})
    assert store.leases.undo(lease, "train").stages == {"collect": {"dataset_id": "ds-1"}}
    assert store.leases.record(lease, "train", {"id": "new"}) == {"id": "new"}
    assert store.jobs.events(job.id)[1].kind == "JobStageUndone"
    store.leases.end(lease, "succeeded", RULE)
    with pytest.raises(LeaseLost):
        store.leases.undo(lease, "collect")


def test_time_that_a_job_stood_aside_adds_up_over_its_tries(store: SqlStore) -> None:
    """Each heartbeat adds what it tells; whoever lets go of the job ends its standing aside, and the seconds stay."""
    job = store.jobs.add(NewJob("b"))
    lease = taken(store)
    assert store.leases.beat(lease, LONG_S, yielding=1, yielded_s=1.5).yielding
    beaten = store.leases.beat(lease, LONG_S, steps=3)
    assert (beaten.yielding, beaten.yielded_s) == (True, 1.5)
    ended = store.leases.end(lease, "crash", RULE)
    assert (ended.status, ended.yielding, ended.yielded_s) == ("queued", False, 1.5)
    again = store.leases.beat(taken(store), LONG_S, yielding=0, yielded_s=2.0)
    assert (again.id, again.yielding, again.yielded_s) == (job.id, False, 3.5)
    store.jobs.add(NewJob("c"))
    assert [store.jobs.yielded_s(bot) for bot in ("b", "c", "d")] == [3.5, 0.0, 0.0]
