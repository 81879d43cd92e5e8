"""What the command line says of keeping a home: backups, and what doctor mends."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "stage.snapshot": ("copying the database", "데이터베이스 복사 중"),
    "stage.backup": ("saving (MB)", "백업 중 (MB)"),
    "stage.verify": ("checking (MB)", "확인 중 (MB)"),
    "stage.restore": ("restoring (MB)", "복원 중 (MB)"),
    "stage.examine": ("looking through the new home", "새 홈 점검 중"),
    "backup.done": (
        "saved and read back: {path} ({size} MB, {conversations} conversations, {adapters} adapters)",
        "저장하고 다시 읽어 확인했습니다: {path} ({size} MB, 대화 {conversations}건, 어댑터 {adapters}개)",
    ),
    "backup.with_key": (
        "It holds what people said and the key of their pseudonyms: keep it where only you can read it.",
        "사람들이 한 말과 가명 키가 들어 있습니다. 본인만 읽을 수 있는 곳에 보관하세요.",
    ),
    "backup.without_key": (
        "The key is not in it. Keep secret.key elsewhere: without it this backup cannot be restored.",
        "키는 들어 있지 않습니다. secret.key를 따로 보관하세요. 키가 없으면 복원할 수 없습니다.",
    ),
    "backup.left_out": ("not in the backup: adapter {text}", "백업에 없음: 어댑터 {text}"),
    "restore.done": (
        "made {home} as it was at {at} UTC: {conversations} conversations, {adapters} adapters; "
        "{tombstones} tombstones heeded",
        "{home}을(를) {at} UTC 상태로 복원했습니다: 대화 {conversations}건, 어댑터 {adapters}개, "
        "삭제 기록 {tombstones}건 적용",
    ),
    "restore.aside": (
        "the home that was there is {path} now; remove it once you need it no more",
        "전에 있던 홈은 {path}로 옮겼습니다. 필요 없어지면 지우세요",
    ),
    "restore.fault": ("doctor: {text}", "점검 결과: {text}"),
    "mended.nothing": ("there was nothing to mend", "고칠 것이 없었습니다"),
    "mended.key": ("mended: only the owner can read {path} now", "고침: 이제 소유자만 {path}을(를) 읽을 수 있습니다"),
    "mended.leftover": ("removed, left by a write that was cut off: {path}", "삭제: 쓰다가 끊긴 파일 {path}"),
    "mended.healed": (
        "mended: adapter {digest} is whole again, from its copy {path}",
        "고침: 사본 {path}(으)로 어댑터 {digest}을(를) 되살렸습니다",
    ),
    "mended.went_back": (
        "mended: the live adapter of {bot} was damaged: {text}",
        "고침: {bot}의 지금 어댑터가 손상되어 되돌렸습니다: {text}",
    ),
    "mended.set_aside": (
        "set aside: adapter {digest} is damaged and no copy of it is whole; its files are in {path}",
        "격리: 어댑터 {digest}이(가) 손상되었고 온전한 사본이 없습니다. 파일은 {path}에 있습니다",
    ),
    "mended.name": ("mended: the name {name} leads to adapter {digest} again", "고침: 이름 {name} -> 어댑터 {digest}"),
    "mended.dangling": ("removed, a name that led nowhere: {path}", "삭제: 가리키는 것이 없는 이름 {path}"),
}
