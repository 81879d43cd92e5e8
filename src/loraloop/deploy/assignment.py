"""Which users get which release: a keyed hash deals them into 10,000 buckets for the whole of an experiment. Pure.

The candidate takes buckets from below, and an equal share from above is counted as its control; whoever lies between
gets the live release and is not counted. So the two arms are as large as each other at every share, both are fresh, and
raising the share moves users into the arms and nobody out of them or across.
"""

from __future__ import annotations

import hashlib
import hmac

from ..experiments import Arm

BUCKETS = 10_000


def bucket(salt: str, user: str) -> int:
    """Return the bucket of a user, 0..9,999.

    Args:
        salt: of the experiment, hex.
        user: a pseudonym.

    Example:
        >>> bucket("00ff", "someone") == bucket("00ff", "someone") != bucket("00fe", "someone")
        True
    """
    digest = hmac.new(bytes.fromhex(salt), user.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def arm_of(salt: str, user: str, share: float) -> Arm | None:
    """Return the arm of a user, or ``None`` for one who is not counted.

    Args:
        share: of users that get the candidate, 0..0.5.
    """
    place, width = bucket(salt, user), round(min(share, 0.5) * BUCKETS)
    if place < width:
        return "candidate"
    return "control" if place >= BUCKETS - width else None
