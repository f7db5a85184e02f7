"""`make model`: every scenario, the large ones too, with states and seconds of processor time; ends with 1 when a promise breaks."""

import resource
import sys
import time

from tests.model.safeguards import SOUND
from tests.model.scenarios import LARGE, SMALL
from tests.model.search import search


def main(names: list[str]) -> int:
    """Search the named scenarios, or all, and say what came of each."""
    scenarios = SMALL | LARGE
    broken = 0
    for name in names or scenarios:
        began = time.process_time()
        found = search(scenarios[name], SOUND)
        took = time.process_time() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{name:32} {found.states:>10,} states {found.depth:>3} deep {took:>8.1f} s {memory:>7,} MB at most", flush=True)
        if found.breach is not None:
            print(found, flush=True)
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
