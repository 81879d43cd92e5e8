"""The chat as OpenAI's clients know it: plain and streaming, within what the release allows."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loraloop.errors import ConversationTooLong, EngineError
from loraloop.jobs import NewJob
from loraloop.serve.chat_request import NEUTRAL, UNSUPPORTED
from loraloop.serve.engine import BASE
from loraloop.serve.router import Router, Tally
from loraloop.serve.routes import Route
from loraloop.serving_sign import ServingSign, SignSeen
from loraloop.testing.gateway_client import GatewayClient as Client


def test_an_answer_has_the_shape_that_clients_read(client: Client) -> None:
    """Id, time, model, one choice and the tokens."""
    said = client.chat()
    assert said.status == 200
    assert said.headers["x-request-id"].startswith("req-")
    value = said.json
    assert value["object"] == "chat.completion"
    assert value["id"].startswith("chatcmpl-")
    assert value["model"] == "live"
    choice = value["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Hello there, my friend.", "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert value["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_a_stream_begins_with_the_role_and_ends_with_done(client: Client) -> None:
    """Role, text, finish reason, usage if asked for, and the end mark; every chunk under one id."""
    said = client.chat(stream=True, stream_options={"include_usage": True})
    *chunks, done = said.events
    assert said.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert said.text == "Hello there, my friend."
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 7
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_a_stream_that_did_not_ask_for_usage_gets_none(client: Client) -> None:
    """No chunk has a field that was not asked for."""
    assert all("usage" not in chunk for chunk in client.chat(stream=True).events[:-1])


def test_the_last_text_and_the_end_are_one_write(client: Client) -> None:
    """A write is dear, so what ends an answer goes out together: its last text, finish reason, usage and end mark."""
    writes: list[bytes] = []
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, "stream_options": {"include_usage": True}}
    said = client.send("POST", "/v1/chat/completions", body, watch=writes.append)
    assert said.text == "Hello there, my friend."
    assert (b'"role"' in writes[0], b"friend." in writes[-1], len(writes) > 1) == (True, True, True)
    assert [b'"finish_reason":"stop"' in one for one in writes] == [False] * (len(writes) - 1) + [True]
    assert writes[-1].endswith(b"data: [DONE]\n\n")


def test_the_end_of_one_answer_does_not_wait_for_the_next(client: Client) -> None:
    """With n = 2 the first answer is whole before the second begins."""
    client.gateway.guards = ()
    writes: list[bytes] = []
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, "n": 2}
    client.send("POST", "/v1/chat/completions", body, watch=writes.append)
    ends = next(place for place, one in enumerate(writes) if b'"finish_reason":"stop"' in one)
    begins = next(place for place, one in enumerate(writes) if b'"index":1' in one)
    assert ends < begins


def test_several_answers_are_numbered(client: Client) -> None:
    """With n = 3 there are three choices, plain and streaming, and the seeds differ."""
    client.gateway.guards = ()
    client.engine.answer = lambda ask: f"seed {ask.seed}"
    said = client.chat(n=3, seed=7).json
    assert [(c["index"], c["message"]["content"]) for c in said["choices"]] == [
        (0, "seed 7"),
        (1, "seed 8"),
        (2, "seed 9"),
    ]
    events = client.chat(n=2, seed=1, stream=True).events[:-1]
    ends = [c["index"] for e in events for c in e["choices"] if c["finish_reason"]]
    assert ends == [0, 1]


def test_the_release_sets_prompt_and_limits(client: Client) -> None:
    """A client may ask for less than the release allows, never for more, and its system prompt comes first."""
    client.chat(max_tokens=1000, temperature=2, top_p=0.5, stop=["X"])
    client.chat(max_completion_tokens=2, temperature=0.1, stop="Y")
    client.chat()
    wide, narrow, plain = client.engine.asked
    assert wide.messages[0] == {"role": "system", "content": "Be kind."}
    assert (wide.max_tokens, wide.temperature, wide.top_p, wide.stop) == (50, 0.7, 0.5, ("X",))
    assert (narrow.max_tokens, narrow.temperature, narrow.stop) == (2, 0.1, ("Y",))
    assert (plain.max_tokens, plain.temperature, plain.version) == (50, 0.7, "ll-r-1")


def test_a_length_that_is_reached_is_told(client: Client) -> None:
    """The finish reason of a cut answer is length."""
    assert client.chat(max_tokens=2).json["choices"][0]["finish_reason"] == "length"


def test_content_may_come_in_parts_of_text(client: Client) -> None:
    """Text parts are one text; the engine sees role and content alone."""
    parts = [{"type": "text", "text": "Good"}, {"type": "text", "text": "day"}]
    client.send("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": parts, "name": "kim"}]})
    assert client.engine.asked[0].messages[-1] == {"role": "user", "content": "Good\nday"}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_field_that_is_not_supported_is_refused_by_name(client: Client, name: str) -> None:
    """Nothing a client asks for is silently left undone."""
    said = client.chat(**{name: {"anything": 1}})
    assert (said.status, said.error["param"], said.error["code"]) == (400, name, "unsupported_parameter")
    for value in (None, *NEUTRAL.get(name, ())):
        assert client.chat(**{name: value}).status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 5}, "n"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"user": 1}, "user"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "assistant", "content": "hi"}]}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages.0.content",
        ),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]}, "messages.0.tool_calls"),
        ({"no_such_field": 1}, "no_such_field"),
        ({"stream_options": {"x": 1}}, "stream_options.x"),
    ],
)
def test_a_wrong_value_is_refused_and_its_field_named(client: Client, fields: dict[str, Any], param: str) -> None:
    """Status 400, and the field at fault in ``param``; the engine is not asked."""
    said = client.chat(**fields)
    assert said.status == 400
    assert (said.error["param"] or "").startswith(param)
    assert not client.engine.asked


def test_what_was_sent_is_not_repeated_in_the_error(client: Client) -> None:
    """A message about a wrong field does not quote the conversation."""
    body = (
        client.chat(temperature="나는 비밀이 있어").body
        + client.chat(messages=[{"role": "user", "content": {"비밀": 1}}]).body
    )
    assert "비밀" not in body.decode()


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b'{"messages": NaN}', b"\xff\xfe", b'{"a": "\\ud800"}'])
def test_a_body_that_is_no_object_is_refused(client: Client, raw: bytes) -> None:
    """Broken JSON, other JSON and broken text are 400 in OpenAI's shape."""
    said = client.send("POST", "/v1/chat/completions", raw)
    assert (said.status, bool(said.error["message"])) == (400, True)


