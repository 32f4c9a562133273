"""Columns of the pool to feature matrices."""

from tasks.features.space import FeatureSpace, fit_space

__all__ = ["FeatureSpace", "fit_space"]
