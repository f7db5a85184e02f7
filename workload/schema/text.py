"""SQL text as its statements, without its comments.

Only as much of PostgreSQL's lexical structure as finds the end of a statement (manual, section 4.1): comments, quoted text, dollar
quotes. Text with backslash escapes (`E'...'`) is told apart nowhere; `effects` knows no statement that has it.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<literal>'(?:[^']|'')*'|\$(?P<tag>[a-z_]*)\$.*?\$(?P=tag)\$)
      | (?P<end>;)
      | (?P<other>"(?:[^"]|"")*"|[^-/'";$]+|.)""",
    re.DOTALL | re.VERBOSE,
)

LITERAL = "'…'"
"""Stands in a shape for any text in quotes: what is said inside can never pass for SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a file."""

    text: str
    """As it is sent."""
    shape: str
    """The same on one line, with text in quotes left out: what rules look at."""

    @property
    def literals(self) -> tuple[str, ...]:
        """Text in single quotes, in order, as PostgreSQL reads it."""
        found = [match for match in _TOKEN.finditer(self.text) if match["literal"]]
        return tuple(match["literal"][1:-1].replace("''", "'") for match in found if match["literal"].startswith("'"))


def split(script: str) -> tuple[Statement, ...]:
    """Statements of a script, in order; the last one may lack its semicolon."""
    found: list[Statement] = []
    text, shape = "", ""
    for match in _TOKEN.finditer(script + ";"):
        if match["end"]:
            if text.strip():
                found.append(Statement(text=text.strip(), shape=_one_line(shape)))
            text, shape = "", ""
            continue
        text += " " if match["comment"] else match[0]
        shape += " " if match["comment"] else LITERAL if match["literal"] else match[0]
    return tuple(found)


def _one_line(shape: str) -> str:
    return re.sub(r"\s*,\s*", ",", re.sub(r"\s+\)", ")", re.sub(r"\s*\(\s*", "(", " ".join(shape.split()))))
