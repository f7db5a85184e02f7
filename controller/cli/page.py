"""Writes the page about the command line from the commands themselves: `python -m controller.cli.page > docs/cli.md`."""

from collections.abc import Iterator

import typer
from typer.core import TyperGroup

from controller.cli.app import build
from controller.cli.exits import SAID


def page() -> str:
    """The whole page. Commands that other packages add describe themselves."""
    lines = [
        "# The command line",
        "",
        "Written by `python -m controller.cli.page` from the commands themselves; `trimaran COMMAND --help` says the same.",
        "",
        "## Exit status",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| {status.value} | {said} |" for status, said in SAID.items()),
    ]
    group = typer.main.get_command(build())
    return "\n".join([*lines, *_group("trimaran", group)]) + "\n"


def _group(name: str, command: object) -> Iterator[str]:
    if not isinstance(command, TyperGroup):
        yield from _command(name, command)
        return
    for inner, child in command.commands.items():
        if not child.hidden:
            yield from _group(f"{name} {inner}", child)


def _command(name: str, command: object) -> Iterator[str]:
    help_text = " ".join(str(getattr(command, "help", "") or "").split())
    yield from ("", f"## {name}", "", help_text, "", "| option | meaning |", "|---|---|")
    for param in getattr(command, "params", ()):
        shown = ", ".join(f"`{option}`" for option in param.opts) if param.opts[0].startswith("-") else f"`{param.metavar}`"
        metavar = f" `{param.metavar}`" if param.metavar and param.opts[0].startswith("-") else ""
        needed = " Needed." if param.required else ""
        yield f"| {shown}{metavar} | {param.help or ''}{needed} |"


if __name__ == "__main__":
    print(page(), end="")
