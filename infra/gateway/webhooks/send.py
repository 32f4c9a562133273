"""One POST to a receiver that we do not trust: bounded in time, no redirect, no way into our own network."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
MAX_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """What became of one try.

    Attributes
    ----------
    status
        Of HTTP; None where there was no answer.
    error
        Why not, in one line; empty where there was one.
    """

    status: int | None
    error: str = ""

    @property
    def outcome(self) -> str:
        """``sent``, ``failed`` or ``gone``."""
        if self.status == 410:
            return "gone"
        return "sent" if self.status is not None and 200 <= self.status < 300 else "failed"


class Sender:
    """Posts to addresses that others chose.

    Parameters
    ----------
    private
        Whether addresses inside private networks and plain http are allowed.
    total_seconds
        What one try may take from the first byte of the connection on.
    """

    def __init__(self, *, private: bool, total_seconds: float = TOTAL_SECONDS) -> None:
        self.private, self.total_seconds = private, total_seconds
        self._context = ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send once."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not self.private:
            return Answer(None, "plain http is not allowed")
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = _Pinned(host, port, self._reach(host, port), timeout=self.total_seconds)
        except OSError as error:
            return Answer(None, _line(error))
        # A receiver that sends a byte now and then would never run into a timeout of its socket.
        watchdog = threading.Timer(self.total_seconds, connection.cut)
        watchdog.start()
        try:
            if parts.scheme == "https":
                connection.wrap(self._context)
            connection.request("POST", target, body, dict(headers))
            answer = connection.getresponse()
            answer.read(MAX_ANSWER)
            if 300 <= answer.status < 400:
                return Answer(answer.status, f"HTTP {answer.status}: redirects are not followed")
            return Answer(answer.status, "" if answer.status < 300 else f"HTTP {answer.status}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = not watchdog.is_alive()
            return Answer(None, f"no answer within {self.total_seconds:g} s" if late else _line(error))
        finally:
            watchdog.cancel()
            connection.close()

    def _reach(self, host: str, port: int) -> socket.socket:
        """Connect to an address that was looked at: asking for the name twice could give two answers."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        allowed = [one for one in found if self.private or is_public(str(one[4][0]))]
        if not allowed:
            raise OSError(f"{host} is an address inside a private network, which is not allowed")
        family, kind, protocol, _, address = allowed[0]
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(CONNECT_SECONDS)
            connected.connect(address)
            connected.settimeout(self.total_seconds)
        except BaseException:
            connected.close()
            raise
        return connected


class _Pinned(http.client.HTTPConnection):
    """A connection over a socket that is there already."""

    def __init__(self, host: str, port: int, connected: socket.socket, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.sock = connected

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, and make sure of the host's name."""
        self.default_port = 443
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End it from another thread."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        # Addresses that carry one of IPv4 inside lead where that one leads.
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if found in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found.is_global and not found.is_multicast


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
