"""What earlier turns tell this one: what need not be asked for again, and how often a bot's loop turns."""

from __future__ import annotations

from datetime import datetime

from ..ports import ValueStore
from ..types import Decision, Report
from .notes import Memory

REMEMBERED_REPORTS = 20
"""Reports looked through for what is known already, the newest ones."""


def remembered(reports: ValueStore[Report], bot: str) -> Memory:
    """Return the answers and losses of the newest reports, by the digest of who was asked what and how."""
    newest_last = list(reversed(reports.list(bot, REMEMBERED_REPORTS)))
    return Memory(
        {item.asked: (item.answer, item.cut_off) for report in newest_last for item in report.items if item.asked},
        {row.asked: row.nats for report in newest_last for row in report.losses if row.asked},
    )


def turns_a_year(decisions: ValueStore[Decision], bot: str, now: datetime) -> float:
    """Return how many decisions a year would hold at the pace of the last 90 days."""
    from .stats import yearly_rate  # loads scipy, which most commands can do without

    return yearly_rate([decision.created_at for decision in decisions.list(bot)], now)
