"""The settings of a home: defaults, what is set, every fault at once, and a file that reads back."""

import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from loraloop.errors import SettingsError
from loraloop.settings import Settings, _fault, default_toml, explain, load_settings, toml_text
from loraloop.settings_sources import Given

KEYS = [one.key for one in explain(Path("no-home"), Settings())]
STRICT = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALID: dict[str, st.SearchStrategy[Any]] = {
    "bot": st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
    "language": st.sampled_from(["en", "ko"]),
    "base.system_prompt": TEXT,
    "base.temperature": st.floats(0, 2),
    "base.max_new_tokens": st.integers(1, 4096),
    "data.exclude_error_patterns": st.lists(TEXT, max_size=3).map(tuple),
    "data.languages": st.lists(st.sampled_from(["ko", "en"]), max_size=2).map(tuple),
    "train.learning_rate": st.floats(1e-300, 1e300),
    "train.seed": st.integers(-(2**63), 2**63 - 1),
    "deploy.pinned": st.lists(TEXT, max_size=3).map(tuple),
    "schedule.enable_auto_scheduling": st.booleans(),
}


def value_of(found: Settings, key: str) -> Any:
    """What a dotted key holds."""
    value: Any = found
    for part in key.split("."):
        value = getattr(value, part)
    return value


def write(folder: Path, text: str) -> Path:
    """A home with this settings file."""
    (folder / "loraloop.toml").write_text(text, encoding="utf-8")
    return folder


def faults(folder: Path, text: str = "", overrides: Mapping[str, Any] | None = None) -> list[str]:
    """The faults that reading such a file tells."""
    with pytest.raises(SettingsError) as caught:
        load_settings(write(folder, text), overrides)
    return str(caught.value).splitlines()


def test_a_home_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    """Nothing needs to be set."""
    assert load_settings(tmp_path) == Settings()


