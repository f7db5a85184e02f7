"""How tunnels are encrypted: one proposal for all of them, in each vendor's words, and the keys that gateways know each other by.

IKEv2 only. AES-256-GCM, SHA-384 and the 384-bit curve (Diffie-Hellman group 20) in both phases: the strongest that all three offer.

One proposal and no list. AWS offers everything that it knows unless it is told otherwise; the offer no longer fits into one packet, Cloud
VPN drops the fragments, and the tunnel that came up with Google as the initiator goes down at its first rekeying, hours later, at night
(Google, "Connect HA VPN to AWS peer gateways"; "Supported IKE ciphers" asks for one cipher in each role for the same reason).

Sizes: what a tunnel adds leaves less than 1,500 bytes for a packet. Gateways lower TCP's segments to what fits (Google, "MTU
considerations"), and nothing but TCP is sent across the mesh. Whatever filters a site's networks has must let ICMP "fragmentation needed"
in all the same: without it a handshake works, and the first large row hangs.
"""

import pulumi
import pulumi_random as random
from pulumi_azure_native import network
from pulumi_gcp import compute

AWS_VERSIONS = ["ikev2"]
AWS_ENCRYPTION = ["AES256-GCM-16"]
AWS_INTEGRITY = ["SHA2-384"]
AWS_GROUPS = [20]

GOOGLE_VERSION = 2
GOOGLE_ENCRYPTION = ["AES-GCM-16-256"]
GOOGLE_FUNCTION = ["PRF-HMAC-SHA2-384"]
GOOGLE_GROUPS = ["Group-20"]

KEY_LENGTH = 48
"""Letters and digits: 285 bits. AWS takes 64 characters."""
FIRST_LETTER = "t"
"""AWS refuses a key that begins with 0: one deployment in sixty would fail, and nobody would know why."""


def azure_policy() -> network.IpsecPolicyArgs:
    """Azure's words. AES-GCM brings its own integrity in the second phase."""
    return network.IpsecPolicyArgs(
        ike_encryption=network.IkeEncryption.GCMAES256,
        ike_integrity=network.IkeIntegrity.SHA384,
        dh_group=network.DhGroup.ECP384,
        ipsec_encryption=network.IpsecEncryption.GCMAES256,
        ipsec_integrity=network.IpsecIntegrity.GCMAES256,
        pfs_group=network.PfsGroup.ECP384,
        sa_life_time_seconds=3600,
        sa_data_size_kilobytes=102_400_000,
    )


def google_suite() -> compute.VPNTunnelCipherSuiteArgs:
    """Google's words. AES-GCM brings its own integrity in both phases; the first needs a function to derive keys with."""
    return compute.VPNTunnelCipherSuiteArgs(
        phase1=compute.VPNTunnelCipherSuitePhase1Args(
            encryptions=GOOGLE_ENCRYPTION, integrities=[], prves=GOOGLE_FUNCTION, dhs=GOOGLE_GROUPS
        ),
        phase2=compute.VPNTunnelCipherSuitePhase2Args(encryptions=GOOGLE_ENCRYPTION, integrities=[], pfs=GOOGLE_GROUPS),
    )


class SharedKey(pulumi.ComponentResource):
    """The key of one tunnel, which both of its gateways know: made by chance, used nowhere else, written nowhere.

    What lies in the stack's state: this key, encrypted by the stack's own secrets provider, as an input of both gateways' resources. It
    cannot be kept out: whichever gateway makes a key up, the other one's cloud has to be told. Whoever reads it and stands in the path
    could pretend to be a gateway; he would meet TLS behind it.
    """

    value: pulumi.Output[str]

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:mesh:SharedKey", name, None, opts)
        made = random.RandomPassword(f"{name}-made", length=KEY_LENGTH, special=False, opts=pulumi.ResourceOptions(parent=self))
        self.value = pulumi.Output.secret(pulumi.Output.concat(FIRST_LETTER, made.result))
        self.register_outputs({})
