"""Running the command as a user does."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def labelrounds(
    *arguments: str, home: Path, expect: int = 0, timeout: float = 120, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `labelrounds` in a process of its own and check its exit code."""
    command = [str(Path(sys.executable).with_name("labelrounds")), *arguments]
    environment = {**os.environ, "LABELROUNDS_HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, cwd=cwd)
    assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
