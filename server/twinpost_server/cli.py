"""The command line: what the commands and their flags are called, and nothing of what they do.

A command imports what it runs when it runs it, so that `--help` and `user` need not wait for the Kafka client, nor
`produce`, which scripts may call for every value, for what reads settings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from rich.console import Console

from twinpost_server import __version__
from twinpost_server.config.faults import ConfigError
from twinpost_server.console import show_error, show_faults, show_notice, show_users
from twinpost_server.core.topics import TopicPattern
from twinpost_server.security.passwords import hash_password, password_problem
from twinpost_server.security.users import RATE_MAX, name_problem, read_users, require_users
from twinpost_server.security.users_editor import EditError, put_user, remove_user, require_absent

if TYPE_CHECKING:
    from twinpost_server.config.settings import Settings

__all__ = ["main"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_FAILED: Final = 1
_BAD_USAGE: Final = 2

_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_RUN_DIR_SHOWN: Final = Path("/run/twinpost")


class _Reporting(click.Group):
    """Tells the operator of the errors that are expected, and exits."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what click returns
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            show_faults(_stderr(), error)
            ctx.exit(_BAD_USAGE)
        except EditError as error:
            show_error(_stderr(), str(error))
            ctx.exit(_FAILED)


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage or configuration."""
    cli(prog_name="twinpost")


@click.group(cls=_Reporting, context_settings=_CONTEXT)
@click.version_option(__version__)
def cli() -> None:
    """Put records into Apache Kafka over REST and gRPC."""


def _settings_flags(command: _Command) -> _Command:
    """Add the flags that settings are given by."""
    flags = (
        click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="TOML file with settings."),
        click.option("--host", metavar="ADDRESS", help="Address of the public port; 0.0.0.0 for every interface."),
        click.option("--port", metavar="PORT", help="Public port for REST, gRPC and gRPC-Web."),
        click.option("--kafka", metavar="HOST:PORT,...", help="Brokers of the Kafka cluster."),
        click.option("--users-file", metavar="FILE", help="Users who may call; see `twinpost user`."),
        click.option("--auth-mode", metavar="MODE", help="basic, or none to let everyone write."),
        click.option("--workers", metavar="N", help="Worker processes."),
        click.option("--envoy/--no-envoy", default=None, help="Start Envoy, or leave that to somebody else."),
        click.option("--run-dir", metavar="DIRECTORY", help="Where unix sockets go."),
        click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error."),
        click.option("--log-format", metavar="FORMAT", help="text, json, or auto: text on a terminal."),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


@cli.command()
@_settings_flags
def serve(config: Path | None, **flags: object) -> None:
    """Run the gateway: workers, and Envoy before them.

    Settings come from the file, then TWINPOST_SECTION__NAME in the environment, then flags; the later one wins.
    SIGTERM or Ctrl-C drains and stops it, SIGHUP replaces the workers one by one.
    """
    settings = _settings(config, flags)
    from twinpost_server import supervisor  # noqa: PLC0415 - see the module's docstring

    sys.exit(supervisor.run(settings))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address of the public port.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), metavar="PORT", help="Public port."
)
@click.option("--kafka", metavar="HOST:PORT,...", help="Use this cluster instead of a broker of its own.")
@click.option(
    "--kafka-port",
    default=19092,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port of the broker it brings; 0 for a free one.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Worker processes.")
@click.option(
    "--log-level",
    default="warning",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least severe lines written.",
)
def dev(**options: Any) -> None:  # noqa: ANN401 - what click makes of the options above
    """Try the gateway, with a broker of its own.

    The broker keeps its records in memory, and has the topics greetings and cities. The user myuser with the password
    mypass may write every topic. Ctrl-C ends everything.
    """
    from twinpost_server import dev as development  # noqa: PLC0415 - see the module's docstring

    sys.exit(development.run(**options))


def _file_option(name: str, meaning: str) -> Callable[[_Command], _Command]:
    return click.option(name, type=click.Path(path_type=Path), metavar="FILE", help=meaning)


@cli.command()
@click.argument("topic")
@click.argument("value", required=False)
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    show_default=True,
    envvar="TWINPOST_URL",
    show_envvar=True,
    metavar="URL",
    help="The gateway; https for TLS.",
)
@click.option("--user", envvar="TWINPOST_USER", show_envvar=True, metavar="NAME", help="Who calls.")
@_file_option(
    "--password-file", "Its first line is the password. Without: the variable TWINPOST_PASSWORD, or it is asked for."
)
@_file_option("--ca-file", "PEM file with who may have signed the gateway's certificate.")
@_file_option("--cert-file", "PEM file with a client certificate.")
@_file_option("--key-file", "PEM file with that one's key.")
@_file_option("--file", "Read lines from there instead of standard input.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["lines", "ndjson", "messages"]),
    default="lines",
    show_default=True,
    help="A line is a value; a JSON document, which is the value; or a message as for POST /produce.",
)
@click.option("--key", metavar="TEXT", help="The key of every record.")
@click.option("--key-field", metavar="NAME", help="With ndjson: the field of each document that is the key.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header of every record; as often as needed."
)
@click.option("--partition", type=click.IntRange(0, 2**31 - 1), metavar="N", help="The partition of every record.")
@_file_option("--failed", "Add every line that was not acknowledged to this file, as JSON, with the reason.")
@_file_option("--resume", "Remember in this file what is settled, and go on from there the next time; needs --failed.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a line may take to be acknowledged.",
)
@click.option("--resend-unknown", is_flag=True, help="Send again what may be stored already: at least once.")
def produce(topic: str, value: str | None, **options: Any) -> None:  # noqa: ANN401 - what click makes of the options
    """Put VALUE, or every line of a file or of standard input, into TOPIC.

    Lines are stored in order for each key. Ends with 0 if every line is acknowledged, 1 if some are not, and 2 where it
    could not begin.
    """
    from twinpost_server import feed  # noqa: PLC0415 - see the module's docstring

    sys.exit(feed.produce(topic, value, **options))


@cli.group()
def user() -> None:
    """Edit the users file.

    A gateway that runs takes the change over within a second or two.
    """


_users_file = click.option(
    "--file",
    "file",
    default="users.toml",
    show_default=True,
    envvar="TWINPOST_AUTH__USERS_FILE",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="The users file.",
)


_RATE: Final = click.FloatRange(min=0, min_open=True, max=RATE_MAX)


def _checked_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if problem := name_problem(name):
        raise click.BadParameter(problem)
    return name


def _checked_topics(_context: click.Context, _parameter: click.Parameter, topics: tuple[str, ...]) -> tuple[str, ...]:
    for topic in topics:
        try:
            TopicPattern(topic)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return topics


@user.command("add")
@click.argument("name", callback=_checked_name)
@_users_file
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="PATTERN",
    callback=_checked_topics,
    help="A topic that the user may write, or a prefix such as 'orders.*'; as often as needed. Without: every topic.",
)
@click.option(
    "--records-per-s", type=_RATE, help="How many records the user may send each second. Without: any number."
)
@click.option("--bytes-per-s", type=_RATE, help="How many bytes of records the user may send each second. Likewise.")
@click.option("--replace", is_flag=True, help="If the user exists, change the password, and what else is given.")
@click.option("--keep-password", is_flag=True, help="With --replace: change what else is given, alone.")
@click.option("--password-stdin", is_flag=True, help="Take the password from standard input, the first line of it.")
def user_add(  # noqa: PLR0913 - a parameter per option
    name: str,
    file: Path,
    topics: tuple[str, ...],
    *,
    records_per_s: float | None,
    bytes_per_s: float | None,
    replace: bool,
    keep_password: bool,
    password_stdin: bool,
) -> None:
    """Add the user NAME.

    The password is asked for. Where standard input is no terminal, it is the first line of that.
    """
    rates = {"records_per_s": records_per_s, "bytes_per_s": bytes_per_s}
    given = {unit: rate for unit, rate in rates.items() if rate is not None}
    if keep_password and not (replace and (topics or given)):
        msg = "--keep-password needs --replace, and a --topic or a rate to change"
        raise click.UsageError(msg)
    if not replace:
        require_absent(file, name)  # which is better said before somebody has thought of a password
    password_hash = None if keep_password else hash_password(_read_password(from_stdin=password_stdin))
    written = put_user(file, name, password_hash=password_hash, topics=topics or None, rates=given, replace=replace)
    show_notice(_stdout(), f"{file}: {name} may write {', '.join(written.topics)}")


@user.command("remove")
@click.argument("name")
@_users_file
def user_remove(name: str, file: Path) -> None:
    """Remove the user NAME."""
    remove_user(file, name)
    show_notice(_stdout(), f"{file}: {name} is removed")


@user.command("list")
@_users_file
def user_list(file: Path) -> None:
    """List the users and the topics each may write."""
    show_users(_stdout(), read_users(file))


@cli.command("check-config")
@_settings_flags
def check_config(config: Path | None, **flags: object) -> None:
    """Print the settings in effect, or all their faults.

    Takes what `serve` takes. The output is TOML; secrets are not among the settings, only files that hold them.
    """
    settings = _settings(config, flags)
    import tomlkit  # noqa: PLC0415 - see the module's docstring

    click.echo(tomlkit.dumps(settings.model_dump(mode="json", exclude_none=True)), nl=False)


@cli.command("print-envoy-config")
@_settings_flags
def print_envoy_config(config: Path | None, **flags: object) -> None:
    """Print the configuration that Envoy is given.

    Takes what `serve` takes. Where --run-dir is not set, it shows /run/twinpost; `serve` makes a temporary directory.
    """
    settings = _settings(config, flags)
    from twinpost_server.envoy.configuration import render  # noqa: PLC0415 - see the module's docstring

    click.echo(render(settings, settings.run_dir or _RUN_DIR_SHOWN), nl=False)


def _settings(config: Path | None, flags: Mapping[str, object]) -> Settings:
    from twinpost_server.config.broker_files import require_broker_files  # noqa: PLC0415 - see the module's docstring
    from twinpost_server.config.sources import load  # noqa: PLC0415 - likewise

    settings = load(config, os.environ, {f"--{name.replace('_', '-')}": value for name, value in flags.items()})
    if settings.auth.users_file is not None:
        require_users(settings.auth.users_file)
    require_broker_files(settings.kafka)
    return settings


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        try:
            password = sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            msg = "the password on standard input is not UTF-8"
            raise click.UsageError(msg) from error
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    if problem := password_problem(password):
        raise click.UsageError(problem)
    return password


def _stdout() -> Console:
    return Console(highlight=False)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)
