"""What is kept of what was said: with consent, redacted, whole, durable where promised, and never a cut answer."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from loraloop.data.candidates import candidates
from loraloop.data.quality import DataQualityConfig, reason_to_drop
from loraloop.errors import StoreBusy, UsageError
from loraloop.serve.recorder import Recorder
from loraloop.testing.gateway_client import GatewayClient as Client
from loraloop.traffic import Served
from loraloop.types import utc

NOW = utc("2026-01-01T00:00:00")
assert NOW is not None
ASK = [{"role": "user", "content": "What is for lunch?"}]


def served(n: int) -> Served:
    """Some exchange."""
    return Served(f"c-{n}", NOW, "live", "r-1", ({"role": "user", "content": f"q{n}"},), f"a{n}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("store", "default", "consent"),
    [
        (True, "none", "granted"),
        (None, "granted", "granted"),
        (None, "unknown", "unknown"),
        (False, "granted", None),
        (None, "none", None),
    ],
)
def test_consent_comes_from_store_else_from_the_settings(
    client: Client, store: bool | None, default: str, consent: str | None
) -> None:
    """Without consent to keep it no text is kept; without consent to learn it is not learnt."""
    client.open(consent=default)
    said = client.chat("What is for lunch?", store=store, user="kim")
    (row,) = rows(client, said.json["id"])
    talks = client.talks()
    assert [talk.consent for talk in talks] == ([consent] if consent else [])
    assert (row.conversation_id is None) == (consent is None)
    assert (row.user is None) == (consent is None)
    assert row.release_id == "r-1"


def rows(client: Client, id: str) -> Any:
    """The rows of a completion, once written."""
    client.flush()
    return client.store.completions.get(id)


def test_a_stored_exchange_is_a_conversation_that_the_loop_learns_from(client: Client) -> None:
    """With the release, a pseudonym, its source; a thumb up makes it a row."""
    said = client.chat(
        "What is for lunch today?",
        store=True,
        user="kim@example.com",
        metadata={"session": "s1", "phone": "010-1234-5678"},
    )
    id = said.json["id"]
    (talk,) = client.talks()
    assert (talk.source, talk.release_id, talk.session) == ("gateway", "r-1", "s1")
    assert talk.user.startswith("u-")
    assert [one.text for one in talk.messages] == ["What is for lunch today?", "Hello there, my friend."]
    (candidate,) = candidates(talk)
    assert reason_to_drop(candidate, DataQualityConfig()) == "answer_not_approved"
    client.send("POST", "/v1/feedback", {"completion_id": id, "thumb": "up"})
    (talk,) = client.talks()
    (candidate,) = candidates(talk)
    assert reason_to_drop(candidate, DataQualityConfig()) is None
    assert "010-1234-5678" not in json.dumps(client.send("GET", f"/v1/chat/completions/{id}").json)


def test_personal_data_and_names_of_people_never_reach_the_disk(client: Client) -> None:
    """Messages, answers, metadata and feedback are redacted before they are stored; the user's name is not kept."""
    client.open(guard_personal_data=False)
    client.engine.answer = "Call 010-9999-8888 then"
    said = client.chat("My number is 010-1234-5678", store=True, user="kim-chulsoo", metadata={"a": "b@example.com"})
    client.flush()
    client.send("POST", "/v1/feedback", {"completion_id": said.json["id"], "comment": "mail me at c@example.com"})
    with sqlite3.connect(client.store._database.path) as raw:  # type: ignore[attr-defined]
        dump = "\n".join(raw.iterdump())
    assert "[PHONE]" in dump
    for secret in ("1234-5678", "9999-8888", "chulsoo", "b@example", "c@example"):
        assert secret not in dump, secret


def test_a_stream_is_kept_whole(client: Client) -> None:
    """What was streamed is stored like a plain answer, with its tokens."""
    events = client.chat(stream=True, store=True).events
    (row,) = rows(client, events[0]["id"])
    assert (row.state, row.finish, row.prompt_tokens, row.completion_tokens) == ("done", "stop", 3, 4)
    assert client.talks()[0].messages[-1].text == "Hello there, my friend."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.fault(60)
