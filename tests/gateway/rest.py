"""A REST client that sends exactly what it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from typing import Any

from tests.brokers.ports import LOOPBACK
from tests.gateway.users import User

__all__ = ["RestClient", "RestResponse"]

_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class RestResponse:
    """An HTTP response.

    Attributes:
        headers: by name, in any case.
    """

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Return the body, which must be JSON of that content type."""
        assert self.headers.get_content_type() == "application/json", (self.status, self.headers, self.body)
        return json.loads(self.body)


class RestClient:
    """HTTP/1.1 with a connection per request. The request target goes out as given: neither normalized nor encoded."""

    def __init__(self, port: int, user: User | None) -> None:
        """Call the gateway on `port`, as `user` if there is one."""
        self._port = port
        self._headers = {} if user is None else {"Authorization": user.authorization}

    def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> RestResponse:
        """Send one request and return its response.

        Raises:
            OSError: no connection, or no answer in `timeout_s`.
            http.client.HTTPException: the answer is not HTTP.
        """
        connection = HTTPConnection(LOOPBACK, self._port, timeout=timeout_s)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in {**self._headers, **(headers or {})}.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            if body is not None:
                _send_body(connection, body)
            response = connection.getresponse()
            return RestResponse(response.status, response.headers, response.read())
        finally:
            connection.close()

    def post_json(self, target: str, document: object, *, headers: Mapping[str, str] | None = None) -> RestResponse:
        """POST `document` as JSON."""
        return self.send("POST", target, body=json.dumps(document).encode(), headers=headers)


def _send_body(connection: HTTPConnection, body: bytes) -> None:
    try:
        connection.send(body)
    except (BrokenPipeError, ConnectionResetError):
        # The server has answered without waiting for the rest; the answer is there to be read.
        return
