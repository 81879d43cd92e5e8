"""What an error says about how a try of a job ended. Pure."""

from __future__ import annotations

from ..errors import LoraloopError, SettingsError, StaleRelease, StoreBusy, UsageError
from ..jobs import End

_FOR_GOOD = (UsageError, SettingsError, StaleRelease)


def end_of(error: BaseException) -> End:
    """Return how a try ended that raised this.

    Example:
        >>> end_of(StoreBusy("b")), end_of(UsageError("u")), end_of(LoraloopError("e")), end_of(KeyError("bug"))
        ('put_back', 'refused', 'error', 'error')
    """
    if getattr(error, "crashed", False):
        return "crash"
    if isinstance(error, StoreBusy):
        return "put_back"
    return "refused" if isinstance(error, _FOR_GOOD) else "error"


def said(error: BaseException) -> str:
    """Return what is kept of an error: our own words, which hold no conversation text, or the kind of a foreign one."""
    return f"{type(error).__name__}: {error}"[:500] if isinstance(error, LoraloopError) else type(error).__name__
