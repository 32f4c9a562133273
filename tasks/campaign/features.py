"""The `features` section of a campaign file. Keys and meanings: docs/campaign.md."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from tasks.campaign.values import Part, Text, Whole


class Features(Part):
    """What columns become."""

    text_dimensions: Annotated[Whole, Field(ge=1, le=1024)] = 128
    text_model: Text | None = None
    text_model_revision: Text | None = None

    @model_validator(mode="after")
    def _revision_of_something(self) -> Features:
        if self.text_model_revision is not None and self.text_model is None:
            raise ValueError("text_model_revision is the revision of a text_model; name that too")
        return self
