"""Commands of other packages are found whether or not somebody installed the project."""

from pathlib import Path

from controller.cli.app import known_extensions

NAMED = """
[project.entry-points."trimaran.commands"]
greet = "tests.unit.cli.extension:add"
"""


def test_a_checkout_that_nobody_installed_has_its_commands(tmp_path: Path) -> None:
    """The project file names them; without one there are none, and neither is an error."""
    assert {one.name: one.value for one in known_extensions()} == {"demo": "lab.cli:demo", "lab": "lab.cli:lab"}
    project = tmp_path / "pyproject.toml"
    assert known_extensions(project, installed=()) == ()
    project.write_text(NAMED)
    (found,) = known_extensions(project, installed=())
    assert (found.name, found.value) == ("greet", "tests.unit.cli.extension:add")
