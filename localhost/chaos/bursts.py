"""What a burst of Teams' or Graph's misbehaviour is like: the stand-in's options, drawn for each kind. Pure."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from localhost.chaos.kinds import Kind
from simulator.graph.refusing import TEXTS, Reason

BURSTS: Mapping[Kind, Callable[[random.Random], dict[str, Any]]] = {
    Kind.CONNECTION_RESET: lambda rng: {"action": "reset", "probability": rng.uniform(0.1, 1.0)},
    Kind.ANSWER_LOST: lambda rng: {"action": "lose_answer", "probability": rng.uniform(0.1, 0.6)},
    Kind.ANSWER_FALSE: lambda rng: {
        "action": "false_answer",
        "code": "ServiceError",
        "status": rng.choice((502, 504)),
        "probability": rng.uniform(0.1, 0.6),
    },
    # A sender waits ten seconds for an answer.
    Kind.ANSWER_LATE: lambda rng: {"action": "delay", "delay_s": rng.uniform(11.0, 13.0), "count": rng.randint(5, 25)},
    Kind.ANSWER_SLOW: lambda rng: {
        "action": "delay",
        "delay_s": rng.uniform(0.5, 4.0),
        "probability": rng.uniform(0.3, 1.0),
    },
    Kind.THROTTLED: lambda rng: {
        "code": "Throttled",
        "retry_after": rng.choice((None, 1, 2, 5)),
        "probability": rng.choice((0.05, 0.3, 1.0)),
    },
    # No 500: it is final, and so would look like a person who refuses.
    Kind.SERVER_ERROR: lambda rng: {
        "code": "ServiceError",
        "status": rng.choice((412, 502, 503, 504)),
        "probability": rng.uniform(0.2, 1.0),
    },
    Kind.GRAPH_THROTTLED: lambda rng: {
        "code": "TooManyRequests",
        "status": 429,
        "retry_after": rng.choice((1, 2, 5)),
        "probability": rng.choice((0.05, 0.3, 1.0)),
        "kinds": ("graph",),
    },
    Kind.GRAPH_ERROR: lambda rng: {
        "code": "ServiceUnavailable",
        "status": rng.choice((503, 504)),
        "probability": rng.uniform(0.1, 1.0),
        "kinds": ("graph",),
    },
    Kind.INSTALL_FAILED: lambda rng: {
        "code": "BadRequest",
        "status": 400,
        "message": TEXTS[Reason.TRANSIENT][-1],
        "probability": rng.uniform(0.1, 0.6),
        "kinds": ("graph.install",),
    },
    # Twenty installs share an answer: each of them may lose it for all.
    Kind.INSTALL_ANSWER_LOST: lambda rng: {
        "action": "lose_answer",
        "probability": rng.uniform(0.02, 0.2),
        "kinds": ("graph.install",),
    },
    # A bot that hears of its installs needs no list.
    Kind.LISTS_LAG: lambda rng: {"listing_lag_s": rng.uniform(2.0, 8.0), "notify": rng.random() < 0.5},
}
