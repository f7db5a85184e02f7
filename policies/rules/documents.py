"""IAM's documents, read: who is let do what with what, and when. Nothing here judges."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ROLE = "aws:iam/role:Role"
DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "aws:iam/policy:Policy": ("policy",),
    "aws:iam/rolePolicy:RolePolicy": ("policy",),
    ROLE: ("assumeRolePolicy", "inlinePolicies[].policy"),
    "aws:kms/key:Key": ("policy",),
    "aws:secretsmanager/secretPolicy:SecretPolicy": ("policy",),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy",),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("policy",),
}
"""Where they stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One of a document's, with the names of its parts in small letters."""

    parts: Mapping[str, Any]

    @property
    def allows(self) -> bool:
        """Whatever is not refused: an effect that nobody knows is none that takes something away."""
        return self.parts.get("effect") != "Deny"

    @property
    def actions(self) -> tuple[str, ...]:
        """In small letters, as AWS compares them. All but some are all."""
        return ("*",) if "notaction" in self.parts else tuple(one.lower() for one in many(self.parts.get("action")))

    @property
    def resources(self) -> tuple[str, ...]:
        """All but some are all. None in documents that hang at a thing, and mean that one."""
        return ("*",) if "notresource" in self.parts else many(self.parts.get("resource"))

    def principals(self, kind: str) -> tuple[str, ...]:
        """Of a kind: `AWS`, `Federated`, `Service`. Everybody is of AWS's; all but some are everybody."""
        told = "*" if "notprincipal" in self.parts else self.parts.get("principal")
        if isinstance(told, Mapping):
            return tuple(one for name, found in told.items() if name.lower() == kind.lower() for one in many(found))
        return many(told) if kind == "AWS" else ()

    @property
    def kinds(self) -> frozenset[str]:
        """Of its principals, in small letters."""
        told = self.parts.get("principal")
        return frozenset(name.lower() for name in told) if isinstance(told, Mapping) else frozenset()

    def conditions(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Keys in small letters with what they have to be. Of those alone that fail where the key is missing, and that say what it is:
        `ForAllValues`, `IfExists` and `Not` hold of whoever says nothing."""
        told = self.parts.get("condition")
        for operator, pairs in told.items() if isinstance(told, Mapping) else ():
            if re.fullmatch(r"(?i)(ForAnyValue:)?(String|Arn)(Equals(IgnoreCase)?|Like)", operator) and isinstance(
                pairs, Mapping
            ):
                yield from ((key.lower(), many(values)) for key, values in pairs.items())


def statements(document: Any) -> tuple[Statement, ...]:
    """None while it is not known: `unknown-has-a-source` tells of that. Raises ValueError for text that is no document."""
    read = json.loads(document) if isinstance(document, str) else document
    if not isinstance(read, Mapping):
        return ()
    found = {name.lower(): value for name, value in read.items()}.get("statement")
    listed = found if isinstance(found, list) else [] if found is None else [found]
    if not all(isinstance(one, Mapping) for one in listed):
        raise ValueError("a statement of it is none")
    return tuple(Statement(parts={name.lower(): value for name, value in one.items()}) for one in listed)


def many(value: Any) -> tuple[str, ...]:
    """One or several, as a list."""
    return tuple(str(one) for one in value) if isinstance(value, list) else () if value is None else (str(value),)


def covers(wildcard: str, name: str) -> bool:
    """Is that one of what the wildcard means? Both in small letters."""
    shape = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in wildcard)
    return re.fullmatch(shape, name) is not None
