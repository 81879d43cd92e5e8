"""What is known of answers: worked out once, and read from the store in later turns instead of the conversation.

The verdict of the checks depends on nothing but the row, the settings and this program. All else that a dataset needs
holds as long as nobody says anything of the conversation, and nobody changes it: whoever does takes it away (the
database sees to that). Consent is asked each time. Nothing is kept where a setting names a check of one's own.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from ..ports import ConversationStore
from ..prepared_store import Answer, KnownRow, KnownTalk, PreparedStore, Verdict
from ..text.normalise import match_key
from ..types import Conversation, Split
from .candidates import CandidateRow
from .quality import DataQualityConfig, reason_of_known, verdict_on
from .sides import is_self_written

_PAGE = 1000
_ASKS_ALONE_CHARS = 10
"""Letters from which a question asks something without what was said before it."""
_CAME = frozenset({None, "review"})
"""How an answer may have been approved when it came, for it to be known: whose word counts is asked anew each time."""


def asked(row: CandidateRow) -> str:
    """Return what makes two rows ask the same: the question, and for a short one the answer it replies to.

    "Why?" and "yes please" ask nothing alone; a longer question is the same question wherever it stands.
    """
    question = row.question
    if len(_compact(row, question)) >= _ASKS_ALONE_CHARS:
        return question
    before = next((message.text for message in reversed(row.prompt) if message.role == "assistant"), "")
    return f"{before} {question}".strip()


def known_row(row: CandidateRow, digest: str, verdict: str, split: Split) -> KnownRow:
    """Return what a dataset needs to know of a row; its texts only where its words can be learnt.

    Args:
        row: the answer.
        digest: ``candidates.row_digest`` of it.
        verdict: as ``quality.verdict_on`` gives it.
        split: the conversation's.
    """
    is_approved, own = row.approved_by is not None, is_self_written(row)
    if verdict or not is_approved:
        return KnownRow(row.message_index, verdict, is_approved, own, split, digest, b"", "", 0)
    said = asked(row)
    place = len(said) - len(row.question.strip())
    return KnownRow(row.message_index, verdict, is_approved, own, split, digest, _fingerprint(row), said, place)


def _fingerprint(row: CandidateRow) -> bytes:
    """What makes two rows exact duplicates: every message before the answer and the answer, normalised."""
    said = [f"{message.role}\x1f{_compact(row, message.text)}" for message in row.prompt] + [_compact(row, row.answer)]
    return hashlib.sha256("\x1e".join(said).encode()).digest()[:16]


def _compact(row: CandidateRow, text: str) -> str:
    """``dedupe.compact`` of a text of a row, of which the checks have asked half already."""
    return row.heard.of(match_key, text).replace(" ", "")


class KnownRows:
    """What is known of rows under one set of checks.

    Args:
        store: where it is kept; ``None`` keeps nothing.
        config: the checks.
        secret: key of row digests.
    """

    def __init__(self, store: PreparedStore | None, config: DataQualityConfig, secret: bytes) -> None:
        own = any(":" in name for name in config.checks)
        self._store, self._config = None if own else store, config
        self._checks = _checks(config) if self._store is not None else ""
        self._rules = hmac.new(secret, self._checks.encode(), "sha256").hexdigest()[:24]
        self._known: dict[Answer, Verdict] = {}
        self._new: dict[Answer, tuple[str, str, str, KnownRow]] = {}

    def talks(self, conversations: ConversationStore, bot: str) -> Iterator[Conversation | KnownTalk]:
        """Yield the conversations of a bot, oldest first: what is known of one, or else itself."""
        if self._store is None:
            yield from conversations.iterate(bot)
            return
        for page in self._store.talks(bot, self._rules):
            unknown = [one.id for one in page if not self._is_known(one)]
            for begin in range(0, len(unknown), _PAGE):
                self._known.update(self._store.verdicts(unknown[begin : begin + _PAGE]))
            if not unknown:
                yield from page
                continue
            read = conversations.some(unknown)
            left = set(unknown)
            yield from (read.get(one.id, one) for one in page if one.id not in left or one.id in read)
            if len(self._new) >= _PAGE:
                self.keep()

    def _is_known(self, talk: KnownTalk) -> bool:
        """Whether all is known; what may be learnt must have been compared with the others."""
        for row in talk.rows:
            if row.cluster is None and not reason_of_known(row.reason, talk.consent, row.approved, self._config):
                return False
        return bool(talk.rows)

    def verdict(self, row: CandidateRow, digest: str) -> str:
        """Return the code of the first reason in a row's words to drop it; empty to keep it.

        Args:
            row: the answer.
            digest: ``candidates.row_digest`` of it.
        """
        if self._store is None:
            return verdict_on(row, self._config)
        answer = (row.conversation.id, row.message_index)
        mark = self._mark(row, digest)
        known = self._known.pop(answer, None)
        if known is not None and known.mark == mark:
            return known.reason
        found = verdict_on(row, self._config)
        nothing_else = KnownRow(row.message_index, found, False, False, "train", digest, b"", "", 0)
        self._new[answer] = (row.conversation.id, mark, "", nothing_else)
        return found

    def learn(self, conversation: Conversation, rows: Sequence[tuple[CandidateRow, KnownRow]]) -> None:
        """Hear of all that there is to know of a conversation; of one that somebody judged nothing is kept."""
        came = {conversation.messages[row.message_index].approved_by for row, _ in rows}
        if self._store is None or conversation.feedback or not came <= _CAME:
            return
        for row, known in rows:
            answer = (conversation.id, row.message_index)
            judged = self._new.get(answer)
            mark = judged[1] if judged else self._mark(row, known.digest)
            self._new[answer] = (conversation.id, mark, self._rules, known)

    def keep(self) -> None:
        """Write down what is new."""
        if self._store is not None and self._new:
            self._store.keep_rows(self._new.values())
        self._new = {}

    def _mark(self, row: CandidateRow, digest: str) -> str:
        kinds = "" if row.parts_are_text else "other "
        for message in row.prompt:
            if any(part.kind != "text" for part in message.content):
                kinds += message.role + ",".join(part.kind for part in message.content)
        said = f"{self._checks} {digest} {row.is_correction} {row.conversation.quality_score} {kinds}"
        return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()


def _checks(config: DataQualityConfig) -> str:
    """A digest of the checks: the settings, the word lists they name, and the program that asks them."""
    files = [hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()
             for path in config.unfit_words if Path(path).expanduser().is_file()]  # fmt: skip
    return hashlib.sha256(f"{config.model_dump_json()} {files} {_program()}".encode()).hexdigest()


@cache
def _program() -> str:
    """A digest of everything here that can change a verdict, so that nobody has to count versions by hand."""
    hasher = hashlib.sha256(f"{unicodedata.unidata_version} {version('phonenumbers')}".encode())
    package = resources.files("loraloop")
    for folder in (package / "text", package / "data", package / "data" / "word_lists"):
        for file in sorted(_files(folder.iterdir()), key=lambda one: one[0]):
            hasher.update(f"{file[0]} ".encode() + file[1])
    return hasher.hexdigest()


def _files(found: Iterable[resources.abc.Traversable]) -> Collection[tuple[str, bytes]]:
    return [(one.name, one.read_bytes()) for one in found if one.is_file() and one.name.endswith((".py", ".txt"))]
