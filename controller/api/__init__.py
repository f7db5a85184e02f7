"""The operator API of one controller: what it knows and decided, the journal, and a place to leave a wish.

A status never waits for etcd: a controller without the majority still answers with what it knew, labelled as stale, because that
is when people ask.
"""

from controller.api.application import build
from controller.api.gate import Gate

__all__ = ["Gate", "build"]
