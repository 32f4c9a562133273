"""Where a model trains: asked of XGBoost itself, because nothing else knows.

XGBoost swallows CUDA's errors while it counts GPUs and then trains on the CPU with a mere warning. So the
device that a booster says it used is the only evidence that a GPU works.
"""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from typing import Literal

import numpy as np

from tasks.errors import DeviceUnavailable, UsageError

Device = Literal["cpu", "cuda"]

# Time of day, level and source line that XGBoost puts before what it says.
_LOG_PREFIX = re.compile(r"^\[[\d:]+\] (WARNING: )?\S+?:\d+: ")


def resolve_device(wanted: str) -> Device:
    """Decide where to train.

    Parameters
    ----------
    wanted : {'auto', 'cpu', 'cuda'}
        ``auto`` takes the GPU where a probe shows that it works.

    Returns
    -------
    {'cpu', 'cuda'}

    Raises
    ------
    DeviceUnavailable
        ``cuda`` was wanted and does not work; the message names the possible causes and what was seen.
    UsageError
        `wanted` is none of the three.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device must be auto, cpu or cuda, not {wanted!r}.")
    if wanted == "cpu":
        return "cpu"
    works, said = _probe(quiet=wanted == "auto")
    if works:
        return "cuda"
    if wanted == "auto":
        return "cpu"
    raise DeviceUnavailable(_explain(said))


def effective_device(config: str) -> Device:
    """Read the device from a booster's `save_config`; XGBoost writes ``cuda:0`` for a GPU."""
    device = json.loads(config)["learner"]["generic_param"]["device"]
    return "cuda" if str(device).startswith("cuda") else "cpu"


def _probe(*, quiet: bool) -> tuple[bool, str]:
    """Train one round on four rows with CUDA: whether that ran on a GPU, and what XGBoost said."""
    import xgboost as xgb

    X = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            params = {"device": "cuda", "objective": "binary:logistic", "verbosity": 0 if quiet else 1}
            booster = xgb.train(params, xgb.DMatrix(X, np.array([0, 0, 1, 1])), 1)
            works = effective_device(booster.save_config()) == "cuda"
            said = " ".join(_LOG_PREFIX.sub("", str(warning.message)) for warning in caught)
        except xgb.core.XGBoostError as error:
            works, said = False, str(error).splitlines()[0]
    return works, said or "nothing"


def _explain(said: str) -> str:
    import xgboost as xgb

    build = xgb.build_info()
    version = ".".join(map(str, build.get("CUDA_VERSION") or ["none"]))
    return (
        "device: cuda does not work here. One of: "
        "(1) this XGBoost wheel is CPU-only: install `xgboost` instead of `xgboost-cpu`; "
        "(2) no GPU is visible: check the driver, CUDA_VISIBLE_DEVICES and the container's GPU access; "
        "(3) the driver is older than the wheel's CUDA: update it or install `xgboost-cu12`. "
        f"XGBoost {xgb.__version__} says USE_CUDA={build.get('USE_CUDA')}, CUDA {version}; "
        f"the driver says: {_ask_driver()}; the probe said: {said.rstrip('.')}. Or set device: auto."
    )


def _ask_driver() -> str:
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        return "nvidia-smi is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi failed ({error})"
    return " ".join((answer.stdout or answer.stderr).split()) or f"nvidia-smi exit code {answer.returncode}"
