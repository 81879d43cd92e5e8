"""What callers of the older interface hand in, round a tiny real model, and how they read what they get."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import Any

GOOD = {"overall_score": 0.9, "avg_response_time": 0.5, "test_cases_passed": 9, "total_test_cases": 10}
"""A performance that meets every fixed threshold."""
PERFORMANCE_KEYS = {
    "overall_score",
    "keyword_score",
    "quality_score",
    "avg_response_time",
    "max_response_time",
    "test_cases_passed",
    "total_test_cases",
}
TRAINING_KEYS = {
    "adapter_name",
    "training_time",
    "train_loss",
    "train_samples",
    "eval_samples",
    "adapter_path",
    "trained_at",
    "eval_loss",
}


class Collector:
    """Gives the records it was made with, and remembers for how many days it was asked."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.records = records
        self.asked: list[int] = []

    def get_recent_data(self, days: int) -> list[dict[str, Any]]:
        """All of them."""
        self.asked.append(days)
        return self.records


class CountingCollector(Collector):
    """One that also tells how many of its samples are valid."""

    def get_collection_statistics(self) -> dict[str, Any]:
        """As many as there are."""
        return {"quality_stats": {"valid_samples": len(self.records)}}


def make_records(count: int) -> list[dict[str, Any]]:
    """Good records, the oldest first, times in turn as datetimes and as ISO 8601 text."""
    now = datetime.now(UTC)
    records = []
    for n in range(count):
        moment = now - timedelta(hours=count - n)
        records.append(
            {
                "user_input": f"{n + 1}번 동네에서 점심 추천해 줘",
                "bot_response": f"따뜻한 국수와 김밥 {n + 1}줄이 좋아요.",
                "quality_score": 0.9,
                "timestamp": moment if n % 2 else moment.isoformat(),
            }
        )
    return records


def as_json(result: Any) -> Any:
    """A result as callers write it down."""
    return json.loads(json.dumps(dict(result), default=str))


def reads_like_a_dict(result: Any, keys: set[str]) -> None:
    """A result holds the keys by index, by ``get``, as a dict and as JSON."""
    assert keys <= set(dict(result))
    assert keys <= set(as_json(result))
    for key in keys:
        assert result[key] == result.get(key) == dict(result)[key]


def wait_for(met: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Unchanged:
    """Says whether a wrapper is as it was when this was made: its attributes, weights and modules."""

    def __init__(self, wrapper: Any) -> None:
        self.wrapper, self.attributes = wrapper, dict(vars(wrapper))
        self.weights = {name: tensor.clone() for name, tensor in wrapper.model.state_dict().items()}
        self.modules = [type(module) for module in wrapper.model.modules()]
        self.flags = self._flags()

    def _flags(self) -> list[Any]:
        model = self.wrapper.model
        return [model.training, model.device, *((p.requires_grad, p.grad) for p in model.parameters())]

    def check(self) -> None:
        """Fail where anything differs."""
        assert vars(self.wrapper) == self.attributes
        now = self.wrapper.model.state_dict()
        assert now.keys() == self.weights.keys()
        assert all(now[name].equal(tensor) for name, tensor in self.weights.items())
        assert [type(module) for module in self.wrapper.model.modules()] == self.modules
        assert self._flags() == self.flags


def holds_as_config(kind: type, defaults: Mapping[str, Any]) -> None:
    """A config has these defaults in this order, takes them by place and by keyword, and stays assignable."""
    assert {field.name: getattr(kind(), field.name) for field in fields(kind)} == dict(defaults)
    assert [field.name for field in fields(kind)][: len(defaults)] == list(defaults)
    other = [f"other {name}" for name in defaults]
    by_place, by_keyword = kind(*other), kind(**dict(zip(defaults, other, strict=True)))
    for name, value in zip(defaults, other, strict=True):
        assert getattr(by_place, name) == getattr(by_keyword, name) == value
        setattr(by_place, name, "assigned")
        assert getattr(by_place, name) == "assigned"


def takes(function: Callable[..., Any], **expected: Any) -> None:
    """A function's first parameters have these names and defaults (``...``: none), and nothing after them is needed."""
    given = [p for p in signature(function).parameters.values() if p.name != "self"]
    first, rest = given[: len(expected)], given[len(expected) :]
    assert {p.name: ... if p.default is p.empty else p.default for p in first} == expected
    assert [p.name for p in first] == list(expected)
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in first)
    assert all(p.default is not p.empty for p in rest)
