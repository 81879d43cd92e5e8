"""A report as a page."""

from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from loraloop.cli.messages import choose_language
from loraloop.cli.report_page import report_page
from loraloop.evaluate.config import GateConfig
from loraloop.evaluate.gate import decide
from loraloop.types import ItemResult, Report, RowLoss, SubjectScore

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
