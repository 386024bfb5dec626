"""How our own broker is configured: one node that is broker and controller, on loopback, its files beside it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from local.ports import HOST

NODE_ID: Final = "1"

SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "auto.create.topics.enable": "false",  # topics are ours to make, as schemas/topics/ says
        "log.flush.interval.messages": "1",  # the only copy there is: what was acknowledged survives a power loss
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A broker that was killed may register again only after its old session has run out (default 9 s).
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        "log.cleaner.dedupe.buffer.size": "4194304",  # else 128 MiB of heap at once
        "num.network.threads": "2",
        "num.io.threads": "2",
    }
)
"""For a small machine, and durable."""


def render(port: int, controller_port: int, settings: Mapping[str, str] = SETTINGS) -> str:
    """The text of server.properties. Paths in it are relative: the broker runs where its data is."""
    listeners = f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}"
    lines = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller_port}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": "data",
        **settings,
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())
