"""The settings of a home: one tree, read from ``loraloop.toml`` and the environment. Components declare their own."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .data.quality import DataQualityConfig
from .deploy.config import DeploymentConfig
from .errors import SettingsError
from .evaluate.config import EvaluationConfig
from .evaluate.gate import GateConfig
from .schedule.config import SchedulerConfig
from .train.config import LoRATrainingConfig

PREFIX = "LORALOOP_"
_NOT_SETTINGS = frozenset({"LORALOOP_HOME", "LORALOOP_BENCH"})
_FORM = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class BaseModelConfig(BaseModel):
    """The base model and how it answers."""

    model_config = _FORM

    model: str = "smollm2"
    """A folder, a .gguf file, package:NAME, a hub id already on this machine, or "smollm2" or "gemma"."""
    system_prompt: str = ""
    """Put before every conversation that has no system message; part of each release."""
    max_new_tokens: int = Field(default=64, ge=1, le=4096)
    """Longest answer, in tokens."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Randomness of answers; 0 always takes the likeliest token."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of likely tokens drawn from, when temperature is above 0."""
    repetition_penalty: float = Field(default=1.0, ge=1, le=2)
    """Makes tokens already used less likely; 1 does nothing."""

    def decoding(self) -> dict[str, Any]:
        """Return how answers are drawn, as plain data for a release."""
        return self.model_dump(include={"max_new_tokens", "temperature", "top_p", "repetition_penalty"})


class StoreConfig(BaseModel):
    """Where values are kept."""

    model_config = _FORM

    url: str = ""
    """Database URL (postgresql://USER@HOST/NAME); empty for an SQLite file in the home."""


class Settings(BaseModel):
    """Everything that can be set."""

    model_config = _FORM

    bot: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    """The bot that commands are about, unless --bot names another."""
    language: Literal["en", "ko"] = "en"
    """Language of the bot's users: which suites judge it, and which language commands answer in."""
    base: BaseModelConfig = BaseModelConfig()
    """The base model and how it answers."""
    store: StoreConfig = StoreConfig()
    """Where values are kept."""
    data: DataQualityConfig = DataQualityConfig()
    """Which answers are good enough to learn from."""
    train: LoRATrainingConfig = LoRATrainingConfig()
    """How adapters are trained."""
    evaluate: EvaluationConfig = EvaluationConfig()
    """How adapters are asked."""
    gate: GateConfig = GateConfig()
    """What a candidate must meet."""
    deploy: DeploymentConfig = DeploymentConfig()
    """How adapters go live, and what is kept."""
    schedule: SchedulerConfig = SchedulerConfig()
    """When the loop turns."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting: its dotted key, what it holds, where that came from, and what it means."""

    key: str
    value: Any
    default: Any
    kind: str
    source: str
    meaning: str


def load_settings(home: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of a home: defaults, then ``loraloop.toml``, then ``LORALOOP_*`` variables, then overrides.

    Args:
        overrides: by dotted name with ``__`` for the dot.

    Raises:
        SettingsError: a key is unknown or a value is wrong; the message lists every fault.
    """
    tree, sources = _merged(home, overrides or {})
    faults = [
        f"{sources.get(key, 'settings')}: there is no setting {key}" + _nearest(key) for key in _keys(tree) - _known()
    ]
    known = _without_unknown(tree)
    try:
        found = Settings(**known)
    except ValidationError as error:
        faults += [_fault(detail, sources) for detail in error.errors()]
        found = Settings()
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise SettingsError(f"{count} in the settings:\n  " + "\n  ".join(sorted(faults)))
    return found


def explain(home: Path, settings: Settings) -> list[Explained]:
    """Return every setting with its value, default, source and meaning, in the order of the tree."""
    _, sources = _merged(home, {})
    found = []
    for key, field in _fields(Settings):
        value: Any = settings
        for part in key.split("."):
            value = getattr(value, part)
        kind = str(field.annotation).replace("typing.", "").replace("<class '", "").replace("'>", "")
        found.append(
            Explained(key, value, field.default, kind, sources.get(key, "default"), (field.description or "").strip())
        )
    return found


def default_toml(overrides: Mapping[str, Any] | None = None) -> str:
    """Return a settings file: the overrides set, everything else named in comments with its default and meaning.

    Raises:
        SettingsError: an override names no setting.
    """
    given = {key.replace("__", "."): value for key, value in (overrides or {}).items()}
    unknown = sorted(given.keys() - _known())
    if unknown:
        raise SettingsError(f"there is no setting {unknown[0]}{_nearest(unknown[0])}")
    lines = ["# Settings of this home. What is commented out has its default; loraloop config explain says more.", ""]
    section = ""
    for key, field in _fields(Settings):
        head, _, name = key.rpartition(".")
        if head != section:
            section = head
            lines += ["", f"[{section}]"]
        lines += [f"# {line}" for line in (field.description or "").strip().splitlines()]
        value = given.get(key, field.default)
        text = _toml(value)
        if text is None:
            lines.append(f"# {name} =")
        else:
            lines.append(f"{name} = {text}" if key in given else f"# {name} = {text}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All leaf settings, sections last, as TOML wants them."""
    nested = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            nested.append((name, kind))
        else:
            yield prefix + name, field
    for name, kind in nested:
        yield from _fields(kind, f"{prefix}{name}.")


def _known() -> set[str]:
    return {key for key, _ in _fields(Settings)}


def _merged(home: Path, overrides: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The tree of everything set, and where each key was set."""
    path = home / "loraloop.toml"
    tree: dict[str, Any] = {}
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}", hint="correct that line, or remove the file") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    sources = dict.fromkeys(_keys(tree), str(path))
    variables = {
        name: text for name, text in os.environ.items() if name.startswith(PREFIX) and name not in _NOT_SETTINGS
    }
    for name, text in sorted(variables.items()):
        key = name.removeprefix(PREFIX).lower().replace("__", ".")
        _set(tree, key, _from_text(text))
        sources[key] = name
    for name, value in overrides.items():
        _set(tree, name.replace("__", "."), value)
        sources[name.replace("__", ".")] = "argument"
    return tree, sources


def _from_text(text: str) -> Any:
    """A variable's text as TOML would read it; plain words stay text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *path, leaf = key.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"{key}: {part} is a setting, not a section")
    tree[leaf] = value


def _keys(tree: Mapping[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in tree.items():
        found |= _keys(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}"}
    return found


def _without_unknown(tree: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key in _keys(tree) & _known():
        value: Any = tree
        for part in key.split("."):
            value = value[part]
        _set(known, key, value)
    return known


def _nearest(key: str) -> str:
    names = sorted(_known())
    leaf = key.rpartition(".")[2]
    near = difflib.get_close_matches(key, names, 1, 0.6) or [name for name in names if name.endswith("." + leaf)]
    return f"; did you mean {near[0]}?" if near else ""


def _fault(detail: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    key = ".".join(str(part) for part in detail["loc"] if not isinstance(part, int))
    key = next((known for known in _known() if key == known or key.startswith(known + ".")), key)
    said = str(detail["msg"]).replace("Input should be", "it should be")
    return f"{sources.get(key, 'settings')}: {key} = {detail['input']!r}: {said}"


LANGUAGES: tuple[str, ...] = get_args(Settings.model_fields["language"].annotation)
"""Languages a bot may have."""
