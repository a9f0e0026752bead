"""`twinpost produce`, as people run it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from tests.brokers.ledger import TopicReader
from tests.brokers.ports import LOOPBACK, free_port
from tests.brokers.waiting import wait_for
from tests.client.fake_gateway import Abort, FakeGateway, Hang, Results, Step, Stream, refused
from tests.client.model_gateway import refusal
from tests.gateway.process import DevGateway
from twinpost.client import PublisherOptions
from twinpost_server.cli import cli
from twinpost_server.core.errors import Failure, Reason

TIMEOUT_S = 60.0


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a command: this one's, without what is set for twinpost."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TWINPOST_")} | variables


def produce(
    *arguments: str | Path, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "twinpost_server", "produce", *arguments],
        input=stdin,
        capture_output=True,
        env=environment(**(variables or {})),
        timeout=TIMEOUT_S,
        check=False,
    )


def to_dev(gateway: DevGateway) -> dict[str, str]:
    """Return the variables that lead to the gateway of `make run`."""
    return {"TWINPOST_URL": gateway.url, "TWINPOST_USER": "myuser", "TWINPOST_PASSWORD": "mypass"}


def url(fake: FakeGateway) -> tuple[str, str]:
    """Return the flag that leads to the fake gateway."""
    return "--url", f"http://{fake.address}"


def report(path: Path) -> list[tuple[int, str, str]]:
    """Return line, reason and `delivered` of each entry of a report."""
    entries = map(json.loads, path.read_bytes().splitlines())
    return [(entry["line"], entry["reason"], entry["delivered"]) for entry in entries]


class TestAgainstTheGateway:
    """With workers, Envoy and a broker, and the topic read back."""

    def test_value_is_stored_and_its_place_printed(self, dev_gateway: DevGateway) -> None:
        """As REST prints it."""
        flags = ("--key", "k", "--header", "a=b=c", "--partition", "1")
        ran = produce("greetings", "héllo", *flags, variables=to_dev(dev_gateway))
        assert (0, b"") == (ran.returncode, ran.stderr)
        place = json.loads(ran.stdout)
        assert ["topic", "partition", "offset", "timestamp"] == list(place)
        with TopicReader.opened(dev_gateway.bootstrap_servers, "greetings") as reader:
            [record] = [
                record for record in reader.to_the_end() if (record.partition, record.offset) == (1, place["offset"])
            ]
        assert ("héllo".encode(), b"k", (("a", b"b=c"),)) == (record.value, record.key, record.headers)

    def test_lines_of_a_key_are_stored_in_order(self, dev_gateway: DevGateway) -> None:
        """Byte for byte; standard output has nothing, standard error one line."""
        lines = [b"line %d \xff\r" % number for number in range(3000)]
        ran = produce("cities", "--key", "in order", stdin=b"\n".join(lines), variables=to_dev(dev_gateway))
        assert (0, b"") == (ran.returncode, ran.stdout)
        assert ran.stderr.startswith(b"3000 acknowledged (")
        assert 1 == len(ran.stderr.splitlines())
        with TopicReader.opened(dev_gateway.bootstrap_servers, "cities") as reader:
            assert lines == [record.value for record in reader.to_the_end() if record.key == b"in order"]

    def test_field_of_a_document_is_its_key(self, dev_gateway: DevGateway, tmp_path: Path) -> None:
        """And the document, as it stands, the value."""
        path = tmp_path / "input"
        documents = [b'{"id": "doc-%d", "n": %d}' % (number % 7, number) for number in range(100)]
        path.write_bytes(b"\n\n".join(documents) + b"\n")
        ran = produce(
            "cities", "--format", "ndjson", "--key-field", "id", "--file", path, variables=to_dev(dev_gateway)
        )
        assert (0, b"100 acknowledged") == (ran.returncode, ran.stderr[:16])
        with TopicReader.opened(dev_gateway.bootstrap_servers, "cities") as reader:
            held = [record for record in reader.to_the_end() if (record.key or b"").startswith(b"doc-")]
        assert sorted(documents) == sorted(record.value or b"" for record in held)
        assert all(json.loads(record.value or b"")["id"].encode() == record.key for record in held)

    def test_messages_are_those_of_rest(self, dev_gateway: DevGateway) -> None:
        """With everything that they may have."""
        headers = [{"key": "h", "value": "1"}]
        message = {"partition": 3, "timestamp": 5, "key": "message", "value": None, "headers": headers}
        lines = json.dumps(message).encode()
        ran = produce("cities", "--format", "messages", stdin=lines, variables=to_dev(dev_gateway))
        assert 0 == ran.returncode, ran.stderr
        with TopicReader.opened(dev_gateway.bootstrap_servers, "cities") as reader:
            [record] = [record for record in reader.to_the_end() if record.key == b"message"]
        assert (3, 5, None, (("h", b"1"),)) == (record.partition, record.timestamp, record.value, record.headers)

    def test_lines_that_fail_are_reported(self, dev_gateway: DevGateway, tmp_path: Path) -> None:
        """Whoever refuses them: the others are stored."""
        lines = [
            b'{"value": "x"}',
            b"nope",
            b'{"value": "x", "partition": 99}',
            b'{"value": "x", "partition": 3000000000}',
        ]
        failed = tmp_path / "failed"
        flags = ("--format", "messages", "--failed", failed)
        ran = produce("cities", *flags, stdin=b"\n".join(lines), variables=to_dev(dev_gateway))
        assert (1, b"1 acknowledged") == (ran.returncode, ran.stderr[:14])
        expected = {2: "INVALID_RECORD", 3: "PARTITION_OUT_OF_RANGE", 4: "INVALID_RECORD"}
        assert [(line, reason, "no") for line, reason in expected.items()] == sorted(report(failed))

    def test_wrong_password_ends_it(self, dev_gateway: DevGateway) -> None:
        """The next line would fail as well."""
        ran = produce("cities", stdin=b"a\nb\n", variables=to_dev(dev_gateway) | {"TWINPOST_PASSWORD": "wrong"})
        assert 1 == ran.returncode
        assert b"UNAUTHENTICATED" in ran.stderr
        ran = produce("cities", "a", variables=to_dev(dev_gateway) | {"TWINPOST_PASSWORD": "wrong"})
        assert (1, b"") == (ran.returncode, ran.stdout)
        assert b"UNAUTHENTICATED" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("t", "v", "--failed", "f"), "--file, --failed and --resume are for lines"),
        (("t", "--resume", "s"), "have them reported, with --failed FILE"),
        (("t", "v", "--header", "x"), "--header x: expected NAME=VALUE"),
        (("t", "--key-field", "id"), "--key-field is for --format ndjson"),
        (("t", "--format", "ndjson", "--key-field", "id", "--key", "k"), "goes without --key"),
        (("t", "--format", "messages", "--partition", "1"), "leave the flags out"),
        (("t", "--file", "no such file"), "no such file cannot be read"),
        (("t", "--url", "nonsense://x"), "expected http://HOST:PORT"),
        (("t", " ", "--format", "ndjson"), "VALUE is blank"),
        (("t", "--partition", "-1"), "Invalid value for '--partition'"),
        (("t", "--timeout", "0"), "Invalid value for '--timeout'"),
        (("t", "--timeout", "nan"), "--timeout nan: expected a number of seconds"),
        (("t", "v", "--timeout", "inf"), "--timeout inf: expected a number of seconds"),
        ((b"caf\xe9", "v"), r"TOPIC 'caf\udce9': expected UTF-8"),
        (("t", "v", "--header", b"\xff=1", "--user", "clerk"), r"--header '\udcff': expected UTF-8"),
        (("t", "v", "--user", b"\xff"), r"--user '\udcff': expected UTF-8"),
        (("t", "v", "--url", b"http://\xff"), r"--url 'http://\udcff': expected UTF-8"),
        (("t", "v", "--user", "clerk:secret"), "--user has a colon"),
        ((), "Missing argument 'TOPIC'"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: Sequence[str | bytes], problem: str) -> None:
    """Before anything is read or sent."""
    ran = CliRunner().invoke(cli, ["produce", *map(os.fsdecode, arguments)])
    assert (2, "") == (ran.exit_code, ran.stdout)
    assert problem in ran.stderr
    assert isinstance(ran.exception, SystemExit)
    assert "secret" not in ran.stderr


def test_password_that_nobody_can_be_asked_for_ends_with_2() -> None:
    """Without a terminal, as in a script."""
    ran = subprocess.run(
        [sys.executable, "-m", "twinpost_server", "produce", "t", "v", "--user", "clerk"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        timeout=TIMEOUT_S,
        check=False,
        start_new_session=True,
    )
    assert (2, b"") == (ran.returncode, ran.stdout)
    assert b"no terminal to ask for the password of clerk on" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_standard_input_that_is_closed_ends_with_2() -> None:
    """There is nothing to read lines from, and it is said what to give instead."""
    closed = 'exec "$@" <&-'
    ran = subprocess.run(
        ["/bin/sh", "-c", closed, "sh", sys.executable, "-m", "twinpost_server", "produce", "t"],
        capture_output=True,
        env=environment(),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (2, b"") == (ran.returncode, ran.stdout)
    assert b"twinpost: standard input is closed: " in ran.stderr
    assert 1 == len(ran.stderr.splitlines())


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--failed", "input"), b"standard input and --failed are the same file"),
        (("--file", "input", "--failed", "link"), b"--file and --failed are the same file"),
        (("--file", "input", "--failed", "failed", "--resume", "link"), b"--file and --resume are the same file"),
        (("--failed", "failed", "--resume", "failed"), b"--failed and --resume are the same file"),
    ],
)
def test_file_that_is_given_twice_ends_with_2(
    fake: FakeGateway, tmp_path: Path, flags: Sequence[str], problem: bytes
) -> None:
    """Whatever it is called; nothing is sent, and nothing added to it."""
    (tmp_path / "input").write_bytes(b"a\n")
    (tmp_path / "link").symlink_to("input")
    with (tmp_path / "input").open("rb") as stdin:
        ran = subprocess.run(
            [sys.executable, "-m", "twinpost_server", "produce", "t", *url(fake), *flags],
            stdin=stdin,
            capture_output=True,
            env=environment(),
            timeout=TIMEOUT_S,
            check=False,
            cwd=tmp_path,
        )
    assert (2, b"") == (ran.returncode, ran.stdout)
    assert problem in ran.stderr
    assert 1 == len(ran.stderr.splitlines())
    assert [] == fake.values
    assert b"a\n" == (tmp_path / "input").read_bytes()


def test_file_beneath_a_file_ends_with_2(fake: FakeGateway, tmp_path: Path) -> None:
    """As every file that cannot be opened."""
    (tmp_path / "input").write_bytes(b"a\n")
    beneath = tmp_path / "input" / "state"
    flags = ("--file", tmp_path / "input", "--failed", tmp_path / "failed", "--resume", beneath)
    ran = produce("t", *url(fake), *flags)
    assert (2, b"") == (ran.returncode, ran.stdout)
    assert f"twinpost: {beneath} cannot be used for --resume: Not a directory\n".encode() == ran.stderr
    assert [] == fake.values


def test_value_that_no_record_can_have_fails(fake: FakeGateway) -> None:
    """As the same line of an input does."""
    ran = produce("t", '{"value": "x", "partition": 3000000000}', "--format", "messages", *url(fake))
    assert (1, b"") == (ran.returncode, ran.stdout)
    assert b"INVALID_RECORD (delivered: no): " in ran.stderr
    assert 1 == len(ran.stderr.splitlines())
    assert [] == fake.values


def test_document_that_is_none_fails() -> None:
    """It is the value that is wrong, not the usage."""
    ran = produce("t", "{", "--format", "ndjson")
    assert 1 == ran.returncode
    assert b"INVALID_RECORD (delivered: no): not JSON as expected" in ran.stderr


def test_gateway_that_is_not_there_ends_it() -> None:
    """When the first line's time is over; that nothing was written is certain."""
    ran = produce("t", "--url", f"http://{LOOPBACK}:{free_port()}", "--timeout", "1", stdin=b"a\nb\nc\n")
    assert 1 == ran.returncode
    first, *_ = ran.stderr.splitlines()
    assert first.startswith(b"twinpost: line 1: GATEWAY_UNAVAILABLE (delivered: no): given up after 1 s")
    assert b"0 acknowledged (0 a second), 3 failed" in ran.stderr


