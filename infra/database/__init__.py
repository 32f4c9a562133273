"""Postgres: the source of truth for campaigns, rounds, tasks, annotations, labels and money."""
