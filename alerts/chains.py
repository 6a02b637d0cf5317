"""Escalation chains: who is told, and after how many minutes, of an alert that nobody has acknowledged."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Engine, RowMapping

from alerts.notification_tables import chain
from alerts.transactions import reading, writing

CHAINS_MAX = 20
STEPS_MAX = 10
REPEATS_MAX = 9
WAIT_MIN_MAX = 1_440


class UnknownChainError(LookupError):
    """There is no such chain, or no longer."""


class TooManyChainsError(ValueError):
    """There are as many as there may be."""


class Step(Struct, frozen=True, kw_only=True):
    """Wait, then tell one subscription, or all of a team."""

    wait_min: int
    subscription_id: int | None = None
    team: str | None = None


class Chain(Struct, frozen=True, kw_only=True):
    """What happens to alerts of these priorities until somebody acknowledges them or they clear.

    After the last step it begins anew, `repeats` times.
    """

    name: str
    priorities: list[int]
    steps: list[Step]
    repeats: int = 0
    enabled: bool = True

    def step(self, taken: int) -> Step | None:
        """Return the step after so many that were taken; None: it is at its end."""
        return self.steps[taken % len(self.steps)] if taken < len(self.steps) * (self.repeats + 1) else None


class KnownChain(Struct, frozen=True):
    """A chain and its id."""

    id: int
    chain: Chain


class ChainBook:
    """Every chain that was not removed."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def all(self) -> list[KnownChain]:
        """Return all of them, oldest first."""
        with reading(self._engine) as connection:
            return [known_of(row) for row in connection.execute(present().order_by(chain.c.id)).mappings()]

    def known(self, chain_id: int) -> KnownChain:
        """Return one.

        Raises:
            UnknownChainError: there is none.
        """
        with reading(self._engine) as connection:
            row = connection.execute(present().where(chain.c.id == chain_id)).mappings().first()
        if row is None:
            raise _unknown(chain_id)
        return known_of(row)

    def add(self, new: Chain, now: datetime) -> KnownChain:
        """Write one down; it is for alerts that are raised from now on.

        Raises:
            TooManyChainsError: there are `CHAINS_MAX` already.
        """
        with writing(self._engine) as connection:
            count = sa.select(sa.func.count()).where(chain.c.removed_at.is_(None))
            if connection.execute(count).scalar_one() >= CHAINS_MAX:
                message = f"there are {CHAINS_MAX} chains; remove one first"
                raise TooManyChainsError(message)
            insert = sa.insert(chain).values(**_row_of(new), created_at=now).returning(chain.c.id)
            chain_id = connection.execute(insert).scalar_one()
        return KnownChain(chain_id, new)

    def change(self, chain_id: int, new: Chain) -> KnownChain:
        """Take the place of what was there; alerts that are on their way through it go on with it.

        Raises:
            UnknownChainError: there is none.
        """
        self._update(chain_id, _row_of(new))
        return KnownChain(chain_id, new)

    def remove(self, chain_id: int, now: datetime) -> None:
        """End it, for all alerts.

        Raises:
            UnknownChainError: there is none.
        """
        self._update(chain_id, {"enabled": False, "removed_at": now})

    def _update(self, chain_id: int, values: dict[str, Any]) -> None:
        own = (chain.c.id == chain_id) & chain.c.removed_at.is_(None)
        with writing(self._engine) as connection:
            if connection.execute(sa.update(chain).where(own).values(values)).rowcount == 0:
                raise _unknown(chain_id)


def present() -> sa.Select[Any]:
    """Select the chains that were not removed."""
    return sa.select(chain).where(chain.c.removed_at.is_(None))


def known_of(row: RowMapping) -> KnownChain:
    """Return the chain that a row of its table holds."""
    fields = {name: row[name] for name in Chain.__struct_fields__}
    return KnownChain(row["id"], msgspec.convert(fields, Chain))


def _row_of(new: Chain) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(new)
    return row


def _unknown(chain_id: int) -> UnknownChainError:
    message = f"There is no chain {chain_id}."
    return UnknownChainError(message)
