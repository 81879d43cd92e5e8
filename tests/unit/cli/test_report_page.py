"""A report as a page."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from loraloop.cli.messages import choose_language, t
from loraloop.cli.report_page import report_page
from loraloop.cli.session import Session
from loraloop.cli.telling import tell_decision
from loraloop.evaluate.config import GateConfig
from loraloop.evaluate.gate import decide
from loraloop.evaluate.harness import TaskScore
from loraloop.types import ItemResult, RefusedItem, Report, RowLoss, SubjectScore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NASTY = '<script>alert("x")</script> & 김밥'


@pytest.fixture(params=["en", "ko"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each language of the messages, and the first again afterwards."""
    choose_language(request.param)
    yield request.param
    choose_language("en")


def report(with_losses: bool = True) -> Report:
    """A candidate that is a little better than the live adapter."""
    losses = [
        RowLoss(subject, f"cv-{n}", 1, 20.0 + n + shift, 10)
        for subject, shift in (("candidate", 0.0), ("live", 2.0 + 0.1))
        for n in range(30)
    ]
    items = [
        ItemResult(s, "s", str(n), f"{s} {NASTY}", float(p), 1.0, p, question=NASTY)
        for s, passed in (("candidate", (True, True, False)), ("live", (True, False, True)))
        for n, p in enumerate(passed)
    ]
    scores = tuple(SubjectScore(s, s, 0.5, 0.5, 0.5, 2, 3, 0.1, 0.1, heldout_loss=3.0) for s in ("candidate", "live"))
    return Report(
        "rp-1", "b", "ad-1", NOW, scores, items=tuple(items), suites={"s": "ab" * 32},
        heldout_rows=30 if with_losses else 0, losses=tuple(losses) if with_losses else (),
    )  # fmt: skip


@pytest.mark.parametrize("with_losses", [True, False])
def test_the_page_stands_alone_and_no_text_becomes_markup(language: str, with_losses: bool) -> None:
    """It is well formed, loads nothing from elsewhere, shows what was said as text, and draws what was measured."""
    seen = report(with_losses)
    page = report_page(seen, decide(seen, GateConfig(), actor="t", now=NOW), f"one {NASTY}")
    tree = ElementTree.fromstring(page.replace("<!doctype html>", "").replace('<meta charset="utf-8">', "").replace(
        '<meta name="viewport" content="width=device-width, initial-scale=1">', ""))  # fmt: skip
    assert tree.attrib["lang"] == language
    assert not list(tree.iter("script"))
    assert "http" not in page
    assert NASTY in "".join(tree.itertext())
    assert len(list(tree.iter("svg"))) == (2 if with_losses else 1)
    assert len(list(tree.iter("table"))) == 3


def test_what_was_refused_missed_and_alarming_stands_on_the_page(language: str) -> None:
    """Items that training data holds, metrics that could not be had, alarms and tasks are there to be read."""
    seen = report()
    seen = replace(
        seen,
        refused=tuple(RefusedItem("s", f"item-{n:02d}", "cv-1#1") for n in range(12)),
        missing=("semantic_similarity: nobody answered",),
        items=tuple(replace(i, answer=i.answer * (9 if i.subject == "candidate" else 1)) for i in seen.items),
        scores=tuple(replace(s, measures={"refusal": 0.25, "answer_characters": 31.0}) for s in seen.scores),
    )
    tasks = [TaskScore(s, "boolq", "acc", 0.5, None, 100) for s in ("candidate", "live")]
    page = report_page(seen, decide(seen, GateConfig(), actor="t", now=NOW), "one", tasks)
    for told in ("s/item-00 = cv-1#1", "(+2)", "nobody answered", t("alarm"), "boolq acc", "25%", t("figure.refusal")):
        assert told in page, told
    assert "item-11" not in page
    assert page.count('class="alarm"') == 1
    assert "boolq" not in report_page(seen, decide(seen, GateConfig(), actor="t", now=NOW), "one")


def test_losses_of_two_bases_are_shown_in_bits(language: str) -> None:
    """Where tokens cannot be compared, no figure of them is shown beside another."""
    seen = report()
    scores = tuple(replace(s, base_id=s.subject, bits_per_byte=1.234) for s in seen.scores)
    losses = tuple(replace(row, size_bytes=20) for row in seen.losses)
    seen = replace(seen, scores=scores, losses=losses)
    page = report_page(seen, decide(seen, GateConfig(), actor="t", now=NOW), "one")
    assert "1.234" in page
    assert "3.000" not in page
    assert ("bits a byte" if language == "en" else "비트/바이트") in page


def test_a_verdict_names_its_rules_in_the_language_of_the_messages(
    language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In Korean the rules and the reason are Korean, in English as the settings' page names them."""
    verdict = decide(report(), GateConfig(min_heldout_rows=99), actor="t", now=NOW)
    tell_decision(Session(), verdict, None)
    said = capsys.readouterr().out
    names = ("enough held-out rows", "valid report")
    for name in names:
        assert (t(f"rule.{name}") in said, name in said) == (True, language == "en")