def test_an_unknown_model_is_not_found(client: Client) -> None:
    """404, as OpenAI says it."""
    said = client.chat(model="gpt-5")
    assert (said.status, said.error["param"], said.error["code"]) == (404, "model", "model_not_found")


def test_a_system_message_is_refused_or_left_out(client: Client) -> None:
    """The system prompt belongs to the release: a client's is refused, or ignored where the settings say so."""
    messages = [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": "Hi"}]
    refused = client.chat(messages=messages)
    assert (refused.status, refused.error["code"]) == (400, "system_message_refused")
    client.open(system_messages="ignore")
    assert client.chat(messages=messages).status == 200
    assert "pirate" not in json.dumps([dict(one) for one in client.engine.asked[-1].messages])


def test_models_are_listed_aliases_first(client: Client) -> None:
    """Each route is a model, and one can be looked at alone."""
    client.routes.move("r-2", alias="candidate")
    listed = client.send("GET", "/v1/models").json["data"]
    assert [one["id"] for one in listed[:2]] == ["candidate", "live"]
    assert {"base", "r-1", "r-2"} <= {one["id"] for one in listed}
    assert client.send("GET", "/v1/models/r-2").json["release"] == "r-2"
    assert client.send("GET", "/v1/models/nothing").status == 404


def test_a_request_keeps_its_route_to_the_end(client: Client) -> None:
    """The route is held while it answers and let go afterwards, however it ends."""
    client.chat()
    client.engine.fails_after = 0
    client.chat()
    client.chat(stream=True)
    assert set(client.routes.held.values()) == {0}


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("after", [0, 2])
def test_what_the_engine_does_not_do_counts_against_the_release(client: Client, stream: bool, after: int) -> None:
    """However the client is told, before the first word or amid them: the router hears of it, or trials confirm."""
    client.routes = Router()
    client.open()
    client.chat(stream=stream)
    assert client.routes.tally(BASE) == Tally(1, 0)
    client.engine.fails_after = after
    client.chat(stream=stream)
    assert client.routes.tally(BASE) == Tally(2, 1)
    client.engine.fails_after, client.engine.hangs_after = None, 1
    client.open(total_timeout_s=0.05)
    client.chat(stream=stream)
    assert client.routes.tally(BASE) == Tally(3, 2)


def test_half_a_surrogate_of_the_engine_breaks_nothing(client: Client) -> None:
    """A model may utter what is no character."""
    client.engine.answer = "a \ud800 b"
    assert client.chat().json["choices"][0]["message"]["content"] == "a ? b"
    assert client.chat(stream=True).events[-1] == "[DONE]"


@pytest.mark.parametrize("stream", [False, True])
def test_others_on_the_machine_are_told_while_somebody_is_answered(
    client: Client, stream: bool, tmp_path: Path
) -> None:
    """From before the engine is asked until the answer has ended, however it ends; a guard's reply needs nobody."""
    sign, look, heard = ServingSign(tmp_path), SignSeen(tmp_path), []
    client.gateway.answering = sign.answering
    stream_of = client.engine.stream

    def watched(ask: Any) -> Any:
        heard.append(look.is_answering())
        return stream_of(ask)

    client.engine.stream = watched  # type: ignore[method-assign]
    with sign.shown():
        client.chat(stream=stream)
        client.engine.fails_after = 1
        client.chat(stream=stream)
        assert heard == [True, True]
        assert not look.is_answering()


def test_the_metrics_count_how_long_jobs_stood_aside(client: Client) -> None:
    """Seconds of all jobs of the bot, read from the store when they are asked for."""
    lease_of = client.store.jobs.add(NewJob("default")).id
    lease = client.store.leases.take("me", 1000.0, job_id=lease_of)
    assert lease is not None
    client.store.leases.beat(lease, 1000.0, yielding=1, yielded_s=2.5)
    said = client.send("GET", "/metrics")
    assert (said.status, "loraloop_jobs_yielded_seconds 2.5" in said.body.decode()) == (200, True)


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_is_too_long_is_said_so_and_not_held_against_the_release(
    client: Client, stream: bool
) -> None:
    """The client hears what OpenAI's would say, and does not try the same again."""
    failed: list[Any] = []

    @asynccontextmanager
    async def hold(model: str, user: str | None) -> AsyncIterator[Route]:
        try:
            yield client.routes._routes["live"]
        except EngineError as error:
            failed.append(error)
            raise

    def longer(ask: Any) -> str:
        raise ConversationTooLong("the conversation has 600 tokens, the model reads 512: send a shorter one")

    client.engine.answer = longer
    client.routes.hold = hold  # type: ignore[assignment,method-assign]
    said = client.chat(stream=stream)
    assert (said.status, said.error["code"], said.error["param"]) == (400, "context_length_exceeded", "messages")
    assert "send a shorter one" in said.error["message"]
    assert (failed, "retry-after" in said.headers) == ([], False)
    client.engine.answer = lambda ask: "네, 안녕하세요."
    assert client.chat().status == 200
    assert [talk.messages[-1].text for talk in client.talks()] == ["네, 안녕하세요."]  # none of what was refused
