"""What came since a dataset was made: counted, never read. The mark of a dataset is written in its own transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..types import CONSENTS_TO_LEARN, REVIEWER, Arrived, Mark
from . import codec, tables
from .database import Database

_C, _F, _D = tables.conversations, tables.feedback, tables.drops
_APPROVED = '%"approved_by": "%'  # as codec.json_text writes it; inside a text the quotes would be escaped
_VOTES_BEFORE = 500
_ID_CHARS = len("cv-") + 16
_MAY_BECOME_USABLE = "answer_not_approved"
"""The one reason to leave an answer out that later feedback takes back, and that is asked for here anew."""


class Arrivals:
    """Counts what no dataset of a mark has seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_feedback(self) -> int:
        """Return the number of the last word of feedback; to be asked before a dataset's rows are chosen."""
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(_F.c.id))).scalar() or 0)

    def mark(self, bot: str) -> Mark | None:
        """Return the mark of the bot's last dataset."""
        query = sa.select(tables.state.c.value).where(tables.state.c.key == mark_key(bot))
        with self._database.read() as connection:
            text = connection.execute(query).scalar()
        return None if text is None else Mark(**json.loads(text))

    def since(self, bot: str, mark: Mark | None) -> Arrived:
        """Return what came after a mark, ``None`` for all there is.

        A conversation is a new row when it may be learnt from, a person vouched for an answer of it, it is in no row of
        the mark's dataset, and the last dataset did not leave it out. So it counts until it is learnt, and not again.
        """
        mark = mark or Mark("")
        with self._database.read() as connection:
            rows = int(connection.execute(_new_rows(bot, mark)).scalar_one())
            learnable = _votes(bot).where(
                _F.c.id > mark.feedback, _said("correction"), _C.c.consent.in_(CONSENTS_TO_LEARN)
            )
            corrections = len(connection.execute(learnable).all())
            users = _votes(bot).where(~_F.c.body.like(f'%"actor": "{REVIEWER}%'))  # a reviewer's yes is no approval
            since = connection.execute(users.where(_F.c.id > mark.feedback).order_by(_F.c.id)).all()
            newest = users.where(_F.c.id <= mark.feedback).order_by(_F.c.id.desc()).limit(_VOTES_BEFORE)
            before = connection.execute(newest).all()
        ups = tuple(bool(up) for _, up in since)
        return Arrived(rows, corrections, sum(bool(up) for _, up in before), len(before), ups)

    def people_since(self, bot: str, at: datetime) -> int:
        """Return how many people (else sessions, else conversations) said something after a time that may be learnt."""
        who = sa.func.count(sa.distinct(sa.func.coalesce(_C.c.person, _C.c.session, _C.c.id)))
        said = _C.c.created_at > codec.stamp(at)
        query = sa.select(who).where(_C.c.bot == bot, _C.c.consent.in_(CONSENTS_TO_LEARN), said)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())


def mark_key(bot: str) -> str:
    """Return the key of the state under which a bot's mark is kept."""
    return f"mark:{bot}"


def write_mark(connection: sa.Connection, bot: str, mark: Mark) -> None:
    """Write a bot's mark in the transaction of its dataset."""
    facts: Mapping[str, Any] = dict(mark)
    t = tables.state
    connection.execute(sa.delete(t).where(t.c.key == mark_key(bot)))
    connection.execute(sa.insert(t), {"key": mark_key(bot), "value": codec.json_text(facts)})


def _said(kind: str) -> sa.ColumnElement[bool]:
    return _F.c.body.like(f'%"kind": "{kind}"%')


def _votes(bot: str) -> sa.Select[Any]:
    """``(id, whether it was good)`` of each judgement of a bot's answers; comments judge nothing."""
    up = sa.case((_said("thumb_up"), 1), else_=0)
    judged = sa.select(_F.c.id, up).join(_C, _C.c.id == _F.c.conversation_id)
    return judged.where(_C.c.bot == bot, ~_said("comment"))


def _new_rows(bot: str, mark: Mark) -> sa.Select[Any]:
    r, n = tables.dataset_rows, tables.dataset_runs
    praised = sa.exists().where(_F.c.conversation_id == _C.c.id, _said("thumb_up") | _said("correction"))
    in_run = (n.c.rows_of == r.c.dataset_id) & r.c.position.between(n.c.first_position, n.c.last_position)
    in_dataset = sa.exists().where(n.c.dataset_id == mark.dataset_id, in_run)
    learnt = sa.exists().where(r.c.conversation_id == _C.c.id, in_dataset)
    left_out = sa.select(sa.func.substr(_D.c.target, 1, _ID_CHARS)).where(
        _D.c.bot == bot, _D.c.reason != _MAY_BECOME_USABLE
    )
    return (
        sa.select(sa.func.count())
        .select_from(_C)
        .where(
            _C.c.bot == bot,
            _C.c.consent.in_(CONSENTS_TO_LEARN),
            _C.c.messages.like(_APPROVED) | praised,
            ~learnt,
            _C.c.id.not_in(left_out),
        )
    )
