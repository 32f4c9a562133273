"""labelrounds as an ML backend of Label Studio: its users get a campaign's newest model as predictions."""

from infra.ml_backend.app import NOTHING, Login, Oracle, make_app
from infra.ml_backend.registry import Registered, newest

__all__ = ["NOTHING", "Login", "Oracle", "Registered", "make_app", "newest"]
