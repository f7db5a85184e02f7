"""What AWS makes up when something is made there."""

from collections.abc import Callable, Mapping
from typing import Any

ANSWERS: Mapping[str, Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]] = {}
CALLS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {}