def test_row_60_an_engine_that_never_ends_is_cut_marked_and_not_learnt(client: Client, stream: bool) -> None:
    """The answer times out, the engine is told to stop, what came is marked aborted, and no thumb makes it a row."""
    client.open(total_timeout_s=0.1, guard_personal_data=False, guard_unfit_words=False)
    client.engine.hangs_after = 2
    said = client.chat("What is for lunch today?", stream=stream, store=True)
    if stream:
        assert said.status == 200
        assert said.events[-1]["error"]["code"] == "timeout"
    else:
        assert (said.status, said.error["code"]) == (504, "timeout")
    assert (client.engine.active, client.engine.cancelled) == (0, 1)
    (talk,) = client.talks()
    assert [part.kind for part in talk.messages[-1].content] == ["aborted"]
    (stored,) = client.send("GET", "/v1/chat/completions").json["data"]
    assert stored["state"] == "aborted"
    assert client.send("POST", "/v1/feedback", {"completion_id": stored["id"], "thumb": "up"}).status == 200
    (candidate,) = candidates(client.talks()[0])
    assert reason_to_drop(candidate, DataQualityConfig()) == "answer_not_text"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.fault(61)
def test_row_61_a_client_that_leaves_frees_the_engine(client: Client, stream: bool) -> None:
    """The engine's answer is closed at once, and what was shown is kept as aborted."""
    client.open(guard_personal_data=False, guard_unfit_words=False)
    client.engine.hangs_after = 2

    async def leave() -> float:
        gone = asyncio.Event()
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": stream, "store": True}
        task = asyncio.create_task(client.asend("POST", "/v1/chat/completions", body, leave=gone))
        while not client.engine.active:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        began = time.perf_counter()
        gone.set()
        await task
        assert client.engine.active == 0
        return time.perf_counter() - began

    assert asyncio.run(leave()) < 2
    (talk,) = client.talks()
    assert talk.messages[-1].content[0].kind == "aborted"
    assert client.metric("requests_total", release="r-1", status="aborted") == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.fault(59)
def test_row_59_an_engine_that_falls_over_is_503_and_nothing_is_learnt(client: Client, stream: bool) -> None:
    """Before the first word it is a 503 with retry-after; within a stream it is an error event and no end mark."""
    client.open(guard_personal_data=False, guard_unfit_words=False)
    client.engine.fails_after = 0
    said = client.chat(stream=stream)
    assert (said.status, said.error["code"], said.headers["retry-after"]) == (503, "engine_away", "1")
    client.engine.fails_after = 2
    said = client.chat(stream=True)
    assert said.text == "Hello there,"
    assert said.events[-1]["error"]["code"] == "engine_away"
    client.engine.fails_after, client.engine.stops_silently = None, True
    assert client.chat().status == 503
    assert client.metric("requests_total", release="r-1", status="failed") == 3


@pytest.mark.fault(59)
def test_row_59_readiness_follows_the_engine(client: Client) -> None:
    """While the engine is away /readyz says so and /healthz does not."""
    assert client.send("GET", "/readyz", role=None).status == 200
    client.engine.ready = False
    said = client.send("GET", "/readyz", role=None)
    assert (said.status, said.json["reason"]) == (503, "not loaded yet")
    assert client.send("GET", "/healthz", role=None).status == 200


class Broken:
    """A store that is down until it is mended."""

    def __init__(self, client: Client) -> None:
        self.down, self._keep = True, client.archive.keep
        client.archive.keep = self.keep  # type: ignore[method-assign]

    def keep(self, batch: Iterable[Served]) -> None:
        """Fail, or pass on."""
        if self.down:
            raise StoreBusy("the database is being written by another process")
        self._keep(batch)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.fault(63)
def test_row_63_strict_capture_acknowledges_only_what_is_durable(client: Client, stream: bool) -> None:
    """With the store down an answer is 503, a stream has no end; with the store up what was acknowledged is there."""
    store = Broken(client)
    client.open(capture="strict", guard_personal_data=False, guard_unfit_words=False)
    said = client.chat(stream=stream)
    if stream:
        assert said.events[-1]["error"]["code"] == "not_durable"
    else:
        assert (said.status, said.error["code"]) == (503, "not_durable")
    asked = len(client.engine.asked)
    assert client.chat().status == 503
    assert len(client.engine.asked) == asked, "while the store is known to be down no model is asked"
    assert client.send("GET", "/readyz").status == 503
    store.down = False
    client.gateway.recorder._failed_at = -10.0
    said = client.chat(stream=stream)
    id = said.events[0]["id"] if stream else said.json["id"]
    assert client.store.completions.get(id), "no flush was needed"


