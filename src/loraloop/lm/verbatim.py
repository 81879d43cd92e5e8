"""Chat templates that say what was said as it is and look at nothing but roles: rendered once for each order of roles.

Whoever renders a row alone spends ten times what filling it into the form of its roles takes. A template with any tag
that is not known here (a filter, a variable, a question about a content) is no such template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Talk = Sequence[dict[str, str]]
"""Role and content of each message."""

_TERM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|message(?:\['(?:role|content)'\]|\.(?:role|content))|[be]os_token)"""
_CONDITION = (
    r"(?:loop\.(?:first|last|index0?)|messages?(?:\[-?\d\])?(?:\['role'\]|\.role)|'[a-z]*'|add_generation_prompt"
    r"|and|or|not|in|[=!<>%()\s\d])+"
)
_TAG = re.compile(
    rf"\{{%-?\s*(?:for message in messages|(?:el)?if\s{_CONDITION}|else|endif|endfor)\s*-?%\}}"
    rf"|\{{\{{-?\s*{_TERM}(?:\s*\+\s*{_TERM})*\s*-?\}}\}}"
)
_OTHER_TAG = re.compile("[{][{%#]|\ue000")
_PLACE = re.compile("\ue000([0-9]+)\ue000")


def is_verbatim(template: object) -> bool:
    """Return whether ``filled`` says what a chat template does, whatever was said.

    Example:
        >>> is_verbatim("{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}{% endfor %}")
        True
        >>> is_verbatim("{% for message in messages %}{{ message['content'] | trim }}{% endfor %}")
        False
    """
    return isinstance(template, str) and not _OTHER_TAG.search(_TAG.sub("", template))


def filled(talks: Sequence[Talk], render: Callable[[Sequence[Talk]], list[str]]) -> list[str]:
    """Return what ``render`` makes of each talk, of which it sees roles alone.

    Args:
        talks: at least one.
        render: applies a template that ``is_verbatim``.
    """
    roles = [tuple([said["role"] for said in talk]) for talk in talks]
    orders = list(dict.fromkeys(roles))
    marked = [[{"role": role, "content": f"\ue000{n}\ue000"} for n, role in enumerate(order)] for order in orders]
    forms = dict(zip(orders, map(_PLACE.split, render(marked)), strict=True))
    found: list[str] = []
    for talk, order in zip(talks, roles, strict=True):
        pieces = forms[order].copy()
        pieces[1::2] = [talk[int(place)]["content"] for place in pieces[1::2]]
        found.append("".join(pieces))
    return found
