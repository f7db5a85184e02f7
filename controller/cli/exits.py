"""Exit statuses of every command, in one place: the code, the help text and the page are written from it."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    BROKEN = 1
    USAGE = 2
    REFUSED = 3
    NOBODY = 4
    UNFINISHED = 5
    UNKNOWN = 6
    UNDONE = 7
    UNPROVEN = 8
    REPLACED = 9
    NOTHING = 10
    UNFIT = 11
    UNTOLD = 12
    HUNG_UP = 129
    STOPPED = 130
    ENDED = 143


SAID = {
    Exit.DONE: "done",
    Exit.BROKEN: "something is broken: the journal's chain, a site's copy or a signed head contradicts, an extension cannot be loaded, a "
    "lab did not start or a promise was broken in it, or the command itself has a defect",
    Exit.USAGE: "the command, a settings file or a context file cannot be used as given, or was not confirmed; nothing was changed",
    Exit.REFUSED: "refused by a guard, which is named with what it saw, what it needs and the way out; nothing was changed. "
    "Of an erasure: a service refused, which is named; what the others answered stands",
    Exit.NOBODY: "no controller answers, or none of them reaches etcd's majority; nothing was asked for. Of a rebuild: etcd does not "
    "answer",
    Exit.UNFINISHED: "not finished within --timeout; it goes on without us",
    Exit.UNKNOWN: "asked for, and nobody told what became of it: it may be carried out or not; --request ID is the same order, and tells. "
    "Of an erasure: not every service has answered, or finished; the same command again is the same order. "
    "Of a rebuild or a drill: the same command again tells, or writes it",
    Exit.UNDONE: "the plan is over without what it was for: the wanted site could not be proven and another one writes, or a provider "
    "failed",
    Exit.UNPROVEN: "carried out, but the check at its end failed or was not made: a serving site did not take the canary payment, "
    "or the ledgers differ or were not compared",
    Exit.REPLACED: "another plan, which is named, took the place of ours before it was done",
    Exit.NOTHING: "nobody ever held anything of what was named; it may be misspelled",
    Exit.UNFIT: "doctor found something bad, which is named with what to do; nothing was changed. "
    "Of notify: not every channel took the trial",
    Exit.UNTOLD: "doctor found nothing bad, and could not ask everything; what it could not ask may be bad. Of an audit: nothing "
    "contradicts, and a site, or a controller whose key is known, does not speak for it; of an export: the same is not in it",
    Exit.HUNG_UP: "a lab was ended because its terminal closed; nothing of it is left",
    Exit.STOPPED: "stopped by Ctrl-C; a request that was named before goes on without us",
    Exit.ENDED: "a lab was ended by SIGTERM; nothing of it is left",
}


class Ended(Exception):
    """Ends a command with a status and one line for standard error."""

    def __init__(self, status: Exit, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


def listed() -> str:
    """All of them as lines."""
    return "\n".join(f"{status.value:<3}  {said}" for status, said in SAID.items())
