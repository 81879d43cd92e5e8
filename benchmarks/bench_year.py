"""A simulated year of the scheduler (outages, clock jumps, summer time): no missed, double or unexplained run."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from recording import record

from loraloop.schedule.config import SchedulerConfig
from loraloop.schedule.scheduler import LoRAScheduler
from loraloop.testing.state import KeptState
from loraloop.types import Arrived, Mark

STEP_MINUTES = 5
STEP = timedelta(minutes=STEP_MINUTES)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
RUN_S = 40 * 60
HOUR, MINUTE_OF_HOUR, QUIET = 2, 30, (7, 22)
"""Cron 30 2 * * *: in Berlin that moment is left out once a year and comes twice once. No runs from 7 to 22 h."""


@dataclass
class World:
    """True time, what the wall's clock shows, and what came; the scheduler sees it only through its ports.

    Attributes:
        offset: what the wall's clock is wrong by. came, learnt: rows so far, and those that a run has learnt from.
        runs: true time and wall's time of each, and what it learnt.
    """

    now: datetime = BEGIN
    offset: timedelta = timedelta(0)
    boot: int = 0
    came: int = 0
    learnt: int = 0
    collected: int = 0
    runs: list[dict[str, Any]] = field(default_factory=list)
    taught: Counter[int] = field(default_factory=Counter)

    def wall(self) -> datetime:
        """What the clock shows."""
        return self.now + self.offset


class Ports:
    """The scheduler's clock, and what came since a mark."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        """See ``ports.Clock``."""
        return self._world.wall()

    def steady(self) -> tuple[str, float]:
        """The clock that cannot be set."""
        return f"boot-{self._world.boot}", (self._world.now - BEGIN).total_seconds()

    def mark(self) -> Mark | None:
        """See ``schedule.arrivals.Arrivals``; the mark is the number of rows that were collected."""
        return Mark("ds", self._world.collected)

    def since(self, mark: Mark | None) -> Arrived:
        """See ``schedule.arrivals.Arrivals``."""
        return Arrived(rows=self._world.came - (mark.feedback if mark else 0))

    def drift(self, mark: Mark | None, config: SchedulerConfig) -> None:
        """Nothing is compared here."""
        return None


def scheduler(world: World, state: KeptState, config: SchedulerConfig) -> LoRAScheduler:
    """The real scheduler as it begins after a boot, remembering what is kept; its runs take ``RUN_S`` seconds."""
    ports = Ports(world)
    made = LoRAScheduler(config, state=state, arrivals=ports, clock=ports, steady=ports.steady)

    def collect() -> range:
        world.collected = world.came  # what comes while the run trains is for the next one
        return range(world.came)

    def train(name: str, rows: range) -> dict[str, Any]:
        for row in range(world.learnt, len(rows)):
            world.taught[row] += 1
        began = world.now
        world.now += timedelta(seconds=RUN_S)
        world.runs.append({"at": began, "wall": began + world.offset, "rows": len(rows) - world.learnt})
        world.learnt = len(rows)
        return {}

    made.set_callbacks(collect, train, lambda name: {}, lambda name, performance: {})
    return made


# -- the oracle: written from what is promised, without any code of the schedule ---------------------------------------


class Oracle:
    """Says at each look whether a run must begin now, from plain arithmetic on true local dates.

    Promised: ``rows or cron``, outside quiet hours, at least 6 h after the last run ended. A date's moment is its first
    02:30, or 03:00 where that is left out; it is due until a run begins. Rows are due when 60 are new.
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self.cron_from: datetime | None = None
        self.ended: datetime | None = None

    def moment(self, day: datetime) -> datetime:
        """When a local date's moment is: noon less the hours that really lie between, so that gaps move it on."""
        local = day.replace(hour=HOUR, minute=MINUTE_OF_HOUR, second=0, microsecond=0, tzinfo=self._zone, fold=0)
        found = local.astimezone(UTC)
        exists = found.astimezone(self._zone).replace(tzinfo=None) == local.replace(tzinfo=None)
        return found if exists else local.replace(hour=3, minute=0).astimezone(UTC)

    def must_run(self, world: World) -> bool:
        """Return whether a run must begin at this minute."""
        wall = world.wall()
        if self.cron_from is None or self.cron_from - wall > timedelta(days=1):
            self.cron_from = wall
        local = wall.astimezone(self._zone)
        if QUIET[0] <= local.hour < QUIET[1]:
            return False
        if self.ended is not None and world.now - self.ended < timedelta(hours=6):
            return False
        last = max(moment for back in (0, 1) if (moment := self.moment(local - timedelta(days=back))) <= wall)
        return world.came - world.learnt >= 60 or last > self.cron_from

    def ran(self, world: World, began_wall: datetime) -> None:
        """A run began and has ended now."""
        assert self.cron_from is not None
        self.cron_from, self.ended = max(self.cron_from, began_wall), world.now


