"""What can keep a migration, a retention run or an erasure from its end, split by who must act.

SchemaError
├── Unfit        whoever wrote the file: a migration breaks a rule; carries every problem
├── Refused      a person decides: says what was seen, what is needed and the way out; nothing was changed by the step that refused
├── Moved        nobody: the writer moved meanwhile; the same command again goes on from where it stands
└── Unreached    a node or a service did not answer in time; what was under way may or may not have happened, and may be repeated
"""


class SchemaError(Exception):
    """Base: the message is one for a person."""


class Unfit(SchemaError):
    """Migrations that must not be carried out. `problems` holds one `file: what: why` line for each thing to mend."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Refused(SchemaError):
    """A rule holds a step back."""

    def __init__(self, *, guard: str, value: str, limit: str, way_out: str) -> None:
        super().__init__(f"refused by {guard}: {value}; needs {limit}. {way_out}")
        self.guard, self.value, self.limit, self.way_out = guard, value, limit, way_out


class Moved(SchemaError):
    """A node is no longer what it was when the order of the steps was made."""


class Unreached(SchemaError):
    """No answer, or none that says what happened."""
