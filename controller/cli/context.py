"""Which controllers there are, and which service is meant: a small JSON file, written by the lab or by hand."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.cli.exits import Ended, Exit

VARIABLE = "TRIMARAN_CONTEXT"

START_THE_LAB = "Is the lab running? Start it with `trimaran lab up`, or name your controllers with --context FILE."


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where to ask, and about what."""

    service: str
    controllers: Mapping[str, str]
    """Base URL of each controller's operator API, by site."""
    token: str = field(default="", repr=False)
    """What an order must carry; empty: none can be given from here."""


def default_path() -> Path:
    """Where the lab of this user leaves its context."""
    return Path(tempfile.gettempdir()).resolve() / f"trimaran-{os.getuid()}" / "context.json"


def read_context(given: Path | None, service: str | None, environ: Mapping[str, str]) -> Context:
    """The context of this command. Raises Ended: 4 when there is none, 2 when it cannot be used."""
    named = environ.get(VARIABLE)
    path = given or (Path(named) if named else default_path())
    try:
        if not given and not named and path.stat().st_uid != os.getuid():
            # The place is shared: another user of this machine could otherwise send our commands to controllers of their own.
            raise Ended(Exit.USAGE, f"{path}: expected a file of your own; it belongs to another user")
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Ended(Exit.NOBODY, f"there is no context file {path}. {START_THE_LAB}") from error
    except OSError as error:
        raise Ended(Exit.USAGE, f"{path}: expected a readable file: {error.strerror}") from error
    except ValueError as error:
        raise Ended(Exit.USAGE, f"{path}: expected JSON: {error}") from error
    return _understood(path, document, service)


def _understood(path: Path, document: object, service: str | None) -> Context:
    given = document if isinstance(document, dict) else {}
    controllers, name = given.get("controllers"), service or given.get("service")
    if not isinstance(controllers, dict) or not controllers or not all(isinstance(url, str) for url in controllers.values()):
        raise Ended(Exit.USAGE, f'{path}: controllers: expected an object such as {{"aws": "http://127.0.0.1:7001"}}')
    if not isinstance(name, str) or not name:
        raise Ended(Exit.USAGE, f"{path}: service: expected a service's name; or give --service")
    named = given.get("token_file", "")
    if not isinstance(named, str):
        raise Ended(Exit.USAGE, f"{path}: token_file: expected the path of a file, absolute or beside this one")
    token = _token(path, named) if named else ""
    return Context(service=name, controllers={str(site): url.rstrip("/") for site, url in controllers.items()}, token=token)


def _token(context: Path, named: str) -> str:
    """The token; empty when this user may not read it, who may still look. A relative path is beside the context, wherever a link
    to it lies."""
    try:
        return (context.resolve().parent / named).read_text(encoding="ascii").strip()
    except PermissionError:
        return ""
    except (OSError, ValueError) as error:
        raise Ended(Exit.USAGE, f"{context}: token_file: expected a readable file with a token: {error}") from error
