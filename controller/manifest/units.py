"""Units of a control node: what is started, after what, and what each may do.

```
network ─> trimaran-images ──┬─> trimaran-etcd <── etcd's disk <── trimaran-disk
           trimaran-papers ──┴─> trimaran-controller      trimaran-tokens, every few minutes
```

No unit has a watchdog: neither etcd nor the controller would feed it.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from controller.manifest.etcd import arguments
from controller.manifest.files import File, escaped, unit
from controller.manifest.node import (
    BOOT,
    CONTROLLER,
    DISK,
    ENVIRONMENT,
    ETCD,
    PLACE,
    PROGRAMS,
    SETTINGS,
    STORE,
    TOKENS,
    Node,
    User,
    content,
)
from controller.manifest.programs import controller

TARGET, IMAGES, PAPERS, RENEWAL = "trimaran.target", "trimaran-images.service", "trimaran-papers.service", "trimaran-renewal"
TOKENS_TOLD = "trimaran-tokens"
DISK_MADE, MOUNT = "trimaran-disk.service", f"{escaped(str(DISK))}.mount"
MEMBER, DECIDES = "trimaran-etcd.service", "trimaran-controller.service"

HARDENED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "UMask=0077",
    # A core has every key in it that the process had.
    "LimitCORE=0",
)
POWERLESS = ("CapabilityBoundingSet=", "AmbientCapabilities=")

FETCHED = (f"Requires={IMAGES} {PAPERS}", f"After={IMAGES} {PAPERS} network-online.target", "Wants=network-online.target")
# systemd gives up after five starts in ten seconds. 1. The disk is full for a minute. 2. Somebody makes room. 3. The member stays down
# until a person looks, and the next failure takes the majority.
FOR_EVER = ("Restart=always", "RestartSec=1")
NEVER_GIVE_UP = "StartLimitIntervalSec=0"


def units(node: Node) -> tuple[File, ...]:
    """All of them."""
    return (
        unit(
            TARGET,
            "[Unit]",
            "Description=Control node",
            f"Wants={MEMBER} {DECIDES} {RENEWAL}.timer {TOKENS_TOLD}.timer",
            *_wanted_by("multi-user.target"),
        ),
        _images(),
        _papers(PAPERS, "Papers of this node", ("RemainAfterExit=yes", *_runtime_directory())),
        # Not the unit above once more: whoever needs that one would be started anew with it, etcd too.
        _papers(f"{RENEWAL}.service", "Papers of this node, anew", (f"ReadWritePaths={PLACE}",)),
        _every_day(),
        *_tokens(),
        _disk(node),
        _waiting(node),
        _mount(node),
        _member(node),
        _controller(node),
    )


def boot(command: str) -> str:
    """The command line of a program that came with the node (`controller/boot`)."""
    return f"/usr/bin/python3 -P -B -m controller.boot {command}"


INTERPRETER = "/opt/trimaran/bin/python -I"
"""In the controller's image."""
FOUND = f"Environment=PYTHONPATH={BOOT}"
"""Where it is found."""


def _images() -> File:
    return unit(
        IMAGES,
        "[Unit]",
        "Description=Programs of this node, by digest",
        "Wants=network-online.target",
        "After=network-online.target",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        FOUND,
        f"ExecStart={boot('images')}",
        # It goes on asking; whoever waits for it waits as long.
        "TimeoutStartSec=infinity",
        "MemoryMax=3G",
        f"ReadWritePaths={PROGRAMS}",
        "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER",
        *HARDENED,
        # The last one counts. Programs are for all: whoever runs them is not who fetched them.
        "UMask=0022",
    )


def _papers(name: str, description: str, lines: Iterable[str]) -> File:
    return unit(
        name,
        "[Unit]",
        f"Description={description}",
        "Wants=network-online.target",
        "After=network-online.target systemd-sysusers.service",
        "[Service]",
        "Type=oneshot",
        FOUND,
        f"ExecStart={boot('papers')}",
        "TimeoutStartSec=infinity",
        "MemoryMax=512M",
        *lines,
        "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE",
        *HARDENED,
    )


def _every_day() -> File:
    """etcd reads its certificate at every connection. The controller reads its own once: it is started anew by hand, one node at a time."""
    timer = ("[Timer]", "OnCalendar=daily UTC", "RandomizedDelaySec=1h")
    return unit(f"{RENEWAL}.timer", "[Unit]", "Description=Papers anew, every day", *timer)


def _tokens() -> tuple[File, ...]:
    """One round after the other. Nobody waits for it: a controller whose other clouds do not know it yet still sees to its own."""
    service = unit(
        f"{TOKENS_TOLD}.service",
        "[Unit]",
        "Description=What this node's cloud says of it, for the other clouds",
        "Wants=network-online.target",
        "After=network-online.target",
        NEVER_GIVE_UP,
        "[Service]",
        "Type=oneshot",
        FOUND,
        f"ExecStart={boot('tokens')}",
        # Answers may come byte by byte: 1. a round hangs on one for ever. 2. The timer waits for it. 3. Every token ends.
        "TimeoutStartSec=1min",
        "Restart=on-failure",
        "RestartSec=15",
        *_as(CONTROLLER),
        "MemoryMax=256M",
        f"ReadWritePaths={TOKENS}",
        *POWERLESS,
        *HARDENED,
    )
    timer = ("[Timer]", "OnActiveSec=0", "OnUnitInactiveSec=5min", "AccuracySec=10s")
    return service, unit(f"{TOKENS_TOLD}.timer", "[Unit]", "Description=Tokens anew, every five minutes", *timer)


