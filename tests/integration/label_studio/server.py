"""A real Label Studio of its own for a test session, from the seed that build.sh made."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import requests

HERE = Path(__file__).parent
SETTINGS = dict(line.split("=", 1) for line in (HERE / "server.env").read_text().splitlines() if line)
TOKEN = SETTINGS["LABEL_STUDIO_USER_TOKEN"]
START_SECONDS = 120


class LabelStudioServer:
    """A Label Studio process over a copy of the seed.

    Parameters
    ----------
    home
        Where build.sh put the environment and the seed.
    data
        A folder for the copy; made when it is not there, gone on with when it is.
    """

    def __init__(self, home: Path, data: Path) -> None:
        self.home, self.data = home, data
        self.process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        if not data.exists():
            shutil.copytree(home / "seed", data)

    def start(self) -> None:
        """Start, and wait until it answers and takes the token."""
        environment = {"PATH": f"{self.home}/env/bin:/usr/bin:/bin", "HOME": str(self.data), **SETTINGS}
        environment["LABEL_STUDIO_BASE_DATA_DIR"] = str(self.data)
        environment["LABEL_STUDIO_DATABASE_NAME"] = str(self.data / "label_studio.sqlite3")
        command = [str(self.home / "env/bin/label-studio"), "start", "--no-browser"]
        command += ["--internal-host", "127.0.0.1", "-p", str(self.port)]
        with (self.data / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                # Not /health/: on a taken port the server moves elsewhere, and another one may answer here.
                if self.api("GET", "/api/projects/").ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"Label Studio did not start: {(self.data / 'server.log').read_text()[-2000:]}")

    def stop(self, *, hard: bool = False) -> None:
        """End the process, with SIGKILL when `hard`."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill() if hard else self.process.terminate()
            self.process.wait(30)
        self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def api(self, method: str, path: str, *, token: str = TOKEN, **options: Any) -> requests.Response:
        """Call the API as the user of a legacy token."""
        headers = {"Authorization": f"Token {token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=120, **options)

    def annotator(self, email: str) -> str:
        """Make a user as an invitation does, and give its legacy token."""
        invite = self.api("GET", "/api/invite").json()["token"]
        session = requests.Session()
        address = f"{self.url}/user/signup/?token={invite}"
        session.get(address, timeout=30)
        form = {
            "email": email,
            "password": "a-long-Password-9",
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        }
        answer = session.post(address, data=form, headers={"Referer": address}, timeout=30)
        answer.raise_for_status()
        token = session.get(f"{self.url}/api/current-user/token", timeout=30).json()["token"]
        assert re.fullmatch(r"[0-9a-f]{40}", token)
        return str(token)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def environment_home() -> Path:
    """Where build.sh puts the environment when it is told nothing else."""
    told = os.environ.get("LABELROUNDS_TEST_LABEL_STUDIO")
    return Path(told) if told else Path.home() / ".cache" / "labelrounds" / "label-studio"
