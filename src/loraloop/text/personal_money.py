"""Cards and bank accounts.

Source: ISO/IEC 7812-1 (issuer numbers and the Luhn check digit), ISO 13616 and the SWIFT IBAN registry (country, two
check digits modulo 97, length by country). Korean accounts have no check digit that all banks share: 10 to 16 digits count where a bank is
named nearby.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .nearby import AFTER, BEFORE, Span, digits_of, named_order, near_account

_CARD = re.compile(BEFORE + r"[2-6389](?:[ .\-_/]{0,3}[0-9]){13,18}" + AFTER)
_ISSUER = re.compile(r"4|5[0-9]|6[0-9]|9[0-9]|3[0-9]|2[2-7]|8[1-9]")
_LONG_NUMBER = re.compile(BEFORE + r"[0-9]{2,16}(?:[ .\-_]{1,3}[0-9]{1,8}){0,5}" + AFTER)
_STARTS_AS_DATE = re.compile(r"(?:19|20)[0-9]{2}[ .\-_/](?:0?[1-9]|1[0-2])[ .\-_/](?:0?[1-9]|[12][0-9]|3[01])(?![0-9])")
_BANK_AND_NUMBER = re.compile(
    r"(?:국민|신한|우리|하나|기업|산업|대구|부산|경남|광주|전북|제주|카카오|토스|씨티|SC제일|제일|KB|NH|IBK|SC|iM)"
    r"\s{0,2}([0-9]{2,16}(?:[ .\-_]{1,3}[0-9]{1,8}){0,5})" + AFTER
)
_IBAN = re.compile(BEFORE + r"[A-Z]{2}[ ]?[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE)
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT ST", 26: "IS TR", 27: "FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB PL SV", 29: "BR EG PS QA UA",
        30: "JO KW MU", 31: "MT SC", 32: "LC",
    }.items()
    for country in countries.split()
}  # fmt: skip
_US_ACCOUNT = re.compile(BEFORE + r"[0-9]{8,17}" + AFTER)
_US_ACCOUNT_WORDS = re.compile(r"(?:account|acct|routing)(?:\s(?:number|no\.?|#))?\s?(?:is|:|#)?\s?$", re.IGNORECASE)


def passes_luhn(digits: str) -> bool:
    """Return whether a string of digits has a valid Luhn check digit.

    Source: ISO/IEC 7812-1, annex B.

    Example:
        >>> passes_luhn("4111111111111111")
        True
    """
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def passes_mod_97(iban: str) -> bool:
    """Return whether the check digits of an IBAN hold.

    Source: ISO 13616-1 with ISO/IEC 7064 MOD 97-10.

    Example:
        >>> passes_mod_97("GB82WEST12345698765432")
        True
    """
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def cards(text: str) -> Iterator[Span]:
    """Yield payment cards that pass Luhn."""
    for match in _CARD.finditer(text):
        digits = digits_of(match.group())
        glued = match.group() == digits
        if _ISSUER.match(digits) and passes_luhn(digits) and not (glued and named_order(text, match.start())):
            yield match.start(), match.end(), "card"


def ibans(text: str) -> Iterator[Span]:
    """Yield bank accounts by their international number, with its check digits."""
    for match in _IBAN.finditer(text):
        kept = [place for place, char in enumerate(match.group()) if char.isalnum()]
        letters = "".join(match.group()[place] for place in kept).upper()
        length = _IBAN_LENGTHS.get(letters[:2], 0)  # what follows may be a word of the sentence
        if length and len(letters) >= length and passes_mod_97(letters[:length]):
            yield match.start(), match.start() + kept[length - 1] + 1, "account"


def accounts(text: str) -> Iterator[Span]:
    """Yield bank accounts: by the bank or the word that is named beside them."""
    for match in _LONG_NUMBER.finditer(text):
        count = len(digits_of(match.group()))
        if not 10 <= count <= 16 or _STARTS_AS_DATE.match(match.group()) or named_order(text, match.start()):
            continue
        if near_account(text, match.start(), match.end()):
            yield match.start(), match.end(), "account"
    for match in _BANK_AND_NUMBER.finditer(text):
        if 11 <= len(digits_of(match.group(1))) <= 16 and not _STARTS_AS_DATE.match(match.group(1)):
            yield match.start(1), match.end(1), "account"
    for match in _US_ACCOUNT.finditer(text):
        if _US_ACCOUNT_WORDS.search(text[max(0, match.start() - 28) : match.start()]):
            yield match.start(), match.end(), "account"
