"""A controller of the version after this one: a copy of the package in the lab's workspace that knows a field more of what controllers
tell one another, leaves it unsaid as `controller.coordination.codec` asks, and writes one more into every entry of the journal."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from controller.core.model import JournalEntry
from lab.errors import LabError
from lab.laboratory import Laboratory
from lab.matrix.sequences import Newer
from lab.site import CONTROLLER, Site
from lab.workspace import PACKAGES

FIELD, SAID = "made_by", "the next version"
KINDS: Mapping[str, tuple[str, ...]] = {
    "core/model.py": ("Posture", "Observation"),
    "core/plans.py": ("Plan",),
}
"""What controllers read of one another, by the module of the package that says how it is written."""

APPENDS, BODY = "coordination/change.py", "body=draft.body)"


def wrote(entry: JournalEntry) -> bool:
    """Was this entry written by the next version?"""
    return entry.body.get(FIELD) == SAID


def make(target: Path) -> Path:
    """Copy the package below `target`, unless it is there, and bring it a version on; answers the directory to import it from.

    Raises LabError when this version is no longer written as this module knows it.
    """
    copy = target / "controller"
    if not copy.exists():
        shutil.copytree(PACKAGES / "controller", copy, ignore=shutil.ignore_patterns("__pycache__"))
        for name, kinds in KINDS.items():
            for kind in kinds:
                _add_field(copy / name, kind)
        _replace(copy / APPENDS, BODY, f'body={{**draft.body, "{FIELD}": "{SAID}"}})')
    return target


def _add_field(file: Path, kind: str) -> None:
    """One more field of a frozen dataclass, unsaid while it is None."""
    found = re.search(rf'\nclass {kind}:\n    """.*?"""\n', file.read_text(), flags=re.DOTALL)
    if found is None:
        raise LabError(f"{file}: there is no {kind} with a docstring")
    line = f"\n    {FIELD}: str | None = field(default=None, metadata={{UNSAID: True}})\n"
    _replace(file, found[0], found[0] + line)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    if text.count(old) != 1:
        raise LabError(f"{file}: {old!r} is there {text.count(old)} times, and once was expected")
    file.write_text(text.replace(old, new))


def bring(lab: Laboratory, newer: Newer, owner: str) -> None:
    """Have exactly these controllers run the next version; whose version changes is started anew. `owner`: of the plan to come."""
    wanted = {Newer.NOBODY: set[str](), Newer.OWNER: {owner}, Newer.OTHERS: set(lab.sites) - {owner}}[newer]
    packages = make(lab.workspace.directory("next-version")) if wanted else None
    for site in lab.sites.values():
        _run(site, packages if site.name in wanted else None)


def _run(site: Site, packages: Path | None) -> None:
    if site.packages == packages:
        return
    site.packages = packages
    if (present := site.running.get(CONTROLLER)) is not None:
        present.kill()
        site.start_controller()
