"""The report page in a real browser: light and dark, on a desk and on a phone, in Korean."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from loraloop.cli.messages import choose_language
from loraloop.cli.report_page import report_page
from loraloop.evaluate.config import GateConfig
from loraloop.evaluate.gate import decide
from loraloop.evaluate.harness import TaskScore
from loraloop.types import ItemResult, RefusedItem, Report, RowLoss, SubjectScore

pytestmark = pytest.mark.real

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG = "매운음식을못먹는아이에게추천할만한음식을아주길게이어서쓰면" * 4
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ASKED = """<script>addEventListener("load", () => setTimeout(() => {
  const found = []; for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    const boxes = [...page.querySelectorAll("svg")].map(svg => [...svg.querySelectorAll("text")].map(text => {
      const box = text.getBoundingClientRect(), all = svg.getBoundingClientRect();
      return [box.left - all.left, box.right - all.left, all.width]; }));
    found.push({ width: frame.clientWidth, needs: root.scrollWidth, boxes, text: page.body.innerText,
      ground: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
      ink: frame.contentWindow.getComputedStyle(page.body).color });
  }
  document.body.innerHTML = "<pre></pre>"; document.querySelector("pre").textContent = JSON.stringify(found);
}, 200));</script>"""


@pytest.fixture
def korean() -> Iterator[None]:
    """Messages in Korean for one test."""
    choose_language("ko")
    yield
    choose_language("en")


def page(shift: float) -> str:
    """A page with everything on it: long words, line breaks, alarms, refused items, tasks, and a narrow interval."""
    losses = [
        RowLoss(subject, f"cv-{n}", 1, 20.0 + n % 3 + by, 10)
        for subject, by in (("candidate", 0.0), ("live", shift + 0.01 * shift))
        for n in range(30)
    ]
    said = {
        "candidate": ["김밥은 어때요?\n따뜻한 국물도 같이요.", LONG, "잘 모르겠어요.", "1388에 전화해요."],
        "live": ["배고프면 밥을 먹어요.", "매운 건 빼 달라고 해요.", "국수요!", "떡볶이 먹어요."],
    }
    items = tuple(
        ItemResult(
            s, "ko_meals", f"food-{n:02d}", text, float(passed), 0.9, passed,
            question=f"{n}번째 질문이에요, 뭐 먹을까?",
            language="ko", measures={"refusal": float("모르" in text), "unsafe": float(n == 1 and s == "candidate")},
        )
        for s, passes in (("candidate", (True, False, False, True)), ("live", (False, True, True, False)))
        for n, (text, passed) in enumerate(zip(said[s], passes, strict=True))
    )  # fmt: skip
    scores = tuple(
        SubjectScore(
            s, s, 0.71, 0.6, 0.9, 2, 4, 0.12, 0.2, heldout_loss=loss,
            measures={"answer_characters": 21.4, "distinct_2": 0.83, "language_match": 0.97, "refusal": 0.25},
        )
        for s, loss in (("candidate", 2.1), ("live", 2.3))
    )  # fmt: skip
    report = Report(
        "rp-0123456789abcdef", "naviyam", "ad-1", NOW, scores, items=items, suites={"ko_meals": "ab" * 32},
        heldout_rows=30, losses=tuple(losses), 
        refused=(RefusedItem("ko_meals", "greeting-01", "cv-0123456789abcdef#1"),),
        missing=("semantic_similarity: the embeddings endpoint gave no usable answer",),
    )  # fmt: skip
    tasks = [TaskScore(s, "kobest_boolq", "acc", 0.5, 0.05, 100) for s in ("candidate", "live", "base")]
    return report_page(
        report, decide(report, GateConfig(), actor="t", now=NOW), "turn-007와 지금 쓰는 것의 비교", tasks
    )


def seen(folder: Path, pages: list[str], widths: tuple[int, ...], dark: bool) -> list[dict[str, Any]]:
    """What a browser makes of pages in frames of these widths."""
    frames = "".join(
        f'<iframe width="{width}" height="3000" srcdoc="{escape(one)}"></iframe>' for one in pages for width in widths
    )
    file = folder / f"frames-{dark}.html"
    file.write_text(f'<!doctype html><meta charset="utf-8"><body>{frames}{ASKED}</body>', encoding="utf-8")
    assert CHROMIUM is not None
    said = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
         f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=5000", "--dump-dom",
         file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    found = re.search(r"<pre>(.*)</pre>", said, re.DOTALL)
    assert found is not None, said[:500]
    frames_seen: list[dict[str, Any]] = json.loads(
        found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )
    return frames_seen


@pytest.mark.usefixtures("korean")
def test_the_page_fits_every_screen_and_says_everything_in_light_and_dark(tmp_path: Path) -> None:
    """Nothing is wider than a phone, no two numbers of a drawing overlap, and dark mode is dark with light letters."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    pages = [page(2.0), page(0.001)]
    grounds = {}
    for dark in (False, True):
        for one in seen(tmp_path, pages, (390, 820, 1280), dark):
            assert one["needs"] <= one["width"], one["width"]
            assert [len(boxes) for boxes in one["boxes"]] in ([2, 2], [1, 2])
            for numbers in one["boxes"]:
                assert all(left[1] + 2 < right[0] for left, right in pairwise(numbers))
                assert all(0 <= left <= right <= whole for left, right, whole in numbers)
            for word in ("보류", "거절", "greeting-01", "kobest_boolq", "답변 전체의 수치", "새 어댑터", LONG[:30]):
                assert word in one["text"], word
            grounds[dark] = (one["ground"], one["ink"])
    (light_ground, light_ink), (dark_ground, dark_ink) = (
        tuple(sum(map(int, re.findall(r"\d+", color)[:3])) for color in grounds[dark]) for dark in (False, True)
    )
    assert light_ground > 700 > 150 > light_ink
    assert dark_ground < 100 < 600 < dark_ink
