"""The settings of a home: one tree, read from ``loraloop.toml`` and the environment. Components declare their own."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .data.quality_config import DataQualityConfig
from .data.trust import TrustConfig
from .deploy.config import DeploymentConfig, ExperimentConfig
from .errors import SettingsError
from .evaluate.config import EvaluationConfig, GateConfig
from .lm.yielding import YieldingConfig
from .schedule.config import SchedulerConfig
from .schedule.jobs_config import JobsConfig
from .serve.config import ServeConfig
from .serve.engine_config import EngineConfig
from .settings_sources import Given, from_text, gather, nested, no_number
from .store.config import StoreConfig
from .store.privacy import PrivacyConfig
from .train.config import LoRATrainingConfig

FILE = "loraloop.toml"
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # what Python makes of bytes that are no UTF-8
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
    trust: TrustConfig = TrustConfig()
    """How far people are trusted who teach the bot."""
    train: LoRATrainingConfig = LoRATrainingConfig()
    """How adapters are trained."""
    evaluate: EvaluationConfig = EvaluationConfig()
    """How adapters are asked."""
    gate: GateConfig = GateConfig()
    """What a candidate must meet."""
    deploy: DeploymentConfig = DeploymentConfig()
    """How adapters go live, and what is kept."""
    experiment: ExperimentConfig = ExperimentConfig()
    """How a candidate is tried on users beside the live release, and what sends it back."""
    schedule: SchedulerConfig = SchedulerConfig()
    """When the loop turns."""
    jobs: JobsConfig = JobsConfig()
    """How jobs are held, tried again and given up, and what does them."""
    yielding: YieldingConfig = YieldingConfig()
    """How training and evaluation give way to users who are answered on the same machine."""
    privacy: PrivacyConfig = PrivacyConfig()
    """How long talk is kept, and how it is forgotten."""
    engine: EngineConfig = EngineConfig()
    """What runs the model for users."""
    serve: ServeConfig = ServeConfig()
    """How the gateway answers, and what it keeps and refuses."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting: its dotted key, what it holds, where that came from, what it may hold, and what it means."""

    key: str
    value: Any
    default: Any
    kind: str
    source: str
    meaning: str


