"""`python3 -m controller.boot images | papers | tokens | others`: what units of a control node start. What it is told lies in one file.

`images` and `papers` go on until they are done. A unit that failed would take those with it that wait for it, and they would stay down when
the registry is back a minute later. `tokens` makes one round and ends; its unit starts it anew.
"""

import json
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.boot import images, papers, tokens
from controller.boot.asking import PATIENCE, Ask, NotYet, asker
from controller.boot.clouds import Machine, machine

TOLD = Path("/etc/trimaran/node.json")
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds; doubled up to the longest."""
SHORT_PATIENCE = 5.0
"""Seconds without a byte, for a round whose unit gives it a minute altogether."""


def main(argv: Sequence[str], told: Path = TOLD) -> int:
    """0: done. 1: `others` are not well, or a token is not as it should be. 2: what was asked for can never be had. Why is told on standard
    error."""
    match list(argv):
        case ["others"]:
            return others(json.loads(told.read_bytes()))
        case ["tokens"]:
            return telling(json.loads(told.read_bytes()), asker(patience=SHORT_PATIENCE))
        case ["images" | "papers" as what]:
            return _done(what, json.loads(told.read_bytes()))
        case _:
            sys.stderr.write("usage: python3 -m controller.boot images | papers | tokens | others\n")
            return 2


def _done(what: str, given: Mapping[str, Any]) -> int:
    ask = asker()
    own = machine(given["cloud"], ask, lambda: datetime.now(UTC), given["client"])
    try:
        until_done(fetching(given, ask, own) if what == "images" else writing(given, own))
    except images.Broken as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def fetching(given: Mapping[str, Any], ask: Ask, own: Machine) -> Callable[[], None]:
    """Have every image that the node is told of, and no other."""
    wanted = {Path(one["into"]): one["image"] for one in given["images"]}

    def fetch() -> None:
        for place, image in wanted.items():
            images.have(image, place, ask, own.authorization)
        images.tidy(wanted)

    return fetch


def writing(given: Mapping[str, Any], own: Machine, owner: papers.Owner = papers.of_system) -> Callable[[], None]:
    """Have every paper that the node is told of."""
    wanted = [papers.Paper(place=one["place"], file=Path(one["file"]), owner=one["owner"]) for one in given["papers"]]
    return lambda: papers.put(wanted, own.secret, owner)


def telling(given: Mapping[str, Any], ask: Ask, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """One round of every token that the node shows to other clouds. Each that is not as it should be is told."""
    wanted = [tokens.Wanted(file=Path(one["file"]), audience=one["audience"]) for one in given["tokens"]]
    problems = tokens.put(wanted, machine(given["cloud"], ask, now, given["client"]).token, now)
    sys.stderr.write("".join(f"not yet: {problem}\n" for problem in problems))
    return 1 if problems else 0


def until_done(work: Callable[[], None], sleep: Callable[[float], None] = time.sleep) -> None:
    """Try until it succeeds, and say why it did not whenever the reason is another one."""
    pause, said = FIRST_PAUSE, ""
    while True:
        try:
            return work()
        except NotYet as error:
            if str(error) != said:
                said = str(error)
                sys.stderr.write(f"not yet: {said}\n")
        sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def others(given: Mapping[str, Any], patience: float = PATIENCE) -> int:
    """Are the other members of etcd well? Asked before this node is changed or started anew: with two away nobody decides anything. Each
    that is not is told. One is not well either while there is no leader."""
    context = ssl.create_default_context(cafile=given["authority"])
    context.load_cert_chain(given["identity"])
    ask, unwell = asker(context, patience), 0
    for url in given["others"]:
        try:
            said = json.loads(ask(f"{url}/health", {}))
            reason = "" if said.get("health") == "true" else "it says that it is not well"
        except (NotYet, ValueError) as error:
            reason = str(error)
        if reason:
            unwell = 1
            sys.stderr.write(f"{url}: {reason}\n")
    return unwell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
