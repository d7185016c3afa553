"""What was done to a document after a signature, by kind of object, and whether the signature allows it."""

from typing import Any

from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY


def policy_for(signature: Any) -> Any:
    """The rules by which changes after a signature are judged."""
    return DEFAULT_DIFF_POLICY
