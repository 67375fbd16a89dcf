"""Logs as Azure's worker forwards them: the text of a record alone, so the data travel in it as one JSON object."""

import logging

import orjson


def log_event(
    logger: logging.Logger,
    event: str,
    /,
    *,
    level: int = logging.INFO,
    error: BaseException | None = None,
    **fields: object,
) -> None:
    """Log a constant event, named in the past tense, with ids and numbers as fields: `activity_kept {"tenant":...}`.

    Never texts of messages, names, addresses or tokens. `error` adds a traceback: only for a bug in our own code,
    because the errors of others may quote what they were given.
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s %s", event, orjson.dumps(fields, default=str).decode(), exc_info=error)
