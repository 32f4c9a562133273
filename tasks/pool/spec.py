"""What a campaign says about its pool, as plain values without heavy imports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What to read, and how much of it may be unusable.

    Attributes
    ----------
    uri
        Prefix of the pool's objects, or one object.
    id
        Name of the id column.
    payload
        Columns that a vendor may see.
    text, numeric, categorical, embedding, date, tags
        Columns to learn from. When all are empty they are found from the data.
    ignore
        Columns that are never found from the data.
    max_set_aside
        Share of rows, and of objects, that may be set aside, 0 to 1.
    seed
        The campaign's seed.
    bare
        Whether it may have no column to learn from.
    """

    uri: str
    id: str
    payload: tuple[str, ...]
    text: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    date: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    max_set_aside: float = 0.01
    seed: int = 0
    bare: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """All columns to learn from that are named."""
        return self.text + self.numeric + self.categorical + self.embedding + self.date + self.tags

    @property
    def auto(self) -> bool:
        """Whether the columns to learn from are to be found from the data."""
        return not self.features

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that the pool must have, without repeats, the id first."""
        return tuple(dict.fromkeys((self.id, *self.features, *self.payload)))
