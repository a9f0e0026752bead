"""What people read on their terminal: that the gateway serves, or why it does not.

Every function takes the `rich.console.Console` to write to, which knows whether there are colours: none where the
output is not a terminal, nor where NO_COLOR is set (no-color.org).
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from twinpost_server import __version__
from twinpost_server.config.faults import ConfigError
from twinpost_server.security.users import RATES, Users

__all__ = ["show_error", "show_faults", "show_notice", "show_started", "show_users"]


def show_started(
    console: Console, *, address: str, grpc_address: str, kafka: str, workers: int, user: str, example: str
) -> None:
    """Say that the gateway serves, where, for whom, and how to try it.

    Args:
        console: where to write.
        address: the base URL for REST.
        grpc_address: `host:port` for gRPC clients.
        kafka: the brokers that records go to, and what is worth knowing of them.
        workers: how many worker processes serve.
        user: who may call, in words.
        example: a command line to paste; it is written on one line, unchanged.
    """
    console.print()
    console.print(Text.assemble((f"twinpost {__version__}", "bold"), " serves"))
    console.print()
    for name, fact, style in (
        ("REST", address, "cyan"),
        ("gRPC", grpc_address, "cyan"),
        ("Kafka", kafka, ""),
        ("Workers", str(workers), ""),
        ("User", user, ""),
    ):
        console.print(Text.assemble((f"  {name:<9}", "dim"), (fact, style)), soft_wrap=True)
    console.print()
    console.print("  Try it:", style="dim", highlight=False)
    console.print()
    console.print(Text(f"  {example}", "green"), soft_wrap=True)
    console.print()
    console.print("Ctrl-C stops it.", style="dim", highlight=False)
    # Where the output is a file or a pipe, whoever waits for this text needs it now.
    console.file.flush()


def show_notice(console: Console, notice: str) -> None:
    """Say what a command did, as one line."""
    console.print(Text(notice), soft_wrap=True)
    console.file.flush()


def show_error(console: Console, problem: str) -> None:
    """Say why a command failed.

    Args:
        console: where to write.
        problem: what was wrong, what was expected, what to do; may have several lines.
    """
    console.print(Text.assemble(("twinpost: ", "bold red"), problem), soft_wrap=True)


def show_faults(console: Console, error: ConfigError) -> None:
    """Write every fault of a configuration, each on a line of its own."""
    count = len(error.faults)
    show_error(console, f"the configuration has {count} fault{'' if count == 1 else 's'}")
    for fault in error.faults:
        console.print(Text.assemble("  ", (fault.where, "bold"), ": ", fault.problem), soft_wrap=True)


def show_users(console: Console, users: Users) -> None:
    """Write a line for each user, with the topics that the user may write and the quota, if any."""
    width = max(map(len, users), default=0)
    for name, user in sorted(users.items()):
        rates = [f"{value:g} {rate}" for rate in RATES if (value := getattr(user, rate)) is not None]
        facts = "; ".join([", ".join(user.topics), *rates])
        console.print(Text.assemble((f"{name:<{width}}", "bold"), "  ", facts), soft_wrap=True)
