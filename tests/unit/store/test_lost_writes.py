"""Power cuts while an adapter is published: every state in which effects that were not synced are dropped.

Between two synced moments each new entry of a folder and the content of each file may be on the disk or not, whatever
the order they were made in. All of these disks are built, and what the store says of each is looked at.

Source: T. S. Pillai et al., "All file systems are not created equal" (OSDI 2014): update protocols that assume an order
of effects are what breaks.
"""

import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loraloop.lm.adapter_files import adapter_digest
from loraloop.store.artifacts import LocalArtifacts
from loraloop.testing.adapter_files import plain_adapter

Entries = dict[int, dict[str, int]]
Contents = dict[int, bytes]
MOST_STATES = 256
"""Tried of one moment; where there are more, so many are drawn, the two extremes among them."""


@dataclass
class Moment:
    """The disk as programs see it, and the part of it that is durable."""

    entries: Entries
    contents: Contents
    durable_entries: Entries
    durable_contents: Contents
    returned: bool


@dataclass
class Recorder:
    """Watches a folder through every call that orders or syncs its effects.

    Attributes:
        heeds_fsync: whether syncing makes anything durable; without it the protocol must be seen to fail.
    """

    root: Path
    heeds_fsync: bool = True
    moments: list[Moment] = field(default_factory=list)
    durable_entries: Entries = field(default_factory=dict)
    durable_contents: Contents = field(default_factory=dict)

    def run(self, publish: Callable[[], Any], patch: pytest.MonkeyPatch) -> None:
        """Publish under watch; what was there before is durable."""
        self.durable_entries, self.durable_contents = self.look()
        with patch.context() as patched:
            for name in ("replace", "rename", "mkdir"):
                patched.setattr(os, name, self._watched(getattr(os, name)))
            patched.setattr(os, "fsync", self._syncing(os.fsync))
            publish()
        self.note(returned=True)

    def look(self) -> tuple[Entries, Contents]:
        """Every folder's entries and every file's content, by inode."""
        entries: Entries = {}
        contents: Contents = {}
        for place, folders, files in os.walk(self.root):
            held = {name: os.stat(os.path.join(place, name)).st_ino for name in (*folders, *files)}
            entries[os.stat(place).st_ino] = held
            contents.update({held[name]: Path(place, name).read_bytes() for name in files})
        return entries, contents

    def note(self, *, returned: bool = False) -> None:
        """Keep the moment."""
        entries, contents = self.look()
        durable = {inode: dict(held) for inode, held in self.durable_entries.items()}
        self.moments.append(Moment(entries, contents, durable, dict(self.durable_contents), returned))

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **more: Any) -> Any:
            self.note()
            result = call(*given, **more)
            self.note()
            return result

        return watched

    def _syncing(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def syncing(handle: int) -> None:
            self.note()
            call(handle)
            inode = os.fstat(handle).st_ino
            entries, contents = self.look()
            if self.heeds_fsync and inode in entries:
                self.durable_entries[inode] = dict(entries[inode])
            elif self.heeds_fsync and inode in contents:
                self.durable_contents[inode] = contents[inode]
            self.note()

        return syncing


def states(moment: Moment) -> Iterator[tuple[Entries, Contents]]:
    """Every disk that a power cut at this moment may leave."""
    entries = [
        (folder, name)
        for folder, held in moment.entries.items()
        for name in {**held, **moment.durable_entries.get(folder, {})}
        if held.get(name) != moment.durable_entries.get(folder, {}).get(name)
    ]
    contents = [one for one, text in moment.contents.items() if moment.durable_contents.get(one) != text]
    unsure: list[Any] = [*entries, *contents]
    if 2 ** len(unsure) <= MOST_STATES:
        choices = list(itertools.product((False, True), repeat=len(unsure)))
    else:
        drawn = random.Random(0)
        choices = [tuple(drawn.random() < 0.5 for _ in unsure) for _ in range(MOST_STATES)]
        choices += [(False,) * len(unsure), (True,) * len(unsure)]
    for choice in choices:
        kept = {one for one, there in zip(unsure, choice, strict=True) if there}
        disk: Entries = {}
        for folder, held in moment.entries.items():
            durable = moment.durable_entries.get(folder, {})
            disk[folder] = {}
            for name in {**held, **durable}:
                inode = (held if (folder, name) in kept or held.get(name) == durable.get(name) else durable).get(name)
                if inode is not None:
                    disk[folder][name] = inode
        yield (
            disk,
            {
                one: text if one in kept or one not in contents else moment.durable_contents.get(one, b"")
                for one, text in moment.contents.items()
            },
        )


def build(folder: Path, inode: int, disk: Entries, contents: Contents) -> None:
    """Write a disk out, so that the store can be opened on it."""
    folder.mkdir(parents=True)
    for name, inner in disk.get(inode, {}).items():
        if inner in contents:
            (folder / name).write_bytes(contents[inner])
        else:
            build(folder / name, inner, disk, contents)


def lost(recorder: Recorder, digest: str, place: Path) -> tuple[int, list[str]]:
    """How many disks were looked at, and on which the object is broken, or gone though it was acknowledged."""
    count, found = 0, []
    seen = set()
    root = os.stat(recorder.root).st_ino
    for number, moment in enumerate(recorder.moments):
        for disk, contents in states(moment):
            key = (repr(sorted(disk.items())), repr(sorted(contents.items())), moment.returned)
            if key in seen:
                continue
            seen.add(key)
            count += 1
            shutil.rmtree(place, ignore_errors=True)
            build(place, root, disk, contents)
            store = LocalArtifacts(place)
            store.sweep_staging()
            for one in store.digests():
                if store._faults(store._folder(one)):
                    found.append(f"moment {number}: {one[:8]} is broken")
            if moment.returned and digest not in store.digests():
                found.append(f"moment {number}: {digest[:8]} was acknowledged and is gone")
    return count, found


@pytest.fixture(params=["first", "second"])
def recorded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Records the publishing of a home's first object, or of one beside another."""

    def record(heeds_fsync: bool = True) -> tuple[Recorder, str]:
        root = tmp_path / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        store = LocalArtifacts(root)
        if request.param == "second":
            other = plain_adapter(store.staging() / "made", 1)
            store.publish(other, adapter_digest(other))
            shutil.rmtree(root / "staging")
        recorder = Recorder(root, heeds_fsync)
        made: list[str] = []

        def publish() -> None:
            staged = plain_adapter(store.staging() / "made", 2)
            made.append(adapter_digest(staged))
            store.publish(staged, made[0])

        recorder.run(publish, monkeypatch)
        return recorder, made[0]

    return record


@pytest.mark.slow
@pytest.mark.fault(20)
@pytest.mark.fault(3)
def test_a_power_cut_while_publishing_leaves_nothing_or_a_whole_object(recorded: Any, tmp_path: Path) -> None:
    """On no disk is an object broken, and once publishing has returned it is on every one."""
    recorder, digest = recorded()
    count, found = lost(recorder, digest, tmp_path / "disk")
    assert count > 50
    assert found == []


@pytest.mark.slow
def test_without_syncing_the_very_same_check_fails(recorded: Any, tmp_path: Path) -> None:
    """Were no fsync heeded, there would be disks with a broken object, and with none though it was acknowledged."""
    recorder, digest = recorded(heeds_fsync=False)
    _, found = lost(recorder, digest, tmp_path / "disk")
    assert any("broken" in line for line in found)
    assert any("gone" in line for line in found)
