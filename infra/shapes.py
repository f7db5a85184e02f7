"""How settings write what vendors have names for: in full, so that tomorrow nothing else is meant by it. Pure.

No error repeats what was given: it may be a secret that was pasted into the wrong place.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

_DIGEST = r"[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}"
_DOMAIN = r"(?=.{4,200}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
_AMI = r"ami-[0-9a-f]{17}"
_GALLERY = (
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.-]+/providers/Microsoft\.Compute"
    r"/galleries/[\w.]+/images/[\w.-]+/versions/\d+\.\d+\.\d+"
)
_MACHINE = r"projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/global/images/[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_PUBLIC_KEY = r"ssh-(ed25519|rsa) [A-Za-z0-9+/]{68,}={0,2}"
_CERTIFICATE = r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n?"
_ROLE = r"arn:aws:iam::\d{12}:role/([\w+=,.@-]+/)*[\w+=,.@-]{1,64}"
_POOL = r"(projects/\d{6,14}/locations/global/workloadIdentityPools|locations/global/workforcePools)/[a-z][a-z0-9-]{3,62}"
_MEMBER = (
    r"(user|group|serviceAccount):[\w.+-]+@([a-z0-9-]+\.)+[a-z]{2,63}"
    rf"|principal://iam\.googleapis\.com/{_POOL}/subject/[\w.@:/|=+-]{{1,127}}"
)


def _matching(shape: str, what: str) -> AfterValidator:
    """Whatever is not written like that is refused, with what it should be."""
    pattern = re.compile(shape, re.ASCII)

    def check(given: str) -> str:
        if not pattern.fullmatch(given):
            raise ValueError(what)
        return given

    return AfterValidator(check)


Image = Annotated[str, _matching(_DIGEST, "an image with its digest, registry/name@sha256:…: a tag can be moved")]
Domain = Annotated[str, _matching(_DOMAIN, "a domain name in small letters, without a dot at the end")]
Ami = Annotated[str, _matching(_AMI, "an image by its id, ami-…")]
GalleryImage = Annotated[str, _matching(_GALLERY, "a version of a gallery's image, /subscriptions/…/versions/1.2.3")]
MachineImage = Annotated[str, _matching(_MACHINE, "an image by its name, projects/…/global/images/…; a family moves")]
PublicKey = Annotated[str, _matching(_PUBLIC_KEY, "one public key for SSH, without a comment")]
Certificate = Annotated[str, _matching(_CERTIFICATE, "one certificate of an authority, PEM, and no key")]
Role = Annotated[str, _matching(_ROLE, "one role, arn:aws:iam::…:role/…, without a wildcard")]
"""Of AWS's: no account as a whole, and no user."""
Member = Annotated[str, _matching(_MEMBER, "one user:…, group:…, serviceAccount:… or principal://iam.googleapis.com/…/subject/…")]
"""Of Google's: nobody's whole domain or pool."""
