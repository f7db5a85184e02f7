"""The lab's controllers sign, and believe each other."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

from controller.audit.keys import ring
from controller.core.heads import Head
from controller.settings_audit import AuditTable, of_audit, read_audit
from lab.audit_keys import audit_lines
from lab.cabling import SITES


def test_what_one_site_signs_the_others_settings_prove(tmp_path: Path) -> None:
    """Each has a key of its own, the same when settings are written again, and everybody names all three."""
    told: list[tuple[str, str]] = []
    found = {}
    for site in (*SITES, *SITES):
        document = tomllib.loads("\n".join(audit_lines(tmp_path / "audit", site)))
        assert list(of_audit(document, frozenset(SITES))) == []
        table = AuditTable.model_validate(document["audit"])
        given = read_audit(tmp_path, site, table, lambda key, expected: told.append((key, expected)))
        assert given is not None and found.setdefault(site, given).signer.public == given.signer.public
    assert not told and len({one.signer.public for one in found.values()}) == len(SITES)
    for site, one in found.items():
        at = datetime(2026, 1, 1, tzinfo=UTC)
        head = Head(service="payments", sequence=1, digest="jcs-0", at=at, controller=site, key=one.signer.id)
        assert {ring(other.keys).doubt(one.signer.sign(head)) for other in found.values()} == {None}
