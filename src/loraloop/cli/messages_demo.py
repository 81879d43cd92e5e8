"""What the command line says of the demo's gateway, its simulated users and its two canaries."""

WORDS: dict[str, tuple[str, str]] = {
    "demo.serving": (
        "loraloop serve answers at {where}; the official openai client asks:",
        "loraloop serve가 {where}에서 답합니다. 공식 openai 클라이언트로 묻습니다:",
    ),
    "demo.simulated": (
        "Now users come. They and their thumbs are simulated: {usual} up for what is live, {liked} for the first "
        "candidate, {disliked} for the second. The gateway knows nothing of that and acts by the thumbs alone.",
        "이제 사용자가 옵니다. 사용자와 평가는 모의입니다: 현재 릴리스에 좋아요 {usual}, 첫 후보에 {liked}, "
        "둘째 후보에 {disliked}. 게이트웨이는 이를 모른 채 평가만 보고 움직입니다.",
    ),
    "demo.ended": (
        "canary of {name}: {status} after {users} users ({steps})",
        "{name} 카나리: 사용자 {users}명 뒤 {status} ({steps})",
    ),
    "demo.canaries": ("Two canaries, by simulated thumbs", "두 카나리 (모의 평가)"),
    "demo.head.adapter": ("candidate", "후보"),
    "demo.head.steps": ("share of users", "사용자 비율"),
    "demo.head.users": ("got it / all", "받은 사용자 / 전체"),
    "demo.head.thumbs": ("thumbs up", "좋아요"),
    "demo.head.outcome": ("outcome", "결과"),
    "demo.head.why": ("why", "이유"),
}
