"""`python -m twinpost_server`: the same as the command `twinpost`."""

from __future__ import annotations

from twinpost_server.cli import main

if __name__ == "__main__":
    main()
