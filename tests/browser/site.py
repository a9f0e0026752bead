"""A site: the origin that the page comes from, and that it reports to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.brokers.ports import LOOPBACK
from tests.brokers.waiting import wait_for
from tests.browser.chromium import Chromium

__all__ = ["PAGE", "Site"]

PAGE = Path(__file__).parent / "page"
"""The page's directory."""

_VISIT_TIMEOUT_S = 40.0

_Report = dict[str, Any]


class Site:
    """Serves the page on a loopback port of its own; open it with `Site.opened`.

    Attributes:
        origin: as browsers send it.
    """

    def __init__(self, server: ThreadingHTTPServer, reports: list[_Report]) -> None:
        """Speak for `server`, which puts the pages' reports into `reports`."""
        self.origin = f"http://{LOOPBACK}:{server.server_port}"
        self._reports = reports

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Site]:
        """Serve until the end of the block."""
        reports: list[_Report] = []
        with ThreadingHTTPServer((LOOPBACK, 0), partial(_Handler, reports)) as server:
            serving = Thread(target=server.serve_forever)
            serving.start()
            try:
                yield cls(server, reports)
            finally:
                server.shutdown()
                serving.join()

    def visit(self, gateway_url: str, directory: Path) -> _Report:
        """Have a browser open the page, let it call the gateway at `gateway_url`, and return what it reports.

        Args:
            gateway_url: the base URL.
            directory: where the browser may write.

        Raises:
            TimeoutError: no report came in time, or the browser ended; the message has the end of its log.
        """
        browser = Chromium(f"{self.origin}/index.html?gateway={gateway_url}", directory)
        try:
            wait_for(
                lambda: bool(self._reports) or not browser.running,
                lambda: f"a report of the page\n{browser.log_tail()}",
                timeout_s=_VISIT_TIMEOUT_S,
            )
            if not self._reports:
                msg = f"the browser ended without a report\n{browser.log_tail()}"
                raise TimeoutError(msg)
            return self._reports.pop()
        finally:
            browser.close()


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page's files, and takes its report."""

    def __init__(self, reports: list[_Report], *arguments: Any) -> None:  # noqa: ANN401 - what the server gives
        self._reports = reports
        super().__init__(*arguments, directory=str(PAGE))

    def do_POST(self) -> None:
        """Take a report."""
        report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()
        self._reports.append(report)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the signature is http.server's
        """Log nothing."""
