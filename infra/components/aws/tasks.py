"""What a container of a service is told. Pure."""

from collections.abc import Iterator, Mapping

import pulumi

from infra.services import AGENT, EDGE_DOOR, Program, Service

SIZES: Mapping[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
}
"""CPU units, 1024 to a processor, and the MiB that Fargate gives with them (Amazon ECS Developer Guide, "Task CPU and memory")."""

WRITABLE: Mapping[str, str] = {"run": "/run/trimaran", "tmp": "/tmp"}  # noqa: S108  a mount of its own for each instance
"""Everything else in an instance cannot be written to."""
CHECK = "/usr/local/bin/trimaran-lives"
"""In every image: asks its own process, with its own papers, for the path of health, and ends with 0 when it lives."""
LIVES = "/healthz"


class TooLarge(ValueError):
    """Fargate has no machine of that size."""


def size(program: Program) -> tuple[int, int]:
    """The smallest that Fargate has for it: CPU units and MiB. Raises TooLarge."""
    for units, offered in SIZES.items():
        fitting = [mebibytes for mebibytes in offered if mebibytes >= program.mebibytes]
        if units >= program.millicores * 1024 // 1000 and fitting:
            return units, fitting[0]
    raise TooLarge(f"{program.service}: Fargate has nothing with {program.millicores} millicores and {program.mebibytes} MiB")


def ports(program: Program) -> tuple[int, ...]:
    """Where it listens."""
    own = () if program.port is None else (program.port,)
    return (*own, EDGE_DOOR, AGENT) if program.service is Service.EDGE else own


def container(
    program: Program, image: str, places: Mapping[str, pulumi.Input[str]], log: pulumi.Input[str], region: str
) -> Mapping[str, object]:
    """Its definition. `places`: by name of the secret, where it lies."""
    return {
        "name": program.service.value,
        "image": image,
        "essential": True,
        "readonlyRootFilesystem": True,
        "privileged": False,
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "mountPoints": [{"sourceVolume": name, "containerPath": path, "readOnly": False} for name, path in WRITABLE.items()],
        "portMappings": [{"containerPort": port, "hostPort": port, "protocol": "tcp"} for port in ports(program)],
        "environment": [{"name": name, "value": value} for name, value in sorted(program.environment.items())],
        "secrets": [{"name": one.variable, "valueFrom": places[one.name]} for one in program.secrets],
        # Payments that are under way are answered before the process goes; the edge lets its clients go meanwhile.
        "stopTimeout": 60,
        "logConfiguration": _logged(log, region),
        **dict(_checked(program)),
    }


def _logged(log: pulumi.Input[str], region: str) -> Mapping[str, object]:
    # 1. CloudWatch Logs answers slowly. 2. The pipe that the process writes its log to is full. 3. Its next line waits, and with it every
    # payment: a log that is away has stopped what it was about. So lines are dropped then.
    options = {
        "awslogs-group": log,
        "awslogs-region": region,
        "awslogs-stream-prefix": "instance",
        "mode": "non-blocking",
        "max-buffer-size": "25m",
    }
    return {"logDriver": "awslogs", "options": options}


def _checked(program: Program) -> Iterator[tuple[str, object]]:
    """One that hangs is replaced, and its address is taken out of the private name. Edges are asked by their balancer: what they answer
    for health is their service's, and whoever ended them when it fails would end those that hand its requests over."""
    if program.health == LIVES and program.port is not None:
        asked = ["CMD", CHECK, str(program.port), LIVES]
        yield "healthCheck", {"command": asked, "interval": 5, "timeout": 3, "retries": 3, "startPeriod": 60}
