"""The contract as a list of checks that anybody with a key can run against a gateway.

Works on one campaign, `sandbox` unless told otherwise, takes a dozen of its tasks and answers some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flows.vendor.checks import CHECKS
from flows.vendor.session import SANDBOX, Failed, Session


@dataclass(frozen=True)
class Check:
    """One check and how it went."""

    name: str
    passed: bool
    sentence: str


def run(url: str, key: str, campaign: str = SANDBOX) -> Iterator[Check]:
    """Run all checks in order; those that need a lease are failed when there is none.

    Raises
    ------
    ServiceUnavailable
        The gateway gives no reply.
    """
    session = Session(url, key, campaign)
    session.http.trust_env = False
    for check in CHECKS:
        name = check.__name__.removeprefix("_")
        try:
            yield Check(name, True, check(session))
        except Failed as failure:
            yield Check(name, False, str(failure))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            yield Check(name, False, f"the reply is not shaped as documented: {type(error).__name__} {error}")
