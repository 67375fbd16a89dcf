"""Everything the stand-in knows, in one place and without I/O."""

import random
import time
from dataclasses import dataclass, field

from simulator.config import HOST, Config
from simulator.credentials import Credentials
from simulator.directory import Directory
from simulator.faults import Faults
from simulator.graph.rules import GraphLimits
from simulator.graph.state import GraphState
from simulator.ledger import Ledger
from simulator.limits import Limits
from simulator.signing import Key, KeyRing, Verifier


@dataclass(slots=True)
class Ids:
    """Ids of activities: unique, and ascending with time as Teams' are."""

    _last: int = 0

    def next(self) -> str:
        self._last = max(self._last + 1, int(time.time() * 1000))
        return str(self._last)


@dataclass(slots=True)
class World:
    """One stand-in's state. `ports` are of the Connector (http) and of the login side (https), once they are bound.

    `posted` remembers the ids of the messages that stand in a conversation, for update and delete.
    """

    config: Config
    directory: Directory
    limits: Limits
    faults: Faults
    entra_keys: KeyRing
    bot_keys: KeyRing
    verifier: Verifier
    graph: GraphState
    credentials: Credentials = field(default_factory=Credentials)
    ledger: Ledger = field(default_factory=Ledger)
    ids: Ids = field(default_factory=Ids)
    posted: set[tuple[str, str]] = field(default_factory=set)
    token_requests: int = 0
    tokens_issued: int = 0
    key_requests: int = 0
    port: int = 0
    login_port: int = 0
    bot_endpoint: str | None = None

    @classmethod
    def make(cls, config: Config) -> "World":
        entra_keys = KeyRing([Key.make()])
        return cls(
            config=config,
            directory=Directory(config.app_id, config.tenants, random.Random(config.seed)),  # noqa: S311 - ids only.
            limits=Limits(config.rate, config.depth, config.conversation_limits),
            faults=Faults(random.Random(config.seed)),  # noqa: S311 - which call fails must be repeatable.
            entra_keys=entra_keys,
            bot_keys=KeyRing([Key.make(("msteams", "skype"))]),
            verifier=Verifier(entra_keys),
            graph=GraphState(config, random.Random(config.seed), GraphLimits(on=config.graph_limits)),  # noqa: S311 - order only.
            bot_endpoint=config.bot_endpoint,
        )

    @property
    def control_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def service_url(self) -> str:
        return f"http://{HOST}:{self.port}/teams/"

    @property
    def login_url(self) -> str:
        return f"https://{HOST}:{self.login_port}"
