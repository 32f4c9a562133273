"""The steps of a labeling round (modules, verbs) and what the steps know (subpackages, nouns)."""
