"""Label Studio as a vendor: a project of the campaign's, filled and read through its API.

* `options`    what a campaign says of it
* `client`     its API: tokens, time limits, errors
* `form`       the labeling interface, to and from the campaign's classes and columns
* `project`    the campaign's project, found again or made once; its webhook and ML backend
* `shelf`      the tasks of a project: looked up by our ids, imported, changed, deleted
* `reading`    what an annotation says
* `answers`    annotations to rows and changes: whose assignment each is, and what changed
* `poll`       what changed since the last look
* `turns`      the four calls of a `tasks.vendors.connector.Connector`
* `webhook`    what it calls us with: a hint to ask soon
* `guesses`    a model's probabilities as its predictions, for the ML backend
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.vendors.label_studio.turns import LabelStudio
    from tasks.vendors.registry import Tools


def connector(options: Mapping[str, Any], tools: Tools) -> LabelStudio:
    """Make the connector of a vendor in a campaign.

    Raises
    ------
    UsageError
        See `tasks.vendors.label_studio.options.Options.read`.
    """
    from tasks.vendors.label_studio.options import Options
    from tasks.vendors.label_studio.turns import LabelStudio

    return LabelStudio(Options.read(options, tools.environment), tools.campaign, tools.vendor)
