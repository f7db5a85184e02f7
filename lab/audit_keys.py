"""Keys with which the lab's controllers sign the journal's heads: made with the first settings, and as long-lived as the lab."""

from pathlib import Path

from controller.audit.signer import Signer, make_private, read_private
from lab.cabling import SITES


def audit_lines(place: Path, site: str) -> list[str]:
    """`[audit]` of a site's controller; keys lie in `place`, one for each site."""
    place.mkdir(mode=0o700, exist_ok=True)
    files = {other: place / f"{other}.key" for other in SITES}
    signers = {
        other: Signer(controller=other, private=read_private(file) if file.exists() else make_private(file))
        for other, file in files.items()
    }
    lines = ["[audit]", f'key_file = "{files[site]}"']
    for other, one in signers.items():
        lines += ["[[audit.keys]]", f'controller = "{other}"', f'public = "{one.public}"']
    return lines
