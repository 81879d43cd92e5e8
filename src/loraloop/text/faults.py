r"""What is wrong with a text as a text: lost encodings, unfilled templates, cut-off ends, contact details, loops. Pure.

Each function answers one question and is tuned to say yes only where a reader would: what it drops is never learnt.
Not covered: wrong facts, bad style, and a text that stops early at the end of a sentence.
"""

from __future__ import annotations

import re
from itertools import pairwise

from .nearby import holds_any
from .redact import TAG

_MOJIBAKE = re.compile(
    "\ufffd|ï¿½|占쏙옙|â€[\u0099\u009c\u009d\u0093\u0094\u00a6™œ“”¦˜]|Ã[\u0080-\u00bf]"
    "|(?:[ìíëê][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{1,2} ?){2,}"
    r"|\\u[0-9a-fA-F]{4}\\u[0-9a-fA-F]{4}|&#\d{4,6};"
)
r"""U+FFFD; UTF-8 read as Latin-1 or Windows-1252 (of Hangul: i, e with accents and a tail); EUC-KR's famous remains of
U+FFFD; escapes that nobody resolved."""
_QUESTION_MARKS = re.compile(r"(?<![?!])\?{2,}(?: ?\?{2,})+(?![?!])")
"""Words of nothing but question marks: each syllable of a Korean sentence saved in a Latin encoding becomes one."""

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_TEMPLATE = re.compile(
    r"\{\{[^{}\n]{0,40}\}\}|\$\{[^{}\n]{1,40}\}|\{%.{0,60}?%\}"
    r"|\{[A-Za-z_가-힣][\w가-힣 .-]{0,30}\}"
    r"|\[(?:INSERT|YOUR|NAME|COMPANY|PRODUCT|DATE|TODO|PLACEHOLDER|FILL|ENTER|USER|BOT|CITY|TITLE)\b[^\]\n]{0,40}\]"
    r"|\[(?:[Yy]our|[Ii]nsert|[Ee]nter|[Aa]dd|[Cc]ompany|[Cc]ustomer) [^\]\n]{1,40}\]"
    r"|\[(?:이름|사용자|고객|회사|날짜|주소|제품|상호|학교|내용|여기에)[^\]\n]{0,20}\]"
    r"|<(?:unk|pad|mask|s|/s|bos|eos|sep|cls|name|user|bot|insert[^>\n]{0,30}|이름|사용자)>"
    r"|<\|[a-z0-9_ ]{1,40}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|\[(?:UNK|PAD|MASK|SEP|CLS)\]"
    r"|(?:^|\n)\s*(?:Assistant|Human|User|System|### ?(?:Instruction|Response|Input)) ?:"
    r"|lorem ipsum|(?<![○O])(?:○○|OO)(?= ?(?:님|씨|군|양|학교|은행))",
)
_MAY_BE_TEMPLATE = re.compile(r"[{\[<:○`]|lorem|OO")
"""One of these stands in every text with a template."""
_PLAIN = re.compile("[\x00-\x7f가-힣]*")

_CUT_WORDS = frozenset([
    "a", "an", "the", "of", "and", "or", "but", "because", "as", "if", "which", "whose", "than", "your", "my",
    "our", "their",
])  # fmt: skip
_CUT_WORDS_AFTER = 6
"""Words an English answer must have before its last one says that it was cut: "what for" and "I am" are whole."""
_CUT_KOREAN_WORDS = (
    "그리고", "하지만", "그래서", "왜냐하면", "그러나", "또는", "그런데", "따라서", "예를 들어", "및", "혹은", "즉",
)  # fmt: skip
_CUT_KOREAN = re.compile(rf"(?:^|\s)(?:{'|'.join(_CUT_KOREAN_WORDS)})[,.]?$")
_CUT_ENDS = tuple(",[{(<«“‘・·/&+=-–—")
_OPENERS = {"(": ")", "[": "]", "{": "}", "“": "”", "「": "」", "『": "』", "《": "》"}
_OPENER = re.compile(f"[{re.escape(''.join(_OPENERS))}]")
_MAY_SMILE = re.compile("[:;=8xX]")
_SMILEYS = re.compile(r"[:;=8xX]['^o-]?[()\[\]{}DPp|/\\]+|[(\[{]+['^o-]?[:;=]")

_LINK = re.compile(
    r"https?://|(?<![A-Za-z0-9])www\.[A-Za-z0-9-]+\."
    r"|(?<![A-Za-z0-9@.])(?:[a-z0-9-]+\.)+(?:com|net|org|io|gg|me|info|biz|xyz|shop|co\.kr|or\.kr|go\.kr|kr|link|app)"
    r"(?![A-Za-z0-9])(?:/[^\s]*)?",
    re.IGNORECASE,
)
_MAY_BE_LINK = re.compile(r"://|\.[^\W\d_]")
"""A scheme, or a full stop before a letter: one of them stands in every link."""
_CONTACT_WORDS = (
    "오픈", "카톡", "카카오톡", "텔레", "라인", "디엠", "인스타", " me ", "telegram", "whatsapp", "kakao", "snapchat",
    "discord", "insta", "@", "ı", "ſ", "\u212a",
)  # fmt: skip
"""One of these stands in every text that names a contact; the last three are letters that count as i, s and k."""
_HOST = re.compile(r"(?:https?://)?(?:www\.)?([A-Za-z0-9.-]+)", re.IGNORECASE)
_CONTACT_KINDS = ("PHONE", "EMAIL", "MESSENGER", "ACCOUNT", "ADDRESS")
_CONTACT = re.compile(
    r"오픈\s?(?:카톡|채팅|카카오)|(?:카톡|카카오톡|텔레|텔레그램|라인|디엠|인스타)\s?(?:아이디|으?로\s?연락|으?로\s?(?:와|줘|보내)|추가)"
    r"|(?:dm|message|text|add|follow) me (?:on|at)|(?:my )?(?:telegram|whatsapp|kakao|snapchat|discord|insta(?:gram)?)"
    r" (?:id|is|:)|(?<![\w@.])@[A-Za-z0-9_.]{4,30}(?![\w@])",
    re.IGNORECASE,
)
_SENTENCE_ENDS = re.compile(r"[.!?\n。]+")
_LOOP_WORDS = 5
_LOOP_SENTENCES = 3


