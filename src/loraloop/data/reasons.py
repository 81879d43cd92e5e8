"""Why an answer was left out: the code of each reason, and its sentence in English and in Korean."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, tuple[str, str]] = {
    "consent_missing": (
        "nobody consented to learning from this conversation",
        "이 대화로 학습해도 된다는 동의가 없습니다",
    ),
    "consent_withdrawn": ("the person withdrew consent", "이용자가 동의를 철회했습니다"),
    "guardian_missing": (
        "the person is under 14 and no guardian consented",
        "만 14세 미만이며 법정대리인의 동의가 없습니다",
    ),
    "caller_asserted_refused": (
        "only the calling code vouches for it, and the setting refuse_caller_asserted refuses that",
        "호출한 코드만 보증하는 데이터이며, refuse_caller_asserted 설정이 이를 거부합니다",
    ),
    "thumbs_down": ("a person marked the answer as bad", "사람이 나쁜 답변으로 표시했습니다"),
    "answer_not_approved": (
        "no person approved the answer (thumb, correction, review)",
        "사람이 승인하지 않은 답변입니다 (좋아요, 수정, 검토)",
    ),
    "answer_not_text": ("the answer has a part that is not text", "답변에 텍스트가 아닌 부분이 있습니다"),
    "prompt_not_text": (
        "a message before the answer has a part that is not text",
        "앞선 메시지에 텍스트가 아닌 부분이 있습니다",
    ),
    "no_question": ("no user message stands before the answer", "답변 앞에 사용자 메시지가 없습니다"),
    "no_answer": ("the conversation has no answer", "대화에 답변이 없습니다"),
    "distress_disclosure": (
        "a person tells of harm, hunger or violence; such talks are for people",
        "위험, 굶주림, 폭력을 털어놓은 대화이므로 사람이 다뤄야 합니다",
    ),
    "question_too_short": ("the question is shorter than min_input_length", "질문이 min_input_length보다 짧습니다"),
    "answer_too_short": ("the answer is shorter than min_response_length", "답변이 min_response_length보다 짧습니다"),
    "answer_too_many_chars": ("the answer is longer than max_answer_chars", "답변이 max_answer_chars보다 깁니다"),
    "low_quality_score": ("the quality score is under quality_threshold", "품질 점수가 quality_threshold보다 낮습니다"),
    "error_phrase": ("the answer is an apology or an error message", "답변이 사과나 오류 메시지입니다"),
    "no_words": ("the answer has no letters or digits", "답변에 글자나 숫자가 없습니다"),
    "answer_repeats_itself": ("the answer repeats itself", "답변이 같은 말을 반복합니다"),
    "answer_echoes_question": ("the answer repeats the question", "답변이 질문을 그대로 되풀이합니다"),
    "other_language": ("the answer is in a language the bot does not speak", "봇이 쓰지 않는 언어의 답변입니다"),
    "only_redacted": (
        "nothing is left of the answer but redacted personal data",
        "개인정보를 가리고 나니 답변에 남은 내용이 없습니다",
    ),
    "personal_data": ("personal data is left in the row", "개인정보가 남아 있습니다"),
    "duplicate": (
        "the same question and answer is already in the dataset",
        "같은 질문과 답변이 이미 데이터셋에 있습니다",
    ),
    "near_duplicate_of_held_out": (
        "the question is held out for judging, here or in nearly the same words",
        "평가용으로 떼어 둔 질문과 같거나 거의 같습니다",
    ),
    "held_out": (
        "this user's or session's conversations are held out for judging adapters",
        "이 이용자(또는 대화방)의 대화는 평가용으로 떼어 두었습니다",
    ),
    "question_is_taught": (
        "the question is in the training rows, here or in nearly the same words, so it cannot judge",
        "같거나 거의 같은 질문을 학습하므로 평가에 쓸 수 없습니다",
    ),
    "account_too_young": (
        "whoever said it was first seen less than trust.account_age_h hours ago; it waits",
        "처음 나타난 지 trust.account_age_h 시간이 되지 않은 이용자의 대화이므로 기다립니다",
    ),
    "too_many_of_person": (
        "this person has taught trust.person_rows rows already, those taken back included",
        "이 이용자가 이미 trust.person_rows개를 가르쳤습니다 (취소한 것 포함)",
    ),
    "too_many_of_group": (
        "this device or address group has taught trust.group_rows rows already",
        "이 기기 또는 주소 묶음에서 이미 trust.group_rows개를 가르쳤습니다",
    ),
    "too_many_alike": (
        "trust.alike_rows variants of this question and answer are in the dataset already",
        "거의 같은 질문과 답변이 이미 trust.alike_rows개 있습니다",
    ),
    "planted_pattern": (
        "people wrote the same answer, or one to the same unusual words, too often; all of it waits for a review",
        "같은 답변이나 같은 특이한 낱말에 대한 답변을 사람들이 너무 많이 써 넣어, 모두 검토를 기다립니다",
    ),
    "few_peoples_words": (
        "its words are used by a few people only, who have taught trust.few_people_rows rows with them already",
        "몇 사람만 쓰는 낱말이며, 그 낱말로 이미 trust.few_people_rows개를 가르쳤습니다",
    ),
    "too_few_reviewed": (
        "a share of trust.reviewed_frac of the training rows must be reviewed; it waits for more of those",
        "학습 데이터 중 trust.reviewed_frac 비율은 검토된 것이어야 하므로 검토된 데이터를 기다립니다",
    ),
    "feedback_on_own_words": (
        "the thumb up is for words that its giver put into the conversation, so it approves nothing",
        "스스로 써 넣은 말에 좋아요를 눌렀으므로 승인으로 보지 않습니다",
    ),
    "feedback_too_fast": (
        "its judge gave more than trust.judgements_per_hour judgements within an hour; later ones do not count",
        "한 시간에 trust.judgements_per_hour번 넘게 평가한 사람의 뒤늦은 평가이므로 세지 않습니다",
    ),
    "feedback_brigaded": (
        "many new accounts said the same of the same answer within an hour, so it approves nothing",
        "새 계정 여럿이 한 시간 안에 같은 답변을 똑같이 평가했으므로 승인으로 보지 않습니다",
    ),
    "answer_too_long": ("the answer alone is longer than max_length tokens", "답변만으로 max_length 토큰을 넘습니다"),
}  # fmt: skip
"""Code of a reason -> one sentence in English and one in Korean."""