def test_the_last_of_file_variable_and_argument_counts_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting is explained with its value and the place it came from."""
    write(tmp_path, 'bot = "b"\n[train]\nepochs = 3\nmin_steps = 7\n')
    monkeypatch.setenv("LORALOOP_TRAIN__MIN_STEPS", "8")
    monkeypatch.setenv("LORALOOP_DEPLOY__PINNED", "a1, a2")
    found = load_settings(tmp_path, {"base__model": "folder"})
    assert (found.bot, found.train.epochs, found.train.min_steps, found.base.model) == ("b", 3, 8, "folder")
    assert found.deploy.pinned == ("a1", "a2")
    told = {one.key: one for one in explain(tmp_path, found, {"base__model": "folder"})}
    assert told["train.epochs"].source.endswith("loraloop.toml:3")
    assert (told["train.min_steps"].source, told["train.min_steps"].value) == ("LORALOOP_TRAIN__MIN_STEPS", 8)
    assert told["base.model"].source == "argument"
    assert (told["train.seed"].source, told["train.seed"].default) == ("default", 0)
    assert list(told) == KEYS


def test_settings_do_not_change(tmp_path: Path) -> None:
    """What was read stays as it was read, and a component's settings take no unknown name."""
    found = load_settings(tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        found.bot = "other"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings(unknown=1)  # type: ignore[call-arg]


@pytest.mark.fault(54)
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("[train]\nlearning_rat = 1", "did you mean train.learning_rate?"),
        ("learning_rate = 1", "did you mean train.learning_rate?"),
        ("[tarin]\nepochs = 1", "did you mean train.epochs?"),
        ("[gate]\nmin_heldout_row = 1", "did you mean gate.min_heldout_rows?"),
        ("train = 3", "train is a section of settings; write [train]"),
        ("[[train]]\nepochs = 1", "train is a section of settings; write [train]"),
        ("quux = 1", "there is no setting quux"),
        ("[train.epochs]\nx = 1", "there is no setting train.epochs.x"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_known_one(tmp_path: Path, written: str, meant: str) -> None:
    """A typo in the name or its section is told by line, with the setting that was probably meant."""
    said = faults(tmp_path, written)
    assert said[0] == "1 fault in the settings:"
    assert meant in said[1]
    assert str(tmp_path / "loraloop.toml") in said[1]


@pytest.mark.fault(54)
def test_every_fault_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names, wrong types and values out of range of all sources stand in one message, each with its place."""
    monkeypatch.setenv("LORALOOP_BASE__TEMPERATURE", "hot")
    text = '[train]\nepochs = 0\nlearning_rat = 1\n[data]\nlanguages = ["en", "tlh"]\n'
    said = faults(tmp_path, text, {"language": "fr"})
    assert said[0] == "5 faults in the settings:"
    for words in (
        "loraloop.toml:2: train.epochs = 0",
        "loraloop.toml:3: there is no setting train.learning_rat",
        "loraloop.toml:5: data.languages",
        "LORALOOP_BASE__TEMPERATURE: base.temperature = 'hot'",
        "argument: language = 'fr'",
    ):
        assert len([line for line in said if words in line]) == 1, words


def test_an_empty_section_is_no_fault(tmp_path: Path) -> None:
    """The file that init writes has sections with nothing but comments in them."""
    assert load_settings(write(tmp_path, "[train]\n[gate]\n")) == Settings()


def test_a_fault_of_a_whole_section_is_told_with_every_place_in_it() -> None:
    """A rule over several settings names none of them; what was given in the section is named instead."""
    given = {"train.epochs": Given(1, "file:3"), "train.seed": Given(1, "LORALOOP_TRAIN__SEED"), "bot": Given("b", "f")}
    detail = {"loc": ("train",), "msg": "these do not go together", "input": {}}
    assert _fault(detail, given) == "file:3, LORALOOP_TRAIN__SEED: train: these do not go together"
    assert _fault({**detail, "loc": ()}, {}) == "the defaults: the settings: these do not go together"


def test_the_file_that_init_writes_names_every_setting_and_sets_none(tmp_path: Path) -> None:
    """Everything is there in comments with its default and meaning; taking the comment signs away changes nothing."""
    text = default_toml()
    assert tomllib.loads(text) == {name: {} for name in tomllib.loads(text)}
    assert load_settings(write(tmp_path, text)) == Settings()
    shown = [line.removeprefix("# ") for line in text.splitlines() if " = " in line or line.startswith("[")]
    uncommented = "\n".join(line for line in shown if line.startswith("[") or " = " in line)
    assert load_settings(write(tmp_path, uncommented)) == Settings()
    for one in explain(tmp_path, Settings()):
        assert f"# {one.meaning.splitlines()[0]}" in text, one.key
        assert f"{one.key.rpartition('.')[2]} =" in text, one.key


def test_a_setting_that_is_none_is_not_written(tmp_path: Path) -> None:
    """Making a home refuses a misspelt setting before anything is written."""
    with pytest.raises(SettingsError, match=r"did you mean base\.model"):
        default_toml({"base__modle": "x"})


def test_what_is_no_text_is_not_written() -> None:
    """Bytes that are no UTF-8, as a terminal in another encoding gives them, are refused by the setting's name."""
    with pytest.raises(SettingsError, match=r"base\.system_prompt is not UTF-8"):
        default_toml({"base__system_prompt": b"caf\xe9".decode("utf-8", "surrogateescape")})


@pytest.mark.slow
@STRICT
@given(st.fixed_dictionaries({}, optional=VALID))
def test_what_init_writes_reads_back(tmp_path: Path, chosen: dict[str, Any]) -> None:
    """Whatever allowed values a home is made with, its file gives them back, and leaves the rest at its default."""
    found = load_settings(write(tmp_path, default_toml({key.replace(".", "__"): chosen[key] for key in chosen})))
    assert {key: value_of(found, key) for key in chosen} == chosen
    default = Settings()
    assert all(value_of(found, key) == value_of(default, key) for key in KEYS if key not in chosen)


@example(float("-inf"))
@given(st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.lists(TEXT).map(tuple)))
def test_a_value_is_written_as_toml_reads_it(value: Any) -> None:
    """Text with quotes, control characters and Korean, numbers, switches and lists come back equal."""
    read = tomllib.loads(f"x = {toml_text(value)}")["x"]
    assert (tuple(read) if isinstance(value, tuple) else read) == value or math.isnan(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT, lambda inner: st.lists(inner, max_size=3)
)


@pytest.mark.slow
@STRICT
@given(st.dictionaries(st.sampled_from([*KEYS, "train", "gaet.x", "", "..", "bot.x"]), JSON, max_size=5))
def test_any_override_gives_settings_or_a_list_of_faults(tmp_path: Path, overrides: dict[str, Any]) -> None:
    """No value of any kind for any name leads to another kind of error; what is accepted is what was asked for."""
    try:
        found = load_settings(tmp_path, overrides)
    except SettingsError:
        return
    for key, value in overrides.items():
        assert value_of(found, key) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("language", '"en" | "ko"'),
        ("base.top_p", "float, more than 0, at most 1"),
        ("train.lora_dropout", "float, at least 0, less than 1"),
        ("deploy.pinned", "list[str]"),
        ("data.exclude_error_patterns", "list[str] | nothing"),
    ],
)
def test_what_a_setting_may_hold_is_said_in_words(key: str, kind: str) -> None:
    """Types and ranges read as a person would write them."""
    (found,) = [one for one in explain(Path("no-home"), Settings()) if one.key == key]
    assert found.kind == kind
    assert json.dumps(found.default) is not None


