"""What the command line says of data: review, statistics, scores, preference rows."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "review.keys": (
        "a approve · e BETTER ANSWER edit · r reject · s seen · n next · q quit",
        "a 승인 · e 더 나은 답 수정 · r 거절 · s 확인함 · n 다음 · q 끝",
    ),
    "review.done": ("decided: {told}", "결정: {told}"),
    "review.nothing": ("nothing", "없음"),
    "review.empty": ("nothing waits", "기다리는 답변이 없습니다"),
    "review.noted": ("{id}: {decision}", "{id}에 기록: {decision}"),
    "review.approve": ("approved", "승인"),
    "review.edit": ("edited", "수정"),
    "review.reject": ("rejected", "거절"),
    "review.seen": ("seen", "확인함"),
    "review.distress": (
        "talk of distress is never learnt: see to it, then s",
        "위기를 털어놓은 대화는 학습하지 않습니다. 조치한 뒤 s를 누르세요",
    ),
    "review.better": ("the better answer, in one line:", "더 나은 답을 한 줄로:"),
    "role.user": ("user", "사용자"),
    "role.assistant": ("bot", "봇"),
    "role.system": ("system", "시스템"),
    "role.tool": ("tool", "도구"),
}
"""English and Korean of each message."""
