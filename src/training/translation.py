"""From the assignable configs of the older interface to the components' frozen ones. No settings are declared here."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from loraloop.errors import SettingsError

C = TypeVar("C", bound=BaseModel)
C_co = TypeVar("C_co", covariant=True)


class Freezable(Protocol[C_co]):
    """An assignable config that can say what it holds at this moment."""

    def frozen(self) -> C_co:
        """The component's frozen config, as of now."""
        ...


def frozen_as(kind: type[C], values: Mapping[str, Any]) -> C:
    """Return the frozen config of a component, or say everything that is wrong with the values.

    Raises:
        SettingsError: a value cannot be used, or an attribute was assigned that is no setting.
    """
    refuse_unknown(values, kind.model_fields)
    try:
        return kind(**values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise SettingsError("; ".join(faults), hint=f"see the fields of {kind.__name__}") from error


def refuse_unknown(names: Iterable[str], known: Collection[str]) -> None:
    """Refuse names that are no settings, all at once, each with the nearest one that is.

    Raises:
        SettingsError: at least one is unknown.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(
            "; ".join(f"there is no setting {name!r}{nearest(str(name), known)}" for name in unknown),
            hint=f"the settings are {', '.join(known)}",
        )


def nearest(name: str, known: Collection[str]) -> str:
    """Return a question that names the setting most like ``name``, or nothing where none is like it.

    Example:
        >>> nearest("lora_rank", ["lora_r", "epochs"])
        " (did you mean 'lora_r'?)"
    """
    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""


class Shared(Generic[C]):
    """One component's config inside a larger one: what both have is read from, and written to, the larger one.

    Args:
        own: the component's assignable config, for what the larger one does not have.
        owner: the larger config.
        names: setting of ``own`` -> the name it has in ``owner``.
    """

    __slots__ = ("_names", "_own", "_owner")

    def __init__(self, own: Freezable[C], owner: Any, names: Mapping[str, str]) -> None:
        object.__setattr__(self, "_own", own)
        object.__setattr__(self, "_owner", owner)
        object.__setattr__(self, "_names", dict(names))

    def frozen(self) -> C:
        """The component's frozen config, as the larger one says now."""
        for name, outer in self._names.items():
            setattr(self._own, name, getattr(self._owner, outer))
        frozen: C = self._own.frozen()
        return frozen

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            return getattr(self._owner, self._names[name])
        return getattr(self._own, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._names:
            setattr(self._owner, self._names[name], value)
        else:
            setattr(self._own, name, value)
