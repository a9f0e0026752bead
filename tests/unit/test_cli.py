"""The command line."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.unit.security.users_files import quick_hash, write_users
from twinpost_server import __version__, cli
from twinpost_server.config.settings import Settings
from twinpost_server.config.sources import FLAGS
from twinpost_server.security.passwords import verify_password
from twinpost_server.security.users import User, read_users

HASH = quick_hash("old")
TIMEOUT_S = 30.0

SASL = """
[kafka]
bootstrap_servers = "a:1"
security_protocol = "SASL_PLAINTEXT"
sasl_mechanism = "PLAIN"
sasl_username = "gateway"
sasl_password_file = "password"
"""

# A terminal of its own for the command, as a login has: what is asked in secret is asked on that.
ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "twinpost_server", *sys.argv[1:]])
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and no settings in the environment."""
    for name in os.environ:
        if name.startswith("TWINPOST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli.cli, arguments, prog_name="twinpost", input=stdin)


def spawn(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as users do."""
    return subprocess.run(
        [sys.executable, "-m", "twinpost_server", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


class TestProgram:
    """The program as a whole."""

    def test_version_is_printed(self) -> None:
        """Through the module, as through the script."""
        answer = spawn("--version")
        assert (0, f"twinpost, version {__version__}\n", "") == (answer.returncode, answer.stdout, answer.stderr)

    @pytest.mark.parametrize("flag", ["-h", "--help"])
    @pytest.mark.parametrize(
        "command",
        [
            (),
            ("serve",),
            ("dev",),
            ("produce",),
            ("user",),
            ("user", "add"),
            ("user", "remove"),
            ("user", "list"),
            ("check-config",),
            ("print-envoy-config",),
        ],
    )
    def test_every_command_has_help(self, command: tuple[str, ...], flag: str) -> None:
        """Short and long."""
        answer = run(*command, flag)
        assert (0, f"Usage: {' '.join(('twinpost', *command))} [OPTIONS]") == (
            answer.exit_code,
            answer.output[: len(f"Usage: {' '.join(('twinpost', *command))} [OPTIONS]")],
        )

    @pytest.mark.parametrize(
        "arguments", [("srve",), ("serve", "--prot", "1"), ("dev", "--port", "0"), ("user", "add"), ("user", "add", "")]
    )
    def test_wrong_usage_ends_with_2(self, arguments: tuple[str, ...]) -> None:
        """As with every click program."""
        assert 2 == run(*arguments).exit_code

    @pytest.mark.parametrize(
        ("arguments", "fault"),
        [
            (("--host", "localhost"), "flag --host: 'localhost' is not an IP address"),
            (("--kafka", ""), "flag --kafka: '' is not accepted: expected text, not empty"),
        ],
    )
    def test_dev_tells_what_is_wrong_with_a_flag(self, arguments: tuple[str, str], fault: str) -> None:
        """As `serve` does, not with a traceback."""
        answer = spawn("dev", "--kafka-port", "0", *arguments)
        assert 2 == answer.returncode
        assert answer.stderr.startswith("twinpost: the configuration has 1 fault\n")
        assert fault in " ".join(answer.stderr.split())

    def test_help_loads_neither_kafka_nor_grpc(self) -> None:
        """What answers at once does not load what takes long."""
        program = (
            "import sys\n"
            "from twinpost_server import cli\n"
            "cli.cli(['serve', '--help'], standalone_mode=False)\n"
            "print([name for name in ('confluent_kafka', 'grpc', 'uvloop') if name in sys.modules])"
        )
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        assert "[]" == answer.stdout.splitlines()[-1]


class TestSettings:
    """Commands that take settings."""

    @pytest.mark.parametrize("command", ["serve", "check-config", "print-envoy-config"])
    def test_every_fault_is_on_standard_error_and_the_exit_code_2(self, command: str) -> None:
        """The same report from each of them."""
        answer = run(command, "--port", "x")
        first, *faults = answer.stderr.splitlines()
        assert (2, "", "twinpost: the configuration has 3 faults") == (answer.exit_code, answer.stdout, first)
        assert ["  auth", "  flag --port", "  kafka.bootstrap_servers"] == sorted(
            fault.split(":")[0] for fault in faults
        )

    def test_report_reaches_the_operator(self) -> None:
        """From the program itself, not only in this process."""
        answer = spawn("serve", "--auth-mode", "none")
        assert (2, "", "twinpost: the configuration has 1 fault") == (
            answer.returncode,
            answer.stdout,
            answer.stderr.splitlines()[0],
        )

    def test_every_flag_of_the_settings_is_a_flag_of_the_command(self) -> None:
        """And the other way round, but for --config."""
        options = {
            name
            for parameter in cli.serve.params
            for name in parameter.opts
            if name not in {"--config", "-h", "--help"}
        }
        assert FLAGS.keys() == options

    def test_effective_settings_are_printed_as_toml(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        """What is printed configures the same gateway."""
        write_users(directory / "users.toml", {"shop": (HASH, ["*"])})
        (directory / "twinpost.toml").write_text(
            '[kafka]\nbootstrap_servers = "a:1"\n[auth]\nusers_file = "users.toml"\n'
        )
        monkeypatch.setenv("TWINPOST_REST__CORS_ORIGINS", "https://a.example")
        answer = run("check-config", "--config", "twinpost.toml", "--port", "9000", "--no-envoy")
        settings = Settings.model_validate(tomllib.loads(answer.stdout))
        assert 0 == answer.exit_code
        assert ("a:1", 9000, False, ("https://a.example",), directory / "users.toml") == (
            settings.kafka.bootstrap_servers,
            settings.listen.port,
            settings.envoy.enabled,
            settings.rest.cors_origins,
            settings.auth.users_file,
        )

    @pytest.mark.parametrize(("content", "problem"), [("", "has no user"), ("[users.a]", "password_hash is no Argon2")])
    def test_faults_of_the_users_file_are_reported_too(self, directory: Path, content: str, problem: str) -> None:
        """A gateway that would refuse everybody does not start."""
        (directory / "users.toml").write_text(content)
        answer = run("check-config", "--kafka", "x:1", "--users-file", "users.toml")
        assert (2, True) == (answer.exit_code, problem in answer.stderr)

    def test_faults_of_the_brokers_password_are_reported_too(self, directory: Path) -> None:
        """A worker would wait for them to be mended."""
        (directory / "password").write_bytes(b"\xff")
        (directory / "twinpost.toml").write_text(f'{SASL}[auth]\nmode = "none"\n')
        answer = run("check-config", "--config", "twinpost.toml")
        assert (2, True) == (answer.exit_code, "kafka.sasl_password_file: the file it names" in answer.stderr)

    def test_secrets_are_not_printed(self, directory: Path) -> None:
        """Settings name the file of a password, never the password."""
        (directory / "password").write_text("hunter2")
        write_users(directory / "users.toml", {"shop": (HASH, ["*"])})
        (directory / "twinpost.toml").write_text(f'{SASL}[auth]\nusers_file = "users.toml"\n')
        answer = run("check-config", "--config", "twinpost.toml")
        assert (0, False, False) == (answer.exit_code, "hunter2" in answer.output, HASH in answer.output)

    def test_envoy_configuration_is_printed(self) -> None:
        """For an Envoy that somebody else starts."""
        answer = run(
            "print-envoy-config", "--kafka", "x:1", "--auth-mode", "none", "--port", "9123", "--run-dir", "sockets"
        )
        configuration = yaml.safe_load(answer.stdout)
        address = configuration["static_resources"]["listeners"][0]["address"]["socket_address"]
        assert (0, 9123) == (answer.exit_code, address["port_value"])
        assert str(Path("sockets").absolute()) in configuration["admin"]["address"]["pipe"]["path"]


class TestUsers:
    """The commands for the users file."""

    def test_user_is_added_with_the_password_of_standard_input(self, directory: Path) -> None:
        """One line of it, without its end; nothing that is printed shows password or hash."""
        answer = run("user", "add", "shop", "--topic", "orders.*", "--topic", "cities", stdin="Pa:ss wörd\r\nmore\n")
        user = read_users(directory / "users.toml")["shop"]
        assert (0, "users.toml: shop may write orders.*, cities\n", "") == (
            answer.exit_code,
            answer.stdout,
            answer.stderr,
        )
        assert ("orders.*", "cities") == user.topics
        assert verify_password(user.password_hash, "Pa:ss wörd".encode())

    def test_hash_costs_what_it_should(self, directory: Path) -> None:
        """Users get hashes of full strength."""
        run("user", "add", "shop", "--password-stdin", stdin="mypass\n")
        assert "$argon2id$v=19$m=65536,t=3,p=4$" in (directory / "users.toml").read_text()

    def test_file_may_be_given_by_flag_or_variable(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The variable is the one that the gateway reads."""
        run("user", "add", "a", "--file", "one.toml", stdin="x\n")
        monkeypatch.setenv("TWINPOST_AUTH__USERS_FILE", "two.toml")
        run("user", "add", "b", stdin="x\n")
        assert [{"a"}, {"b"}] == [set(read_users(directory / name)) for name in ("one.toml", "two.toml")]

    def test_user_there_is_is_not_changed_and_no_password_asked_for(self, directory: Path) -> None:
        """Standard input is not even read."""
        write_users(directory / "users.toml", {"shop": (HASH, ["*"])})
        answer = run("user", "add", "shop", stdin="")
        assert (1, "twinpost: user 'shop' exists already in users.toml; give --replace to change it\n") == (
            answer.exit_code,
            answer.stderr,
        )

    def test_user_is_replaced(self, directory: Path) -> None:
        """A new password; the topics stay unless new ones are given."""
        write_users(directory / "users.toml", {"shop": (HASH, ["cities"])})
        answer = run("user", "add", "shop", "--replace", stdin="new\n")
        user = read_users(directory / "users.toml")["shop"]
        assert (0, ("cities",)) == (answer.exit_code, user.topics)
        assert verify_password(user.password_hash, b"new")

    def test_topics_alone_are_replaced(self, directory: Path) -> None:
        """Whoever grants rights need not know passwords."""
        write_users(directory / "users.toml", {"shop": (HASH, ["cities"])})
        answer = run("user", "add", "shop", "--replace", "--keep-password", "--topic", "x*")
        assert (0, {"shop": User("shop", HASH, ("x*",))}) == (answer.exit_code, read_users(directory / "users.toml"))

    @pytest.mark.parametrize(
        ("arguments", "stdin", "problem"),
        [
            (("shop",), "", "a password cannot be empty"),
            (("shop",), "\n", "a password cannot be empty"),
            (("shop",), "a\tb\n", "a password cannot have control characters"),
            (("shop",), b"\xff\n", "the password on standard input is not UTF-8"),
            (("shop",), "x" * 1025, "a password of 1025 bytes is over the limit of 1024"),
            (("a:b",), "x\n", "a user name cannot have a colon or control characters"),
            (("shop", "--topic", "a b"), "x\n", "'a b' is neither a topic"),
            (("shop", "--keep-password"), "x\n", "--keep-password needs --replace, and a --topic or a rate"),
            (("shop", "--keep-password", "--replace"), "x\n", "--keep-password needs --replace, and a --topic"),
        ],
    )
    def test_wrong_usage_changes_nothing(
        self, directory: Path, arguments: tuple[str, ...], stdin: str | bytes, problem: str
    ) -> None:
        """And says what is wrong."""
        answer = run("user", "add", *arguments, stdin=stdin)
        assert (2, True) == (answer.exit_code, problem in answer.stderr)
        assert [] == list(directory.iterdir())

    def test_password_on_the_command_line_is_no_way(self, directory: Path) -> None:
        """Where every process of the machine could read it."""
        assert 2 == run("user", "add", "shop", "mypass").exit_code
        assert 2 == run("user", "add", "shop", "--password", "mypass").exit_code
        assert [] == list(directory.iterdir())

    def test_users_are_listed_without_hashes(self, directory: Path) -> None:
        """One line each, for people and for `cut`."""
        write_users(directory / "users.toml", {"shop": (HASH, ["orders.*", "x"]), "anna": (HASH, ["*"])})
        answer = run("user", "list")
        assert (0, "anna  *\nshop  orders.*, x\n") == (answer.exit_code, answer.stdout)

    def test_user_is_removed(self, directory: Path) -> None:
        """And only that one."""
        write_users(directory / "users.toml", {"shop": (HASH, ["*"]), "anna": (HASH, ["*"])})
        answer = run("user", "remove", "shop")
        assert (0, "users.toml: shop is removed\n") == (answer.exit_code, answer.stdout)
        assert {"anna"} == read_users(directory / "users.toml").keys()

    @pytest.mark.parametrize(
        ("arguments", "code", "problem"),
        [
            (("remove", "nobody"), 1, "there is no user 'nobody' in users.toml"),
            (("list", "--file", "none.toml"), 2, "none.toml: cannot be read: No such file or directory"),
            (("remove", "shop", "--file", "none.toml"), 1, "none.toml was not changed: No such file or directory"),
        ],
    )
    def test_what_cannot_be_done_is_said(
        self, directory: Path, arguments: tuple[str, ...], code: int, problem: str
    ) -> None:
        """Without a traceback."""
        write_users(directory / "users.toml", {"shop": (HASH, ["*"])})
        answer = run("user", *arguments)
        assert (code, True) == (answer.exit_code, problem in answer.stderr)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        """Start the command."""
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.output = ""

    def expect(self, text: str) -> None:
        """Return once the command has written `text`."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.output:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come; this did: {self.output!r}"
            try:
                self.output += os.read(self._ours, 1024).decode()
            except OSError:  # how Linux says that the other side is closed
                pytest.fail(f"the command ended without {text!r}: {self.output!r}")

    def type(self, text: str) -> None:
        """Type `text`, what was written before being read."""
        self.output = ""
        os.write(self._ours, text.encode())

    def close(self) -> None:
        """End the command, where it has not ended by itself."""
        self.process.kill()
        self.process.wait(TIMEOUT_S)
        os.close(self._ours)


class TestPrompt:
    """The question for a password on a terminal."""

    @pytest.fixture
    def terminal(self, interruptible: None) -> Iterator[Terminal]:
        """`twinpost user add shop` on a terminal."""
        del interruptible
        terminal = Terminal("user", "add", "shop")
        yield terminal
        terminal.close()

    def test_password_is_asked_for_twice_and_not_shown(self, terminal: Terminal, directory: Path) -> None:
        """What is typed does not appear."""
        seen = ""
        for prompt in ("Password: ", "Repeat for confirmation: "):
            terminal.expect(prompt)
            seen += terminal.output
            terminal.type("Pa:ss wörd\n")
        terminal.expect("shop may write *")
        assert 0 == terminal.process.wait(TIMEOUT_S)
        assert "Pa:ss" not in seen + terminal.output
        assert verify_password(read_users(directory / "users.toml")["shop"].password_hash, "Pa:ss wörd".encode())

    def test_passwords_that_differ_are_asked_for_again(self, terminal: Terminal, directory: Path) -> None:
        """A slip of a finger locks nobody out."""
        terminal.expect("Password: ")
        terminal.type("one\n")
        terminal.expect("Repeat for confirmation: ")
        terminal.type("two\n")
        terminal.expect("Password: ")
        assert [] == list(directory.iterdir())

    def test_ctrl_c_changes_nothing(self, terminal: Terminal, directory: Path) -> None:
        """And ends the command with a failure."""
        terminal.expect("Password: ")
        terminal.type("\x03")
        terminal.expect("Aborted!")
        assert (1, []) == (terminal.process.wait(TIMEOUT_S), list(directory.iterdir()))
