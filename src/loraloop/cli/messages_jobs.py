"""What the command line says of jobs, workers and services."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "worker.started": (
        "doing the jobs of {home} until stopped (Ctrl-C)",
        "{home}의 작업을 처리합니다. 멈추려면 Ctrl-C를 누르세요",
    ),
    "worker.ended": ("stopped after {tries} tries", "{tries}번 실행하고 멈췄습니다"),
    "jobs.job": ("job", "작업"),
    "jobs.state": ("state", "상태"),
    "jobs.name": ("adapter", "어댑터"),
    "jobs.far": ("how far", "진행"),
    "jobs.bad": ("errors/crashes", "오류/중단"),
    "jobs.at": ("asked for (UTC)", "요청 시각 (UTC)"),
    "jobs.why": ("why", "이유"),
    "jobs.told": (
        "{id} is told; it stops within a heartbeat, and its processes are ended before it counts as stopped",
        "{id}에 알렸습니다. 곧 멈추며, 실행 중인 프로세스가 모두 끝난 뒤 멈춘 것으로 기록합니다",
    ),
    "jobs.is": ("{id} is {state}", "{id}: {state}"),
    "jobs.state.queued": ("waiting", "대기"),
    "jobs.state.running": ("under way", "진행 중"),
    "jobs.state.yielding": ("stands aside: users are being answered", "사용자 응답 중이라 잠시 비켜섬"),
    "jobs.yielded": ("  stood aside for users for {seconds} s", "  사용자 응답을 위해 비켜선 시간: {seconds}초"),
    "jobs.state.paused": ("paused", "일시 정지"),
    "jobs.state.succeeded": ("done", "완료"),
    "jobs.state.failed": ("failed", "실패"),
    "jobs.state.cancelled": ("cancelled", "취소"),
    "jobs.state.quarantined": ("put aside: its process died again and again", "보류: 프로세스가 거듭 중단됨"),
    "service.written": ("wrote {path}", "{path} 파일을 썼습니다"),
    "service.next": ("Next: {commands}", "다음: {commands}"),
}
