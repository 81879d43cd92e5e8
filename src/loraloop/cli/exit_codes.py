"""What a command's exit status means: one mapping from errors to numbers."""

from __future__ import annotations

from .. import errors

OK, NO, USAGE, SOME_BAD, DATA, ARTIFACT, MODEL, CONFLICT, STORE, BUG, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 130

MEANINGS: dict[int, str] = {
    OK: "done",
    NO: "done, and the answer is no (not promoted, faults found)",
    USAGE: "a name, option or setting is wrong",
    SOME_BAD: "imported, but some lines were bad",
    DATA: "conversations cannot become a dataset, or a file cannot be read",
    ARTIFACT: "adapter files are missing, changed, unsafe or for another base",
    MODEL: "the base cannot be used, or training or evaluation failed",
    CONFLICT: "a release could not go live, or the engine that serves it is away",
    STORE: "the database or disk failed",
    BUG: "a fault of this program",
    INTERRUPTED: "interrupted",
}

BY_ERROR: dict[type[errors.LoraloopError], int] = {
    errors.UsageError: USAGE,
    errors.SettingsError: USAGE,
    errors.DataError: DATA,
    errors.ArtifactError: ARTIFACT,
    errors.ModelError: MODEL,
    errors.TrainingError: MODEL,
    errors.EvaluationError: MODEL,
    errors.DeployError: CONFLICT,
    errors.EngineError: CONFLICT,
    errors.StoreError: STORE,
}


def exit_code(error: BaseException) -> int:
    """Return the exit status of an error: that of the nearest class that has one."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return next((BY_ERROR[kind] for kind in type(error).__mro__ if kind in BY_ERROR), BUG)
