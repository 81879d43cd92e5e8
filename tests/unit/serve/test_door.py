"""The door: closed unless the table opens it, for every route, method and role; and how much comes through it."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.routing import Route

from loraloop.errors import StoreBusy, UsageError
from loraloop.serve.chat_request import check_depth
from loraloop.serve.door import PERMISSIONS, template_of
from loraloop.serve.engine import Piece
from loraloop.serve.feedback import Tokens
from loraloop.serve.keys import KNOWN, OPEN, ROLES, KeyRing, digest, new_key
from loraloop.serve.limits import SWEEP_AT, Buckets
from loraloop.serve.problems import Problem
from loraloop.testing.gateway_client import GatewayClient as Client

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
EVERY = [*ROLES, None, "ll_000000000000_" + "x" * 43]
"""Each role, no key, a wrong key."""
STOPPED = {401, 403, 404, 405}


def routes_of(client: Client) -> list[tuple[str, set[str]]]:
    """Every path of the app and its methods."""
    return [(route.path, set(route.methods or ())) for route in client.app.routes if isinstance(route, Route)]


def test_every_route_of_the_app_stands_in_the_table(client: Client) -> None:
    """Nothing is reachable that nobody decided about, but for HEAD, which the door refuses."""
    for path, methods in routes_of(client):
        for method in methods - {"HEAD"}:
            assert (method, path) in PERMISSIONS, f"{method} {path}"
    known = {(method, path) for path, methods in routes_of(client) for method in methods}
    assert set(PERMISSIONS) <= known


@pytest.mark.slow
def test_route_by_method_by_role(client: Client) -> None:
    """Each of all combinations is let in exactly where the role holds what the table asks for."""
    client.open(requests_per_minute=1e9, burst=1_000_000)
    tried = 0

    async def all_of_them() -> None:
        nonlocal tried
        for path, _ in [*routes_of(client), ("/v1/nothing", set()), ("/", set())]:
            for method in METHODS:
                for role in EVERY:
                    said = await client.asend(method, path.replace("{id}", "x"), role=role)
                    action = PERMISSIONS.get((method, path))
                    may = ROLES.get(role or "", frozenset())
                    by_token = action == "feedback" and role is None
                    let_in = action is OPEN or (action is not None and (action in may or by_token))
                    code = said.error["code"] if said.status >= 400 else ""
                    at_door = code in {"invalid_api_key", "permission_denied", "unknown_path", "method_not_allowed"}
                    assert at_door != let_in, f"{method} {path} as {role}: {said.status} {code}"
                    if not let_in:
                        assert said.status in STOPPED
                    if not may and not let_in:
                        assert said.status == 401
                    tried += 1

    asyncio.run(all_of_them())
    assert tried == (len(routes_of(client)) + 2) * len(METHODS) * len(EVERY)


def test_a_route_that_somebody_adds_is_closed(client: Client) -> None:
    """Forgetting the table closes a route; it does not open it."""

    @client.app.get("/v1/secrets")
    def secrets() -> dict[str, str]:
        return {"secret": "s"}

    assert client.send("GET", "/v1/secrets").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/",
        "//v1/models",
        "/v1//models",
        "/V1/models",
        "/v1/models/a/b",
        "/metrics/",
        "/v1/models/../secrets",
        "/v1/chat/completions/x/y",
        "/healthz/../metrics",
    ],
)
def test_a_path_is_what_it_is_spelt(client: Client, path: str) -> None:
    """No other spelling leads round the table."""
    assert template_of(path) is None
    assert client.send("GET", path).status == 404
    assert client.send("GET", path, role=None).status == 401


def test_a_key_opens_until_it_is_revoked(client: Client) -> None:
    """A revoked key, one with another secret and one of another form open nothing."""
    assert client.send("GET", "/v1/models").status == 200
    key = client.keys["admin"]
    for wrong in (
        key[:-1],
        key + "a",
        key[:-1] + ("a" if key[-1] != "a" else "b"),
        key.upper(),
        key[3:],
        "ll_",
        "ll__",
        "x" * 5000,
        "ü",
    ):
        assert client.send("GET", "/v1/models", role=wrong).status == 401
    client.store.keys.revoke(key.split("_")[1])
    client.gateway.ring.refresh()
    assert client.send("GET", "/v1/models").status == 401


def test_a_key_that_was_revoked_opens_nothing_after_a_rest(client: Client) -> None:
    """The first request after an hour is not let in by what was known an hour ago; a dead store leaves that."""
    clock, store = [0.0], client.store.keys
    client.gateway.ring = KeyRing(lambda: store.list(), lambda: clock[0])
    assert client.send("GET", "/v1/models").status == 200
    store.revoke(client.keys["admin"].split("_")[1])
    clock[0] = 3600.0
    assert client.send("GET", "/v1/models").status == 401
    assert client.send("GET", "/v1/models", role="chat").status == 200

    def away() -> Any:
        raise StoreBusy("the database is being written by another process")

    client.gateway.ring._load = away
    clock[0] = 7200.0
    assert client.send("GET", "/v1/models", role="chat").status == 200


def test_a_new_key_is_known_at_once_when_the_keys_are_a_second_old(client: Client) -> None:
    """No restart is needed, and the database is read once a second at most."""
    reads = []
    clock = [0.0]
    ring = KeyRing(lambda: reads.append(1) or client.store.keys.list(), lambda: clock[0])
    ring.refresh()
    text, key = new_key(["chat"], "", datetime.now(UTC))
    client.store.keys.add(key)
    assert (ring.find(text), ring.is_old) == (None, False)
    clock[0] = 1.0
    assert ring.is_old
    ring.refresh()
    assert (ring.find(text) or client).id == key.id  # type: ignore[union-attr]
    assert len(reads) == 2


def test_only_a_digest_of_a_key_is_kept(client: Client) -> None:
    """The database holds nothing that opens the gateway."""
    text, key = new_key(["chat", "chat", "feedback"], "shop", datetime.now(UTC))
    assert text.split("_", 2)[2] not in json.dumps(dict(key), default=str)
    assert (key.digest, key.roles) == (digest(text), ("chat", "feedback"))
    for roles in ([], ["root"], ["chat", "root"]):
        with pytest.raises(UsageError):
            new_key(roles, "", datetime.now(UTC))


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil:8080"])
def test_another_host_name_is_refused(client: Client, name: str) -> None:
    """A name that leads to this machine by a foreign DNS entry opens nothing, health included."""
    for path in ("/v1/models", "/healthz"):
        said = client.send("GET", path, headers={"host": name})
        assert (said.status, said.error["code"]) == (421, "unknown_host")


@pytest.mark.parametrize("name", ["localhost:8080", "LOCALHOST", "127.0.0.1", "[::1]:8080", "bot.example:443"])
def test_names_of_the_list_are_answered(client: Client, name: str) -> None:
    """This machine's own names and those of the settings."""
    client.open(allowed_hosts=("bot.example",))
    assert client.send("GET", "/v1/models", headers={"host": name}).status == 200


