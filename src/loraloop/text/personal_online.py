"""What leads to a person on a network: e-mail and IP addresses, messenger names, and secrets that open doors.

Source: RFC 5321 and 5322 (addr-spec), RFC 791, RFC 4291, RFC 7519 (JWT), RFC 6750 (Bearer), the token prefixes that
GitHub, GitLab, Slack, Stripe, AWS, Google, npm, PyPI, SendGrid and Hugging Face document; the rules for names of
KakaoTalk, LINE, Telegram, Instagram, Discord, Snapchat and WeChat (3 to 32 Latin letters, digits, dot, underline).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from .nearby import BEFORE, Span, named_order

_AT = r"[ \t]{0,2}(?:@|\(\s?at\s?\)|\[\s?at\s?\]|\{at\}|\(a\)|골뱅이|앳|\sat\s)[ \t]{0,2}"
_DOT = r"\s?(?:\.|,|점|쩜|닷|\(\s?dot\s?\)|\[\s?dot\s?\]|\{dot\}|\[\.\]|\(\.\)|\sdot\s)\s?"
_HOST_WORD = r"(?:네이버|다음|한메일|지메일|구글|카카오|네이트|핫메일|아웃룩)"
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9_%+\-](?:[A-Za-z0-9._%+\-']{0,63})" + _AT +
    rf"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{{0,62}})(?:{_DOT}[A-Za-z0-9\-]{{2,24}}){{0,3}}{_DOT}[A-Za-z]{{2,24}}"
    rf"|{_HOST_WORD}{_DOT}(?:[A-Za-z]{{2,24}}|컴|넷))",
    re.IGNORECASE,
)  # fmt: skip
_SPACED_EMAIL = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z0-9](?: [A-Za-z0-9._\-]){2,40} @(?: [A-Za-z0-9\-]){2,40} \.(?: [A-Za-z]){2,6}(?![A-Za-z0-9])"
)
_SECRETS = re.compile(
    BEFORE + r"(?:eyJ[A-Za-z0-9_\-]{8,4096}\.[A-Za-z0-9_\-]{8,4096}(?:\.[A-Za-z0-9_\-]{0,4096})?"
    r"|sk-[A-Za-z0-9_\-]{16,256}|[srp]k_(?:live|test)_[A-Za-z0-9]{10,128}|whsec_[A-Za-z0-9]{16,128}"
    r"|gh[oprsu]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_\-]{16,64}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_\-]{30,64}|xox[abeoprs]-[A-Za-z0-9\-]{10,255}"
    r"|hf_[A-Za-z0-9]{20,128}|pypi-[A-Za-z0-9_\-]{20,255}|npm_[A-Za-z0-9]{36}|dop_v1_[a-f0-9]{64}"
    r"|SG\.[A-Za-z0-9_\-]{16,64}\.[A-Za-z0-9_\-]{16,64}|ya29\.[A-Za-z0-9_\-]{20,512}"
    r"|[0-9]{8,10}:[A-Za-z0-9_\-]{35})"
)
_BEARER = re.compile(r"(?<![A-Za-z])(?:Bearer|Basic)\s{1,3}([A-Za-z0-9._~+/\-]{16,4096}={0,2})", re.IGNORECASE)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)"
)
_PASSWORD = re.compile(
    r"(?:비밀번호|비번|패스워드|암호|password|passwd|pwd|api[ _\-]?key|api\s?키|secret|token|토큰|시크릿)"
    r"(?:\s?(?:[:=]|은|는|이|is)\s{0,2}|\s)[\"']?(?=[!-~]{0,64}[0-9])([!-Z\\^-~]{4,128})",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?<=://)[^\s/:@]{1,64}:([^\s/:@]{1,128})(?=@)")
_IPV4 = re.compile(
    r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}(?:\.|\[\.\]|\(\.\)| ?\[?dot\]? ?|\s\.\s)){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])",
    re.IGNORECASE,
)
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z:])")
_OCTET = re.compile("[0-9]{1,3}")
_MESSENGER = re.compile(
    r"(?:카카오톡|카톡|라인|텔레그램|텔레|인스타그램|인스타|디스코드|디코|스냅챗|스냅|위챗|페메|페북|트위터|틱톡|오픈채팅"
    r"|(?<![A-Za-z])(?:kakao(?:talk)?|line|telegram|insta(?:gram)?|discord|snap(?:chat)?|wechat|tiktok|twitter|whatsapp|roblox|ig"
    r"|skype)(?![A-Za-z]))"
    r"(?:\s?(?:아이디|계정|친구|닉네임|닉|id|account|handle|username|user|name|tag|add)){0,2}"
    r"(?:\s?(?:은|는|이|가|도|로|으로|is|me|as|at|,|[:=\-]|->)){0,3}\s{0,2}[\"'(]?"
    r"(@?(?=[0-9._\-]{0,31}[A-Za-z])[A-Za-z0-9][A-Za-z0-9._\-]{2,31}(?:#[0-9]{4})?)(?![A-Za-z0-9@])",
    re.IGNORECASE,
)
_SAYS_ID = re.compile(r"아이디|계정|닉|id|account|handle|username|user|name|tag|add|[:=@]", re.IGNORECASE)
_ID_AFTER = re.compile(
    r"(?:카카오톡|카톡|라인|텔레그램|인스타그램|인스타|디스코드|디코|스냅챗|위챗|틱톡)[에서]{0,2}\s{1,2}"
    r"(@?[A-Za-z0-9][A-Za-z0-9._\-]{2,31})(?=\s{0,2}(?:로|으로|검색|추가|찾|친추|이야|야|예요|이에요|라고))"
)
_HASH_TAG = re.compile(r"(?<![A-Za-z0-9#&/])[A-Za-z0-9._]{2,32}#[0-9]{4}(?![0-9A-Za-z])")
_LATIN_WORD = re.compile(r"[a-z]+", re.IGNORECASE)


def emails(text: str) -> Iterator[Span]:
    """Yield e-mail addresses, also with the signs spelt out or letter by letter."""
    for pattern in (_EMAIL, _SPACED_EMAIL):
        for match in pattern.finditer(text):
            # "look at example.com" is a place, not an address: a spelt-out "at" needs a spelt-out dot or a digit
            if not _is_prose(match.group()):
                yield match.start(), match.end(), "email"


_PROSE_AT = re.compile(r"(?P<who>[a-z]+)\s+at\s+", re.IGNORECASE)


def _is_prose(found: str) -> bool:
    if "@" in found or not (prose := _PROSE_AT.match(found)):
        return False
    return " dot " not in found.lower() or prose["who"].lower() in {"me", "us", "look", "is", "was", "be", "out"}


def secrets(text: str) -> Iterator[Span]:
    """Yield keys, tokens and passwords."""
    for pattern in (_PRIVATE_KEY, _SECRETS):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), "secret"
    for pattern in (_BEARER, _PASSWORD, _URL_PASSWORD):
        for match in pattern.finditer(text):
            yield match.start(1), match.end(1), "secret"


def ip_addresses(text: str) -> Iterator[Span]:
    """Yield IP addresses of machines that can be somebody's."""
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            found = match.group()
            written = ".".join(_OCTET.findall(found)) if pattern is _IPV4 else found
            try:
                address = ipaddress.ip_address(written)
            except ValueError:
                continue
            nobody = address.is_loopback or address.is_unspecified
            if not nobody and not named_order(text, match.start()):
                yield match.start(), match.end(), "ip"


def messenger_names(text: str) -> Iterator[Span]:
    """Yield names by which a person is found in a messenger, where the messenger is named."""
    for match in _MESSENGER.finditer(text):
        said = text[match.start() : match.start(1)] + match[1][0]
        plain_word = _LATIN_WORD.fullmatch(match[1]) and not _SAYS_ID.search(said[2:])
        if not plain_word and match[1].lower() not in _NO_NAMES:
            yield match.start(1), match.end(1), "messenger"
    for match in _ID_AFTER.finditer(text):
        yield match.start(1), match.end(1), "messenger"
    for match in _HASH_TAG.finditer(text):
        yield match.start(), match.end(), "messenger"


_NO_NAMES = frozenset(
    {"and", "the", "for", "with", "that", "you", "not", "but", "app", "chat", "messages", "message", "account", "user",
     "name", "tag", "handle", "username", "group", "friends", "number", "call", "video", "photo"}
)  # fmt: skip
