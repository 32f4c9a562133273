"""The exceptions of labelrounds, one tree.

* LabelRoundsError
  + UsageError                   the caller can mend it: exit code 2, HTTP 4xx
    - CampaignError              a campaign file with mistakes, each with its line
    - SettingsError              a setting that is missing or wrong, with the places looked at
    - NotFound                   a campaign, round, vendor, object or bucket that does not exist
    - Refused                    a gateway said no to a call, with a code (tasks.vendors.http_client)
  + RoundError                   a round that cannot go on: exit code 1
    - RoundBusy                  another process drives this campaign's round
    - RoundWaiting               the open round waits for labels, so no new one starts
    - CampaignStopped            a stop rule ended the campaign; raising its budget goes on
    - PoolRejected               the pool is empty or has too many unreadable objects or rows
    - PoolChanged                an object differs from the manifest that the round was pinned to
    - PoolExhausted              fewer items are left than the batch needs
    - DeviceUnavailable          `cuda` was demanded and does not work here
    - BudgetExceeded             publishing would spend more than the campaign has
    - GuardTripped               something is wrong with the batch, and nobody said to publish it all the same
  + StackError                   a part of the embedded stack does not start or answer
    - ServiceUnavailable         a server (Postgres, S3, MLflow, Prefect) cannot be reached; transient
      * VendorUnreachable        a vendor's own system, reached through a connector; transient

Every message says what happened, where, and what to do about it.
"""

from collections.abc import Mapping


class LabelRoundsError(Exception):
    """Base of all errors that labelrounds raises on purpose."""

    exit_code = 1


class UsageError(LabelRoundsError):
    """Wrong usage or bad input, which the caller can mend."""

    exit_code = 2


class CampaignError(UsageError):
    """A campaign file with one or more mistakes.

    Parameters
    ----------
    path
        The file, as the user named it.
    mistakes
        One line each, ``line 12: budget.labels: must be positive``.
    """

    def __init__(self, path: str, mistakes: list[str]) -> None:
        self.path = path
        self.mistakes = mistakes
        super().__init__("\n".join(f"{path}: {mistake}" for mistake in mistakes))


class SettingsError(UsageError):
    """A setting is missing or wrong."""


class NotFound(UsageError):
    """A campaign, round, vendor, object or bucket that does not exist."""


class RoundError(LabelRoundsError):
    """A round that cannot go on."""


class RoundBusy(RoundError):
    """Another process drives a round of this campaign at this moment."""


class RoundWaiting(RoundError):
    """The open round waits for labels."""


class CampaignStopped(RoundError):
    """A stop rule ended the campaign."""


class PoolRejected(RoundError):
    """The pool is empty, or more of it than the campaign allows cannot be used."""


class PoolChanged(RoundError):
    """An object of the pool differs from the manifest that the round was pinned to."""


class PoolExhausted(RoundError):
    """Fewer items are left than the batch needs."""


class DeviceUnavailable(RoundError):
    """The demanded device does not work here."""


class BudgetExceeded(RoundError):
    """Publishing the batch would spend more than the campaign has."""


class GuardTripped(RoundError):
    """Something is surely wrong with a batch: nothing is published until a person says so, or mends it.

    Parameters
    ----------
    campaign, number
        Of the round.
    reasons
        Sentence of each guard that tripped, by its name.
    """

    def __init__(self, campaign: str, number: int, reasons: Mapping[str, str]) -> None:
        self.names = tuple(reasons)
        said = " ".join(f"{name}: {reason}" for name, reason in reasons.items())
        words = " ".join(f"--override {name}" for name in reasons)
        super().__init__(
            f"campaign {campaign}, round {number}: nothing was published. {said} If all is right, go on with "
            f"`labelrounds round {campaign} {words}`."
        )


class StackError(LabelRoundsError):
    """A part of the embedded stack does not start or answer."""


class ServiceUnavailable(StackError):
    """A server cannot be reached; trying again later may help."""


class VendorUnreachable(ServiceUnavailable):
    """A vendor's own system cannot be reached or is in trouble; the next turn may go through."""