def year(zone: str, seed: int, days: int, begin: datetime = BEGIN, came: int = 0) -> dict[str, Any]:
    """Play one year; returns what was counted, and the faults found.

    Args:
        came: rows there are at its beginning; without any, a run that is due has nothing to do.
    """
    drawn, world, state, oracle = random.Random(seed), World(now=begin, came=came), KeptState(), Oracle(zone)
    config = SchedulerConfig(
        when="rows or cron", cron=f"{MINUTE_OF_HOUR} {HOUR} * * *", time_zone=zone, min_samples_for_training=60,
        quiet_hours=f"{QUIET[0]:02d}:00-{QUIET[1]:02d}:00", cooldown_hours=6,
    )  # fmt: skip
    looking: LoRAScheduler | None = scheduler(world, state, config)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    end, back_at = begin + timedelta(days=days), begin
    while world.now < end:
        if looking is None and world.now >= back_at:
            looking = scheduler(world, state, config)
        if looking is not None:
            looked(world, looking, oracle, counts, faults)
            happened = disturb(world, drawn, counts)
            if happened is not None:
                looking, back_at = None, world.now + happened
        world.now += STEP
        local = world.now.astimezone(ZoneInfo(zone))
        world.came += drawn.random() < STEP_MINUTES * (0.05 if 8 <= local.hour < 21 else 0.004)
    doubled = [row for row, times in world.taught.items() if times > 1]
    missed = [row for row in range(world.learnt) if row not in world.taught]
    faults += [f"row {row} taught twice" for row in doubled[:3]] + [f"row {row} never taught" for row in missed[:3]]
    return {
        "zone": zone, "seed": seed, "days": days, "runs": len(world.runs), "rows": world.came, "learnt": world.learnt,
        **dict(counts), "faults": len(faults), "first_faults": faults[:5],
    }  # fmt: skip


def looked(world: World, looking: LoRAScheduler, oracle: Oracle, counts: Counter[str], faults: list[str]) -> None:
    """One look of the scheduler, judged by the oracle; a reason is asked for at every change and every hour."""
    must, began, before = oracle.must_run(world), world.wall(), len(world.runs)
    if must or world.now.minute == 0:
        reading = looking.explain()[0]
        counts["decisions_explained"] += bool(reading.reason and reading.in_language("ko"))
        if reading.fires is not must or not reading.reason:
            faults.append(f"{world.now} (wall {world.wall()}): explained {reading.fires}, due {must}: {reading.reason}")
    looking.run_due()
    counts["looks"] += 1
    runs = len(world.runs) - before
    if runs:
        oracle.ran(world, began)
    if runs != int(must):
        kind = "missed" if must else "double or early"
        counts[f"{kind} runs"] += 1
        faults.append(f"{kind} run at {world.now} (wall {began})")


def disturb(world: World, drawn: random.Random, counts: Counter[str]) -> timedelta | None:
    """Now and then set the clock or cut the power; returns how long the machine is then away."""
    chance = drawn.random() * 24 * 60 / STEP_MINUTES
    if chance < 0.03:
        counts["clock_jumps"] += 1
        jump = timedelta(minutes=drawn.choice([-180, -59, -31, -5, 5, 31, 59, 180]))
        world.offset = timedelta(0) if world.offset else jump
    elif chance < 0.05:
        counts["restarts"] += 1
        return timedelta(0)
    elif chance < 0.09:
        counts["outages"] += 1
        world.boot += 1
        world.offset = timedelta(0)  # the clock is right after a boot
        return timedelta(hours=drawn.choice([1, 5, 9, 26, 75]))
    return None


def main() -> None:
    """Run the benchmark and print one JSON line at the end; exit 1 if anything was missed, doubled or unexplained."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, default=60 if os.environ.get("CI") else 365)
    options.add_argument("--seeds", type=int, default=1)
    chosen = options.parse_args()
    start = time.perf_counter()
    years = []
    for zone in ("Europe/Berlin", "Asia/Seoul"):
        for seed in range(chosen.seeds):
            years.append(year(zone, seed, chosen.days))
            print(json.dumps(years[-1]), flush=True)
    faults = sum(one["faults"] for one in years)
    totals: Counter[str] = Counter()
    for one in years:
        totals.update({key: value for key, value in one.items() if isinstance(value, int) and key not in ("seed",)})
    record("year", {
        "years": years, "totals": dict(totals), "faults": faults, "seconds": round(time.perf_counter() - start, 1),
    })  # fmt: skip
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
