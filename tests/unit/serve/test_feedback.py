"""Opinions on answers: kept once, on the right answer, by whoever may; and stored completions as clients read them."""

from typing import Any

import pytest

from loraloop.archive import HomeArchive
from loraloop.testing.gateway_client import SECRET
from loraloop.testing.gateway_client import GatewayClient as Client


def opinion(client: Client, completion: str, /, **fields: Any) -> Any:
    """Send an opinion."""
    more = {name: fields.pop(name) for name in ("role", "headers") if name in fields}
    return client.send("POST", "/v1/feedback", {"completion_id": completion, **fields}, **more)


def test_each_kind_becomes_what_the_loop_reads(client: Client) -> None:
    """Thumb, correction and comment become feedback; score and regeneration are kept beside it."""
    id = client.chat(store=True).json["id"]
    said = opinion(
        client, id, thumb="down", correction="내 메일은 a@b.com 이야", comment="hm", score=0.25, regenerated=True
    )
    assert (said.status, said.json["new"]) == (200, True)
    (talk,) = client.talks()
    assert [(one.kind, one.text) for one in talk.feedback] == [
        ("thumb_down", ""),
        ("correction", "내 메일은 [EMAIL] 이야"),
        ("comment", "hm"),
    ]
    assert talk.feedback[0].actor.startswith("key:")
    (kept,) = client.send("GET", f"/v1/chat/completions/{id}").json["feedback"]
    assert (kept["thumb"], kept["score"], kept["corrected"], kept["regenerated"]) == ("down", 0.25, True, True)
    assert client.metric("feedback_total", kind="correction") == 1


def test_the_same_opinion_twice_is_kept_once(client: Client) -> None:
    """By the client's own id, or by the same words of the same caller."""
    id = client.chat(store=True).json["id"]
    assert [opinion(client, id, thumb="up").json["new"] for _ in range(2)] == [True, False]
    assert [
        opinion(client, id, thumb="up", id="mine").json["new"],
        opinion(client, id, thumb="down", id="mine").json["new"],
    ] == [True, False]
    assert len(client.talks()[0].feedback) == 2


def test_an_opinion_comes_right_after_the_answer(client: Client) -> None:
    """What still waits to be written can be judged already."""
    id = client.chat(store=True).json["id"]
    assert opinion(client, id, thumb="up").status == 200


def test_an_opinion_on_one_of_several_answers(client: Client) -> None:
    """``choice`` says which; one that was not given is not found."""
    client.engine.answer = lambda ask: f"answer {ask.seed}"
    id = client.chat(n=2, seed=1, store=True).json["id"]
    assert opinion(client, id, choice=1, thumb="up").status == 200
    assert opinion(client, id, choice=2, thumb="up").status == 404
    judged = [talk.messages[-1].text for talk in client.talks() if talk.feedback]
    assert judged == ["answer 2"]


def test_an_opinion_on_what_was_not_stored_counts_without_text(client: Client) -> None:
    """Without consent no text is kept, but the thumb is, for experiments."""
    id = client.chat(store=False).json["id"]
    assert opinion(client, id, thumb="up", correction="better").json["new"]
    assert client.talks() == []
    assert client.store.completions.opinions(id)[0]["thumb"] == "up"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"thumb": "sideways"},
        {"score": 2},
        {"score": "NaN"},
        {"choice": -1, "thumb": "up"},
        {"correction": ""},
        {"thumb": "up", "x": 1},
        {"thumb": "up", "id": "a b"},
        {"comment": "x" * 8001},
    ],
)
def test_an_empty_or_wrong_opinion_is_refused(client: Client, fields: dict[str, Any]) -> None:
    """400 in OpenAI's shape; nothing is kept."""
    id = client.chat(store=True).json["id"]
    assert opinion(client, id, **fields).status == 400


def test_an_unknown_completion_is_not_found(client: Client) -> None:
    """404, and no row is made."""
    assert opinion(client, "chatcmpl-none", thumb="up").status == 404


