"""What starts a run, as a person writes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.errors import SettingsError
from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.expression import NAMES, STRATEGIES, Node, parsed
from loraloop.settings import load_settings
from loraloop.wiring import init_home

TREES = st.recursive(
    st.sampled_from(NAMES).map(lambda name: Node("name", name)),
    lambda inner: st.one_of(
        inner.map(lambda one: Node("not", parts=(one,))),
        st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda made: Node(made[0], parts=tuple(made[1]))
        ),
    ),
    max_leaves=8,
)
FIRES = st.fixed_dictionaries({name: st.booleans() for name in NAMES})


def written(node: Node, *, lists: bool) -> str:
    """The tree as text, with brackets round everything or as all(...) and any(...)."""
    if node.kind == "name":
        return node.name
    if node.kind == "not":
        return f"not ({written(node.parts[0], lists=lists)})"
    parts = [written(part, lists=lists) for part in node.parts]
    if lists:
        return f"{node.kind}({', '.join(parts)})"
    return "(" + {"all": ") and (", "any": ") or ("}[node.kind].join(parts) + ")"


@given(TREES, FIRES, st.booleans())
def test_what_is_written_is_what_holds(tree: Node, fires: dict[str, bool], lists: bool) -> None:
    """Any tree of all, any and not reads back from either spelling with the same meaning as Python's own."""
    node = parsed(written(tree, lists=lists))
    assert node.names() == tree.names()
    python = written(tree, lists=False)
    assert node.holds(fires) is tree.holds(fires) is bool(eval(python, {"__builtins__": {}}, fires))


def test_not_binds_before_and_and_that_before_or() -> None:
    """``a or b and not c`` is ``a or (b and (not c))``."""
    node = parsed("rows or cron and not stale")
    assert [part.kind for part in node.parts] == ["name", "all"]
    assert [part.kind for part in node.parts[1].parts] == ["name", "not"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("rowz", "did you mean rows"), ("rows and", "missing at the end"), ("(rows", "not closed"),
     ("rows cron", "'cron'"),
     ("rows; import os", "';'"), ("__import__('os')", "means nothing"), ("not " * 40 + "rows", "nested"),
     ("rows or " * 200 + "rows", "longer than")],
)  # fmt: skip
def test_what_means_nothing_is_told_with_its_place(text: str, words: str) -> None:
    """A wrong expression is an error in words, and nothing in it is ever executed."""
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        parsed(text)


def test_strategies_are_expressions_and_when_goes_before_them() -> None:
    """The older setting still works; the new one wins where it is set."""
    for name, text in STRATEGIES.items():
        assert SchedulerConfig(strategy=name).expression == parsed(text)  # type: ignore[arg-type]
    assert SchedulerConfig(when="cron", strategy="rows").expression == parsed("cron")


def test_every_wrong_setting_of_the_schedule_is_told_at_once(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Expression, zone, cron, hours and dates are checked when settings are read, each with what to write."""
    home = init_home(tmp_path / "home", base__model="x")
    wrong = {
        "schedule.when": "rowz", "schedule.time_zone": "Europe/Berln", "schedule.cron": "99 * * * *",
        "schedule.quiet_hours": "22-7", "schedule.days_off": ["Christmas"],
    }  # fmt: skip
    with pytest.raises(SettingsError) as caught:
        load_settings(home, wrong)
    for words in ("did you mean rows", "no such time zone", "no cron expression", "22:00-07:00", "2026-12-24"):
        assert words in str(caught.value)