def _runtime_directory() -> tuple[str, ...]:
    places = " ".join(str(user.place).removeprefix("/run/") for user in (ETCD, CONTROLLER))
    return (f"RuntimeDirectory={places}", "RuntimeDirectoryMode=0755", "RuntimeDirectoryPreserve=yes")


def _disk(node: Node) -> File:
    """A file system on a disk that is empty, and only then: `systemd-makefs` leaves one that holds anything as it is."""
    device = f"{escaped(node.device)}.device"
    return unit(
        DISK_MADE,
        "[Unit]",
        "Description=A file system on etcd's disk, when it has none",
        f"BindsTo={device}",
        f"After={device}",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f"ExecStart=/usr/lib/systemd/systemd-makefs ext4 {node.device}",
        "TimeoutStartSec=10min",
    )


def _waiting(node: Node) -> File:
    """Where a disk is attached after the machine has started, it is not there when it is first looked for."""
    return unit(f"{escaped(node.device)}.device.d/trimaran.conf", "[Unit]", "JobRunningTimeoutSec=infinity")


def _mount(node: Node) -> File:
    """Not one of the system's own: a node without this disk still starts, and somebody can log in and see why etcd does not."""
    return unit(
        MOUNT,
        "[Unit]",
        "Description=etcd's disk",
        "DefaultDependencies=no",
        f"Requires={DISK_MADE}",
        f"After={DISK_MADE}",
        "Conflicts=umount.target",
        "Before=umount.target",
        "[Mount]",
        f"What={node.device}",
        f"Where={DISK}",
        "Type=ext4",
        "Options=noatime,nodev,nosuid,noexec",
    )


def _member(node: Node) -> File:
    """Type=notify: etcd says when it is one of a majority, which may take as long as the others need."""
    program = content(node.etcd) / "usr/local/bin/etcd"
    flags = " \\\n  ".join(arguments(node.member()))
    return unit(
        MEMBER,
        "[Unit]",
        f"Description=etcd member {node.site}",
        *FETCHED,
        # 1. The disk is not there. 2. etcd starts on the system's, empty. 3. It answers with less than it had confirmed.
        f"RequiresMountsFor={DISK}",
        f"BindsTo={MOUNT}",
        NEVER_GIVE_UP,
        "[Service]",
        "Type=notify",
        "TimeoutStartSec=infinity",
        f"ExecStartPre=+/usr/bin/install -d -m 0700 -o {ETCD.name} -g {ETCD.name} {STORE}",
        f"ExecStart={program} \\\n  {flags}",
        *FOR_EVER,
        "TimeoutStopSec=20",
        *_as(ETCD),
        "MemoryMax=3G",
        "TasksMax=512",
        "CPUWeight=1000",
        "IOWeight=1000",
        "OOMScoreAdjust=-900",
        "LimitNOFILE=65536",
        f"ReadWritePaths={DISK}",
        "IPAddressDeny=any",
        f"IPAddressAllow=localhost {_all((*node.nodes.values(), *node.callers))}",
        "RestrictAddressFamilies=AF_INET AF_UNIX",
        "MemoryDenyWriteExecute=yes",
        *POWERLESS,
        *HARDENED,
    )


def _controller(node: Node) -> File:
    """Not after etcd: one whose own member is down observes, and acts, by way of the other two."""
    return unit(
        DECIDES,
        "[Unit]",
        f"Description=Controller at {node.site}",
        *FETCHED,
        NEVER_GIVE_UP,
        "[Service]",
        "Type=exec",
        f"ExecStart={INTERPRETER} {' '.join(controller(str(SETTINGS.path)))}",
        *FOR_EVER,
        "TimeoutStopSec=5",
        "MemoryMax=2G",
        "TasksMax=512",
        "CPUWeight=500",
        "LimitNOFILE=65536",
        *placed(node),
    )


def placed(node: Node) -> tuple[str, ...]:
    """Where the controller's program runs, as whom, with which papers, and what it may: its unit's, and that of commands on the node."""
    seen = " ".join(
        (str(CONTROLLER.place), str(TOKENS), "/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs", "/usr/share/ca-certificates")
    )
    return (
        f"RootDirectory={content(node.controller)}",
        "MountAPIVFS=yes",
        f"BindReadOnlyPaths={seen}",
        f"EnvironmentFile={ENVIRONMENT.path}",
        *_as(CONTROLLER),
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        *POWERLESS,
        *HARDENED,
    )


def _as(user: User) -> tuple[str, ...]:
    return (f"User={user.name}", f"Group={user.name}")


def _wanted_by(target: str) -> tuple[str, ...]:
    return ("[Install]", f"WantedBy={target}")


def _all(addresses: Iterable[IPv4Address | IPv4Network]) -> str:
    return " ".join(str(one) for one in addresses)
