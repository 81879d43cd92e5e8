"""Cases drawn from the gateway's own OpenAPI document: none brings it down, none gets past the keys."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from loraloop.serve.door import PERMISSIONS
from loraloop.serve.keys import OPEN
from loraloop.store.sql import open_store
from loraloop.testing.gateway_client import GatewayClient

pytestmark = pytest.mark.real

CASES = int(os.environ.get("GATEWAY_CASES", "900"))
"""Cases in all; `GATEWAY_CASES=5000 pytest tests/real/test_gateway_schema.py` is the full measure."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayClient]:
    """A gateway that refuses nothing for haste."""
    store = open_store(tmp_path_factory.mktemp("schema") / "loraloop.db")
    made = GatewayClient(store)
    made.open(requests_per_minute=1e9, burst=1_000_000, allowed_hosts=("testserver",))
    yield made
    made.close()
    store.close()


def keys(client: GatewayClient) -> st.SearchStrategy[str | None]:
    """The admin's key, each lesser one, none, and what only looks like one."""
    wrong = ["", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Bearer ll_x_y", "bearer " + client.keys["admin"][:-1]]
    return st.sampled_from([*(f"Bearer {key}" for key in client.keys.values()), None, *wrong])


@dataclass
class Hammer:
    """Sends what is drawn for one operation, and counts the answers."""

    client: GatewayClient
    seen: Counter[int]

    def strike(self, case: Any, key: str | None) -> None:
        """One case with one key."""
        known = {f"Bearer {text}" for text in self.client.keys.values()}
        response = case.call(headers={} if key is None else {"authorization": key})
        self.seen[response.status_code] += 1
        where = f"{case.method} {case.path}: {response.status_code}"
        assert response.status_code < 500, where
        if key not in known and PERMISSIONS[case.method.upper(), case.operation.path] is not OPEN:
            assert response.status_code >= 400, f"{where} without a key"
        if response.status_code >= 400:
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}, where


def test_no_case_is_answered_with_5xx_or_gets_past_the_keys(client: GatewayClient) -> None:
    """Valid and invalid bodies, parameters and methods, with every key and none, through ASGI."""
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", client.app, headers={"authorization": f"Bearer {client.keys['admin']}"}
    )
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == len(PERMISSIONS) - 1, "all but the document itself"
    hammer = Hammer(client, Counter())
    each = -(-CASES // (2 * sum(map(may_be_wrong, operations))))
    plan = settings(
        max_examples=each,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for number, operation in enumerate(operations):
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            if mode == schemathesis.GenerationMode.NEGATIVE and not may_be_wrong(operation):
                continue
            drawn = given(operation.as_strategy(generation_mode=mode), keys(client))
            seed(number)(plan(drawn(lambda case, key: hammer.strike(case, key))))()
    print(f"{sum(hammer.seen.values())} cases: {dict(sorted(hammer.seen.items()))}")
    assert sum(hammer.seen.values()) >= CASES
    assert {200, 400, 401, 403, 404} <= set(hammer.seen)


def may_be_wrong(operation: Any) -> bool:
    """Whether there is anything in a request that could break the document."""
    return bool(operation.body or operation.query or operation.path_parameters)


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bytes_of_any_kind_at_any_path_are_refused_in_words(client: GatewayClient, data: st.DataObject) -> None:
    """Paths, methods, headers and bodies that no document names."""
    path = "/" + "/".join(
        data.draw(
            st.lists(
                st.sampled_from(["v1", "chat", "completions", "models", "..", "%2e", "x", "metrics", ""]), max_size=5
            )
        )
    )
    body = data.draw(st.binary(max_size=200) | st.sampled_from([b"{}", b"[]", b"null", b'{"messages": 1}']))
    headers = {"x-a": data.draw(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=20))}
    said = client.send(
        data.draw(st.sampled_from(METHODS)),
        path,
        body,
        role=data.draw(st.sampled_from(["admin", None])),
        headers=headers,
    )
    assert said.status < 500
    if said.status >= 400:
        assert said.error["message"]


def test_the_document_names_every_path_and_the_chat(client: GatewayClient) -> None:
    """Readers of the document see the chat's fields and the shape of errors."""
    document = client.send("GET", "/openapi.json").json
    assert {(m.upper(), p) for p, item in document["paths"].items() for m in item} == set(PERMISSIONS) - {
        ("GET", "/openapi.json")
    }
    fields = document["components"]["schemas"]["ChatBody"]["properties"]
    assert {"messages", "model", "stream", "store", "metadata", "max_completion_tokens"} <= set(fields)
    assert Path(document["paths"]["/v1/chat/completions"]["post"]["operationId"]).name == "chat"
