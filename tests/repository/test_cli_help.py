"""The page about the command line says what the commands say."""

from pathlib import Path

from controller.cli.exits import SAID, Exit
from controller.cli.page import page

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    """After a change: `python -m controller.cli.page > docs/cli.md`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_lab_is_on_the_page_too() -> None:
    """`demo` and `lab` come from another package; who reads the page does not care."""
    assert {f"## trimaran {command}" for command in ("demo", "lab up", "lab fault", "lab down")} <= set(page().splitlines())


def test_every_exit_status_is_explained() -> None:
    """A status without a meaning helps nobody at night."""
    assert set(SAID) == set(Exit)
    assert all(f"| {status.value} | " in page() for status in Exit)


def test_every_option_is_explained() -> None:
    """No line of the page ends without a meaning."""
    assert not [line for line in page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
