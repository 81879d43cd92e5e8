"""Names of people, found by how people are named and introduced: there is no list of all names.

A word is taken as a name where the sentence says so ("제 이름은 ...", "... 씨", "my name is ..."), or where a Korean
family name stands before a common given name. A first name alone in passing is not found.

Source: Statistics Korea, census of 2015 (family names); Supreme Court of Korea, register of given names; 국립국어원
표준 언어 예절 (how people introduce and address one another); RFC 6350 (labels of name fields).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .nearby import Span, holds_any

_FAMILY = (
    "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류나진지엄채원천방공현함변염여추도소석선설마길"
    "연위표명기반왕금옥육인맹제모탁국어은편용예봉경사부가복태목형피두감호"
)
_TWO = "남궁|황보|제갈|선우|독고|사공|서문"
_COMMON_FAMILY = "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류나진지엄채원방현"
_GIVEN = (
    "민준|서준|도윤|예준|시우|하준|주원|지호|지후|준우|준서|건우|도현|현우|지훈|우진|선우|서진|연우|유준|정우|승우|승현|시윤|준혁|은우|지환"
    "|승민|유찬|윤우|민성|이준|지우|민재|현준|수호|시후|진우|동현|성민|성현|재윤|민우|재원|한결|태윤|민규|지안|윤호|우빈|로운|예성|태민"
    "|서연|서윤|지우|서현|하은|하윤|민서|지유|윤서|채원|수아|지민|지아|지윤|은서|예은|다은|예린|수빈|소율|예원|지원|유나|시은|채은|유진"
    "|윤아|예나|가은|시아|아린|민지|수민|소윤|서영|서아|연서|하린|나은|다인|수연|유빈|예지|민주|지은|혜원|지현|수진|은지|혜진|은영|미경"
    "|영희|철수|영수|영호|영철|민수|상훈|성호|정훈|준호|동욱|재현|태현|진호|성진|성훈|상우|재훈|정현|승호|경수|영진|용준|광수|길동|영숙"
    "|정숙|순자|영자|미숙|경희|현숙|미영|은주|현정|은정|수정|혜경|지영|미정|은경|혜정|윤정|현주|보람|아름|슬기|하늘|가영|나영|다영|세영|보영"
)
_NAME = rf"(?:(?:{_TWO})[가-힣]{{1,2}}|[{_FAMILY}][가-힣]{{2}}|[{_FAMILY}][가-힣](?![가-힣]))"
_WHOLE = rf"(?:(?:{_TWO})[가-힣]{{1,2}}|[{_FAMILY}][가-힣]{{2}}|(?!이)[{_FAMILY}]\s[가-힣]{{2}})"
_SAID = r"(?:이라고|라고|이라|라는|이란|이에요|예요|이예요|에요|입니다|임|이야|야|이고|고|인데|이거든|거든|이다|다|이지|지|이며|며|라며|올시다|이요|요)"
_END = r"(?=\s|[.,!?~)(\"'…ㅋㅎ^:;\]]|$)"
_SURNAMED_PLAIN = re.compile(
    rf"([{_COMMON_FAMILY}](?<![가-힣].)(?:{_GIVEN}))"
    rf"(?=(?:이?가|이|은|는|을|를|와|과|이?랑|한테|에게|의|도|만|씨|님|아|야|이?라고|{_SAID}|선생|학생|어린이|군|양|[^가-힣]|$))"
)
_AFTER_LABEL = re.compile(
    rf"(?:이름|성명|성함|본명|실명|예금주|받는\s?(?:사람|분)|보내는\s?(?:사람|분)|수취인|수신인|보호자|담임|반장|학생명|환자명|작성자)"
    rf"(?:은요|는요|은|는|이|가|:|=|-|도|께서는|명은)?\s{{0,2}}(?:바로\s)?[\"'(]?({_WHOLE})"
    rf"(?:{_SAID}|씨|님|선생님?|학생|으로|로|이|가)?{_END}"
)
_INTRODUCED = re.compile(
    rf"(?<![가-힣])(?:저는|전|나는|난|제가|내가|저|나|여기는|얘는|쟤는|걔는|이쪽은|그\s?사람은)\s(?:[가-힣]{{1,8}}(?:에\s?사는|사는|다니는|학년|반|살|의)\s){{0,2}}"
    rf"({_WHOLE})(?:이?라고|이?라는|이에요|예요|이예요|예요|입니다|이야|야|이다|임|인데요?|이거든요?){_END}"
)
_CALLED = re.compile(rf"(?<![가-힣])({_WHOLE})(?:이?라고)\s?(?:합니다|해요|하는데|해|불러|부르|하고|한다)")
_TITLED = re.compile(
    rf"(?<![가-힣])({_NAME})\s?(?:씨(?![가-힣]{{2}})|님(?!들)|선생님|쌤|교수님|학생(?!들|증|회|이라면)|어린이(?!집|날)|군(?=\s|[은이을한]|$)|양(?=\s|[은이을한]|$)|팀장|과장|대리|부장|원장|의사\s?선생|고객님|환자분|회원님)"
)
_KIN = re.compile(
    rf"(?:친구|짝꿍|동생|누나|형|언니|오빠|엄마|아빠|담임|선생님|사촌|선배|후배|남친|여친|단짝|반장|조카|아들|딸|이웃|삼촌|이모|고모)"
    rf"(?:인|의|가|는|은|이름은|이름이|:)?\s(?:이름은\s|이름이\s)?({_WHOLE})(?:{_SAID}|이?가|이?는|이|은|이?랑|한테|이?도|를|을|와|과|씨)?{_END}"
)
_NO_NAME = re.compile(
    "이거|이것|이기적|유학|신입|전학|모범|임산|공무|조선|정직|연습|장학|구직|노숙|우등|한의|변태|양치|공주|재수|수험|고학|고딩|주부|기자|황제|천사|악마|천국|지옥|채식|이게|이런|이렇|이상|이번|이제|이미|이유|이름|이야|이해|이모|이다|이랑|이라|이었|이에|정말|정도|정보|정신|정치|정의|정확|조금|조용|조심"
    "|한국|한번|한테|한다|한가|한글|하나|하는|하지|하고|하루|하면|하기|하여|하며|하다|하늘|우리|우주|우선|우정|나도|나는|나의|나라|나이|나중|나쁜|너무"
    "|전화|전혀|전부|전기|전체|전문|오늘|오빠|오래|오히|고마|고양|고기|고등|고민|고객|지금|지구|지난|지루|지식|지능|강아|강한|강력|안녕|안전|안내|안해"
    "|안드|서로|서울|신기|신나|신경|문제|문자|문화|문법|유명|유일|유튜|유용|유치|주말|주로|주의|주인|주식|구글|구경|기계|기분|기억|기본|기술|인간|인공"
    "|인생|인사|인터|사람|사랑|사실|사이|사용|사회|선생|선물|선수|선택|성격|성공|진짜|진정|진실|천재|천천|원래|원하|방법|방금|공부|공학|공룡|도움|도시"
    "|소리|소식|소설|소프|마음|마지|마시|마법|여기|여자|여러|여행|예를|예쁜|용기|경우|경기|경찰|모두|모든|모르|국가|국민|어디|어떤|어떻|어제|어른|배고"
    "|배우|백만|백과|임무|장난|장소|장치|장점|최고|최근|최상|최초|황당|황금|송금|손님|양심|변호|변화|차이|차라|민주|현재|현실|가족|가장|가끔|가수|가능"
    "|부모|부분|부산|부자|부탁|태양|태어|감사|감정|호기|호랑|피곤|두려|복잡|형태|설명|설마|반갑|반대|명령|위해|위험|표현|금방|금요|제가|제일|제발|엄마"
    "|엄청|컴퓨|노래|노력|노인|남자|남편|심심|심장|홍보|염려|추천|추억|석유|길이|길게|연락|연구|연예|왕자|옥수|육상|맹세|은행|편하|편지|봉사|목표|목요"
    "|권리|윤리|허락|허용|나만|저의|물리|동물|미국|중국|일본|독일|프랑|영국|로봇|친구"
)

_PERSON = r"(?:Mc|Mac|O'|D')?[A-Z][a-z]{1,15}(?:['\-][A-Z][a-z]{1,15})?"
_FULL = rf"{_PERSON}(?:\s(?:[A-Z]\.|{_PERSON}|(?:van|von|de|del|da|la|bin|al)\s{_PERSON})){{0,3}}"
_LOWER = r"[a-z]{2,15}(?:\s[a-z]{2,15})?"
_ENGLISH_LABELLED = re.compile(
    rf"(?<![A-Za-z])(?:(?i:my\s(?:full\s|real\s|first\s|last\s)?name(?:'s|\sis)|call\sme|i\sam\scalled|i'm\scalled"
    rf"|(?:his|her|their)\s(?:full\s|real\s)?name\sis|this\sis(?=\s[A-Z][a-z]+\s(?:[A-Z][a-z]+\s)?(?:speaking|calling|from|here))"
    rf"|signed,?|sincerely,?|regards,?|yours\struly,?|dear|attn:?|attention:|contact(?:\sperson)?:|patient:?|student:|guardian:|parent:|recipient:|ship\sto:?|cardholder:?|FN:|N:))"
    rf"[\s\"'(]{{0,3}}((?!(?:Sir|Madam|Customer|All|Team|Friend|Friends|God|Diary|Santa|Mom|Dad|Teacher|User|Chatterbot|Alice|Robo)\b){_FULL})"
)
_ENGLISH_FIELD = re.compile(
    rf"(?<![A-Za-z])(?i:(?:full\s|real\s|user\s)?name\s?[:=])[ \"'(]{{0,3}}({_PERSON}\s(?:[A-Z]\.\s)?{_PERSON})"
)
_ENGLISH_LOWER = re.compile(rf"(?<![A-Za-z])my (?:full |real )?name(?:'s| is) ({_LOWER})(?=[.,!?]| and | but |$)")
_ENGLISH_IAM = re.compile(
    rf"(?<![A-Za-z])(?:I'm|I am|i'm|i am|It's|it's|This is|this is)\s({_PERSON}\s(?:[A-Z]\.\s)?{_PERSON})(?=[\s.,!?]|$)"
)
_ENGLISH_TITLED = re.compile(rf"(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Coach|Principal)\.?\s({_FULL})")
_ENGLISH_KIN = re.compile(
    rf"(?<![A-Za-z])(?i:my\s(?:best\s)?(?:friend|mom|mother|dad|father|brother|sister|teacher|coach|cousin|uncle|aunt|neighbou?r|classmate|doctor|boss|girlfriend|boyfriend|tutor|therapist))"
    rf"(?:'s\sname\sis|\sis\s(?:called|named)|\snamed|\scalled|,)?\s({_FULL})"
)
_NOT_SO_CALLED = re.compile(
    r"(?:is|not|a|an|the|so|very|too|just|what|who|secret|unknown|important|private|bot|robot)(?:\s|$)"
)


_KOREAN: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    ((), _AFTER_LABEL),
    ((), _INTRODUCED),
    (("라고",), _CALLED),
    (
        ("씨", "님", "쌤", "학생", "어린이", "군", "양", "팀장", "과장", "대리", "부장", "원장", "의사", "환자분"),
        _TITLED,
    ),
    ((), _KIN),
)  # fmt: skip
"""Words one of which stands in every match, and the pattern; none where looking for them takes longer than it does."""
_ENGLISH: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (
        ("name", "call", "this", "signed", "sincerely", "regards", "yours", "dear", "attn", "attention", "contact",
         "patient", "student", "guardian", "parent", "recipient", "ship", "cardholder", "n:"),
        _ENGLISH_LABELLED,
    ),
    (("name",), _ENGLISH_FIELD),
    (("i'm", "i am", "it's", "this is"), _ENGLISH_IAM),
    (("mr", "ms", "miss", "mx", "dr", "prof", "coach", "principal"), _ENGLISH_TITLED),
    (("my",), _ENGLISH_KIN),
)  # fmt: skip
"""The same of English, all with a capital letter in the name; the words in small letters."""


def korean_names(text: str) -> Iterator[Span]:
    """Yield Korean names."""
    for words, pattern in _KOREAN:
        if not words or holds_any(text, words):
            for match in pattern.finditer(text):
                if not _NO_NAME.match(match[1]):
                    yield match.start(1), match.end(1), "name"
    for match in _SURNAMED_PLAIN.finditer(text):
        yield match.start(1), match.end(1), "name"


def english_names(text: str) -> Iterator[Span]:
    """Yield names that an English sentence introduces or addresses."""
    small = text.lower()
    for words, pattern in _ENGLISH if small != text else ():
        if not small.isascii() or holds_any(small, words):
            for match in pattern.finditer(text):
                yield match.start(1), match.end(1), "name"
    for match in _ENGLISH_LOWER.finditer(text) if "name" in text else ():
        if not _NOT_SO_CALLED.match(match[1]):
            yield match.start(1), match.end(1), "name"
