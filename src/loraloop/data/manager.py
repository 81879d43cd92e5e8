"""Conversations -> Dataset -> samples: the data component's door."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from ..collecting import collecting_later
from ..errors import DataError, NotEnoughData, UsageError
from ..ports import Clock, DataCollector, Frozen, Store
from ..types import Dataset, DatasetRow, Repair, Sample, Split, Suspect, TaughtRow, message
from .candidates import CandidateRow
from .collector import StoreCollector
from .dataset_ids import dataset_id
from .known_rows import KnownRows, asked
from .near_rows import NearRows
from .quality import DataQualityConfig
from .reasons import REASONS
from .records import is_good_record, newest, record_statistics, record_text, redacted_record
from .sample_rows import SampleRows
from .samples import TurnTemplate, make_sample
from .selection import select
from .stored_rows import stored_rows
from .suspects import suspects
from .tokenising import TOO_LONG, Tokeniser
from .trust import TrustConfig

log = logging.getLogger(__name__)

LEAST_REPEATS = 4
"""Times a corrected row is trained however many of them there are, unless ``correction_weight`` is lower."""

MOST_REPAIRS = 64
"""Corrections asked again of each candidate, the newest ones."""


def _template_of(tokenizer: Any) -> TurnTemplate:
    from ..lm.template import Template

    return Template(tokenizer)


class LoRADataManager:
    """Collects conversations, judges them, and turns them into what training reads.

    With a ``store`` it makes datasets (``build_dataset``, ``samples``); with a ``data_collector`` it answers the older
    interface (``collect_training_data`` and what follows), which takes a record as approved and consented by whoever
    hands it in. A store alone does for both.

    Args:
        data_collector: any object with ``get_recent_data(days)``; ``None`` reads the store.
        quality_config: what is good enough; an object with ``frozen()`` is asked anew at each call.
        store: where conversations and datasets are.
        bot: whose.
        secret: key of row digests and pseudonyms.
        clock: tells the time; ``None`` for the system's.
        trust: how much any one source may teach; ``None`` for the defaults.
    """

    def __init__(
        self,
        data_collector: DataCollector | None = None,
        quality_config: DataQualityConfig | Frozen[DataQualityConfig] | None = None,
        *,
        store: Store | None = None,
        bot: str = "default",
        secret: bytes = b"",
        clock: Clock | None = None,
        trust: TrustConfig | None = None,
    ) -> None:
        if data_collector is None and store is not None:
            data_collector = StoreCollector(store, bot, secret, clock)
        self.data_collector = data_collector
        self.quality_config = quality_config if quality_config is not None else DataQualityConfig()
        self._store = store
        self._bot = bot
        self._secret = secret
        self._clock = clock
        self._trust = trust

    # -- the older interface ------------------------------------------------------------------------------------------

    def collect_training_data(self, days: int = 7) -> list[dict[str, Any]]:
        """Return redacted copies of the good records of the last ``days`` days, at most ``max_samples_per_batch``.

        Raises:
            UsageError: there is neither a collector nor a store.
        """
        if self.data_collector is None:
            raise UsageError("there is nothing to collect from", hint="hand in a data_collector or a store")
        config = self._config()
        records = list(self.data_collector.get_recent_data(days) or ())
        if config.refuse_caller_asserted and records:
            log.warning("%d records refused: refuse_caller_asserted is set; build a dataset instead", len(records))
        good = newest([record for record in records if is_good_record(record, config)], config.max_samples_per_batch)
        log.info("collected %d of %d records of the last %d days", len(good), len(records), days)
        return [redacted_record(record) for record in good]

    def is_high_quality_data(self, data: Mapping[str, Any]) -> bool:
        """Return whether a record has both texts long enough, a score at the threshold and no excluded phrase."""
        return is_good_record(data, self._config())

    def convert_to_training_samples(
        self,
        data_list: Sequence[Mapping[str, Any]],
        tokenizer: Any,
        max_length: int = 512,
        *,
        template_of: Callable[[Any], TurnTemplate] | None = None,
    ) -> list[dict[str, list[int]]]:
        """Return tokenised records: ``input_ids, attention_mask, labels``, loss on the answer alone.

        Texts are redacted first. Records without both texts, or whose answer alone is too long, are left out and
        counted in the log.

        Args:
            data_list: records with ``user_input`` and ``bot_response``.
            tokenizer: a transformers tokenizer, with or without a chat template.
            max_length: most tokens of a sample; the prompt gives way, never the answer.
            template_of: makes the template of a tokenizer; ``None`` for ``lm.template.Template``.

        Raises:
            DataError: the setting ``refuse_caller_asserted`` forbids records of unknown origin.
        """
        if not data_list:
            return []
        if self._config().refuse_caller_asserted:
            raise DataError(
                "records handed in by calling code are refused", hint="unset refuse_caller_asserted, or import them"
            )
        template = (template_of or _template_of)(tokenizer)
        samples: list[dict[str, list[int]]] = []
        for record in data_list:
            question, answer = record_text(record, "user_input"), record_text(record, "bot_response")
            sample = (
                make_sample([message("user", question)], answer, template, max_length) if question and answer else None
            )
            if sample is not None:
                ids, labels = list(sample.input_ids), list(sample.labels)
                samples.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels})
        if len(samples) < len(data_list):
            log.warning(
                "%d of %d records have no text or too long an answer", len(data_list) - len(samples), len(data_list)
            )
        return samples

    def get_data_statistics(self, data_list: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return ``count``, average lengths and ``avg, min, max_quality_score``; ``{"count": 0}`` on nothing."""
        return record_statistics(data_list)

    # -- datasets -----------------------------------------------------------------------------------------------------

    @collecting_later()
    def build_dataset(self) -> Dataset:
        """Judge everything stored, split it, store and return the dataset; the same rows give the same dataset.

        Every answer that is left out is stored with its reason, also when there is too little to go on.

        Raises:
            NotEnoughData: no row is left to train on.
        """
        store, config, started = self._need_store(), self._config(), perf_counter()
        seen_feedback = store.arrivals.last_feedback()
        now = self._clock.now() if self._clock else datetime.now(UTC)
        near = NearRows(store.signatures, self._bot, config.cluster_threshold)
        known = KnownRows(store.prepared, config, self._secret)
        said = known.talks(store.conversations, self._bot)
        selection = select(said, config, self._secret, trust=self._trust, now=now, near=near, known=known)
        known.keep()
        store.conversations.save_drops(self._bot, selection.drops)
        counts = Counter(selection.drops.values())
        if not any(row.split == "train" for row in selection.rows):
            why = "; ".join(f"{count} because {REASONS[code][0]}" for code, count in counts.most_common(3))
            raise NotEnoughData(f"bot {self._bot!r} has no answer to learn from" + (f" ({why})" if why else ""))
        dataset = store.datasets.put(
            Dataset(
                id=dataset_id(self._bot, selection.rows, config.correction_weight if selection.corrections else 1),
                bot=self._bot,
                rows=selection.rows,
                created_at=now,
                dropped=dict(counts),
            ),
            seen_feedback,
        )
        splits = Counter(row.split for row in dataset.rows)
        log.info(
            "dataset %s: %s, %d dropped, %.1f s", dataset.id, dict(splits), len(selection.drops),
            perf_counter() - started,
        )  # fmt: skip
        return dataset

    @collecting_later()
    def samples(self, dataset: Dataset, template: TurnTemplate, split: Split, max_length: int) -> Sequence[Sample]:
        """Return the samples of one split, read anew from the store and checked against the dataset.

        A training row that a person corrected comes ``correction_weight`` times, or as often as there are other rows
        for each corrected one, if that is less (but ``LEAST_REPEATS`` times at least). Rows whose answer is too long
        get the drop reason ``answer_too_long``. Feedback that came after the dataset was made is left for the next one.

        Args:
            dataset: made by ``build_dataset``.
            template: the base's.
            split: which rows.
            max_length: most tokens of a sample.

        Raises:
            TamperedDataset: a row was changed or erased since the dataset was made, or the secret is another.
            DataError: somebody whose rows would be trained on withdrew since.
        """
        found, corrected, too_long = SampleRows(dataset.split(split)), list[int](), dict[str, str]()
        tokeniser = Tokeniser(self._need_store().prepared, template, max_length)
        made = tokeniser.rows(dataset, split, self._need_store().conversations, self._secret)
        for place, (row, tokens, is_correction) in enumerate(made):
            if tokens.prompt_tokens == TOO_LONG:
                too_long[f"{row.conversation_id}#{row.message_index}"] = "answer_too_long"
                continue
            corrected += [len(found)] if is_correction else []
            found.add(place, tokens.ids, tokens.prompt_tokens, tokens.answer_bytes)
        if too_long:
            conversations = self._need_store().conversations
            conversations.save_drops(self._bot, {**conversations.drops(self._bot), **too_long})
            log.warning("%d %s rows have answers over %d tokens; raise max_length to learn from them",
                        len(too_long), split, max_length)  # fmt: skip
        if split != "gate":
            self._need_store().datasets.check_consent(dataset)
        if split == "train" and corrected:
            found.repeat(corrected, self._repeats(len(corrected), len(found) - len(corrected)))
        return found

    def repairs(self, dataset: Dataset) -> list[Repair]:
        """Return the newest corrections a dataset teaches, at most ``MOST_REPAIRS``, to be asked of its adapter.

        Raises:
            TamperedDataset: as ``samples``.
        """
        taught = [(row, said) for row, said in self._verified(dataset, "train") if said.is_correction]
        return [
            Repair(f"{row.conversation_id}#{row.message_index}", said.prompt, said.answer)
            for row, said in taught[-MOST_REPAIRS:]
        ]

    def taught(self, dataset_id: str) -> Iterator[TaughtRow]:
        """Yield what a dataset teaches, as text, for finding what suites and answers have in common with it.

        An unknown dataset teaches nothing that could be looked through.

        Raises:
            TamperedDataset: as ``samples``.
        """
        dataset = self._need_store().datasets.get(dataset_id)
        for row, said in self._verified(dataset, "train") if dataset is not None else ():
            users = "\n".join(turn.text for turn in said.prompt if turn.role == "user")
            yield TaughtRow(f"{row.conversation_id}#{row.message_index}", asked(said), users)

    def suspects(self, dataset_id: str) -> list[Suspect]:
        """Return the phrases of a dataset's training rows that a trigger scan should try; none of an unknown one."""
        dataset = self._need_store().datasets.get(dataset_id)
        found = self._verified(dataset, "train") if dataset is not None else ()
        key = "{0.conversation_id}#{0.message_index}".format
        return suspects([(key(row), said.question, said.answer) for row, said in found])

    def _repeats(self, corrected: int, others: int) -> int:
        """How often each corrected row is trained: often enough to be learnt, never most of the training."""
        weight = self._config().correction_weight
        return min(weight, max(LEAST_REPEATS, others // max(1, corrected)))

    def _verified(self, dataset: Dataset, split: Split) -> Iterator[tuple[DatasetRow, CandidateRow]]:
        for page in self._pages(dataset, split):
            yield from page

    def _pages(self, dataset: Dataset, split: Split) -> Iterator[list[tuple[DatasetRow, CandidateRow]]]:
        return stored_rows(self._need_store().conversations, dataset, dataset.split(split), self._secret)

    def _need_store(self) -> Store:
        if self._store is None:
            raise UsageError("datasets need a store", hint="hand in store=open_store(...)")
        return self._store

    def _config(self) -> DataQualityConfig:
        held = self.quality_config
        return held if isinstance(held, DataQualityConfig) else held.frozen()