def test_a_browser_judges_by_its_token_and_can_do_nothing_else(client: Client) -> None:
    """The token that came with an answer opens that one opinion without a key."""
    said = client.chat(store=True)
    other = client.chat("another", store=True).json["id"]
    id, token = said.json["id"], said.headers["x-feedback-token"]
    given = opinion(client, id, thumb="up", token=token, role=None)
    assert (given.status, given.json["new"]) == (200, True)
    for fields in ({}, {"token": ""}, {"token": token + "0"}, {"token": "x"}):
        assert opinion(client, id, thumb="up", role=None, **fields).status == 401
    assert opinion(client, other, thumb="up", token=token, role=None).status == 401
    assert client.send("GET", f"/v1/chat/completions/{id}", role=None).status == 401
    assert client.talks()[0].feedback[0].actor == "token"
    client.open(feedback_token_hours=0)
    assert "x-feedback-token" not in client.chat().headers


def test_stored_completions_are_read_in_pages(client: Client) -> None:
    """In order, both ways, from a place on, by model; only those of which text is kept."""
    ids = [client.chat(f"question {n}", store=True).json["id"] for n in range(5)]
    client.chat("not kept", store=False)
    client.flush()
    first = client.send("GET", "/v1/chat/completions?limit=2").json
    assert ([one["id"] for one in first["data"]], first["has_more"], first["last_id"]) == (ids[:2], True, ids[1])
    rest = client.send("GET", f"/v1/chat/completions?after={ids[1]}&limit=9").json
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2:], False)
    back = client.send("GET", f"/v1/chat/completions?order=desc&after={ids[3]}").json
    assert [one["id"] for one in back["data"]] == ids[2::-1]
    assert client.send("GET", "/v1/chat/completions?model=none").json["data"] == []
    assert client.send("GET", "/v1/chat/completions?after=none").status == 404
    for query in ("limit=0", "limit=101", "order=up", "limit=x"):
        assert client.send("GET", f"/v1/chat/completions?{query}").status == 400


def test_a_stored_completion_shows_its_messages_and_can_be_taken_out(client: Client) -> None:
    """The prompt message by message; after a deletion neither it nor its text is there."""
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    id = client.chat(messages=messages, store=True).json["id"]
    client.flush()
    listed = client.send("GET", f"/v1/chat/completions/{id}/messages?limit=2").json
    assert ([one["content"] for one in listed["data"]], listed["has_more"]) == (["one", "two"], True)
    rest = client.send("GET", f"/v1/chat/completions/{id}/messages?after={listed['last_id']}").json
    assert [one["content"] for one in rest["data"]] == ["three"]
    assert client.send("DELETE", f"/v1/chat/completions/{id}").json == {
        "object": "chat.completion.deleted",
        "id": id,
        "deleted": True,
    }
    assert client.send("GET", f"/v1/chat/completions/{id}").status == 404
    assert client.send("DELETE", f"/v1/chat/completions/{id}").status == 404
    assert client.talks() == []


def test_a_deletion_leaves_a_talk_that_another_completion_shares(client: Client) -> None:
    """The same words of nobody in particular are one conversation; it goes with the last of its completions."""
    one, two = (client.chat("same", store=True).json["id"] for _ in range(2))
    assert len(client.talks()) == 1
    client.send("DELETE", f"/v1/chat/completions/{one}")
    assert len(client.talks()) == 1
    client.send("DELETE", f"/v1/chat/completions/{two}")
    assert client.talks() == []


def test_another_bots_answers_cannot_be_judged(client: Client) -> None:
    """The gateway of one bot knows nothing of what another bot of the same home answered."""
    id = client.chat(store=True).json["id"]
    client.flush()
    client.archive = HomeArchive(client.store, "another", SECRET)
    client.open()
    assert client.send("POST", "/v1/feedback", {"completion_id": id, "thumb": "up"}).status == 404
