"""What stands in many places of a document is written once, and named."""

import json
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

Document = dict[str, Any]


def share_responses(found: Document) -> None:
    """Move every problem that several operations answer alike into the components, at most one per status."""
    counted = Counter((status, _text(response)) for status, response in _problems(found))
    shared: dict[str, str] = {}
    for (status, text), times in counted.most_common():
        if times > 1:
            shared.setdefault(status, text)
    found["components"]["responses"] = {_name(status): json.loads(text) for status, text in shared.items()}
    for methods in found["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if shared.get(status) == _text(response):
                    operation["responses"][status] = {"$ref": f"#/components/responses/{_name(status)}"}


def _problems(found: Document) -> Iterator[tuple[str, Document]]:
    for methods in found["paths"].values():
        for operation in methods.values():
            yield from ((status, response) for status, response in operation["responses"].items() if int(status) >= 400)


def _text(response: Document) -> str:
    return json.dumps(response, sort_keys=True)


def _name(status: str) -> str:
    return HTTPStatus(int(status)).phrase.title().replace(" ", "")
