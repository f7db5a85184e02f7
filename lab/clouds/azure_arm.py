"""Azure Resource Manager's own part of the emulated Azure: ids, resource groups, one document per resource, errors as it words them.

Source: Azure Resource Manager REST API: ids are compared without regard to case, PATCH is a merge patch (RFC 7386), a resource in an
unknown group is 404 `ResourceGroupNotFound`, an unknown one 404 `ResourceNotFound`, a failed `If-Match` 412 `PreconditionFailed`.
"""

import uuid
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]
"""One resource, spelt as on the wire."""


class ArmError(Exception):
    """The request is turned away; carries what the client is told."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    @property
    def body(self) -> Document:
        """The error as Azure words it."""
        return {"error": {"code": self.code, "message": self.message}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, taken apart."""

    method: str
    path: str
    subscription: str
    group: str | None
    provider: str
    """Lower case, as are `types`."""
    types: tuple[str, ...]
    names: tuple[str, ...]
    """One fewer than `types` when a collection is meant."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Document = field(default_factory=dict)
    origin: str = ""
    """Scheme and host as the client wrote them; links in an answer begin with it."""

    @property
    def collection(self) -> bool:
        """Is a whole collection meant?"""
        return len(self.names) < len(self.types)

    def parent(self) -> str:
        """Id of the resource this one is part of, or of the resource group."""
        return self.path.rsplit("/", 1 if self.collection else 2)[0] if len(self.types) > 1 else self.path.split("/providers/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client is told."""

    status: int = 200
    body: Document | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def question(method: str, path: str, **more: Any) -> Question:
    """Take a path apart. Raises ArmError when it is no id."""
    parts = path.strip("/").split("/")
    lower = [part.lower() for part in parts]
    if len(parts) < 2 or lower[0] != "subscriptions":
        raise ArmError(404, "InvalidResourceType", f"{path} is no resource id")
    group = parts[3] if len(parts) > 3 and lower[2] == "resourcegroups" else None
    rest = parts[4:] if group is not None else parts[2:]
    provider, types, names = "", lower[2:3] if group is not None else [], []
    if rest and rest[0].lower() == "providers":
        provider, types, names = rest[1].lower(), [part.lower() for part in rest[2::2]], rest[3::2]
    elif rest:
        raise ArmError(404, "InvalidResourceType", f"{path} is no resource id")
    elif group is not None:
        names = [group]
    return Question(
        method=method,
        path="/" + "/".join(parts),
        subscription=parts[1],
        group=group,
        provider=provider,
        types=tuple(types),
        names=tuple(names),
        **more,
    )


class Resources:
    """Every resource by its id. The caller sees to it that requests go one at a time."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}

    def found_group(self, subscription: str, name: str) -> None:
        """Have a resource group."""
        path = f"/subscriptions/{subscription}/resourceGroups/{name}"
        self._documents.setdefault(path.lower(), {"id": path, "name": name, "location": "westeurope"})

    def snapshot(self) -> dict[str, Document]:
        """All of it as it is now: a document that was kept is never changed again, only replaced."""
        return dict(self._documents)

    def restore(self, snapshot: dict[str, Document]) -> None:
        """Have it as it was."""
        self._documents = snapshot

    def get(self, path: str) -> Document:
        """The resource itself. Raises ArmError."""
        found = self._documents.get(path.lower())
        if found is None:
            raise ArmError(404, "ResourceNotFound", f"The Resource '{path}' under resource group was not found.")
        return found

    def find(self, path: str) -> Document | None:
        """The resource, None when there is none."""
        return self._documents.get(path.lower())

    def under(self, path: str) -> Iterator[Document]:
        """Resources one level below a collection, by name."""
        start = path.lower() + "/"
        for key in sorted(self._documents):
            if key.startswith(start) and "/" not in key[len(start) :]:
                yield self._documents[key]

    def of_type(self, kind: str) -> Iterator[Document]:
        """Resources of a type wherever they are."""
        yield from (document for document in self._documents.values() if str(document.get("type", "")).lower() == kind.lower())

    def check_place(self, asked: Question) -> None:
        """Raises ArmError unless the place of the resource exists: its group, and what it is part of."""
        group = f"/subscriptions/{asked.subscription}/resourceGroups/{asked.group}"
        if asked.group is not None and asked.provider and group.lower() not in self._documents:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{asked.group}' could not be found.")
        if len(asked.types) > 1 and asked.group is not None and asked.parent().lower() not in self._documents:
            raise ArmError(404, "ParentResourceNotFound", f"Can not perform requested operation on '{asked.path}'.")

    def check_conditions(self, asked: Question) -> None:
        """Raises ArmError when the client's `If-Match` or `If-None-Match` does not hold."""
        found = self.find(asked.path)
        match, none_match = asked.headers.get("if-match"), asked.headers.get("if-none-match")
        stale = match is not None and (found is None or match not in ("*", found.get("etag")))
        if stale or (none_match == "*" and found is not None):
            raise ArmError(412, "PreconditionFailed", "The condition '{0}' in the request is not satisfied.")

    def put(self, asked: Question, document: Document) -> Document:
        """Keep the document under the id that was asked for, with a new etag; answers it."""
        known = self.find(asked.path)
        place = {"id": known["id"], "name": known["name"]} if known else {"id": asked.path, "name": asked.names[-1]}
        return self.keep(asked.path, {**document, **place})

    def keep(self, path: str, document: Document) -> Document:
        """The same, under a path."""
        self._documents[path.lower()] = {**document, "etag": str(uuid.uuid4())}
        return self._documents[path.lower()]

    def delete(self, path: str) -> bool:
        """Forget the resource and everything below it; was there one?"""
        key = path.lower()
        gone = [other for other in self._documents if other == key or other.startswith(key + "/")]
        for other in gone:
            del self._documents[other]
        return bool(gone)


def merged(old: Any, patch: Any) -> Any:
    """RFC 7386: objects are merged, null takes away, everything else replaces."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = deepcopy(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def refuse(message: str, code: str = "BadRequest") -> ArmError:
    """400 with the vendor's code."""
    return ArmError(400, code, message)
