"""A report as it might have been."""

from datetime import UTC, datetime

import pytest

from loraloop.evaluate.comparison import compare
from loraloop.evaluate.resampling import resampled
from loraloop.types import ItemResult, Report, RowLoss, SubjectScore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def report() -> Report:
    """Two adapters on 30 conversations of two rows and 20 cases."""
    losses, items = [], []
    for subject, shift in (("candidate", 0.0), ("live", 1.0)):
        losses += [RowLoss(subject, f"cv-{n}", k, n + k + shift, 5 + k) for n in range(30) for k in (1, 3)]
        items += [ItemResult(subject, "s", str(n), "", 1.0, 1.0, n % 3 == shift) for n in range(20)]
    scores = tuple(SubjectScore(s, s, 0.5, 0.5, 0.5, 0, 0, 0.1, 0.1, heldout_loss=9.0) for s in ("candidate", "live"))
    return Report("rp", "b", "ad", NOW, scores, items=tuple(items), losses=tuple(losses), heldout_rows=60)


def test_whole_conversations_and_cases_are_drawn_for_both_sides_alike() -> None:
    """Every draw has as many conversations and cases, paired as before, with totals that belong to its rows."""
    seen = report()
    for drawn in resampled(seen, 20, seed=1):
        found = compare(drawn, "live")
        assert found.loss is not None
        assert found.loss.clusters == 30
        assert len(drawn.losses) == len(seen.losses)
        assert found.cases.asked == 20
        ours = [row for row in drawn.losses if row.subject == "candidate"]
        assert found.totals[0] == pytest.approx(sum(r.nats for r in ours) / sum(r.tokens for r in ours))


@pytest.mark.slow
def test_draws_differ_and_repeat_with_their_seed() -> None:
    """The same seed gives the same draws, another one others, and their mean is the report's own."""
    means = [compare(one, "live").totals[0] or 0.0 for one in resampled(report(), 300, seed=1)]
    again = [compare(one, "live").totals[0] or 0.0 for one in resampled(report(), 300, seed=1)]
    assert means == again
    assert len(set(means)) > 100
    own = sum(r.nats for r in report().losses if r.subject == "candidate") / (30 * 14)
    assert sum(means) / 300 == pytest.approx(own, rel=0.05)


def test_a_report_without_rows_or_cases_stays_empty() -> None:
    """Nothing is made up where nothing was measured."""
    empty = Report("rp", "b", "ad", NOW, report().scores)
    (drawn,) = resampled(empty, 1, seed=0)
    assert (drawn.losses, drawn.items, drawn.scores) == ((), (), empty.scores)
