"""A worker in a process of its own, spoken to as its supervisor speaks to it."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.unit.security.users_files import quick_hash, write_users
from twinpost_server.config.settings import AuthSettings, KafkaSettings, Settings, TimeoutSettings
from twinpost_server.supervisor.supervisor import WORKER_COMMAND

DEADLINE_S = 30.0

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBcDCCARWgAwIBAgIURm2CL0EiXGBqufwINNoKlQ4knBwwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwHhcNMjYxMTI4MTIzMTIyWhcNMzYxMTI1MTIzMTIyWjAN
MQswCQYDVQQDDAJjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPdw/Ub+r/FV
7EN5KMyPCk/oVgKdul3UgAA2RDFs3uTO28X2AUwHl657frDK40PfZYqR/FLzlVWW
Fcip6ftzHPmjUzBRMB0GA1UdDgQWBBTR5PwoRmLw/oKrRY0n4GRMiwrFnjAfBgNV
HSMEGDAWgBTR5PwoRmLw/oKrRY0n4GRMiwrFnjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQDM+BX+aFDagsrL3PQuvJZlh1XA8tqc+vBCkpf4z763
FQIhAKiHq/OIBkHBUGTdx0Y2E4Hhx9EEDOG+kJ557WV17sBF
-----END CERTIFICATE-----
"""
"""Any; nobody asks how long it is valid."""


@pytest.fixture
def users_file() -> Iterator[Path]:
    """A users file that cannot be used, in a directory with a short name for the socket's sake."""
    with tempfile.TemporaryDirectory(prefix="tp-") as directory:
        file = Path(directory) / "users.toml"
        file.write_text("[users.shop\n", encoding="utf-8")
        yield file


@asynccontextmanager
async def worker(users_file: Path, **kafka: object) -> AsyncIterator[Process]:
    """Start a worker with the settings `kafka`, for at most `DEADLINE_S`; it is gone at the end."""
    settings = Settings(
        kafka=KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:1", **kafka}),
        auth=AuthSettings(users_file=users_file),
        timeouts=TimeoutSettings(drain_grace_s=0, drain_timeout_s=0.5),
    )
    order = {"settings": settings.model_dump(mode="json"), "index": 0, "socket": str(users_file.with_name("w.sock"))}
    process = await asyncio.create_subprocess_exec(*WORKER_COMMAND, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(DEADLINE_S):
            assert process.stdin is not None
            process.stdin.write(json.dumps(order).encode() + b"\n")
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: Process) -> str:
    """Return the next event that the worker tells; empty where it has ended."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    return str(json.loads(line)["event"]) if line else ""


async def complaints(process: Process) -> int:
    """Return how often the worker has complained of a file, once it has ended."""
    assert process.stderr is not None
    return (await process.stderr.read()).count(b"a file cannot be used")


async def test_worker_waits_for_a_users_file_that_can_be_used(users_file: Path) -> None:
    """A typo is no reason to fail: the worker says why it waits, once, that it is alive, and serves once it can."""
    async with worker(users_file) as process:
        await _waits_until(lambda: write_users(users_file, {"shop": (quick_hash("secret"), ["*"])}), process)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
async def test_worker_waits_for_the_password_of_the_brokers(users_file: Path, content: bytes | None) -> None:
    """A secret that is being renewed may be away, or cut off, for a while; the other workers serve meanwhile."""
    write_users(users_file, {"shop": (quick_hash("secret"), ["*"])})
    password = users_file.with_name("password")
    if content is not None:
        password.write_bytes(content)
    sasl = {"sasl_mechanism": "PLAIN", "sasl_username": "twinpost", "sasl_password_file": password}
    async with worker(users_file, security_protocol="SASL_PLAINTEXT", **sasl) as process:
        await _waits_until(lambda: password.write_text("secret"), process)


async def test_worker_waits_for_the_certificates_of_the_brokers(users_file: Path) -> None:
    """A file with certificates may be renewed in place as well."""
    write_users(users_file, {"shop": (quick_hash("secret"), ["*"])})
    ca = users_file.with_name("ca.pem")
    ca.write_text("-----BEGIN CERTIFICATE-----\nMIIB", encoding="utf-8")
    async with worker(users_file, security_protocol="SSL", ssl_ca_file=ca) as process:
        await _waits_until(lambda: ca.write_text(CERTIFICATE, encoding="utf-8"), process)


async def _waits_until(mended: Callable[[], object], process: Process) -> None:
    """See `process` wait until a file is mended, serve, and complain once."""
    assert ["alive", "alive", "alive"] == [await told(process) for _ in range(3)]
    mended()
    while (event := await told(process)) == "alive":
        pass
    assert "serving" == event
    process.send_signal(signal.SIGTERM)
    assert 0 == await process.wait()
    assert 1 == await complaints(process)


async def test_other_fault_of_the_users_file_is_told_again(users_file: Path) -> None:
    """Whoever mends a file halfway learns what is left."""
    async with worker(users_file) as process:
        assert "alive" == await told(process)
        write_users(users_file, {"shop": ("no hash", ["*"])})
        for _ in range(2):  # it looks at the file before it says so
            assert "alive" == await told(process)
        process.send_signal(signal.SIGTERM)
        assert 0 == await process.wait()
        assert 2 == await complaints(process)


async def test_worker_that_waits_ends_when_it_is_asked_to(users_file: Path) -> None:
    """It has nothing to drain."""
    async with worker(users_file) as process:
        assert "alive" == await told(process)
        process.send_signal(signal.SIGTERM)
        assert "" == await told(process)
        assert 0 == await process.wait()
