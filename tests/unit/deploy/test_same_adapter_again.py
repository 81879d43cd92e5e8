"""A release is more than its adapter: the same adapter may go live twice, and there is a way back between the two."""

from collections.abc import Callable

from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import MovedClock
from loraloop.types import Adapter, Decision

Made = Callable[[int], Adapter]
Decided = Callable[..., Decision]


def test_a_release_of_the_same_adapter_can_be_rolled_back(
    manager: LoRADeploymentManager, adapter: Made, decided: Decided, clock: MovedClock, store: SqlStore
) -> None:
    """Two releases that differ only in their system prompt: going back restores the first prompt."""
    made = adapter(1)
    for prompt in ("first", "second"):
        clock.move(seconds=1)
        manager.release(decided(made), made, serving={"system_prompt": prompt})
    told = manager.rollback_adapter()
    assert told["success"], told
    live = store.releases.live("b")
    assert live is not None
    assert (live.version, live.serving["system_prompt"]) == (3, "first")


def test_what_is_live_is_not_gone_back_to(
    manager: LoRADeploymentManager, adapter: Made, decided: Decided, store: SqlStore
) -> None:
    """Naming the live release, also one that a rollback brought back, changes nothing and says so."""
    first, second = adapter(1), adapter(2)
    manager.release(decided(first), first)
    assert "live already" in manager.rollback_adapter("a1")["error"]
    manager.release(decided(second), second)
    assert manager.rollback_adapter("a1")["success"]
    assert "live already" in manager.rollback_adapter("a1")["error"]
    live = store.releases.live("b")
    assert live is not None
    assert live.version == 3


def test_an_ended_trial_of_the_same_adapter_goes_back_once(
    managed: Callable[..., LoRADeploymentManager], adapter: Made, decided: Decided, clock: MovedClock, store: SqlStore
) -> None:
    """A second trial of an adapter ends with the first release of it, and the next start has nothing to do."""
    manager, made = managed(trial_hours=2), adapter(1)
    manager.confirm(manager.release(decided(made), made).id)
    clock.move(hours=1)
    manager.release(decided(made), made)
    clock.move(hours=3)
    assert ["went back to a1" in line for line in manager.recover()] == [True]
    assert manager.recover() == []
    live = store.releases.live("b")
    assert live is not None
    assert (live.method, live.status) == ("rollback", "confirmed")