def test_failures_are_shown_where_they_are_not_reported(fake: FakeGateway) -> None:
    """The first few."""
    fake.otherwise = lambda _, step: [refusal("RECORD_TOO_LARGE", retriable=False)] * len(step.records)
    ran = produce("t", *url(fake), "--key", "k", stdin=b"".join(b"%d\n" % number for number in range(8)))
    assert 1 == ran.returncode
    *shown, more, told = ran.stderr.decode().splitlines()
    assert [
        f"twinpost: line {number}: RECORD_TOO_LARGE (delivered: no): said the model" for number in range(1, 6)
    ] == shown
    assert "more are not shown: --failed FILE reports all of them" == more
    assert told.startswith("0 acknowledged (0 a second), 8 failed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_report_that_cannot_be_written_ends_it(fake: FakeGateway) -> None:
    """A failure that nobody would ever hear of is none to go on after."""
    fake.otherwise = lambda _, step: [refusal("RECORD_TOO_LARGE", retriable=False)] * len(step.records)
    ran = produce("t", *url(fake), "--failed", "/dev/full", stdin=b"x\n")
    assert 1 == ran.returncode
    assert b"No space left on device" in ran.stderr
    assert b"Traceback" not in ran.stderr


@contextmanager
def started(fake: FakeGateway, *arguments: str | Path, stdin: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command and give it these lines; more may follow. Where it still runs at the end, it is killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "twinpost_server", "produce", "t", *url(fake), *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.flush()
            yield process
        finally:
            process.kill()


class TestQuietPipe:
    """An input that goes on, but not now: `tail -f`, or a slow export."""

    def test_answers_are_noted_before_the_next_line(self, fake: FakeGateway, tmp_path: Path) -> None:
        """Killed meanwhile, the run leaves nothing to store twice, nor a failure untold."""
        fake.otherwise = lambda _, step: [
            refusal("RECORD_TOO_LARGE", retriable=False) if record.value == b"b" else fake.store([record])[0]
            for record in step.records
        ]
        state, failed = tmp_path / "state", tmp_path / "failed"
        with started(fake, "--failed", failed, "--resume", state, stdin=b"a\nb\nc\n"):
            wait_for(lambda: _settled(state) == 3, "every answer to be noted", timeout_s=30)
        assert [(2, "RECORD_TOO_LARGE", "no")] == report(failed)
        assert [b"a", b"c"] == fake.values

    def test_what_stands_against_every_line_ends_it(self, fake: FakeGateway) -> None:
        """At once, though the input is still open."""
        fake.otherwise = lambda _, step: [refusal("TOPIC_NOT_FOUND", retriable=False)] * len(step.records)
        with started(fake, stdin=b"a\n") as process:
            assert 1 == process.wait(30)
            assert process.stderr is not None
            assert process.stderr.readline().startswith(b"twinpost: line 1: TOPIC_NOT_FOUND (delivered: no)")


class TestResume:
    """`--resume`."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[str | Path, ...]:
        """The flags for an input of 2000 lines, the file that remembers, and the report."""
        (tmp_path / "input").write_bytes(b"".join(b'{"id": %d}\n' % number for number in range(2000)))
        return (
            *("--format", "ndjson", "--key-field", "id"),
            *("--file", tmp_path / "input"),
            *("--failed", tmp_path / "failed", "--resume", tmp_path / "state"),
        )

    def test_killed_run_is_continued(self, fake: FakeGateway, files: tuple[str | Path, ...]) -> None:
        """Nothing is missing, and only what was in flight when it was killed is stored twice."""
        in_flight: list[Step] = []

        def script(_stream: Stream, step: Step) -> Results:
            if len(fake.log) < 300:
                return fake.store(step.records)
            fake.store(step.records)
            in_flight.append(step)
            raise Hang

        fake.scripts.append(script)
        process = subprocess.Popen(
            [sys.executable, "-m", "twinpost_server", "produce", "t", *url(fake), *files], env=environment()
        )
        state = files[-1]
        assert isinstance(state, Path)

        def noted() -> bool:
            return bool(in_flight) and _settled(state) == len(fake.log) - sum(len(step.records) for step in in_flight)

        wait_for(noted, "every answer to be noted", timeout_s=30)
        process.kill()
        assert -signal.SIGKILL == process.wait(30)

        ran = produce("t", *url(fake), *files)
        assert (0, b"") == (ran.returncode, ran.stdout), ran.stderr
        copies = Counter(fake.values)
        assert 2000 == len(copies)
        doubled = {value for value, count in copies.items() if count > 1}
        assert doubled == {record.value for step in in_flight for record in step.records}
        assert {1, 2} >= set(copies.values())

        stored = len(fake.log)
        ran = produce("t", *url(fake), *files)
        assert (0, b"going on after line 2000") == (ran.returncode, ran.stderr.splitlines()[0])
        assert stored == len(fake.log)

    def test_what_stands_against_every_line_is_waited_for(
        self, fake: FakeGateway, files: tuple[str | Path, ...]
    ) -> None:
        """Those lines are not given up: the next run takes them, once it is mended. Those that fail for good are."""
        alone: list[Step] = []

        def script(_stream: Stream, step: Step) -> Results:
            if any(record.value == b'{"id": 7}' for record in step.records):
                alone.extend([step] * (len(step.records) == 1))
                return [refusal("RECORD_TOO_LARGE", retriable=False)] * len(step.records)
            if len(fake.log) < 500 or not alone:
                return fake.store(step.records)
            return [refusal("TOPIC_FORBIDDEN", retriable=False)] * len(step.records)

        fake.otherwise = script
        ran = produce("t", *url(fake), *files)
        assert 1 == ran.returncode
        assert b"TOPIC_FORBIDDEN (delivered: no)" in ran.stderr
        failed = files[-3]
        assert isinstance(failed, Path)
        assert [(8, "RECORD_TOO_LARGE", "no")] == report(failed)

        fake.otherwise = lambda _, step: fake.store(step.records)
        ran = produce("t", *url(fake), *files)
        assert 0 == ran.returncode
        assert [(8, "RECORD_TOO_LARGE", "no")] == report(failed)
        assert {b'{"id": %d}' % number for number in range(2000) if number != 7} == set(fake.values)
        assert 1999 == len(fake.values)

    def test_order_of_a_key_holds_from_run_to_run(
        self, fake: FakeGateway, files: tuple[str | Path, ...], tmp_path: Path
    ) -> None:
        """Nothing is stored that would stand before the lines that the next run takes up."""

        def script(stream: Stream, step: Step) -> Results:
            if [other for other in stream.steps if other.records][:1] == [step]:
                return [refusal("TOPIC_FORBIDDEN", retriable=False)] * len(step.records)
            return fake.store(step.records)

        fake.scripts.append(script)
        flags = ("--key", "k", "--file", tmp_path / "input", *files[-4:])
        ran = produce("t", *url(fake), *flags)
        assert 1 == ran.returncode
        assert b"TOPIC_FORBIDDEN (delivered: no)" in ran.stderr
        assert [] == fake.values

        assert 0 == produce("t", *url(fake), *flags).returncode
        assert [b'{"id": %d}' % number for number in range(2000)] == fake.values

    def test_line_of_unknown_fate_is_reported_and_not_sent_again(
        self, fake: FakeGateway, files: tuple[str | Path, ...]
    ) -> None:
        """It may be stored: whoever reads the report decides."""

        def script(_stream: Stream, step: Step) -> Results:
            if step.records and len(fake.log) > 300:
                raise Abort(grpc.StatusCode.UNAVAILABLE)
            return fake.store(step.records)

        fake.scripts.append(script)
        ran = produce("t", *url(fake), *files)
        assert 1 == ran.returncode
        failed = files[-3]
        assert isinstance(failed, Path)
        assert {("GATEWAY_UNAVAILABLE", "unknown")} == {(reason, delivered) for _, reason, delivered in report(failed)}
        assert 2000 == len(fake.values) + len(report(failed))
        stored = len(fake.values)
        assert 0 == produce("t", *url(fake), *files).returncode
        assert stored == len(fake.values)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
    def test_report_that_cannot_be_written_costs_no_acknowledgement(self, fake: FakeGateway, tmp_path: Path) -> None:
        """The next run sends what is not reported, and nothing that is stored."""
        fake.otherwise = lambda _, step: [
            refusal("RECORD_TOO_LARGE", retriable=False) if record.value in {b"b", b"d"} else fake.store([record])[0]
            for record in step.records
        ]
        state, failed = tmp_path / "state", tmp_path / "failed"
        lines = b"a\nb\nc\nd\ne\n"
        ran = produce("t", *url(fake), "--failed", "/dev/full", "--resume", state, stdin=lines)
        assert 1 == ran.returncode
        assert b"No space left on device" in ran.stderr

        ran = produce("t", *url(fake), "--failed", failed, "--resume", state, stdin=lines)
        assert 1 == ran.returncode
        assert [2, 4] == sorted(line for line, _, _ in report(failed))
        assert [b"a", b"c", b"e"] == sorted(fake.values)

    @pytest.mark.parametrize(
        ("other", "problem"),
        [
            (b'{"id": "other"}\n', b"whose first line is not this one's"),
            (
                b"".join(b'{"id": %d}\n' % (number * number) for number in range(3000)),
                b"first 2000 lines are not these",
            ),
            (b'{"id": 0}\n', b"an input of 2000 lines or more, not 1"),
        ],
    )
    def test_other_input_is_refused(
        self, fake: FakeGateway, files: tuple[str | Path, ...], tmp_path: Path, other: bytes, problem: bytes
    ) -> None:
        """Its lines would be passed over."""
        assert 0 == produce("t", *url(fake), *files).returncode
        (tmp_path / "input").write_bytes(other)
        ran = produce("t", *url(fake), *files)
        assert 2 == ran.returncode
        assert problem in ran.stderr
        assert 2000 == len(fake.values)


def _settled(state: Path) -> int:
    """Return how many lines a file of `--resume` says are settled."""
    if not state.exists() or not state.read_bytes():
        return 0
    head, *entries = state.read_bytes().splitlines()
    count = int(json.loads(head)["lines"])
    for entry in entries:
        for part in json.loads(entry)[0]:
            count += 1 if isinstance(part, int) else part[1] - part[0] + 1
    return count


class TestInterruption:
    """Ctrl-C."""

    @pytest.fixture
    def slow(self, fake: FakeGateway) -> threading.Event:
        """What releases the first answer to a record."""
        released = threading.Event()

        def script(_stream: Stream, step: Step) -> Results:
            if step.records:
                released.wait(30)
            return fake.store(step.records)

        fake.otherwise = script
        return released

    @staticmethod
    def interrupt(process: subprocess.Popen[bytes], fake: FakeGateway, number: signal.Signals) -> None:
        """Send the signal while a line is under way, and wait until it is heard."""
        wait_for(lambda: any(step.records for stream in fake.streams for step in stream.steps), "a step", timeout_s=30)
        process.send_signal(number)
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"twinpost: stopping: what was read is waited for")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_what_was_read_is_waited_for(
        self, fake: FakeGateway, slow: threading.Event, number: signal.Signals
    ) -> None:
        """Nothing more is read, though there may be more."""
        with started(fake, stdin=b"a\nb\n") as process:
            self.interrupt(process, fake, number)
            slow.set()
            assert process.stderr is not None
            assert b"2 acknowledged" in process.stderr.read()
            assert 1 == process.wait(30)
        assert [b"a", b"b"] == fake.values

    def test_what_was_read_is_waited_for_at_the_end_of_the_input(
        self, fake: FakeGateway, slow: threading.Event, tmp_path: Path
    ) -> None:
        """That there is no more to read makes no difference."""
        (tmp_path / "input").write_bytes(b"a\nb\n")
        with started(fake, "--file", tmp_path / "input", stdin=b"") as process:
            self.interrupt(process, fake, signal.SIGINT)
            slow.set()
            assert process.stderr is not None
            assert b"2 acknowledged (" in process.stderr.read()
        assert [b"a", b"b"] == fake.values

    def test_second_one_gives_that_up(self, fake: FakeGateway, slow: threading.Event) -> None:
        """For those who know what they do; it is told what is known."""
        with started(fake, stdin=b"a\nb\n") as process:
            self.interrupt(process, fake, signal.SIGINT)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            told = process.stderr.read()
            assert 1 == process.wait(30)
        assert b"0 acknowledged (0 a second), 2 failed" in told
        slow.set()


class TestTerminal:
    """What a person sees."""

    @staticmethod
    def on_a_terminal(arguments: Sequence[str], typed: bytes, until: Callable[[bytes], bool]) -> tuple[bytes, int]:
        """Run the command on a terminal of its own, where `typed` is typed, and return what is shown and its status."""
        person, program = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _ON_A_TERMINAL, "produce", *arguments],
            stdin=program,
            stdout=program,
            stderr=program,
            env=environment(TERM="xterm", COLUMNS="200"),
            start_new_session=True,
        )
        os.close(program)
        shown = b""
        sent = False
        try:
            while True:
                if not sent and until(shown):
                    os.write(person, typed)
                    sent = True
                shown += os.read(person, 4096)
        except OSError:
            return shown, process.wait(30)  # the terminal is gone with the last program on it
        finally:
            os.close(person)

    def test_password_is_asked_for(self, fake: FakeGateway) -> None:
        """And not shown, nor taken from the input."""
        shown, status = self.on_a_terminal(
            ("t", "value", *url(fake), "--user", "clerk"), b"secret\n", lambda shown: b"Password of clerk: " in shown
        )
        assert 0 == status, shown
        assert b"secret" not in shown
        assert [b"value"] == fake.values

    def test_bar_shows_how_far_it_is(self, fake: FakeGateway, tmp_path: Path) -> None:
        """With the counts; at the end one line stays."""
        (tmp_path / "input").write_bytes(b"x\n" * 60_000)
        shown, status = self.on_a_terminal(
            ("t", *url(fake), "--file", str(tmp_path / "input")), b"", lambda _shown: False
        )
        assert 0 == status, shown
        assert b" %" in shown
        assert b"60000 acknowledged (" in shown.splitlines()[-1]


# A terminal of its own for the command, as a login has: what is asked in secret is asked on that.
_ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "twinpost_server", *sys.argv[1:]])
"""


def test_large_line_travels_alone(fake: FakeGateway) -> None:
    """Steps of several lines stay as small as any publisher's, whatever a single line may have."""
    lines = [b"." * 200_000] * 20 + [b"." * 3_000_000] + [b"." * 200_000] * 20
    ran = produce("t", *url(fake), stdin=b"\n".join(lines))
    assert (0, b"41 acknowledged") == (ran.returncode, ran.stderr[:15])
    steps = [step for stream in fake.streams for step in stream.steps]
    assert [1] == [len(step.records) for step in steps if step.ByteSize() > PublisherOptions().batch_bytes_max]


def test_drained_gateway_costs_nothing(fake: FakeGateway) -> None:
    """A feed outlives a rolling restart."""
    drained = refused(Failure(reason=Reason.SHUTTING_DOWN, message="stopping", retry_after_s=0.05))

    def script(stream: Stream, step: Step) -> Results:
        if len(stream.steps) > 3:
            raise drained
        return fake.store(step.records)

    fake.scripts.extend([script] * 3)
    ran = produce("t", *url(fake), "--key", "k", stdin=b"".join(b"%d\n" % number for number in range(20_000)))
    assert (0, b"20000 acknowledged") == (ran.returncode, ran.stderr[:18])
    assert [b"%d" % number for number in range(20_000)] == fake.values