def test_an_address_of_ipv6_is_answered_under_its_name(client: Client) -> None:
    """Clients write it in brackets."""
    client.open(host="fd00::5")
    assert client.send("GET", "/v1/models", headers={"host": "[FD00::5]:8080"}).status == 200


def test_a_foreign_page_changes_nothing(client: Client) -> None:
    """A browser's page of another origin is refused on every unsafe method, and its preflight gets no permission."""
    client.open(allowed_origins=("https://shop.example",))
    for method, path in (
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/feedback"),
        ("DELETE", "/v1/chat/completions/x"),
    ):
        for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
            assert client.send(method, path, {}, headers=headers).error["code"] == "unknown_origin"
    asked = {"access-control-request-method": "POST"}
    said = client.send("OPTIONS", "/v1/feedback", headers=asked | {"origin": "https://evil.example"}, role=None)
    assert (said.status, "access-control-allow-origin" in said.headers) == (401, False)
    said = client.send("OPTIONS", "/v1/feedback", headers=asked | {"origin": "https://shop.example"}, role=None)
    assert (said.status, said.headers["access-control-allow-origin"]) == (204, "https://shop.example")
    said = client.chat(headers={"origin": "https://shop.example"})
    assert (said.status, said.headers["access-control-allow-origin"]) == (200, "https://shop.example")


def test_a_body_has_a_most_and_a_type(client: Client) -> None:
    """Too long is 413, told or untold; what is no JSON is 415."""
    client.open(max_body_bytes=1024)
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 2000}]}).encode()
    assert client.send("POST", "/v1/chat/completions", body).status == 413
    assert client.send("POST", "/v1/chat/completions", body, headers={"content-length": "10"}).status == 413
    assert client.send("POST", "/v1/chat/completions", body, headers={"content-length": "-1"}).status == 413
    assert client.send("POST", "/v1/chat/completions", b"{}", headers={"content-type": "text/plain"}).status == 415
    assert not client.engine.asked


def test_deep_json_is_refused_before_it_is_built(client: Client) -> None:
    """Nesting counts outside strings alone."""
    assert client.send("POST", "/v1/chat/completions", b"[" * 100_000).error["code"] == "too_deep"
    assert client.chat("[{" * 500).status == 200
    check_depth(b'{"a": "\\"[[[[[[[[[", "b": [[1]]}', 4)
    with pytest.raises(Problem):
        check_depth(b'{"a": [[[[1]]]], "b": "x"}', 4)


