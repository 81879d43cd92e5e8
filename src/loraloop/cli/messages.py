"""Everything the command line says, in English and Korean."""

from __future__ import annotations

import os

LANGUAGES = ("en", "ko")
_chosen = "en"

CATALOGUE: dict[str, tuple[str, str]] = {
    # what is being done
    "stage.import": ("importing", "가져오는 중"),
    "stage.train": ("training", "학습 중"),
    "stage.evaluate": ("evaluating", "평가 중"),
    "stage.answer": ("answering", "답하는 중"),
    "stage.convert": ("preparing the base", "기반 모델 준비 중"),
    "fact.loss": ("loss", "손실"),
    "fact.conversations": ("conversations", "대화"),
    "fact.items": ("items", "문항"),
    # errors
    "error": ("error: {text}", "오류: {text}"),
    "hint": ("try this: {text}", "이렇게 해 보세요: {text}"),
    "bug": (
        "This is a fault of loraloop, not yours: {text}. Details are in {log}; please report it.",
        "loraloop 자체의 오류입니다: {text}. 자세한 내용은 {log}에 있습니다. 알려 주세요.",
    ),
    "interrupted": ("interrupted; what was finished is kept", "중단했습니다. 끝난 작업은 그대로 있습니다"),
    # init, import, data
    "init.done": ("made {home}", "{home} 폴더를 만들었습니다"),
    "init.next": (
        "Next: loraloop import FILE --reviewed --consent granted, then loraloop turn",
        "다음: loraloop import 파일 --reviewed --consent granted, 그다음 loraloop turn",
    ),
    "import.done": (
        "{new} new conversations ({known} known already)",
        "새 대화 {new}건을 가져왔습니다 (이미 있던 대화 {known}건)",
    ),
    "import.bad": ("{count} lines were left out:", "{count}줄을 건너뛰었습니다:"),
    "import.more": ("... and {count} more", "... 그 밖에 {count}줄"),
    "import.unlearnable": (
        "{count} answers will not be learnt: {reason}",
        "답변 {count}개는 학습하지 않습니다: {reason}",
    ),
    "data.exported": ("{count} conversations written to {path}", "대화 {count}건을 {path}에 썼습니다"),
    # steps of the loop
    "dataset.made": (
        "dataset {id}: {train} rows to learn, {validation} to stop by, {gate} to judge by",
        "데이터셋 {id}: 학습 {train}건, 조기 종료 확인 {validation}건, 심사 {gate}건",
    ),
    "adapter.made": (
        "adapter {name} = {id}: {tokens} tokens in {seconds} s, validation loss {loss}",
        "어댑터 {name} = {id}: 토큰 {tokens}개, {seconds}초, 검증 손실 {loss}",
    ),
    "head.question": ("question", "질문"),
    "subject.live": ("live adapter", "지금 어댑터"),
    "subject.base": ("base", "기본 모델"),
    "subject.candidate": ("candidate", "새 어댑터"),
    "plan.error": ("error of one turn, at most", "한 번에 잘못 배포할 확률 (최대)"),
    "plan.year": ("false promotions a year, at most (turns)", "1년에 잘못 배포할 횟수, 최대 (실행 횟수)"),
    "plan.rows": ("held-out rows (conversations)", "검증용 행 (대화)"),
    "plan.effect": ("seen 4 times in 5: loss better by, nats a token", "5번 중 4번 알아보는 개선 (nats/토큰)"),
    "plan.half": ("rows that would see half of that", "그 절반을 알아보는 데 필요한 행"),
    "plan.cases": ("cases won with none lost that are enough / asked", "잃은 것 없이 이겨야 할 문항 / 전체"),
    "calibration.told": (
        "measured here on {at}: of {runs} pairs of equals {promoted} promoted; judged anew {resampled} times, {frac}",
        "{at}에 잰 값: 같은 품질 {runs}쌍 가운데 {promoted}쌍 배포 판정; 다시 뽑아 {resampled}번 판정하면 {frac}",
    ),
    "calibration.none": (
        "how often this gate errs here was not measured: loraloop gate calibrate",
        "이 판정이 여기서 얼마나 틀리는지 재지 않았음: loraloop gate calibrate",
    ),
    "calibration.margin": (
        "another seed alone changes the held-out loss by {nats} nats; gate.loss_margin_nats should not be less",
        "시드만 바꿔도 손실이 {nats} nats 달라짐; gate.loss_margin_nats는 그보다 작지 않아야 함",
    ),
    "page.language": ("en", "ko"),
    "page.title": ("{name} beside what is live", "{name}와 지금 쓰는 것의 비교"),
    "page.scores": ("Side by side", "나란히 보기"),
    "page.rules": ("The rules", "판정 규칙"),
    "page.rule": ("rule", "규칙"),
    "page.observed": ("observed", "관찰"),
    "page.changes": ("Answers that changed most", "가장 많이 달라진 답변"),
    "page.loss": (
        "Held-out loss, better by (nats a token, beside {name}; 95 %)",
        "검증 손실 개선 (nats/토큰, {name} 대비; 95 %)",
    ),
    "page.cases": ("Cases passed, more by (beside {name}; 95 %)", "통과 문항 증가 ({name} 대비; 95 %)"),
    "page.written": ("written: {path}", "저장함: {path}"),
    "verdict.would": ("the gate would say:", "판정한다면:"),
    "verdict.promote": ("verdict: promote", "판정: 배포해도 좋음"),
    "verdict.hold": ("verdict: hold ({reason})", "판정: 보류 ({reason})"),
    "verdict.inconclusive": ("verdict: inconclusive ({reason})", "판정: 판단할 수 없음 ({reason})"),
    "release.live": ("release {version} is live: {name} ({id})", "릴리스 {version} 배포됨: {name} ({id})"),
    "release.trial": (
        "on trial until {until} UTC; keep it with: loraloop confirm",
        "{until} UTC까지 시험 운영합니다. 계속 쓰려면: loraloop confirm",
    ),
    "release.kept": ("the live release stays as it was", "지금 쓰던 릴리스를 그대로 둡니다"),
    "release.confirmed": ("release {version} is confirmed", "릴리스 {version}을(를) 확정했습니다"),
    "rollback.done": ("went back from {from_} to {to}", "{from_}에서 {to}(으)로 되돌렸습니다"),
    "cleanup.done": (
        "removed {count} adapters and {backups} backups",
        "어댑터 {count}개와 백업 {backups}개를 지웠습니다",
    ),
    "cleanup.would": ("would remove {count} adapters: {names}", "지울 어댑터 {count}개: {names}"),
    "recovered": ("put right at start: {text}", "시작하면서 바로잡았습니다: {text}"),
    # talking
    "chat.hello": (
        "Talking to {name}. /good, /bad, /fix BETTER ANSWER, /quit",
        "{name}와(과) 대화합니다. /good(좋아요), /bad(싫어요), /fix 더 나은 답, /quit(끝)",
    ),
    "chat.consent": (
        "What is said here is stored without consent to learn from it; use --consent granted to allow it.",
        "여기서 나눈 대화는 저장되지만 학습에는 쓰이지 않습니다. 허락하려면 --consent granted를 쓰세요.",
    ),
    "chat.nothing": ("there is no answer to judge yet", "아직 평가할 답이 없습니다"),
    "feedback.done": ("noted for {id}; the next turn learns from it", "{id}에 기록했습니다. 다음 회차에 반영됩니다"),
    "feedback.noted": (
        "noted for {id}; it will not be learnt from: {reason}",
        "{id}에 기록했습니다. 다만 학습에는 쓰이지 않습니다: {reason}",
    ),
    # the gateway
    "serve.first_key": (
        "the first key of this home, shown once (it may do everything): {fresh}",
        "이 홈의 첫 번째 키입니다. 한 번만 보여 드립니다(모든 권한): {fresh}",
    ),
    "serve.started": (
        "answering at {where}/v1 (Ctrl-C or SIGTERM: answers begun are finished)",
        "{where}/v1에서 응답합니다 (Ctrl-C 또는 SIGTERM: 시작한 답변은 끝까지 합니다)",
    ),
    "serve.ended": ("ended", "끝났습니다"),
    "keys.once": (
        "key {id} ({roles}); it is not shown again",
        "키 {id} ({roles}); 다시 보여 드리지 않습니다",
    ),
    "keys.revoked": ("key {id} opens nothing any more", "키 {id}을(를) 폐기했습니다"),
    "head.roles": ("roles", "역할"),
    "head.label": ("label", "이름표"),
    "head.revoked": ("revoked", "폐기"),
    # looking
    "status.bot": ("bot", "봇"),
    "status.base": ("base", "기반 모델"),
    "status.home": ("home", "홈 폴더"),
    "status.live": ("live", "배포 중"),
    "status.nothing_live": ("the base alone (nothing was released)", "기반 모델만 (배포한 것 없음)"),
    "status.conversations": ("conversations", "대화"),
    "status.dataset": ("last dataset", "마지막 데이터셋"),
    "status.decision": ("last decision", "마지막 판정"),
    "status.schedule": ("next turn", "다음 회차"),
    "status.none": ("none yet", "아직 없음"),
    "doctor.well": ("nothing is broken ({count} checks)", "이상 없습니다 (점검 {count}가지)"),
    "doctor.faults": ("{count} faults found", "이상 {count}건을 찾았습니다"),
    "run.started": ("looking on; stop with Ctrl-C", "지켜보는 중입니다. 끝내려면 Ctrl-C"),
    "compare.best": ("best: {name}", "가장 나은 것: {name}"),
    "split.train": ("to learn", "학습"),
    "split.validation": ("to stop training by", "조기 종료 확인"),
    "split.gate": ("to judge by", "심사"),
    "chat.speed": ("({seconds} s)", "({seconds}초)"),
    "status.version": ("version", "버전"),
    "trial.on_trial": ("on trial", "시험 운영"),
    "trial.confirmed": ("confirmed", "확정"),
    "trial.reverted": ("reverted", "되돌림"),
    "head.adapter": ("adapter", "어댑터"),
    "head.method": ("method", "방법"),
    "head.status": ("status", "상태"),
    "head.actor": ("by", "누가"),
    "head.loss": ("held-out loss", "심사 손실"),
    "head.passed": ("cases passed", "통과한 문항"),
    "head.score": ("score", "점수"),
    "head.time": ("a request", "응답 시간"),
    "compare.other_rows": (
        "their held-out rows differ, so the score over the suites decides",
        "심사에 쓴 대화가 서로 달라 문항 점수로 비교합니다",
    ),
    "passed": ("pass", "통과"),
    "failed": ("FAIL", "실패"),
    "required": ("required", "기준"),
    "run.nothing": ("nothing to do now", "지금은 할 일이 없습니다"),
    "doctor.ok": ("ok", "정상"),
    "config.default": ("default", "기본값"),
}


def choose_language(language: str | None) -> None:
    """Answer in a language from now on; ``None`` follows the ``LANG`` variable."""
    global _chosen
    asked = language or ("ko" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("ko") else "en")
    _chosen = asked if asked in LANGUAGES else "en"


def t(key: str, **facts: object) -> str:
    """Return a message in the chosen language; a key without a message is shown as it is."""
    found = CATALOGUE.get(key)
    if found is None:
        return key.rpartition(".")[2]
    return found[LANGUAGES.index(_chosen)].format(**facts)


def korean() -> bool:
    """Whether messages are in Korean now."""
    return _chosen == "ko"
