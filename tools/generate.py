"""The code generator: `proto/` in, `generated/` out.

`python -m tools.generate` rewrites `generated/`. `tests/repo` runs the same into an empty directory to prove that what
is checked in is what the contract says.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["DESCRIPTOR_SET", "GENERATED", "differences", "generate"]

ROOT: Final = Path(__file__).resolve().parent.parent
PROTO: Final = ROOT / "proto"
GENERATED: Final = ROOT / "generated"
DESCRIPTOR_SET: Final = "twinpost_v1.binpb"

ERROR_DETAILS: Final = "google/rpc/error_details.proto"
"""Named by no file of the contract, yet Envoy must find the types of a status' details in the descriptor set."""


def generate(target: Path) -> None:
    """Fill the empty directory `target` with the package `twinpost` and Envoy's descriptor set.

    Raises:
        subprocess.CalledProcessError: a proto file is wrong; protoc has said where on standard error.
    """
    contract = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("twinpost/**/*.proto"))
    _protoc(
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet:{target}",
        *contract,
    )
    _protoc("--include_imports", f"--descriptor_set_out={target / DESCRIPTOR_SET}", *contract, ERROR_DETAILS)
    for directory in {path.parent for path in target.glob("twinpost/**/*.py")}:
        # `twinpost` itself is a namespace package, whose parts say for themselves that they are typed (PEP 561).
        (directory / "__init__.py").touch()
        (directory / "py.typed").touch()


def differences(left: Path, right: Path) -> list[str]:
    """Return the paths, relative to both directories, of the files that are not the same in both."""
    paths = {
        path.relative_to(directory)
        for directory in (left, right)
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    _, unequal, missing = filecmp.cmpfiles(left, right, sorted(map(str, paths)), shallow=False)
    return sorted(unequal + missing)


def main() -> None:
    """Bring `generated/` up to date, leaving files that have not changed untouched."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        for name in differences(fresh, GENERATED):
            source, target = fresh / name, GENERATED / name
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            else:
                target.unlink()
            print(f"generated/{name}: {'written' if source.exists() else 'removed'}")


def _protoc(*arguments: str) -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    plugins = [f"--plugin={name}={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO}", *plugins, *arguments], check=True, cwd=ROOT
    )


if __name__ == "__main__":
    main()
