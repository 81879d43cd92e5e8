"""Where settings come from, and the place each is told to have."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraloop.errors import SettingsError
from loraloop.settings_sources import Given, from_text, gather, nested

WORDS = st.text("abcdefgh_", min_size=1, max_size=6)


def written(folder: Path, text: str) -> Path:
    """A settings file of some text."""
    path = folder / "loraloop.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_key_has_the_place_that_a_person_would_look_for(tmp_path: Path) -> None:
    """A file's keys are told by line, dotted ones and those of sections alike; variables and arguments by name."""
    path = written(tmp_path, '# hello\nbot = "b"\ntrain.epochs = 2\n\n[gate]\nx = 1\n  y = 2\n[deploy]\n')
    found = gather(path, {"LORALOOP_TRAIN__MIN_STEPS": "5", "OTHER": "1"}, {"base__model": "m", "data.x": 1})
    assert found == {
        "bot": Given("b", f"{path}:2"),
        "train.epochs": Given(2, f"{path}:3"),
        "gate.x": Given(1, f"{path}:6"),
        "gate.y": Given(2, f"{path}:7"),
        "deploy": Given({}, f"{path}:8"),
        "train.min_steps": Given("5", "LORALOOP_TRAIN__MIN_STEPS", is_text=True),
        "base.model": Given("m", "argument"),
        "data.x": Given(1, "argument"),
    }


def test_a_key_written_in_an_unusual_way_still_names_its_file(tmp_path: Path) -> None:
    """Quoted keys and inline tables are read; where plain reading finds no line, the file alone is named."""
    path = written(tmp_path, '"bot" = "b"\ntrain = {epochs = 2}\n')
    assert gather(path, {}, {}) == {"bot": Given("b", str(path)), "train.epochs": Given(2, str(path))}


def test_arguments_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    """Of several who set one key, the last in that order counts, with its own place."""
    path, variables = written(tmp_path, 'bot = "file"\n'), {"LORALOOP_BOT": "variable"}
    assert gather(path, {}, {})["bot"].value == "file"
    assert gather(path, variables, {})["bot"] == Given("variable", "LORALOOP_BOT", is_text=True)
    assert gather(path, variables, {"bot": "argument"})["bot"] == Given("argument", "argument")


def test_variables_that_say_something_else_set_nothing(tmp_path: Path) -> None:
    """The home's place is no setting, and a missing file sets nothing."""
    assert gather(tmp_path / "none.toml", {"LORALOOP_HOME": "/x", "LORALOOP_BENCH": "1", "PATH": "y"}, {}) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x = ", "no TOML"),
        (b"x = 1\nx = 2", "no TOML"),
        (b"[a]\n[a]", "no TOML"),
        ("bot = '급식'".encode("cp949"), "not UTF-8"),
        (b"x = " + b"9" * 5000, "no TOML"),
        (b"x = " + b"[" * 20_000, "no TOML"),
    ],
    ids=["cut", "twice", "section twice", "encoding", "long number", "deep"],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    """Whatever is wrong with it as a file, the error names it and says what to do."""
    path = tmp_path / "loraloop.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as caught:
        gather(path, {}, {})
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_a_folder_in_the_files_place_is_an_error(tmp_path: Path) -> None:
    """What cannot be opened is told with the system's reason."""
    with pytest.raises(SettingsError, match="cannot be read"):
        gather(tmp_path, {}, {})


TREES = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.dictionaries(WORDS, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def flat(tree: object, prefix: str = "") -> dict[str, object]:
    """A tree's leaves by dotted key."""
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    return {key: leaf for name, part in tree.items() for key, leaf in flat(part, f"{prefix}{name}.").items()}


@pytest.mark.slow
@given(st.dictionaries(WORDS, TREES, max_size=4))
def test_dotted_keys_make_the_tree_they_came_from(tree: dict[str, object]) -> None:
    """Taking a tree apart into dotted keys and putting it together again changes nothing."""
    assert nested(flat(tree)) == tree


@pytest.mark.parametrize(
    ("text", "wants", "value"),
    [
        ("3", int, 3),
        ("1e-4", float, 1e-4),
        ("true", bool, True),
        ("3", str, "3"),
        ('"quoted"', str, '"quoted"'),
        ("", str, ""),
        ("yes", bool, "yes"),
        ("a, b,,c ", tuple[str, ...], ["a", "b", "c"]),
        ('["a, b"]', tuple[str, ...], ["a, b"]),
        ("", tuple[str, ...], []),
        ("7\nx = 8", int, "7\nx = 8"),
        ("7 # seven", int, 7),
        ("9" * 5000, int, "9" * 5000),
    ],
)
def test_a_variable_is_read_as_its_setting_wants(text: str, wants: type, value: object) -> None:
    """Numbers and lists as TOML writes them, lists also between commas, text as it is; more than one value is none."""
    assert from_text(text, wants) == value


@given(st.text(), st.sampled_from([int, float, bool, str, tuple[str, ...], str | None]))
def test_no_variable_breaks_reading(text: str, wants: type) -> None:
    """Any text gives a value or itself, for the setting's own rules to judge."""
    found = from_text(text, wants)
    assert wants is not str or found == text


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_what_a_number_looks_like_reads_back(value: float) -> None:
    """Numbers and switches survive being written into a variable."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    assert from_text(text, type(value)) == value


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_file_gives_settings_or_an_error_of_the_settings(tmp_path: Path, text: str) -> None:
    """No content of the file leads to another kind of error."""
    path = written(tmp_path, text)
    try:
        found = gather(path, {}, {})
    except SettingsError:
        return
    assert all(one.place.startswith(str(path)) for one in found.values())