def test_a_talk_has_a_most_of_messages(client: Client) -> None:
    """One message too many is refused by name."""
    client.open(max_messages=3)
    messages = [{"role": "user", "content": "a"}] * 4
    assert client.chat(messages=messages).error["param"] == "messages"


def test_a_key_that_asks_too_fast_waits(client: Client) -> None:
    """429 with the time after which to come again, for this key alone."""
    client.open(requests_per_minute=60, burst=3)
    statuses = [client.chat().status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    said = client.chat()
    assert int(said.headers["retry-after"]) >= 1
    assert said.error["type"] == "rate_limit_error"
    assert client.chat(role="chat").status == 200


def test_a_bucket_fills_with_time() -> None:
    """One a second, up to the burst."""
    now = [0.0]
    buckets = Buckets(60, 2, lambda: now[0])
    assert [buckets.take("a"), buckets.take("a")] == [0, 0]
    assert buckets.take("a") == pytest.approx(1.0)
    now[0] = 1.0
    assert buckets.take("a") == 0
    now[0] = 100.0
    assert [buckets.take("a") > 0 for _ in range(3)] == [False, False, True]


def test_buckets_of_many_addresses_are_let_go() -> None:
    """Whoever comes from ever new addresses fills no memory, and an empty bucket is not forgotten meanwhile."""
    now = [0.0]
    buckets = Buckets(60, 2, lambda: now[0])
    for n in range(50_000):
        now[0] += 0.001
        buckets.take("greedy")
        buckets.take(f"ip:{n}")
    assert len(buckets) <= 2 * SWEEP_AT
    assert buckets.take("greedy") > 0


def test_more_at_once_than_the_most_are_refused(client: Client) -> None:
    """503 at once, instead of a queue without an end."""
    client.open(max_active=2)
    client.engine.pause_s = 0.05

    async def five() -> list[int]:
        body = {"messages": [{"role": "user", "content": "hi"}]}
        said = await asyncio.gather(*(client.asend("POST", "/v1/chat/completions", body) for _ in range(5)))
        return sorted(one.status for one in said)

    assert asyncio.run(five()) == [200, 200, 503, 503, 503]
    assert client.gateway.active == 0


def test_every_error_is_openai_shaped_and_has_an_id(client: Client) -> None:
    """Whatever goes wrong, a client's library can read it."""
    for said in (
        client.send("GET", "/nothing"),
        client.send("PUT", "/v1/models"),
        client.send("GET", "/v1/models", role=None),
        client.send("GET", "/v1/chat/completions?limit=1000"),
        client.chat(n=99),
    ):
        assert said.error["message"]
        assert said.headers["x-request-id"]


def test_a_fault_of_ours_is_500_without_words_of_anybody(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the place and never what was said."""

    def broken(ask: Any) -> str:
        raise KeyError(ask.messages[-1]["content"])

    client.engine.answer = broken
    said = client.chat("나만의 비밀")
    assert (said.status, said.error["code"]) == (500, "bug")
    assert "비밀" not in caplog.text + said.body.decode()
    assert "KeyError" in caplog.text


def test_a_fault_of_ours_within_a_stream_repeats_no_words_either(client: Client) -> None:
    """What the server logs of the end of such a stream shows the place, and nothing of what was said."""
    client.open(guard_personal_data=False, guard_unfit_words=False)

    async def broken(ask: Any) -> AsyncIterator[Piece]:
        yield Piece("Hello there", "", 1, 1)
        raise KeyError(ask.messages[-1]["content"])

    client.engine.stream, said = broken, "나만의 비밀"  # type: ignore[method-assign]
    with pytest.raises(Problem) as caught:
        client.chat(said, stream=True)
    assert "KeyError" not in "".join(traceback.format_exception(caught.value))
    assert said not in "".join(traceback.format_exception(caught.value))


def test_a_token_opens_one_completion_until_it_expires() -> None:
    """Another completion, another time, another secret, another spelling: closed."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    tokens = Tokens(b"s" * 32, 1.0, lambda: now[0].timestamp())
    token = tokens.sign("chatcmpl-1")
    assert tokens.holds(token, "chatcmpl-1")
    assert not tokens.holds(token, "chatcmpl-2")
    assert not Tokens(b"t" * 32, 1.0, lambda: now[0].timestamp()).holds(token, "chatcmpl-1")
    until, _, mac = token.partition("-")
    for wrong in ("", "-", until, f"{int(until, 16) + 1:x}-{mac}", f"-{mac}", f"zz-{mac}", "é-é"):
        assert not tokens.holds(wrong, "chatcmpl-1")
    now[0] += timedelta(hours=1, seconds=1)
    assert not tokens.holds(token, "chatcmpl-1")
    assert Tokens(b"s", 0).sign("x") == ""


def test_known_means_any_key() -> None:
    """Every role may at least see which models there are."""
    assert all(KNOWN in may for may in ROLES.values())
