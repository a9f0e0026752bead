"""The program `twinpost`: its command line, or what to install where that cannot be loaded.

`pip install twinpost` brings the client alone. This module needs nothing more, so that it can say what is missing.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

_OURS = frozenset({"twinpost", "twinpost_server"})


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed or not installed, 2 wrong usage or configuration."""
    try:
        from twinpost_server import cli  # noqa: PLC0415 - see the module's docstring

        cli.main()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OURS:
            raise
        sys.exit(
            f"twinpost: the gateway is not installed, only the Python client (there is no module {error.name!r}); "
            "`pip install 'twinpost[server]'` brings it"
        )


if __name__ == "__main__":
    main()