@pytest.mark.fault(63)
def test_row_63_best_effort_serves_on_and_counts(client: Client) -> None:
    """With the store down users notice nothing, and the counter says what was lost."""
    store = Broken(client)
    client.open(capture="best-effort")
    assert [client.chat().status for _ in range(3)] == [200, 200, 200]
    client.flush()
    assert client.metric("capture_failed") == 3
    store.down = False
    assert client.chat().status == 200
    client.flush()
    assert client.metric("capture_stored") == 1


def test_a_full_queue_drops_and_counts() -> None:
    """The queue is bounded: nothing waits without an end."""
    gate, kept = threading.Event(), []

    def keep(batch: Iterable[Served]) -> None:
        gate.wait(5)
        kept.extend(batch)

    recorder = Recorder(keep, most=3, linger_s=0)
    recorder.offer(served(0))
    deadline = time.monotonic() + 5
    while recorder.waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    assert [recorder.offer(served(n)) for n in range(1, 6)] == [True, True, True, False, False]
    gate.set()
    assert recorder.close()
    assert ([one.id for one in kept], recorder.dropped) == ([f"c-{n}" for n in range(4)], 2)
    assert not recorder.offer(served(9))


@pytest.mark.parametrize("blank", ["", " \n", "\x00", "\u200b"])
@pytest.mark.parametrize("capture", ["best-effort", "strict"])
def test_a_blank_message_is_kept_and_costs_nobody_else_anything(client: Client, capture: str, blank: str) -> None:
    """What was written beside it in one transaction is stored, it is stored too, and the gateway serves on."""
    client.open(capture=capture)
    messages = [
        {"role": "user", "content": blank},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": blank},
    ]

    async def at_once() -> list[int]:
        asked = [client.asend("POST", "/v1/chat/completions", {"messages": m}) for m in (ASK, messages, ASK)]
        return [said.status for said in await asyncio.gather(*asked)]

    assert asyncio.run(at_once()) == [200, 200, 200]
    client.flush()
    assert (client.metric("capture_stored"), client.metric("capture_failed")) == (3, 0)
    assert client.send("GET", "/readyz").status == 200
    assert sorted(len(talk.messages) for talk in client.talks()) == [2, 4]


@pytest.mark.parametrize("strict", [False, True])
def test_an_exchange_that_cannot_be_stored_is_lost_alone(strict: bool) -> None:
    """The others of its transaction are written and acknowledged, and the store does not count as broken."""
    kept: list[str] = []

    def keep(batch: Iterable[Served]) -> None:
        ids = [one.id for one in batch]
        if "c-3" in ids:
            raise UsageError("this exchange cannot be stored")
        kept.extend(ids)

    recorder = Recorder(keep, most=1000)

    async def all_of_them() -> list[Any]:
        if not strict:
            return [recorder.offer(served(n)) for n in range(9)]
        return await asyncio.gather(*(recorder.keep([served(n)]) for n in range(9)), return_exceptions=True)

    said = asyncio.run(all_of_them())
    assert recorder.close()
    assert kept == [f"c-{n}" for n in range(9) if n != 3]
    assert (recorder.stored, recorder.failed, recorder.is_broken) == (8, 1, False)
    assert not strict or [type(one).__name__ for one in said if one is not None] == ["UsageError"]


def test_waiting_for_what_was_said_does_not_wait_for_what_is_said_meanwhile() -> None:
    """A word about an answer, or a withdrawal, comes through where writing is so slow that something always waits."""
    stop = threading.Event()

    def keep(batch: Iterable[Served]) -> None:
        if not stop.wait(0.001):
            recorder.offer(served(len(list(batch))))

    recorder = Recorder(keep, most=1000)
    recorder.offer(served(0))
    try:
        assert recorder.flush(2.0)
    finally:
        stop.set()
        assert recorder.close()


