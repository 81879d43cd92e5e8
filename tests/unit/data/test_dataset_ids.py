"""A dataset's name is a digest of its rows."""

import hashlib
import json

import pytest

from loraloop.data.dataset_ids import dataset_id
from loraloop.types import DatasetRow


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("weight", [1, 8])
def test_it_is_the_digest_of_all_rows_as_json(count: int, weight: int) -> None:
    """However many rows are written down at once, and with the weight of corrections where there is one."""
    rows = [DatasetRow(f"cv-{n}", n % 3, "gate" if n % 7 else "train", f"{n:064x}") for n in range(count)]
    content: list[object] = ["봇", [[one.conversation_id, one.message_index, one.split, one.digest] for one in rows]]
    content += [{"correction_weight": weight}] if weight != 1 else []
    canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    assert dataset_id("봇", rows, weight) == f"ds-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