def encoding_damage(text: str) -> bool:
    """Return whether letters were lost or misread on the way here.

    Example:
        >>> [encoding_damage(text) for text in ("ë°¥ ë¨¹ì—ˆì–´", "donâ€™t", "???? ?? ???", "뭐라고???", "café")]
        [True, True, True, False, False]
    """
    plain = "\\" not in text and "&#" not in text and _PLAIN.fullmatch(text)
    if not plain and _MOJIBAKE.search(text):
        return True
    return "??" in text and _QUESTION_MARKS.search(text) is not None


def unfilled_template(text: str) -> bool:
    """Return whether a place to be filled in, or a token of a chat format, stands where words should; code is let be.

    Example:
        >>> [unfilled_template(text) for text in ("안녕 {name}!", "[INSERT DATE]", "Hi <unk>", "[PHONE]로", "`{x}`")]
        [True, True, True, False, False]
    """
    if not _MAY_BE_TEMPLATE.search(text):
        return False
    return _TEMPLATE.search(TAG.sub("", _CODE.sub(" ", text))) is not None


def cut_short(text: str) -> bool:
    """Return whether a text ends in the middle: at a comma, an open bracket, "because" or 그리고, or inside code.

    A missing full stop says nothing: chats end without one.

    Example:
        >>> [cut_short(text) for text in ("밥을 먹고, 그리고", "It is made of (", "응 좋아", "what for", "Sure :(")]
        [True, True, False, False, False]
    """
    if text.count("```") % 2:
        return True
    plain = _CODE.sub("", text) if "`" in text else text
    plain = (_SMILEYS.sub("", plain) if _MAY_SMILE.search(plain) else plain).rstrip()
    if not plain or plain.endswith(("--", "—-", "~-")):
        return False
    if plain.endswith(_CUT_ENDS):
        return True
    if plain.rstrip(",.").endswith(_CUT_KOREAN_WORDS) and _CUT_KOREAN.search(plain):
        return True
    if plain.rsplit(maxsplit=1)[-1].lower() in _CUT_WORDS and len(plain.split()) >= _CUT_WORDS_AFTER:
        return True
    if len(plain) < 40 or not _OPENER.search(plain):
        return False
    return any(plain.count(begin) > plain.count(end) for begin, end in _OPENERS.items())


def contact_details(text: str, allowed_hosts: tuple[str, ...] = ()) -> bool:
    """Return whether a text leads elsewhere: a link, a messenger name, or a phone number or address that was redacted.

    Args:
        text: redacted or not.
        allowed_hosts: names of hosts that may be linked to, with all under them.

    Example:
        >>> [contact_details(text) for text in ("여기 봐: http://x.kr", "[PHONE]로 걸어", "1388로 전화해", "3.5 점")]
        [True, True, False, False]
    """
    if "[" in text and any(tag.group()[1:-1].startswith(_CONTACT_KINDS) for tag in TAG.finditer(text)):
        return True
    text = _CODE.sub(" ", text) if "`" in text else text
    for link in _LINK.finditer(text) if _MAY_BE_LINK.search(text) else ():
        host = _HOST.match(text, link.start())
        name = host.group(1).lower().rstrip(".") if host else ""
        if not any(name == one or name.endswith(f".{one}") for one in allowed_hosts):
            return True
    return holds_any(text.lower(), _CONTACT_WORDS) and _CONTACT.search(text) is not None


def loops(text: str) -> bool:
    """Return whether one word comes five times in a row or one sentence three times in all, outside of code.

    Laughter and stretched syllables inside a word are no loop.

    Example:
        >>> [loops(text) for text in ("네 네 네 네 네", "I see. I see. I see.", "ㅋㅋㅋㅋㅋㅋㅋ", "really really good")]
        [True, True, False, False]
    """
    folded = (_CODE.sub(" ", text) if "`" in text else text).casefold()
    words = folded.split()
    run = 1
    for before, word in pairwise(words) if len(words) - len(set(words)) >= _LOOP_WORDS - 1 else ():
        run = run + 1 if word == before else 1
        if run >= _LOOP_WORDS:
            return True
    sentences = [part.strip() for part in _SENTENCE_ENDS.split(folded) if len(part.strip()) >= 4]
    if len(sentences) < _LOOP_SENTENCES:
        return False
    return bool(sentences) and max(map(sentences.count, sentences[:200])) >= _LOOP_SENTENCES
