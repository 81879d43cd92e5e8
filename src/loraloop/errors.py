"""The error tree.

    LoraloopError                  anything this package could not do; ``hint`` says what to do next
    |-- UsageError (ValueError)           a value a person gave cannot be used
    |   |-- BadName                           an adapter, bot or suite name is not allowed
    |   |-- ConversationTooLong               the model cannot read so much at once
    |   `-- UnknownThing (KeyError-like)      no adapter, dataset, release, conversation ... of that name
    |-- SettingsError (ValueError)        the settings file or environment is wrong; all faults at once
    |-- DataError (ValueError)            conversations cannot become a dataset
    |   |-- BadFile                           a file as a whole cannot be read
    |   |-- NotEnoughData                     too few usable rows
    |   `-- TamperedDataset                   rows changed since the dataset was made
    |-- ArtifactError (RuntimeError)      adapter files are missing, changed, foreign or unsafe
    |   |-- TamperedArtifact                  files differ from their manifest
    |   `-- WrongBase                         adapter and base model do not belong together
    |-- ModelError (RuntimeError)         a base model cannot be loaded or used
    |-- TrainingError (RuntimeError)      training could not finish
    |   |-- TrainingDiverged                  loss is not a number or exploded
    |   `-- TrainingCancelled                 stopped on request
    |-- EvaluationError (RuntimeError)    an adapter could not be judged
    |-- DeployError (RuntimeError)        a release could not go live
    |   `-- StaleRelease                      somebody else moved the live pointer first
    |-- EngineError (RuntimeError)        what runs the model for users is away or refused
    `-- StoreError (OSError)              the database or disk failed
        |-- BadBackup                         a backup was cut off, changed, or is of another kind
        |-- StoreBusy                         another process holds the write lock
        |-- LeaseLost                         a job is somebody else's by now
        `-- StoreTooNew                       made by a newer version of this program

"No" is not an error: a refused adapter is a ``Decision``. Errors are for *could not answer*. Arguments reach
``Exception.__init__`` unchanged, so every error survives pickling.
"""

from __future__ import annotations


class LoraloopError(Exception):
    """Root of the tree."""

    hint: str = "run again with --verbose for details"
    crashed: bool = False
    """Whether a process died over it, which counts otherwise than an answer that could not be given."""

    def __init__(self, *args: object, hint: str | None = None) -> None:
        super().__init__(*args)
        if hint is not None:
            self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


def in_words(error: BaseException) -> str:
    """Return what may be logged of an error: our own words, of anybody else's the type alone.

    Example:
        >>> in_words(LoraloopError("the disk is full")), in_words(OSError("what somebody said"))
        ('the disk is full', 'OSError')
    """
    return str(error) if isinstance(error, LoraloopError) else type(error).__name__


class UsageError(LoraloopError, ValueError):
    """A value a person gave cannot be used."""

    hint = "see the command's --help"


class BadName(UsageError):
    """A name does not match ``[a-z0-9][a-z0-9_-]{0,63}``."""

    hint = "use 1 to 64 characters: lower-case letters, digits, '-' and '_', beginning with a letter or digit"


class ConversationTooLong(UsageError):
    """A conversation has more tokens than the model reads at once."""

    hint = "send fewer or shorter messages"


class UnknownThing(UsageError):
    """Nothing of that name is known here."""

    hint = "list what there is: loraloop status, loraloop history"


class SettingsError(LoraloopError, ValueError):
    """The settings are wrong; the message lists every fault."""

    hint = "see what each setting means: loraloop config explain"


class DataError(LoraloopError, ValueError):
    """Conversations cannot become a dataset."""

    hint = "see what was dropped and why: loraloop data stats"


class BadFile(DataError):
    """A file as a whole cannot be read."""

    hint = "check the path, the encoding (UTF-8) and --format"


class NotEnoughData(DataError):
    """Too few usable rows."""

    hint = "import more conversations, or see why rows were dropped: loraloop data stats"


class TamperedDataset(DataError):
    """A dataset's rows are not the ones it was made of."""

    hint = "make a new dataset from the rows as they are now: loraloop train"


class ArtifactError(LoraloopError, RuntimeError):
    """Adapter files are missing, changed, foreign or unsafe."""

    hint = "check everything that is stored: loraloop doctor"


class TamperedArtifact(ArtifactError):
    """Files differ from their manifest."""

    hint = "go back to a release that verifies (loraloop rollback) or train again"


class WrongBase(ArtifactError):
    """The adapter was not made for this base model."""

    hint = "train on this base, or set [base] model to the one the adapter was made for"


class ModelError(LoraloopError, RuntimeError):
    """A base model cannot be loaded or used."""

    hint = "set [base] model to a folder, a .gguf file, package:NAME or a hub id already on this machine"


class TrainingError(LoraloopError, RuntimeError):
    """Training could not finish."""

    hint = "see the training log named above"


class TrainingDiverged(TrainingError):
    """The loss is not a number, or exploded."""

    hint = "lower [train] learning_rate"


class TrainingCancelled(TrainingError):
    """Stopped on request; it continues from its last checkpoint when started again."""

    hint = "start it again to continue from the last checkpoint"


class EvaluationError(LoraloopError, RuntimeError):
    """An adapter could not be judged."""

    hint = "see the evaluation log named above"


class DeployError(LoraloopError, RuntimeError):
    """A release could not go live; the one before still serves."""

    hint = "see loraloop history and loraloop doctor"


class StaleRelease(DeployError):
    """Somebody else moved the live pointer first."""

    hint = "look at loraloop status and decide again"


class EngineError(LoraloopError, RuntimeError):
    """What runs the model for users is away, or refused."""

    hint = "see the gateway's log, and loraloop doctor"


class StoreError(LoraloopError, OSError):
    """The database or the disk failed."""

    hint = "check free space and permissions of the home folder: loraloop doctor"


class BadBackup(StoreError):
    """A backup was cut off, changed, or is none."""

    hint = "use another backup; nothing was written"


class StoreBusy(StoreError):
    """Another process holds the write lock."""

    hint = "wait for the other loraloop process, or stop it"


class LeaseLost(StoreError):
    """A job is somebody else's by now, or done with; whoever held it may change nothing more."""

    hint = "nothing to do: it goes on elsewhere; see loraloop jobs list"


class StoreTooNew(StoreError):
    """The database was made by a newer version of this program."""

    hint = "install the newer version again"
