"""Logs as Azure's worker forwards them: the text of a record alone, so the data travel in it as one JSON object."""

import logging

import orjson


def log_event(logger: logging.Logger, event: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Log a constant event, named in the past tense, with ids and numbers as fields: `activity_kept {"tenant":...}`.

    Never texts of messages, names, addresses or tokens, and no tracebacks either: an error's message may quote them.
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s %s", event, orjson.dumps(fields, default=str).decode())
