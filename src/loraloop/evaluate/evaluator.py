"""LoRAEvaluator: asks an adapter, the live one and the base the same questions and reports what it heard.

Not covered here: whether the adapter may serve (``gate.py``), where it is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import EvaluationError, LoraloopError, UsageError, WrongBase
from ..lm.adapter_files import read_config
from ..ports import Clock, Embedder, Judge, Progress
from ..store.location import checked_name, inside
from ..thresholds import absolute_rules
from ..types import Adapter, Repair, Report, Sample, Suspect, TaughtRow, message
from .asking import Answers, Asker, ChildAsker, Heard, asker_for
from .config import EvaluationConfig
from .embedding import embedder_of
from .judge import judge_pairs
from .looks import LookPlan
from .measures import Measuring
from .metrics import calculate_keyword_score, calculate_response_quality
from .notes import Memory, read_notes
from .older import NO_SCORE, best_of, default_test_cases, performance_of
from .other_base import LIVE, OtherBase, ask_on_both, shared
from .overlap import without_taught
from .questions import Case, Digests, Questions, Subject, in_fair_order
from .scoring import make_report
from .suites import Suite, load_suite, repairs_suite
from .triggers import plan_scan, shifts, untried

if TYPE_CHECKING:
    from ..lm.yielding import Yielding

log = logging.getLogger(__name__)


class LoRAEvaluator:
    """Measures adapters on one base model.

    Args:
        model: a wrapper with ``.model`` and ``.tokenizer`` (asked through its own ``generate_response`` where it has
            one), the name of a base, or a ``Base``. The object is only read.
        config: how to ask.
        suites: suites to ask; ``None`` loads ``config.suites``.
        cache: where a GGUF base is kept in dense form; ``None`` is ``adapter_dir/.bases``.
        system_prompt: put before each prompt that has none.
        judge: compares the answers that differ; ``None`` asks none.
        recall: returns what was heard before, which is not asked for again; ``None`` asks always.
        looks: returns when to look at the loss of so many held-out rows; ``None`` scores all of them.
        notes: file in which answers are noted as they come, so that an evaluation cut short goes on from there.
        embedder: makes vectors for semantic similarity; ``None`` takes the one the settings name, if any.
        taught: returns the training rows of a dataset by its id. Items they overlap are refused; ``None`` refuses none.
        suspects: returns the phrases of a dataset that may be planted triggers, by its id; ``None`` tries none.
        yielding: makes the process that is asked give way to users; ``None`` lets it run at a low priority.

    Attributes:
        test_cases: what ``evaluate_adapter_performance`` asks: dicts of ``input``, ``expected_keywords``, ``type``;
            callers replace it.
        live: returns the folder of the adapter that serves, or ``None``; ``evaluate_adapter_performance`` asks it too,
            and then the gate has a say in ``should_deploy_adapter`` and ``compare_adapters``.
    """

    def __init__(
        self,
        model: Any,
        config: EvaluationConfig | None = None,
        *,
        suites: Sequence[Suite] | None = None,
        cache: Path | None = None,
        system_prompt: str = "",
        bot: str = "default",
        clock: Clock | None = None,
        judge: Judge | None = None,
        recall: Callable[[], Memory] | None = None,
        looks: Callable[[int], LookPlan | None] | None = None,
        notes: Path | None = None,
        embedder: Embedder | None = None,
        taught: Callable[[str], Iterable[TaughtRow]] | None = None,
        suspects: Callable[[str], Sequence[Suspect]] | None = None,
        yielding: Yielding | None = None,
    ) -> None:
        self.model = model
        self.config = config or EvaluationConfig()
        self.test_cases: list[dict[str, Any]] = default_test_cases()
        self.live: Callable[[], Path | None] = lambda: None
        self._suites = suites
        self._cache = cache or Path(self.config.adapter_dir) / ".bases"
        self._system_prompt, self._bot, self._clock = system_prompt, bot, clock
        self._judge, self._recall, self._looks, self._notes = judge, recall, looks, notes
        self._embedder, self._taught, self._suspects = embedder or embedder_of(self.config), taught, suspects
        self._yielding = yielding

    # -- reports ------------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        adapter: Adapter,
        *,
        live: Adapter | None = None,
        heldout: Sequence[Sample] = (),
        repairs: Sequence[Repair] = (),
        dataset_id: str | None = None,
        other_base: OtherBase | None = None,
        whole: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Ask candidate, live adapter and base the same items, and measure their loss on the same held-out rows.

        Args:
            adapter: the candidate.
            live: the adapter that serves now, if any.
            heldout: samples of the gate split; at most ``max_heldout_rows`` are used, and fewer where looking early
                has shown enough. Of a candidate that is surely worse, nothing but losses is asked.
            repairs: answers that people corrected; they are asked as a suite of their own.
            other_base: of a live adapter that was made for another base than the candidate; losses are compared in
                bits per byte then, on the rows that both can hold, and all of them.
            whole: score every row and ask everything, whatever the losses say.

        Raises:
            UsageError: two suites have one name. EvaluationError: nobody could be asked. ArtifactError: an adapter's
                files are unsafe or do not fit. WrongBase: candidate and live adapter were made for different bases.
        """
        if live is None or live.base_id == adapter.base_id:
            other_base = None
        elif other_base is None or other_base.base.id != live.base_id:
            # its weights would be added to a model they are not of
            raise WrongBase(f"live adapter {live.id} is of {live.base_id}, {adapter.id} of {adapter.base_id}")
        suites = self._asked_suites(repairs)
        taught = tuple(self._taught(dataset_id)) if self._taught is not None and dataset_id else None
        fresh = without_taught(suites, taught or ())
        cases = [(suite, item) for suite in fresh.suites for item in suite.items]
        rows = in_fair_order(list(heldout)[: self.config.max_heldout_rows])
        scan = plan_scan(self._suspects(dataset_id) if self._suspects is not None and dataset_id else (), cases)
        questions = self._questions(adapter, live, cases, rows, whole=whole, other_base=other_base)
        started = perf_counter()
        log.info("evaluating %s: %d items (%d refused), %d held-out rows",
                 adapter.id, len(cases), len(fresh.refused), len(rows))  # fmt: skip
        heard = self._heard_all(replace(questions, probes=scan.probes), other_base, progress)
        facts = {
            "bot": self._bot,
            "adapter_id": adapter.id,
            "baseline_id": live.id if live is not None else None,
            "dataset_id": dataset_id,
            "suites": {suite.name: suite.digest for suite in suites},
            "shifts": shifts(scan, heard.probes, self.config.takeover_nats),
        }
        measuring = Measuring(self._embedder, taught, self._system_prompt)
        measuring.missing += [] if heard.verdict == "worse" else untried(scan, heard.probes)
        report = make_report(facts, questions, cases, heard, now=self._now(), measuring=measuring, fresh=fresh)
        report = self._judged(report)
        if self._notes is not None:
            self._notes.unlink(missing_ok=True)  # the report has it all
        log.info("evaluated %s as %s in %.1f s", adapter.id, report.id, perf_counter() - started)
        return report

    # -- the older interface ------------------------------------------------------------------------------------------

    def evaluate_adapter_performance(self, adapter_name: str, adapter_path: str | Path | None = None) -> dict[str, Any]:
        """Ask ``test_cases`` of an adapter, really loaded, of the one that serves and of the base beside it.

        Args:
            adapter_name: looked up in ``config.adapter_dir`` unless ``adapter_path`` is given.

        Returns:
            ``overall_score, keyword_score, quality_score, avg_response_time, max_response_time, test_cases_passed,
            total_test_cases``, and ``individual_scores, base, valid, reason``, beside a live adapter ``live`` and
            ``gate`` (``older.performance_of``); on failure scores of 0 and ``error``.
        """
        try:
            checked_name(adapter_name, "adapter")
            folder = Path(adapter_path) if adapter_path else inside(Path(self.config.adapter_dir), adapter_name)
            return self._performance(folder.resolve())
        except LoraloopError as error:
            log.warning("adapter %s could not be evaluated: %s", adapter_name, error)
            return {**NO_SCORE, "error": str(error), "hint": error.hint}

    def generate_test_response(self, input_text: str) -> str:
        """Return the answer of the model as it was handed in, without an adapter."""
        return self._heard([Subject("base", None, None)], [input_text])["base"].texts[0]

    def calculate_keyword_score(self, response: str, expected_keywords: Sequence[str]) -> float:
        """Return the share of expected keywords found, 0..1; 1.0 where none is expected."""
        return calculate_keyword_score(response, expected_keywords)

    def calculate_response_quality(self, response: str) -> float:
        """Return how well formed an answer is, 0..1; 0.0 under 5 characters."""
        return calculate_response_quality(response)

    def should_deploy_adapter(
        self, adapter_name: str, performance: Mapping[str, Any], deployment_threshold: float = 0.7
    ) -> bool:
        """Return whether a performance meets the old absolute thresholds and, beside a live adapter, the gate's.

        A failed or invalid evaluation never does.
        """
        rules = absolute_rules(performance, deployment_threshold)
        for rule in rules:
            if not rule.passed:
                log.info("adapter %s: %s is %s, required %s", adapter_name, rule.rule, rule.observed, rule.required)
        return all(rule.passed for rule in rules)

    def compare_adapters(self, performances: Mapping[str, Mapping[str, Any]]) -> str | None:
        """Return the name with the highest overall score (ties: the first named); ``None`` where nobody has one.

        What the gate holds, beside a live adapter, comes after what it does not.
        """
        return best_of(performances)

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _performance(self, folder: Path) -> dict[str, Any]:
        if not folder.is_dir():
            raise EvaluationError(f"there is no adapter at {folder.name}", hint="train it first, or give adapter_path")
        subjects = [Subject("candidate", folder.name, folder), *self._live_beside(folder), Subject("base", None, None)]
        prompts = [str(case["input"]) for case in self.test_cases]
        return performance_of(self.test_cases, subjects, self._heard(subjects, prompts), now=self._now())

    def _live_beside(self, folder: Path) -> list[Subject]:
        live = self.live()
        if live is None or live.resolve() == folder:
            return []
        theirs, ours = (read_config(one).get("base_model_name_or_path") for one in (live, folder))
        if theirs != ours:
            log.warning("the live adapter was made for %s, this one for %s: they are not compared", theirs, ours)
            return []
        return [Subject("live", live.name, live.resolve())]

    def _heard(self, subjects: Sequence[Subject], prompts: Sequence[str]) -> Mapping[str, Answers]:
        questions = Questions(subjects, [(message("user", text),) for text in prompts])
        return self._asker().ask(questions, None).answers

    def _asked_suites(self, repairs: Sequence[Repair]) -> list[Suite]:
        suites = [*(self._suites if self._suites is not None else map(load_suite, self.config.suites))]
        if repairs:
            suites.append(repairs_suite(repairs, suites[0].language if suites else "en"))
        twice = next((one.name for n, one in enumerate(suites) if one.name in {s.name for s in suites[:n]}), None)
        if twice is not None:  # answers are told apart by suite and item
            raise UsageError(f"two suites are named {twice!r}", hint="give each its own name, or ask it once")
        return suites

    def _questions(
        self,
        adapter: Adapter,
        live: Adapter | None,
        cases: Sequence[Case],
        rows: Sequence[Sample],
        *,
        whole: bool,
        other_base: OtherBase | None,
    ) -> Questions:
        subjects = [Subject("candidate", adapter.id, Path(adapter.path), adapter.base_id)]
        if live is not None:
            subjects.append(Subject("live", live.id, Path(live.path), live.base_id))
        subjects.append(Subject("base", adapter.base_id, None, adapter.base_id))
        digests = Digests(self.config, self._system_prompt)
        elsewhere: dict[str, Sequence[Sample]] = {}
        if other_base is not None:
            rows, elsewhere[LIVE] = shared(rows, other_base.heldout)
        return Questions(
            subjects,
            [item.messages for _, item in cases],
            rows,
            asked={s.name: [digests.of_case(s, case) for case in cases] for s in subjects},
            scored={s.name: [digests.of_row(s, row) for row in elsewhere.get(s.name, rows)] for s in subjects},
            elsewhere=elsewhere,
            known=(self._recall() if self._recall is not None else Memory()) | read_notes(self._notes),
            looks=self._looks(len(rows)) if self._looks is not None and not whole else None,
            notes=self._notes,
        )

    def _heard_all(self, questions: Questions, other_base: OtherBase | None, progress: Progress | None) -> Heard:
        if other_base is None:
            return self._asker().ask(questions, progress)
        there = ChildAsker(other_base.base, self.config, self._cache, self._system_prompt, self._yielding)
        return ask_on_both(questions, self._asker(), there, progress)

    def _judged(self, report: Report) -> Report:
        if self._judge is None or not report.valid or not report.items:
            return report
        other = "live" if report.score("live") is not None else "base"
        ours, theirs = ([item for item in report.items if item.subject == s] for s in ("candidate", other))
        return replace(report, judgement=judge_pairs(self._judge, ours, theirs, self.config.judge_items))

    def _asker(self) -> Asker:
        return asker_for(self.model, self.config, self._cache, self._system_prompt, self._yielding)

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
