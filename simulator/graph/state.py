"""Everything Graph knows beyond the directory, in one place and without I/O."""

import random
from dataclasses import dataclass, field

from simulator.config import Config
from simulator.graph.catalog import CatalogApp
from simulator.graph.figures import GraphCounts
from simulator.graph.installations import Installations
from simulator.graph.paging import Pages
from simulator.graph.refusing import Order
from simulator.graph.roles import CONSENTED
from simulator.graph.rules import GraphLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How Graph behaves where Microsoft promises nothing.

    An installation shows in lists `listing_lag_s` after it was made. The bot hears of it (`notify`) `notify_delay_s`
    after Graph's answer. A page holds at most `page_limit` entries, begins with `repeats` entries of the page before,
    and its link is good for `page_life_s`.
    """

    listing_lag_s: float = 0.0
    notify: bool = True
    notify_delay_s: float = 0.05
    page_limit: int | None = None
    repeats: int = 0
    page_life_s: float | None = None


@dataclass(slots=True)
class GraphState:
    """The catalogue, the installations, the consents, the limits, and what is counted."""

    config: Config
    rng: random.Random
    limits: GraphLimits
    habits: Habits = field(default_factory=Habits)
    installations: Installations = field(default_factory=Installations)
    orders: list[Order] = field(default_factory=list)
    counts: GraphCounts = field(default_factory=GraphCounts)
    pages: Pages = field(default_factory=Pages)
    _catalogs: dict[str, CatalogApp] = field(default_factory=dict)
    _consents: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def catalog(self, tenant_id: str) -> CatalogApp:
        """The app as one tenant's catalogue has it."""
        if tenant_id not in self._catalogs:
            config = self.config
            self._catalogs[tenant_id] = CatalogApp(
                tenant_id=tenant_id, manifest_id=config.manifest_id, name=config.app_name
            )
        return self._catalogs[tenant_id]

    def roles(self, tenant_id: str) -> tuple[str, ...]:
        """The roles that a token of this tenant carries."""
        return self._consents.get(tenant_id, CONSENTED)

    def consent(self, tenant_id: str, roles: tuple[str, ...]) -> None:
        """Tokens carry these roles from now on; those already issued keep theirs."""
        self._consents[tenant_id] = roles
