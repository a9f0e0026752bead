"""The client alone: what `pip install twinpost` brings is enough for it, and the command says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.repo.wheels import built

PLAIN = {"googleapis-common-protos", "grpcio", "protobuf"}
NEEDED_BY_THEM = {"typing-extensions"}

PROGRAM = """
from twinpost.client import AsyncClient, AsyncPublisher, Client, Publisher, Record, RecordError

with Client("127.0.0.1:1", retry=None) as client:
    try:
        client.produce(Record("greetings", "hello"), timeout_s=30)
    except RecordError as error:
        print(error.reason, error.delivered)
"""

TYPED_PROGRAM = """
from twinpost.client import Client, Record
from twinpost.v1 import record_pb2

reveal_type(Client("x").produce(Record("greetings", b"hello")).offset)
reveal_type(record_pb2.Record().topic)
Record("greetings", 5)
"""


@pytest.fixture(scope="module")
def interpreter(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel of this tree, and only the packages that it requires."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, with_pip=False)
    (site,) = directory.glob("lib/python*/site-packages")
    with zipfile.ZipFile(built(root, "wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        archive.extractall(site)
    for name in PLAIN | NEEDED_BY_THEM:
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(installed.locate_file(top)))
    return directory / "bin" / "python"


def _run(interpreter: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([interpreter, "-I", "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_plain_install_requires_three_packages() -> None:
    """What a program pays for that only calls the gateway."""
    requires = map(Requirement, distribution("twinpost").requires or [])
    assert {requirement.name for requirement in requires if requirement.marker is None} == PLAIN


def test_client_works_with_what_a_plain_install_brings(interpreter: Path) -> None:
    """It is imported, calls, and tells that nobody is there."""
    ran = _run(interpreter, PROGRAM)
    assert ("GATEWAY_UNAVAILABLE no\n", "", 0) == (ran.stdout, ran.stderr, ran.returncode)


@pytest.mark.parametrize("module", ["click", "confluent_kafka", "grpc_health", "msgspec", "pydantic"])
def test_plain_install_has_nothing_of_the_gateways_own(interpreter: Path, module: str) -> None:
    """Else the test above would prove little."""
    assert f"ModuleNotFoundError: No module named '{module}'" in _run(interpreter, f"import {module}").stderr


def test_command_says_which_extra_to_install(interpreter: Path) -> None:
    """One line, and the exit code of a failure."""
    ran = _run(interpreter, "from twinpost_server.__main__ import main; main()")
    expected = (
        "twinpost: the gateway is not installed, only the Python client (there is no module 'click'); "
        "`pip install 'twinpost[server]'` brings it\n"
    )
    assert (1, "", expected) == (ran.returncode, ran.stdout, ran.stderr)


def test_fault_within_the_package_is_not_taken_for_a_missing_extra(interpreter: Path) -> None:
    """A module of twinpost's own that is missing is a broken installation, and shown as that."""
    program = "import sys; sys.modules['twinpost_server.cli'] = None; from twinpost_server.__main__ import main; main()"
    ran = _run(interpreter, program)
    assert "twinpost[server]" not in ran.stderr
    assert "ModuleNotFoundError: import of twinpost_server.cli halted" in ran.stderr


def test_installed_client_is_typed(interpreter: Path, tmp_path: Path) -> None:
    """mypy reads the types of the client, and of the generated code beside it."""
    program = tmp_path / "program.py"
    program.write_text(TYPED_PROGRAM, encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--config-file=", "--strict", f"--python-executable={interpreter}"]
    checked = subprocess.run(
        [*mypy, f"--cache-dir={tmp_path / 'cache'}", program.name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "MYPYPATH"},
    )
    refused = 'Argument 2 to "Record" has incompatible type "int"; expected "bytes | str | None"  [arg-type]'
    assert [
        'program.py:5: note: Revealed type is "int"',
        'program.py:6: note: Revealed type is "str"',
        f"program.py:7: error: {refused}",
        "Found 1 error in 1 file (checked 1 source file)",
    ] == checked.stdout.splitlines()
