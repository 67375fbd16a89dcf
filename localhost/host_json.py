"""What of `host.json` the local host obeys, with the documented defaults.

https://learn.microsoft.com/azure/azure-functions/functions-host-json
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#hostjson-settings
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

MAX_BATCH_SIZE = 32
MIN_POLLING_INTERVAL = timedelta(milliseconds=100)


class BadHostJsonError(ValueError):
    """`host.json` holds a value that the host refuses: its author corrects it."""


class MessageEncoding(StrEnum):
    """How the text of a queue message is written."""

    NONE = "none"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`extensions.queues`. The visibility timeout is the delay before a failed message is seen again."""

    batch_size: int = 16
    new_batch_threshold: int | None = None
    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta()
    max_dequeue_count: int = 5
    message_encoding: MessageEncoding = MessageEncoding.BASE64

    @property
    def fetch_below(self) -> int:
        """How many messages may still be running when the next ones are fetched."""
        if self.new_batch_threshold is not None:
            return self.new_batch_threshold
        return self.batch_size // 2 * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """The part of `host.json` that this host obeys."""

    route_prefix: str = "api"
    queues: QueueOptions = field(default_factory=QueueOptions)


def read_host_json(root: Path) -> HostOptions:
    """Read `host.json` in a folder; the defaults hold where it, or a member of it, is missing."""
    path = root / "host.json"
    if not path.is_file():
        return HostOptions()
    extensions = json.loads(path.read_text(encoding="utf-8-sig")).get("extensions", {})
    prefix = extensions.get("http", {}).get("routePrefix", "api").strip("/")
    return HostOptions(route_prefix=prefix, queues=parse_queue_options(extensions.get("queues", {})))


def parse_queue_options(values: Mapping[str, Any]) -> QueueOptions:
    """Parse `extensions.queues`; raise BadHostJsonError for a value out of its documented range."""
    batch_size = int(values.get("batchSize", 16))
    if not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise BadHostJsonError(f"batchSize is {batch_size}: it must be between 1 and {MAX_BATCH_SIZE}")
    threshold = values.get("newBatchThreshold")
    if threshold is not None and int(threshold) < 0:
        raise BadHostJsonError(f"newBatchThreshold is {threshold}: it must not be negative")
    max_dequeue_count = int(values.get("maxDequeueCount", 5))
    if max_dequeue_count < 1:
        raise BadHostJsonError(f"maxDequeueCount is {max_dequeue_count}: it must be 1 or more")
    interval = parse_time_span(values.get("maxPollingInterval", "00:01:00"))
    if interval < MIN_POLLING_INTERVAL:
        raise BadHostJsonError(f"maxPollingInterval is {interval}: it must be 100 milliseconds or more")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=None if threshold is None else int(threshold),
        max_polling_interval=interval,
        visibility_timeout=parse_time_span(values.get("visibilityTimeout", "00:00:00")),
        max_dequeue_count=max_dequeue_count,
        message_encoding=MessageEncoding(str(values.get("messageEncoding", "base64")).lower()),
    )


def parse_time_span(value: str | int) -> timedelta:
    """Parse `hh:mm:ss[.fff]`; a bare number is milliseconds, as the queue extension reads it."""
    if isinstance(value, int):
        return timedelta(milliseconds=value)
    try:
        hours, minutes, seconds = value.split(":")
        return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    except ValueError as error:
        raise BadHostJsonError(f"{value!r} is no time span: write hh:mm:ss") from error
