"""``loraloop demo``: the whole loop on real conversations and a real model, twice, back again, and before users."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..ports import Progress
from . import demo_serving
from .demo_scripts import SCRIPTS, Script
from .demo_tables import escaped, score_lines, summary_tables

if TYPE_CHECKING:
    from ..controller import TurnResult
    from ..lm.speaker import Speaker
    from ..wiring import Home

Say = Callable[[str], None]
DEFAULT_FOLDER = ".loraloop-demo"
_BRISK_GFLOPS = 190.0
_LEAST_SHARE = 0.3
_MARK = "demo-home"


class Demo:
    """One run of the demo in a folder of its own.

    Args:
        script: which language and base.
        folder: where the home is made; a demo's home from before is replaced, its converted base kept.
        progress: hears the long steps. say: prints a line. answered: prints the answers of one moment.
    """

    def __init__(self, script: Script, folder: Path, progress: Progress, say: Say) -> None:
        self._script, self._folder, self._progress, self._say = script, folder, progress, say
        self.answers: list[tuple[str, list[str]]] = []
        self.turns: list[TurnResult] = []
        self.seconds: dict[str, float] = {}
        self.canaries: list[dict[str, Any]] = []
        self._base_speaker: Speaker | None = None

    def run(self) -> dict[str, Any]:
        """Play all acts; returns what happened as plain data."""
        from ..wiring import open_home

        self._fresh_home()
        with open_home(self._folder) as home:
            self._act("1/8", "base model", lambda: self._base(home))
            first, second = self._topics()
            self._act("2/8", "conversations", lambda: self._import(home, first))
            conversation = self._act("3/8", "three questions, before", lambda: self._ask(home, "before", "base"))
            self._act("4/8", "turn one", lambda: self._turn(home, "first"))
            self._act("5/8", "new conversations and a correction", lambda: self._correct(home, second, conversation))
            self._act("6/8", "turn two", lambda: self._turn(home, "second"))
            rolled_back = self._act("7/8", "roll back", lambda: self._roll_back(home))
            self._act("8/8", "serve, and try two candidates on users", lambda: self._serve(home))
            return self._summary(home, rolled_back)

    # -- acts ---------------------------------------------------------------------------------------------------------

    def _fresh_home(self) -> None:
        from ..wiring import init_home

        if self._folder.exists():
            if not (self._folder / _MARK).exists() and any(self._folder.iterdir()):
                raise UsageError(
                    f"{self._folder} exists and is no demo's home", hint="choose another folder: --keep DIR"
                )
            for path in self._folder.iterdir():
                if path.name != "bases":
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / _MARK).write_text("made by loraloop demo; removed by the next one\n")
        init_home(
            self._folder,
            base__model=self._script.base,
            language=self._script.language,
            train__max_tokens=self._affordable_tokens(),
            train__eval_steps=40,
            base__max_new_tokens=self._script.answer_tokens,
            evaluate__latency_items=2,
            **demo_serving.SETTINGS,
        )

    def _affordable_tokens(self) -> int:
        from ..lm.probe import probe

        speed = probe(512).gflops
        share = min(1.0, max(_LEAST_SHARE, speed / _BRISK_GFLOPS))
        tokens = 100 * round(self._script.tokens * share / 100)
        self._say(f"matrix products run at {speed:.0f} GFLOP/s here: at most {tokens:,} training tokens a turn")
        return tokens

    def _base(self, home: Home) -> None:
        self._progress("convert", 0, 0)
        self._say(f"{home.settings.base.model} is {home.base.id}")

    def _topics(self) -> tuple[list[str], list[str]]:
        from ..data.yaml_corpus import corpus_folder

        script = self._script
        files = sorted(corpus_folder("chatterbot-corpus", script.corpus).glob("*.yml"))
        later = [str(path) for path in files if path.stem in script.held_back]
        apart = (*script.held_back, *script.left_out)
        return [str(path) for path in files if path.stem not in apart], later

    def _import(self, home: Home, files: Sequence[str]) -> None:
        from ..data.formats import ImportOptions
        from ..data.importers import import_files

        options = ImportOptions(bot=home.bot, secret=home.secret, consent="public", approved_by="review")
        summary = import_files(files, "chatterbot", options, home.store, self._progress)
        self._say(f"{summary.new} new conversations from {len(files)} files ({summary.known} known already)")

    def _ask(self, home: Home, moment: str, subject: str) -> str:
        """Answer the three questions and show them; returns the id of the last exchange as a conversation."""
        from ..data.exchanges import record_exchange
        from ..speaking import speaker_of
        from ..types import message

        speaker = speaker_of(home, subject, beside=self._base_speaker)
        if subject == "base":
            self._base_speaker = speaker
        live = home.store.releases.live(home.bot)
        texts, last = [], ""
        for number, question in enumerate(self._script.questions):
            self._progress("answer", number, len(self._script.questions))
            asked = [message("user", question)]
            spoken = speaker.answer(asked)
            texts.append(spoken.text)
            last = record_exchange(
                home.store, bot=home.bot, messages=asked, answer=spoken.text, release_id=live.id if live else None,
                consent="granted", session=None, user=None, secret=home.secret,
            ).id  # fmt: skip
        self._progress("answer", len(texts), len(texts))
        self.answers.append((moment, texts))
        for question, text in zip(self._script.questions, texts, strict=True):
            self._say(f"  [bold]{question}[/bold]\n    {escaped(text)}")
        return last

    def _turn(self, home: Home, name: str) -> None:
        result = home.loop.turn(name, actor="demo", progress=self._progress)
        self.turns.append(result)
        metrics = result.adapter.metrics
        self._say(
            f"dataset {result.dataset.id} -> adapter {result.adapter.id} "
            f"({metrics['tokens']:,} tokens at {metrics['tokens_per_s']:.0f} tokens/s)"
        )
        for line in score_lines(result.report):
            self._say(line)
        for rule in result.decision.rules:
            self._say(f"  {'[green]pass[/green]' if rule.passed else '[red]fail[/red]'} {rule.rule}: "
                      f"{rule.observed} (required: {rule.required})")  # fmt: skip
        self._say(f"verdict: [bold]{result.decision.verdict}[/bold]")
        if result.release is not None:
            home.deployer.confirm(result.release.id, "demo")
            self._say(f"release {result.release.version} is live: {result.release.id}")
        self._ask(home, f"after turn {len(self.turns)}", "live")

    def _correct(self, home: Home, files: Sequence[str], conversation_id: str) -> None:
        from ..types import Feedback

        self._import(home, files)
        feedback = Feedback(message_index=1, kind="correction", text=self._script.correction, actor="demo")
        home.store.conversations.add_feedback(conversation_id, feedback)
        self._say(f"a user corrected {conversation_id}: [italic]{self._script.correction}[/italic]")

    def _roll_back(self, home: Home) -> dict[str, Any]:
        result: dict[str, Any] = home.deployer.rollback_adapter(actor="demo")
        self._say(f"rolled back from {result.get('rolled_back_from')} to {result.get('target_adapter')}")
        self._ask(home, "after rollback", "live")
        return result

    def _serve(self, home: Home) -> None:
        """Turn two's adapter, which was just rolled back, is the one that users like; turn one's is not."""
        tried = [turn.adapter for turn in reversed(self.turns)]
        self.canaries = demo_serving.ServedDemo(home, self._script.questions, self._say).play(tried)

    # -- telling ------------------------------------------------------------------------------------------------------

    def _act(self, number: str, title: str, play: Callable[[], Any]) -> Any:
        self._say(f"\n[bold cyan]{number}[/bold cyan] [bold]{title}[/bold]")
        started = perf_counter()
        played = play()
        self.seconds[title] = round(perf_counter() - started, 1)
        return played

    def _summary(self, home: Home, rolled_back: dict[str, Any]) -> dict[str, Any]:
        live = home.store.releases.live(home.bot)
        return {
            "base": {"name": home.settings.base.model, "id": home.base.id, "folder": str(home.base.folder)},
            "home": str(home.folder),
            "turns": [
                {
                    "dataset": turn.dataset.id,
                    "rows": {s: len(turn.dataset.split(s)) for s in ("train", "validation", "gate")},
                    "adapter": turn.adapter.id,
                    "adapter_path": turn.adapter.path,
                    "tokens": turn.adapter.metrics["tokens"],
                    "tokens_per_s": round(turn.adapter.metrics["tokens_per_s"], 1),
                    "report": turn.report.id,
                    "scores": {score.subject: dict(score) for score in turn.report.scores},
                    "verdict": turn.decision.verdict,
                    "rules": [dict(rule) for rule in turn.decision.rules],
                    "release": turn.release.id if turn.release else None,
                }
                for turn in self.turns
            ],
            "answers": [{"moment": moment, "answers": texts} for moment, texts in self.answers],
            "questions": list(self._script.questions),
            "rollback": rolled_back,
            "canaries": self.canaries,
            "live": live.adapter_name if live else None,
            "seconds": self.seconds,
            "total_seconds": round(sum(self.seconds.values()), 1),
        }


@contextmanager
def _bars(quiet: bool) -> Iterator[Progress]:
    from .progress import shown_progress

    with shown_progress(quiet=quiet) as progress:
        yield progress


def demo(base: str = "smollm2", keep: Path | None = None, as_json: bool = False) -> dict[str, Any]:
    """Run the demo.

    Args:
        base: ``"smollm2"`` (English) or ``"gemma"`` (Korean).
        keep: folder of the demo's home; ``None`` is ``.loraloop-demo/BASE``.
        as_json: print nothing on the way.

    Returns:
        Everything that happened, as plain data.

    Raises:
        UsageError: no such base, or the folder is somebody's.
    """
    from rich.console import Console

    if base not in SCRIPTS:
        raise UsageError(f"no demo for {base!r}", hint=f"one of: {', '.join(SCRIPTS)}")
    console = Console(highlight=False, quiet=as_json)
    folder = (keep or Path(DEFAULT_FOLDER) / base).absolute()
    with _bars(as_json) as progress:
        played = Demo(SCRIPTS[base], folder, progress, console.print)
        summary = played.run()
    if not as_json:
        for table in summary_tables(summary):
            console.print(table)
    return summary
