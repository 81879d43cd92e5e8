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
    # people
    "forget.done": (
        "forgotten: {conversations} conversations, {feedback} pieces of feedback",
        "지웠습니다: 대화 {conversations}건, 의견 {feedback}건",
    ),
    "forget.datasets": ("datasets that held them", "이 데이터가 있던 데이터셋"),
    "forget.adapters": ("adapters that learnt from them", "이 데이터로 학습한 어댑터"),
    "forget.releases": ("releases of those adapters", "그 어댑터의 배포"),
    "forget.rolled_back": ("{bot}: rolled back to {target}", "{bot}: {target}(으)로 되돌렸습니다"),
    "forget.stuck": (
        "{bot}: could not be rolled back; see loraloop.log, then: loraloop rollback base",
        "{bot}: 되돌리지 못했습니다. loraloop.log를 보고 loraloop rollback base를 실행하세요",
    ),
    "forget.owed": (
        "the live adapter learnt from them; it is rebuilt by {due} UTC, or rolled back then (--now: at once)",
        "지금 어댑터가 이 데이터로 학습했습니다. {due} UTC까지 다시 만들고, 아니면 되돌립니다 (--now: 바로)",
    ),
    "forget.busy": (
        "the loop of {bot} is being turned; what it makes of these rows is dropped when it ends",
        "{bot}의 루프가 실행 중입니다. 이 데이터로 만든 것은 끝날 때 버립니다",
    ),
    "forget.receipt": ("receipt: {path}", "확인서: {path}"),
    "lineage.kind": ("asked about", "대상"),
    "lineage.taught_by": ("taught by", "가르친 대화"),
    "lineage.datasets": ("datasets", "데이터셋"),
    "lineage.adapters": ("adapters", "어댑터"),
    "lineage.releases": ("releases", "배포"),
    "lineage.answers": ("answers", "답변"),
    "consent.withdrawn": ("withdrawn; nothing they said is learnt", "철회함. 이 사람의 말은 학습하지 않습니다"),
    "consent.needs_guardian": (
        "under 14 without a guardian's consent; nothing they said is learnt",
        "만 14세 미만이고 법정대리인의 동의가 없어 학습하지 않습니다",
    ),
    "consent.as_given": ("as each conversation states", "대화마다 밝힌 대로"),
    "prune.done": (
        "{count} conversations older than {days} days were erased",
        "{days}일이 지난 대화 {count}건을 지웠습니다",
    ),
    "prune.would": (
        "{count} conversations are older than {days} days",
        "{days}일이 지난 대화가 {count}건 있습니다",
    ),
    "key.made": (
        "a new key; {count} keys are kept in secret.key now: back it up, apart from the home",
        "새 키를 만들었습니다. 이제 secret.key에 키 {count}개가 있습니다. 홈과 따로 백업하세요",
    ),
    "status.owed": ("owed", "해야 할 일"),
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
    "report.refused": (
        "{count} items were not asked, for training data holds their question: {names}",
        "학습 데이터에 같은 질문이 있어 묻지 않은 문항 {count}개: {names}",
    ),
    "report.missing": ("not measured: {text}", "재지 못함: {text}"),
    "head.task": ("task", "과제"),
    "head.asked": ("asked", "문항 수"),
    "page.tasks": ("Tasks (shown, decide nothing)", "과제 (참고용, 판정에 쓰지 않음)"),
    "page.failed": ("failed: {rules}", "통과하지 못함: {rules}"),
    "page.figures": ("All answers in figures", "답변 전체의 수치"),
    "page.bits": (
        "Held-out loss, better by (bits a byte, beside {name} on another base; 95 %)",
        "검증 손실 개선 (비트/바이트, 다른 기반 모델의 {name} 대비; 95 %)",
    ),
    "page.unchanged": ("No answer changed for better or worse.", "더 나아지거나 나빠진 답변이 없습니다."),
    "figure.answer_characters": ("characters an answer", "답변 글자 수"),
    "figure.distinct_2": ("variety (distinct word pairs)", "다양성 (서로 다른 두 단어 쌍)"),
    "figure.language_match": ("in its language", "언어 일치"),
    "figure.refusal": ("refusals", "거절"),
    "figure.loop": ("loops", "반복에 빠짐"),
    "figure.semantic_similarity": ("like the reference", "참고 답변과 비슷함"),
    "rule.valid report": ("valid report", "유효한 보고서"),
    "rule.enough held-out rows": ("enough held-out rows", "검증용 행이 충분함"),
    "rule.held-out loss not worse": ("held-out loss not worse", "검증 손실이 나빠지지 않음"),
    "rule.cases passed beside live": ("cases passed beside the live adapter", "지금 어댑터 대비 통과 문항"),
    "rule.cases passed beside base": ("cases passed beside the base", "기본 모델 대비 통과 문항"),
    "rule.guarded cases newly failed": ("guarded cases newly failed", "새로 실패한 보호 문항"),
    "rule.corrections kept": ("corrections kept", "고쳐 준 답이 유지됨"),
    "rule.slices dropped": ("slices dropped", "나빠진 유형"),
    "rule.unsafe answers": ("unsafe answers", "아이에게 안 되는 답변"),
    "rule.leaked data": ("leaked data", "새어 나온 정보"),
    "rule.refusals, loops, other language": ("refusals, loops, other language", "거절·반복·다른 언어"),
    "rule.length of answers": ("length of answers", "답변 길이"),
    "rule.judge answered": ("judge answered", "심판이 응답함"),
    "rule.judge's preference": ("judge's preference", "심판의 선호"),
    "rule.time of a single request": ("time of a single request", "한 번 응답하는 시간"),
    "rule.better": ("shown to be better", "나아졌다는 증거"),
    "alarm": ("ALARM", "주의"),
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
    "trial.candidate": ("in an experiment", "실험 중"),
    "trial.withdrawn": ("withdrawn", "철회"),
    # experiments
    "xplan.approval": ("approval of what is live", "지금 릴리스의 만족도"),
    "xplan.measured": ("measured", "실측"),
    "xplan.assumed": ("assumed", "가정"),
    "xplan.daily": ("users a day who say what they think", "하루에 평가를 남기는 사용자"),
    "xplan.users": (
        "users an arm to see a drop of {points} points, 9 times in 10",
        "{points}점 하락을 10번 중 9번 알아보는 데 필요한 사용자 (한쪽)",
    ),
    "xplan.promote": (
        "users an arm to promote an equal, 9 times in 10",
        "같은 품질을 10번 중 9번 승격하는 데 필요한 사용자 (한쪽)",
    ),
    "xplan.days": ("days as halves / as a canary", "걸리는 날: 반반 / 카나리"),
    "xplan.smallest": ("smallest drop seen in {days} days, points", "{days}일 안에 알아보는 가장 작은 하락 (점)"),
    "xplan.ratio": ("smallest loss of an arm's users seen", "알아보는 가장 작은 한쪽 사용자 손실"),
    "xplan.never": ("never", "불가능"),
    "xplan.canary": (
        "This traffic decides it: loraloop experiment start ADAPTER",
        "이 사용량이면 결론이 납니다: loraloop experiment start 어댑터",
    ),
    "xplan.shadow": (
        "This traffic will not decide it in {days} days. A shadow shows errors, time and length without opinions: "
        "loraloop experiment start ADAPTER --mode shadow",
        "이 사용량으로는 {days}일 안에 결론이 나지 않습니다. 그림자 모드는 평가 없이 오류, 시간, 길이를 보여 줍니다: "
        "loraloop experiment start 어댑터 --mode shadow",
    ),
    "xplan.replay": (
        "Too few users for any experiment. Ask both releases the same recorded questions instead: "
        "loraloop evaluate ADAPTER",
        "어떤 실험에도 사용자가 너무 적습니다. 기록된 같은 질문을 두 릴리스에 물어 보세요: loraloop evaluate 어댑터",
    ),
    "experiment.started": (
        "experiment {id} ({mode}): {share} of users get {name}",
        "실험 {id} ({mode}): 사용자 {share}에게 {name} 제공",
    ),
    "experiment.shadow": (
        "experiment {id} (shadow): {name} answers unseen beside what is live",
        "실험 {id} (그림자): {name}이(가) 보이지 않게 함께 답합니다",
    ),
    "experiment.line": (
        "experiment {id} ({mode}, {status}), candidate {name}, since {since} UTC",
        "실험 {id} ({mode}, {status}), 후보 {name}, 시작 {since} UTC",
    ),
    "experiment.stopped": (
        "experiment {id} stopped; everyone gets what is live",
        "실험 {id} 중단: 모두 지금 릴리스를 씁니다",
    ),
    "experiment.frozen": (
        "frozen since {since} UTC: too many automatic rollbacks in a day. A person ends it with --force --reason",
        "{since} UTC부터 동결: 하루에 자동 되돌림이 너무 많았습니다. 사람이 --force --reason으로 풀어야 합니다",
    ),
    "experiment.barred": (
        "rolled back automatically, only a person may bring back: {digests}",
        "자동으로 되돌린 어댑터, 사람만 다시 올릴 수 있음: {digests}",
    ),
    "head.arm": ("arm", "군"),
    "head.release": ("release", "릴리스"),
    "head.users": ("users", "사용자"),
    "head.outcomes": ("with an outcome", "평가한 사용자"),
    "head.rule": ("rule", "규칙"),
    "head.observed": ("observed", "관찰"),
    "head.interval": ("interval", "구간"),
    "arm.control": ("control", "대조"),
    "arm.candidate": ("candidate", "후보"),
    "experiment.status.running": ("running", "진행 중"),
    "experiment.status.promoted": ("promoted", "승격"),
    "experiment.status.rolled back": ("rolled back", "되돌림"),
    "experiment.status.undecided": ("undecided", "결론 없음"),
    "experiment.status.stopped": ("stopped", "중단"),
    "experiment.status.frozen": ("frozen", "동결"),
    "experiment.says.promote": ("verdict: promote ({reason})", "판정: 승격 ({reason})"),
    "experiment.says.roll back": ("verdict: roll back ({reason})", "판정: 되돌림 ({reason})"),
    "experiment.says.keep going": ("verdict: keep going ({reason})", "판정: 계속 ({reason})"),
    "experiment.says.cannot decide": ("verdict: cannot decide ({reason})", "판정: 결론 낼 수 없음 ({reason})"),
    "head.adapter": ("adapter", "어댑터"),
    "head.method": ("method", "방법"),
    "head.status": ("status", "상태"),
    "head.actor": ("by", "누가"),
    "head.bits": ("bits a byte", "비트/바이트"),
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
    "schedule.would": ("a run would start now", "지금 실행이 시작될 상태입니다"),
    "schedule.waits": ("waiting: {reason}", "기다리는 중: {reason}"),
    "schedule.next": ("if nothing comes, the next run starts at {at}", "새로 오는 것이 없으면 다음 실행은 {at}입니다"),
    "schedule.no_next": (
        "time alone starts no run: something has to come or change",
        "시간만 지나서는 실행되지 않습니다: 무언가 오거나 바뀌어야 합니다",
    ),
    "schedule.nobody": (
        "no scheduler is looking on; start one: loraloop schedule run",
        "지켜보는 스케줄러가 없습니다. 시작하려면: loraloop schedule run",
    ),
    "schedule.used": ("used", "사용"),
    "schedule.trigger": ("trigger", "조건"),
    "schedule.fires": ("fires", "충족"),
    "schedule.observed": ("now", "지금"),
    "schedule.needed": ("needed", "기준"),
    "schedule.changes": ("changes at", "바뀌는 때"),
    "schedule.why": ("why", "이유"),
    "schedule.yes": ("yes", "예"),
    "schedule.no": ("no", "아니요"),
    "schedule.ran": ("run", "실행"),
    "schedule.rows": ("new rows", "새 행"),
    "schedule.corrections": ("new corrections", "새 수정"),
    "schedule.simulated": (
        "{runs} runs for {arrivals} arrivals; the longest time without a run: {hours} h",
        "도착 {arrivals}건에 실행 {runs}번; 실행 없이 가장 길었던 시간: {hours}시간",
    ),
    "schedule.asked": ("asked for {name}; it starts at once", "{name}을(를) 요청했습니다. 바로 시작합니다"),
    "schedule.later": (
        "asked for {name}; no scheduler is looking on, so it starts with the next: loraloop schedule run",
        "{name}을(를) 요청했습니다. 지켜보는 스케줄러가 없어 다음 loraloop schedule run에서 시작합니다",
    ),
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