def load_settings(home: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of a home: defaults, then ``loraloop.toml``, then ``LORALOOP_*`` variables, then overrides.

    Args:
        overrides: by dotted name, or with ``__`` for the dot.

    Raises:
        SettingsError: a key is unknown or a value is wrong; the message lists every fault.
    """
    given = gather(home / FILE, os.environ, overrides or {})
    fields = dict(_fields(Settings))
    faults = [
        f"{given[key].place}: {_unknown(key)}" for key in given if key not in fields and not _is_empty(key, given)
    ]
    values = {
        key: from_text(one.value, fields[key].annotation) if one.is_text else one.value
        for key, one in given.items()
        if key in fields
    }
    for key, value in list(values.items()):
        if wrong := no_number(value, fields[key].annotation):
            faults.append(f"{given[key].place}: {key} = {values.pop(key)!r}: {wrong}")
    try:
        found = Settings(**nested(values))
    except ValidationError as error:
        faults += [_fault(detail, given) for detail in error.errors()]
        found = Settings()
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise SettingsError(f"{count} in the settings:\n  " + "\n  ".join(dict.fromkeys(faults)))
    return found


def explain(home: Path, settings: Settings, overrides: Mapping[str, Any] | None = None) -> list[Explained]:
    """Return every setting with its value, default, source, type and meaning, in the order of the tree.

    Args:
        overrides: those that ``settings`` was loaded with.
    """
    given = gather(home / FILE, os.environ, overrides or {})
    return [
        Explained(
            key=key,
            value=_value(settings, key),
            default=field.default,
            kind=_kind(field),
            source=given[key].place if key in given else "default",
            meaning=_meaning(field),
        )
        for key, field in _fields(Settings)
    ]


def default_toml(overrides: Mapping[str, Any] | None = None) -> str:
    """Return a settings file: the overrides set, everything else named in comments with its default and meaning.

    Raises:
        SettingsError: an override names no setting, or holds what is no text.
    """
    given = {key.replace("__", "."): value for key, value in (overrides or {}).items()}
    fields = dict(_fields(Settings))
    faults = [_unknown(key) for key in given if key not in fields]
    faults += [f"{key} is not UTF-8" for key, value in given.items() if _SURROGATE.search(toml_text(value))]
    if faults:
        raise SettingsError("\n".join(faults))
    lines = ["# Settings of this home. What is commented out has its default; loraloop config explain says more.", ""]
    section = ""
    for key, field in fields.items():
        head, _, name = key.rpartition(".")
        if head != section:
            section = head
            lines += ["", f"[{section}]"]
        lines += [f"# {line}" for line in _meaning(field).splitlines()]
        text = f"{name} = {toml_text(given.get(key, field.default))}".rstrip()
        lines.append(text if key in given else f"# {text}")
    return "\n".join(lines) + "\n"


def toml_text(value: Any) -> str:
    """Return a setting's value as TOML writes it; nothing for ``None``, which TOML cannot say."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    # JSON's strings, numbers and booleans are TOML's, but for the character DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All leaf settings, sections last, as TOML wants them."""
    sections = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            sections.append((name, kind))
        else:
            yield prefix + name, field
    for name, kind in sections:
        yield from _fields(kind, f"{prefix}{name}.")


def _value(settings: Settings, key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").strip()


_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def _kind(field: FieldInfo) -> str:
    """A setting's type and range in words a person reads."""
    annotation = field.annotation
    name = annotation.__name__ if annotation in (str, int, float, bool) else str(annotation)
    for said, meant in (
        ("typing.", ""),
        ("tuple[", "list["),
        (", ...]", "]"),
        ("NoneType", "nothing"),
        ("None", "nothing"),
    ):
        name = name.replace(said, meant)
    if get_args(annotation) and name.startswith("Literal["):
        name = " | ".join(f'"{choice}"' for choice in get_args(annotation))
    bounds = [
        f"{words} {getattr(rule, bound):g}"
        for rule in field.metadata
        for bound, words in _BOUNDS.items()
        if getattr(rule, bound, None) is not None
    ]
    return ", ".join([name, *bounds])


def _is_empty(key: str, given: Mapping[str, Given]) -> bool:
    """Whether this is a known section with nothing in it."""
    return given[key].value == {} and any(known.startswith(f"{key}.") for known, _ in _fields(Settings))


def _unknown(key: str) -> str:
    names = [name for name, _ in _fields(Settings)]
    if any(name.startswith(f"{key}.") for name in names):
        return f"{key} is a section of settings; write [{key}] and the settings under it"
    leaf = key.rpartition(".")[2]
    same = [name for name in names if name.rpartition(".")[2] == leaf]
    near = same or difflib.get_close_matches(key, names, 1, 0.6) or _near_leaf(leaf, names)
    return f"there is no setting {key}" + (f"; did you mean {near[0]}?" if near else "")


def _near_leaf(leaf: str, names: list[str]) -> list[str]:
    leaves = {name.rpartition(".")[2]: name for name in names}
    return [leaves[near] for near in difflib.get_close_matches(leaf, leaves, 1, 0.6)]


def _fault(detail: Mapping[str, Any], given: Mapping[str, Given]) -> str:
    parts = [str(part) for part in detail["loc"]]
    # pydantic names the place inside a list or union too; the setting is the part of it that somebody gave.
    named = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    key = next((key for key in named if key in given), None)
    said = str(detail["msg"]).removeprefix("Value error, ")
    said = said.replace("Input should be", "it should be").replace("String should", "it should")
    if key is None:  # a rule over several settings of a section, or one over sections: each of them may be at fault
        section = ".".join(parts)
        places = [one.place for name, one in given.items() if not section or name.startswith(f"{section}.")]
        return f"{', '.join(places) or 'the defaults'}: {section or 'the settings'}: {said}"
    return f"{given[key].place}: {key} = {detail['input']!r}: {said}"


LANGUAGES: tuple[str, ...] = get_args(Settings.model_fields["language"].annotation)
"""Languages a bot may have."""