@pytest.mark.parametrize("key", [key for key in KEYS if key.endswith(("_hours", "_days", "_s"))])
def test_a_span_of_time_has_an_end(tmp_path: Path, key: str) -> None:
    """No span is endless: a time after it could not be told, and waiting for it not be done."""
    if key == "gate.latency_floor_s":
        return  # compared with, never added to a time
    for value in (float("inf"), 1e15, float("nan")):
        assert key in faults(tmp_path, "", {key: value})[1]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("privacy.retention_days", "true", "it should be a number"),
        ("gate.loss_margin_nats", "inf", "it should be a finite number"),
        ("gate.loss_margin_nats", '"inf"', "it should be a finite number"),
        ("schedule.max_requests_in_flight", "true", "it should be a number"),
        ("serve.host", '""', "it should have at least 1 character"),
        ("privacy.tombstones", '"gone"', "it should be a whole path"),
        ("store.url", '"nonsense"', "it should begin with postgresql://"),
        ("store.url", '"mysql://x"', "it should begin with postgresql://"),
    ],
)
def test_a_value_that_would_mean_something_else_is_refused(tmp_path: Path, key: str, value: str, reason: str) -> None:
    """A day for true, no limit at all, every address there is, a new file in each folder: none of them was meant."""
    section, _, name = key.partition(".")
    found = faults(tmp_path, f"[{section}]\n{name} = {value}\n")
    assert len(found) == 2
    assert f"loraloop.toml:2: {key} = " in found[1]
    assert reason in found[1]
    assert "Value error" not in found[1]


def test_a_file_as_windows_writes_it_is_read_and_one_in_another_encoding_named(tmp_path: Path) -> None:
    """A byte order mark and CRLF do no harm; of other bytes the remedy is told."""
    (tmp_path / "loraloop.toml").write_bytes(b'\xef\xbb\xbfbot = "b"\r\n')
    assert load_settings(tmp_path).bot == "b"
    (tmp_path / "loraloop.toml").write_bytes('[base]\nsystem_prompt = "안녕"\n'.encode("cp949"))
    with pytest.raises(SettingsError, match="is not UTF-8") as caught:
        load_settings(tmp_path)
    assert caught.value.hint == "save it as UTF-8"
