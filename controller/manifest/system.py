"""What the node's system is told: users, clock, firewall, updates, logs. Debian 12 and Ubuntu 24.04 read all of it."""

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

from controller.manifest.etcd import CLIENT_PORT, PEER_PORT
from controller.manifest.files import File, unit
from controller.manifest.node import (
    CONTROLLER,
    ETCD,
    ETCD_AUTHORITY,
    ETCD_IDENTITY,
    PAPERS,
    PROGRAMS,
    TOKENS,
    TOLD,
    WORK,
    Node,
    content,
)
from controller.manifest.units import FOUND, boot

METADATA = "169.254.169.254"

TIME = {
    "aws": "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4",
    "azure": "refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2",
    "gcp": f"server {METADATA} prefer iburst",
}
"""The cloud's own source, and no other: two that treat a leap second differently are a second apart for a day. Sources: AWS, "Set the time
reference on your EC2 instance to use the local Amazon Time Sync Service"; Azure, "Time sync for Linux VMs in Azure"; Google, "Configure
NTP on a VM"."""

DAYS = ("Mon,Thu", "Tue,Fri", "Wed,Sat")
"""By the place of the site's name among all three. No day is two sites'."""
HOUR = "03:00:00 UTC"


def system(node: Node) -> tuple[File, ...]:
    """All of it."""
    return (_told(node), _users(), _places(), _clock(node), _firewall(node), _kernel(), _journal(), *_updates(node))


def _told(node: Node) -> File:
    """For programs of `controller/boot`."""
    told = {
        "environment": node.environment,
        "site": node.site,
        "cloud": node.cloud,
        "client": node.client,
        "images": [{"image": image, "into": str(content(image))} for image in (node.etcd, node.controller)],
        "papers": [{"place": node.papers[one.name], "file": str(one.path), "owner": one.owner.name} for one in PAPERS],
        "tokens": [{"file": str(TOKENS / cloud), "audience": audience} for cloud, audience in node.audiences.items()],
        "identity": str(ETCD_IDENTITY.path),
        "authority": str(ETCD_AUTHORITY.path),
        "others": [f"https://{address}:{CLIENT_PORT}" for address in node.others],
    }
    return File(path=TOLD, content=json.dumps(told, indent=1) + "\n")


def _users() -> File:
    lines = (f'u {one.name} {one.number} "{one.name}" - -' for one in (ETCD, CONTROLLER))
    return _file("/etc/sysusers.d/trimaran.conf", *lines)


def _places() -> File:
    """The controller sees its tokens' place as it is when it starts, so it is there before. What people bring is in memory, too."""
    own = CONTROLLER.name
    return _file(
        "/etc/tmpfiles.d/trimaran.conf",
        f"d {PROGRAMS} 0755 root root -",
        f"d {TOKENS} 0700 {own} {own} -",
        f"d {WORK} 0700 {own} {own} -",
    )


def _clock(node: Node) -> File:
    """Nobody is told the time by this node. A clock that is wrong at the start is set at once, later it is led."""
    return _file(
        "/etc/chrony/chrony.conf",
        TIME[node.cloud],
        "driftfile /var/lib/chrony/chrony.drift",
        "makestep 1.0 3",
        "rtcsync",
        "port 0",
        "cmdport 0",
    )


def _firewall(node: Node) -> File:
    """Beside the cloud's own rules, and the same ones: each holds when somebody makes a mistake in the other.

    The machine's identity is for who fetches papers and for the controller: whoever gets into etcd is not the cloud's administrator.
    """
    return _file(
        "/etc/nftables.conf",
        "flush ruleset",
        "table inet trimaran {",
        "  chain input {",
        "    type filter hook input priority filter; policy drop;",
        "    ct state established,related accept",
        "    ct state invalid drop",
        '    iif "lo" accept',
        "    meta l4proto { icmp, ipv6-icmp } accept",
        "    udp sport 67 udp dport 68 accept",
        f"    ip saddr {{ {_all(node.others)} }} tcp dport {{ {CLIENT_PORT}, {PEER_PORT} }} accept",
        f"    ip saddr {{ {_all(node.callers)} }} tcp dport {CLIENT_PORT} accept",
        "  }",
        "  chain forward {",
        "    type filter hook forward priority filter; policy drop;",
        "  }",
        "  chain output {",
        "    type filter hook output priority filter; policy accept;",
        f"    ip daddr {METADATA} tcp dport 80 meta skuid != {{ 0, {CONTROLLER.number} }} reject",
        "  }",
        "}",
    )


def _kernel() -> File:
    """A node that stands still is worse than one that starts anew."""
    return _file(
        "/etc/sysctl.d/60-trimaran.conf",
        "kernel.panic = 10",
        "kernel.panic_on_oops = 1",
        "kernel.dmesg_restrict = 1",
        "kernel.kptr_restrict = 2",
        "kernel.unprivileged_bpf_disabled = 1",
        "fs.suid_dumpable = 0",
    )


def _journal() -> File:
    """Kept over a start, within what the system's disk can spare; one program that repeats itself silences no other."""
    return _file(
        "/etc/systemd/journald.conf.d/trimaran.conf",
        "[Journal]",
        "Storage=persistent",
        "SystemMaxUse=4G",
        "SystemKeepFree=4G",
        "MaxRetentionSec=30day",
        "RateLimitIntervalSec=30s",
        "RateLimitBurst=10000",
        "ForwardToSyslog=no",
    )


def _updates(node: Node) -> tuple[File, ...]:
    """Security updates by themselves, and a start when one asks for it, on days that are this site's alone.

    1. One update reaches all three nodes in one night, and each starts anew. 2. For a minute there is no majority. 3. A cloud dies in that
    minute, or the update is a bad one and no node comes back. So each node has days of its own, does not catch up on a day that it was off,
    and leaves everything as it is unless both other members of etcd are well.
    """
    days = DAYS[sorted(node.nodes).index(node.site)]
    return (
        _file(
            "/etc/apt/apt.conf.d/90trimaran",
            'APT::Periodic::Enable "1";',
            'APT::Periodic::Update-Package-Lists "always";',
            'APT::Periodic::Unattended-Upgrade "always";',
            "#clear Unattended-Upgrade::Origins-Pattern;",
            "#clear Unattended-Upgrade::Allowed-Origins;",
            "Unattended-Upgrade::Origins-Pattern {",
            '  "origin=Debian,codename=${distro_codename}-security,label=Debian-Security";',
            '  "origin=Ubuntu,archive=${distro_codename}-security";',
            "};",
            'Unattended-Upgrade::Automatic-Reboot "true";',
            'Unattended-Upgrade::Automatic-Reboot-WithUsers "true";',
            'Unattended-Upgrade::Automatic-Reboot-Time "now";',
            'Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";',
        ),
        unit(
            "apt-daily-upgrade.timer.d/trimaran.conf",
            "[Timer]",
            "OnCalendar=",
            f"OnCalendar={days} *-*-* {HOUR}",
            "RandomizedDelaySec=0",
            "Persistent=false",
        ),
        unit("apt-daily-upgrade.service.d/trimaran.conf", "[Service]", FOUND, f"ExecCondition={boot('others')}"),
    )


def _file(path: str, *lines: str) -> File:
    return File(path=PurePosixPath(path), content="\n".join(lines) + "\n")


def _all(addresses: Iterable[IPv4Address | IPv4Network]) -> str:
    return ", ".join(str(one) for one in addresses)
