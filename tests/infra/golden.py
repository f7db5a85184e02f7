"""What a stack has, counted by type, as the repository says it: a resource that comes or goes is a line that somebody has to change.

`prod-aws` is the site before it is live, and `prod-aws-live` afterwards.
"""

from collections import Counter
from pathlib import Path

from tests.infra.recording import Recording

FOLDER = Path(__file__).parent / "golden"


def counted(recording: Recording) -> str:
    """Sorted lines, `count token`."""
    counts = Counter(one.type for one in recording.resources)
    return "".join(f"{count} {token}\n" for token, count in sorted(counts.items()))


def kept(stack: str) -> str:
    """What stands in the repository under that name."""
    return (FOLDER / f"{stack}.txt").read_text()
