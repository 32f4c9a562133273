"""A campaign's own predictions: what a network outside labelrounds says of each item of the pool.

Import from the modules: `study` reads and checks predictions, `index` finds them by id.
"""
