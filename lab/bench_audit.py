"""How long the proof of a journal takes: `python -m lab.bench_audit 100000`. The journal is made up, of entries as a plan leaves them; each
site's copy is the whole of it, and three controllers have signed every hundredth entry.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import sub
from pathlib import Path

from controller.audit.file import read, write
from controller.audit.judge import judge
from controller.audit.raw import Raw, evidence_of
from controller.audit.signer import Signer, make_private
from controller.coordination.chain import START, end_of, link
from controller.coordination.codec import encode, plain
from controller.core.heads import Head
from controller.core.model import JournalEntry
from lab.cabling import SITES

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = 100


def journal(count: int) -> list[JournalEntry]:
    """So many entries of half a kilobyte."""
    entries, end = list[JournalEntry](), START
    for number in range(1, count + 1):
        step = {"step": "cut", "site": SITES[number % 3], "writer": "azure", "epoch": number // 20, "reign": number // 20}
        position = {"site": SITES[number % 3], "publisher": "azure", "epoch": number // 20, "lsn": 83_886_080 + number}
        body = {
            "sentence": f"cut {SITES[number % 3]}: reached 0/{number:X} (cutting every member of the ack set)",
            "plan": f"failover-{number // 20}",
            "epoch": number // 20,
            "doing": "cutting every member of the ack set",
            "step": step,
            "result": {"position": position, "because": None},
            "took_ms": number % 500 / 10,
            "left_behind": False,
        }
        at = BEGAN + timedelta(seconds=number)
        entries.append(link(end, at=at, actor=SITES[number % 3], kind="step.cut", body=body))
        end = end_of(entries[-1])
    return entries


def gathered(entries: list[JournalEntry], place: Path) -> Raw:
    """As `trimaran audit export` finds it."""
    signers = [Signer(controller=site, private=make_private(place / site)) for site in SITES]
    keys = [{"controller": one.controller, "public": one.public, "until": None} for one in signers]
    raw = Raw(service="payments", at=BEGAN, journal=[plain(one) for one in entries])
    texts = []
    for entry in entries[EVERY - 1 :: EVERY]:
        for one in signers:
            head = Head(
                service="payments",
                sequence=entry.sequence,
                digest=entry.digest,
                at=entry.at,
                controller=one.controller,
                key=one.id,
            )
            texts.append(encode(one.sign(head)))
    for site in SITES:
        raw.copies[site, 1] = [plain(one) for one in entries]
        raw.heads[site] = list(texts)
        raw.said[site] = {"controller": site, "keys": keys, "entries": EVERY, "every_s": 600.0}
    raw.heads["etcd"] = texts
    return raw


def main(count: int) -> int:
    """Make, write, read and judge; answers 1 when what nobody touched does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        raw = gathered(journal(count), place)
        path = place / "export.jsonl"
        marks = [_now()]
        write(raw, path)
        marks.append(_now())
        evidence = evidence_of(read(path))
        marks.append(_now())
        judged = judge(evidence)
        marks.append(_now())
        size = path.stat().st_size
    steps = [tuple(map(sub, after, begun)) for begun, after in pairwise(marks)]
    heads = sum(one.heads for one in judged.stands)
    print(f"{count} entries, {heads} heads, {size / 1e6:.0f} MB; seconds, and of them on the processor:", end=" ")
    print(
        ", ".join(f"{name} {wall:.1f} ({own:.1f})" for name, (wall, own) in zip(("write", "read", "judge"), steps, strict=True))
    )
    return int(bool(judged.findings or judged.weak))


def _now() -> tuple[float, float]:
    """On the wall and on the processor: of a machine that others use only the second says much."""
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