def test_many_strict_requests_share_a_commit() -> None:
    """While one batch is written the next gathers: far fewer writes than requests, and all are acknowledged."""
    batches: list[int] = []

    def keep(batch: Iterable[Served]) -> None:
        time.sleep(0.005)
        batches.append(len(list(batch)))

    recorder = Recorder(keep, most=1000)

    async def all_of_them() -> None:
        await asyncio.gather(*(recorder.keep([served(n)]) for n in range(200)))

    asyncio.run(all_of_them())
    assert (sum(batches), len(batches) < 20) == (200, True)
    recorder.close()


def test_what_comes_while_rows_are_written_gathers() -> None:
    """A transaction costs as much as many rows: rows that come during one do not get one each."""
    batches: list[int] = []

    def keep(batch: Iterable[Served]) -> None:
        batches.append(len(list(batch)))
        if len(batches) == 1:
            for n in range(50):
                recorder.offer(served(n))
                time.sleep(0.0005)

    recorder = Recorder(keep, most=1000, linger_s=0.1)
    recorder.offer(served(0))
    deadline = time.monotonic() + 5
    while recorder.stored < 51 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert recorder.close()
    assert batches == [1, 50]


def test_the_end_writes_what_waits(client: Client) -> None:
    """Closing the app flushes the queue."""

    async def live_and_end() -> None:
        async with client.app.router.lifespan_context(client.app):
            body = {"messages": [{"role": "user", "content": "hi"}]}
            assert (await client.asend("POST", "/v1/chat/completions", body)).status == 200

    asyncio.run(live_and_end())
    assert client.store.conversations.count("default") == 1


def test_capture_off_keeps_nothing(client: Client) -> None:
    """No row, no text."""
    client.open(capture="off")
    id = client.chat(store=True).json["id"]
    assert (client.talks(), rows(client, id)) == ([], [])


def test_a_withdrawal_holds_for_before_and_after(client: Client) -> None:
    """Stored talks of the person are marked, later ones are not kept, until consent is granted anew; others stay."""
    client.chat("first question of kim", store=True, user="kim")
    client.chat("first question of lee", store=True, user="lee")
    said = client.send("POST", "/v1/consents", {"user": "kim", "consent": "withdrawn"})
    assert (said.status, said.json["conversations"]) == (200, 1)
    client.chat("second question of kim", store=True, user="Kim ")
    client.flush()
    by_text = {talk.messages[0].text: talk.consent for talk in client.talks()}
    assert by_text == {"first question of kim": "withdrawn", "first question of lee": "granted"}
    client.send("POST", "/v1/consents", {"user": "kim", "consent": "granted"})
    client.chat("third question of kim", store=True, user="kim")
    assert "third question of kim" in {talk.messages[0].text for talk in client.talks()}
    for wrong in (
        {},
        {"user": "", "consent": "granted"},
        {"user": "kim", "consent": "yes"},
        {"user": "k", "consent": "granted", "x": 1},
    ):
        assert client.send("POST", "/v1/consents", wrong).status == 400


def test_routes_see_a_pseudonym_and_the_arm_is_kept(client: Client) -> None:
    """An experiment sticks to a keyed name, and its arm is kept with the answer even where no text is."""
    client.routes.move("r-9", experiment_id="ex-1", arm="candidate")
    said = client.chat(user="kim", store=False)
    (row,) = rows(client, said.json["id"])
    assert client.routes.users[-1] == row.user == client.archive.pseudonym("KIM")
    assert (row.experiment_id, row.arm, row.conversation_id, row.release_id) == ("ex-1", "candidate", None, "r-9")


def test_no_conversation_text_in_logs_or_metrics(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a question nor an answer nor a name is logged or counted."""
    caplog.set_level("DEBUG")
    Broken(client)
    client.open()
    client.engine.answer = "the secret answer"
    client.chat("a secret question", user="secretkim", store=True)
    client.engine.fails_after = 1
    client.chat("a secret question", stream=True)
    client.flush()
    told = caplog.text + client.send("GET", "/metrics").body.decode()
    assert "secret" not in told.replace("secret.key", "")
