"""Faults of a text as a text, each on Korean and English that has it and that has not."""

from collections.abc import Callable

import pytest

from loraloop.text.faults import contact_details, cut_short, encoding_damage, loops, unfilled_template

CASES: list[tuple[Callable[[str], bool], tuple[str, ...], tuple[str, ...]]] = [
    (
        encoding_damage,
        (
            "안녕하세요".encode().decode("latin-1"),
            "밥 먹었어요?".encode().decode("cp1252", "ignore"),
            "오늘은 \ufffd\ufffd 먹자",
            "?? ???? ???",
            "占쏙옙占쏙옙",
            "it\u2019s fine".encode().decode("cp1252"),
            "I don\ufffdt know",
            "\\uc548\\ub155 \\uc88b\\uc544",
        ),
        ("뭐라고??", "진짜요??? 대박!!", "정말?", "what?? no way??", "café, El Niño", "ㅋㅋ ㅠㅠ", "Ça va à Paris"),
    ),
    (
        unfilled_template,
        (
            "안녕하세요 {이름}님!",
            "[이름]님 반가워요",
            "○○님, 주문하신 음식이 나왔어요",
            "Hello {{user_name}}, how are you?",
            "Dear [Your Name], thank you",
            "[INSERT DATE HERE]",
            "I like <unk> and pizza",
            "Sure!<|im_end|>",
            "Fine. \nUser: and you?",
        ),
        (
            "[PHONE]로 전화해 줘",
            "괄호는 (이렇게) 써요",
            "집합은 {1, 2, 3}처럼 써요",
            "Use `{name}` in an f-string",
            "```\nprint(f'{name}')\n```",
            "a < b and c > d",
            "[EMAIL_2] is yours",
        ),
    ),
    (
        cut_short,
        (
            "김밥은 밥과 단무지, 그리고",
            "첫째는 사과, 둘째는 배,",
            "한국의 수도는 서울이고 부산은 바다가 가까운 도시로서 많은 사람이 (여름에 특히 찾아오는 곳",
            "The best way to learn is to practise every day because",
            "You can find it in the top drawer of",
            "Here it is:\n```\nprint(1)",
        ),
        (
            "응 좋아",
            "떡볶이 먹자~",
            "그래서 늦었어요",
            "왜냐하면 배가 고팠거든",
            "What is it for",
            "I am happy :(",
            "Yes, of course",
            "그건 좀...",
            "The answer is in the book you gave to me and I read it with my mother",
        ),
    ),
    (
        contact_details,
        (
            "여기로 와: https://example.xyz/a",
            "[PHONE]로 전화 줘",
            "오픈채팅으로 와",
            "텔레그램 아이디 알려 줄게",
            "naver.com에서 찾아봐",
            "Visit www.example.com now",
            "write to [EMAIL]",
            "add me on snapchat",
            "follow @cool_bot99",
        ),
        (
            "1388로 전화하면 도와줘요",
            "3.14는 원주율이에요",
            "인스타그램은 사진을 올리는 곳이야",
            "It costs 3.50 dollars. Me too.",
            "Python 3.11 came out in 2022",
            "I see.It is fine",
        ),
    ),
    (
        loops,
        (
            "네 네 네 네 네 네",
            "밥을 먹어요. 밥을 먹어요. 밥을 먹어요.",
            "no no no no no no",
            "I like it. I like it! I like it.",
        ),
        ("ㅋㅋㅋㅋㅋㅋㅋㅋ", "정말 정말 좋아", "아주아주아주 맛있어", "very very good", "Yes. Yes. I am sure. Yes."),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "text"), [(fault, text) for fault, bad, _ in CASES for text in bad])
def test_a_faulty_text_is_found(fault: Callable[[str], bool], text: str) -> None:
    """Each fault is seen in Korean and in English."""
    assert fault(text)


@pytest.mark.parametrize(("fault", "text"), [(fault, text) for fault, _, good in CASES for text in good])
def test_ordinary_talk_is_no_fault(fault: Callable[[str], bool], text: str) -> None:
    """What only looks like a fault is let be."""
    assert not fault(text)


def test_a_host_that_is_allowed_may_be_linked_to_with_all_under_it() -> None:
    """Other hosts, and those that only end like it, may not."""
    assert not contact_details("see https://docs.example.org/x", ("example.org",))
    assert contact_details("see https://example.org and http://evil.com", ("example.org",))
    assert contact_details("see https://notexample.org", ("example.org",))
