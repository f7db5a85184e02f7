"""What an operation answers, as data: the part of an OpenAPI document that no signature holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

JSON = "application/json"
TEXT = "text/plain"
REF = "#/components/schemas/{model}"
"""Where a model's schema stands in a document."""


class Told(BaseModel):
    """The body of an answer. Fields may be added to it, and a client has to pass over those that it does not know."""

    model_config = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One success."""

    says: str
    body: type[Told] | None = None
    """None: text."""
    headers: Sequence[str] = ()
    """Always there; names of `headers.ANSWERED`."""
    perhaps: Sequence[str] = ()
    """Sometimes there."""
    example: object = None
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What can be asked next: name of the operation, and where its path parameters stand in this answer (runtime expressions)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One problem."""

    status: int
    kind: str
    """Last part of its type."""
    says: str
    members: type[Told] | None = None
    """What it tells beside the standard fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One operation."""

    summary: str
    says: str = ""
    tag: str
    answers: Mapping[int, Answer]
    refusals: Sequence[Refusal] = ()
    """Beside those that every operation shares."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """An example of each parameter that should have one."""
    bodies: Mapping[str, object] = field(default_factory=dict)
    """Examples of its request, by what they are of."""


Descriptions = Mapping[tuple[str, str], Described]
"""Of one application, by method and path as in the routes."""
