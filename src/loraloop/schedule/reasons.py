"""Why a run starts or waits: the sentence of each reason, in English and in Korean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LANGUAGES = ("en", "ko")

REASONS: Mapping[str, tuple[str, str]] = {
    "first": ("there was no run yet", "아직 실행한 적이 없습니다"),
    "ago": (
        "the last run ended {passed:.1f} h ago, {hours:g} h are required",
        "마지막 실행이 {passed:.1f}시간 전에 끝났습니다. {hours:g}시간이 지나야 합니다",
    ),
    "future": (
        "the last run lies in the future ({at} UTC)",
        "마지막 실행 시각이 미래입니다 ({at} UTC)",
    ),
    "set_back": (
        "the clock was set back: the last run lies in the future ({at} UTC), {hours:g} h are required after it",
        "시계가 뒤로 맞춰졌습니다: 마지막 실행 시각이 미래이며 ({at} UTC) 그 뒤 {hours:g}시간이 지나야 합니다",
    ),
    "rows_uncounted": (
        "nothing counts the rows: set a data_collector or new_rows",
        "행을 세는 것이 없습니다: data_collector나 new_rows를 지정하세요",
    ),
    "rows": ("{rows} new rows, {required} are required", "새 행 {rows}건, {required}건이 필요합니다"),
    "corrections_uncounted": ("nothing counts the corrections", "수정을 세는 것이 없습니다"),
    "corrections": (
        "{count} new corrections, {required} are required",
        "새 수정 {count}건, {required}건이 필요합니다",
    ),
    "votes_uncounted": ("nothing counts what people thought of answers", "답변 평가를 세는 것이 없습니다"),
    "votes_too_few": (
        "{before} judgements before the last run, {required} are required to compare with",
        "마지막 실행 전 평가 {before}건, 비교하려면 {required}건이 필요합니다",
    ),
    "approval": (
        "{up} of {since} judgements since the last run are good, {before_up} of {before} before: evidence of a fall "
        "{evidence:.3g}, {required:g} is required",
        "마지막 실행 뒤 평가 {since}건 중 {up}건이 좋음, 그전에는 {before}건 중 {before_up}건: 하락의 증거 "
        "{evidence:.3g}, {required:g}이(가) 필요합니다",
    ),
    "drift_unknown": (
        "too few people since the last run to compare topics, or nothing compares them",
        "마지막 실행 뒤 주제를 비교할 사람이 모자라거나 비교하는 것이 없습니다",
    ),
    "drift": (
        "topics of {since} people are {distance:.2f} from those of {before} in the last dataset: p {p_value:.2g}, at "
        "most {level:.2g} is required",
        "{since}명의 주제와 마지막 데이터셋 {before}명의 주제 사이 거리 {distance:.2f}: p {p_value:.2g}, {level:.2g} "
        "이하여야 합니다",
    ),
    "no_cron": ("no cron is set", "cron이 지정되지 않았습니다"),
    "cron_due": (
        "{cron} was due at {at} ({zone}) and no run began since",
        "{cron} 시각 {at} ({zone})이 되었고 그 뒤 실행이 없었습니다",
    ),
    "cron_wait": ("{cron} comes next at {at} ({zone})", "{cron}의 다음 시각은 {at} ({zone})입니다"),
    "cron_never": ("{cron} never comes", "{cron} 시각은 오지 않습니다"),
    "never_learnt": ("nothing was learnt yet", "아직 학습한 것이 없습니다"),
    "stale": (
        "the last good run ended {days:.1f} days ago, {required:g} are required",
        "마지막으로 성공한 실행이 {days:.1f}일 전에 끝났습니다. {required:g}일이 지나야 합니다",
    ),
    "nobody": ("nobody asked", "요청한 사람이 없습니다"),
    "asked": ("asked for {names}", "요청됨: {names}"),
    "training": ("{name} is being trained", "{name}을(를) 학습하는 중입니다"),
    "retrying": ("{name} waits to be tried again", "{name}이(가) 다시 시도되기를 기다립니다"),
    "idle": ("no run is under way", "진행 중인 실행이 없습니다"),
    "on": ("automatic runs are on", "자동 실행이 켜져 있습니다"),
    "off": ("enable_auto_scheduling is off", "enable_auto_scheduling이 꺼져 있습니다"),
    # limits
    "cooled": (
        "the last run ended {passed:.1f} h ago, a pause of {hours:g} h is set",
        "마지막 실행이 {passed:.1f}시간 전에 끝났습니다. {hours:g}시간 쉬도록 정해져 있습니다",
    ),
    "quiet": ("it is {at} ({zone}), within the quiet hours {hours}", "지금은 {at} ({zone}), 조용한 시간 {hours}입니다"),
    "loud": (
        "it is {at} ({zone}), outside the quiet hours {hours}",
        "지금은 {at} ({zone}), 조용한 시간 {hours} 밖입니다",
    ),
    "day_off": ("{date} is a day without runs ({entry})", "{date}은(는) 실행하지 않는 날입니다 ({entry})"),
    "day_on": ("{date} is a day with runs", "{date}은(는) 실행하는 날입니다"),
    "today": ("{runs} runs began on {date}, at most {most} may", "{date}에 {runs}번 실행했습니다. 최대 {most}번입니다"),
    "budget": (
        "runs took {hours:.2f} h in {month}, {budget:g} h are allowed",
        "{month}에 실행이 {hours:.2f}시간 걸렸습니다. {budget:g}시간까지 됩니다",
    ),
    "load": ("load {observed:.2f} per core, at most {required:g}", "코어당 부하 {observed:.2f}, 최대 {required:g}"),
    "memory": (
        "{observed:.0f} MB of memory are free, {required:g} are required",
        "여유 메모리 {observed:.0f} MB, {required:g} MB가 필요합니다",
    ),
    "gpu_memory": (
        "{observed:.0f} MB of GPU memory are free, {required:g} are required",
        "여유 GPU 메모리 {observed:.0f} MB, {required:g} MB가 필요합니다",
    ),
    "requests": (
        "{observed:.0f} requests are being answered, at most {required:g}",
        "답하는 중인 요청 {observed:.0f}건, 최대 {required:g}건",
    ),
    "unmeasured": (
        "{what} cannot be measured here, so it holds nothing back",
        "{what}은(는) 여기서 잴 수 없어 막지 않습니다",
    ),
}


def sentence(code: str, language: str, facts: Mapping[str, Any]) -> str:
    """Return the sentence of a reason with its gaps filled.

    Example:
        >>> sentence("rows", "ko", {"rows": 3, "required": 50})
        '새 행 3건, 50건이 필요합니다'
    """
    return REASONS[code][LANGUAGES.index(language)].format(**facts)
