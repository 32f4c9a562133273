"""A proxy that loses replies: the call was done, and its caller never hears of it."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress


class LossyProxy:
    """Hands connections on to a server; cuts some of them once the server has begun to answer.

    Parameters
    ----------
    share
        Of replies that are lost.
    """

    def __init__(self, port: int, share: float, seed: int) -> None:
        self.target, self.share, self.rng, self.lost = port, share, random.Random(seed), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                for work in (self._up, self._down):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if data.startswith(b"HTTP/") and self.rng.random() < self.share:
                    self.lost += 1
                    break
                client.sendall(data)
        # The other thread still reads from it, so closing alone would not end it.
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """Take no more connections."""
        self.listener.close()
