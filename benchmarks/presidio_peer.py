"""Presidio's recognisers over texts, in a virtual environment of their own: JSON in on standard input, JSON out.

The recognisers are called one by one, because Presidio's engine needs a spaCy model that no package index carries; so
there are no names and addresses, and no words nearby to raise a score. In its favour, every score above nothing counts.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def recognizers(language: str) -> list[Any]:
    """Those for Korean or English, with Presidio's own defaults."""
    import presidio_analyzer.predefined_recognizers as known
    import tldextract

    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # else it asks the network for a list of suffixes
    everywhere = [known.EmailRecognizer, known.CreditCardRecognizer, known.IbanRecognizer, known.IpRecognizer]
    korean = [known.KrRrnRecognizer, known.KrFrnRecognizer, known.KrPassportRecognizer, known.KrDriverLicenseRecognizer]
    english = [known.UsSsnRecognizer, known.UsPassportRecognizer, known.UkPassportRecognizer, known.UsLicenseRecognizer]
    local = korean if language == "ko" else english
    regions = ("KR",) if language == "ko" else ("US", "GB", "FR", "DE", "JP", "AU", "IN", "KR")
    phone = known.PhoneRecognizer(supported_language=language, supported_regions=regions)
    return [*(kind(supported_language=language) for kind in (*everywhere, *local)), phone]


def main() -> None:
    """Answer ``{"ko": {"items": [text, ...], "chat": ...}, "en": ...}`` with the spans in each and the seconds."""
    asked = json.load(sys.stdin)
    answer: dict[str, Any] = {}
    for language, parts in asked.items():
        ready = recognizers(language)
        answer[language] = {}
        for part, texts in parts.items():
            started = time.perf_counter()
            spans = [
                [
                    (found.start, found.end)
                    for one in ready
                    for found in (one.analyze(text, one.supported_entities, None) or [])
                    if found.score > 0
                ]
                for text in texts
            ]
            answer[language][part] = {"spans": spans, "seconds": time.perf_counter() - started}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
