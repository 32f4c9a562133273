"""Strategies side by side on labelled data, before a label is bought."""
