"""The stage of a run: a broker, a load generator, and systems that can be started."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from bench.cluster import Cluster
from bench.go_program import GoMissing
from bench.load_generator import LoadGenerator
from bench.systems.catalog import Catalog
from bench.systems.twinpost import Twinpost

__all__ = ["Stage", "command"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What every run needs.

    Attributes:
        generator: makes loads.
        cluster: the broker, with the topic that systems write to.
        catalog: starts systems.
        directory: for files that nobody needs afterwards.
    """

    generator: LoadGenerator
    cluster: Cluster
    catalog: Catalog
    directory: Path

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Stage]:
        """Set it up, and take it down at the end of the block.

        Raises:
            click.ClickException: there is no load generator; the message says what is missing.
        """
        try:
            generator = LoadGenerator()
        except GoMissing as error:
            raise click.ClickException(str(error)) from None
        with tempfile.TemporaryDirectory(prefix="twinpost-bench-") as scratch:
            directory = Path(scratch)
            with Cluster.running(directory) as cluster:
                catalog = Catalog(
                    generator, directory, bootstrap_servers=cluster.bootstrap_servers, topic=cluster.topic.name
                )
                yield cls(generator=generator, cluster=cluster, catalog=catalog, directory=directory)

    @contextmanager
    def gateway(self, *, workers: int = 1, users_file: Path | None = None) -> Iterator[Twinpost]:
        """Run a twinpost of its own until the end of the block."""
        gateway = Twinpost(
            self.generator,
            Path(tempfile.mkdtemp(dir=self.directory)),
            bootstrap_servers=self.cluster.bootstrap_servers,
            topic=self.cluster.topic.name,
            workers=workers,
            users_file=users_file,
        )
        try:
            yield gateway
        finally:
            gateway.close()


def command() -> str:
    """Return what was typed: `make` says so, and hands its own arguments on."""
    return os.environ.get("BENCH_COMMAND") or shlex.join(["python", "-m", "bench", *sys.argv[1:]])
