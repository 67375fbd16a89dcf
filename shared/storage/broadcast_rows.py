"""How the rows of a broadcast are packed into a table's properties, and read again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson

from shared.domain.batches import Batch, Note, Progress, Recipient, planned_progress
from shared.domain.broadcasts import Broadcast, DeliveryMode, PauseReason, Priority
from shared.domain.cursors import Cursor, Phase
from shared.domain.lanes import LanePlan
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.domain.own_clocks import OwnClock
from shared.domain.rehearsals import Ramp
from shared.storage.rows import MAX_BINARY_BYTES, Row, Value, Values, pack_bytes, unpack_bytes

CURSOR_PROPERTIES = tuple(field.name for field in fields(Cursor))
_OBJECT_ID_BYTES = 16
_RUN_ROW_BYTES = 8 * MAX_BINARY_BYTES
"""Azurite counts a row as it travels, in Base64: of the mebibyte that tables allow it leaves three quarters."""
_PREFIX = "user!"


def pack_broadcast(broadcast: Broadcast) -> dict[str, Value]:
    """The head's properties; instants that have not come are left out."""
    values: dict[str, Value] = {
        "tenant": broadcast.tenant,
        "key": broadcast.key,
        "body_hash": broadcast.body_hash,
        "delivery": broadcast.delivery.value,
        "priority": broadcast.priority.value,
        "lanes": broadcast.lanes.sends,
        "install_lanes": broadcast.lanes.installs,
        "accepted_at": broadcast.accepted_at,
    }
    if broadcast.mode is not Mode.SEND:
        values["mode"] = broadcast.mode.value
    if broadcast.digest:
        values["digest"] = broadcast.digest
    if broadcast.starts_at:
        values["starts_at"] = broadcast.starts_at
    if broadcast.ramp is not None:
        values |= {"ramp_people": broadcast.ramp.people, "ramp_wait": broadcast.ramp.wait}
    if broadcast.expires_at is not None:
        values["expires_at"] = broadcast.expires_at
    if broadcast.own_clock is not None:
        clock = broadcast.own_clock
        values |= {"local_time": clock.at.isoformat(), "default_zone": clock.default_zone}
    if broadcast.expires_after is not None:
        values["expires_after"] = broadcast.expires_after
    if broadcast.parent:
        values |= {"parent": broadcast.parent, "revision": broadcast.revision}
    # A child may be born so, where its parent was stopped or held in between.
    if broadcast.cancelled_at is not None:
        values["cancelled_at"] = broadcast.cancelled_at
    if broadcast.paused is not None and broadcast.paused_at is not None:
        values |= {"paused": broadcast.paused.value, "paused_at": broadcast.paused_at}
    return values


def unpack_broadcast(row: Row) -> Broadcast:
    """Read a head row."""
    values = row.values
    return Broadcast(
        id=row.partition,
        tenant=str(values["tenant"]),
        key=str(values["key"]),
        body_hash=str(values["body_hash"]),
        delivery=DeliveryMode(str(values["delivery"])),
        priority=Priority(str(values["priority"])),
        mode=Mode(str(values.get("mode", Mode.SEND))),
        ramp=_ramp(values),
        digest=str(values.get("digest", "")),
        lanes=LanePlan(sends=int(values["lanes"]), installs=int(values.get("install_lanes", 0))),
        accepted_at=float(values["accepted_at"]),
        starts_at=float(values.get("starts_at", 0.0)),
        own_clock=_own_clock(values),
        expires_after=_instant(values, "expires_after"),
        parent=str(values.get("parent", "")),
        expires_at=_instant(values, "expires_at"),
        cancelled_at=_instant(values, "cancelled_at"),
        paused=PauseReason(str(values["paused"])) if values.get("paused") else None,
        paused_at=_instant(values, "paused_at"),
        refusals_seen=bool(values.get("refusals_seen", False)),
        revision=int(values.get("revision", 0)),
        recalled=bool(values.get("recalled", False)),
        # A revision opens a finished broadcast again by writing zero.
        finished_at=_instant(values, "finished_at") or None,
        final_outcomes=str(values.get("sums", "")),
        final_revised=str(values.get("revised_sums", "")),
    )


def _ramp(values: Values) -> Ramp | None:
    if "ramp_people" not in values:
        return None
    return Ramp(people=int(values["ramp_people"]), wait=float(values["ramp_wait"]))


def _own_clock(values: Values) -> OwnClock | None:
    if "local_time" not in values:
        return None
    return OwnClock(at=datetime.fromisoformat(str(values["local_time"])), default_zone=str(values["default_zone"]))


def pack_cursor(cursor: Cursor) -> dict[str, Value]:
    """The cursor's properties."""
    return {name: getattr(cursor, name) for name in CURSOR_PROPERTIES} | {"phase": cursor.phase.value}


def unpack_cursor(values: Values) -> Cursor:
    """Read a cursor row."""
    known: dict[str, Any] = {name: values[name] for name in CURSOR_PROPERTIES if name in values}
    return Cursor(**known | {"phase": Phase(str(values["phase"]))})


def pack_run(kind: str, keys: Sequence[str]) -> Iterator[dict[str, Value]]:
    """The rows of a run: people as the 16 bytes of their object ids, conversations as lines. At least one row."""
    encode = _encode_user if kind == "user" else _encode_text
    part = bytearray()
    for key in keys:
        encoded = encode(key)
        if len(part) + len(encoded) > _RUN_ROW_BYTES:
            yield {"kind": kind, **pack_bytes("keys", bytes(part))}
            part.clear()
        part += encoded
    yield {"kind": kind, **pack_bytes("keys", bytes(part))}


def unpack_run(values: Values) -> tuple[str, Sequence[str]]:
    """Read one row of a run. The keys of people stay packed until they are asked for."""
    kind, data = str(values["kind"]), unpack_bytes("keys", values)
    return kind, PackedPeople(data) if kind == "user" else data.decode().splitlines()


class PackedPeople(Sequence[str]):
    """People's keys, each as the 16 bytes of an object id: as strings they would take seven times as much."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        """How many they are."""
        return len(self._data) // _OBJECT_ID_BYTES

    def __getitem__(self, place: Any) -> Any:
        """The key at a place."""
        start = range(0, len(self._data), _OBJECT_ID_BYTES)[place]
        return _PREFIX + _object_id(self._data[start : start + _OBJECT_ID_BYTES])


def pack_new_batch(recipients: tuple[Recipient, ...], outcome: Outcome = Outcome.PENDING) -> dict[str, Value]:
    """A batch row as the planner writes it, all deliveries at one outcome but those of unknown people.

    Service URLs repeat, so each recipient names its own by number.
    """
    urls = sorted({recipient.service_url for recipient in recipients})
    packed = {
        "urls": urls,
        "to": [
            [one.key, one.conversation, one.member, urls.index(one.service_url), int(one.is_blocked)]
            + ([one.group, one.letter] if one.letter else [one.group] if one.group else [])
            for one in recipients
        ],
    }
    fresh = pack_progress(planned_progress(recipients, outcome))
    return fresh | pack_bytes("recipients", orjson.dumps(packed)) | {"lease": "", "writer": "", "writes": 0}


def pack_progress(progress: Progress) -> dict[str, Value]:
    """What a journal write carries: never the recipients."""
    activity_ids = {str(position): activity_id for position, activity_id in progress.activity_ids.items()}
    return {
        "outcomes": progress.outcomes,
        "notes": _pack_notes(progress.notes),
        "activity_ids": orjson.dumps(activity_ids),
        "placed": progress.placed,
        "due_marker": progress.due_marker,
        "fruitless": progress.fruitless,
        "revision": progress.revision,
        "revised": progress.revised,
        "revision_notes": _pack_notes(progress.revision_notes),
        "sent_in": orjson.dumps({str(position): number for position, number in progress.sent_in.items()}),
    }


def unpack_batch(row: Row, number: int) -> Batch:
    """Read a whole batch row."""
    values = row.values
    packed = orjson.loads(unpack_bytes("recipients", values))
    urls = packed["urls"]
    activity_ids = _loads(values["activity_ids"])
    return Batch(
        number=number,
        recipients=tuple(
            Recipient(
                key=key,
                conversation=conversation,
                member=member,
                service_url=urls[url],
                is_blocked=bool(is_blocked),
                **dict(zip(("group", "letter"), rare, strict=False)),
            )
            for key, conversation, member, url, is_blocked, *rare in packed["to"]
        ),
        progress=Progress(
            outcomes=str(values["outcomes"]),
            notes=_unpack_notes(values["notes"]),
            activity_ids={int(position): activity_id for position, activity_id in activity_ids.items()},
            placed=bool(values["placed"]),
            due_marker=str(values["due_marker"]),
            fruitless=int(values["fruitless"]),
            revision=int(values["revision"]),
            revised=str(values["revised"]),
            revision_notes=_unpack_notes(values["revision_notes"]),
            sent_in={int(position): number for position, number in _loads(values["sent_in"]).items()},
        ),
        lease=str(values["lease"]),
        writes=int(values["writes"]),
        etag=row.etag,
        age=row.age,
    )


def _pack_notes(notes: Mapping[int, Note]) -> bytes:
    packed = {
        str(position): [note.attempts, note.first_tried_at, note.due_at, note.conversation, note.is_renewed]
        for position, note in notes.items()
    }
    return orjson.dumps(packed)


def _unpack_notes(value: Value) -> dict[int, Note]:
    return {
        int(position): Note(
            attempts=note[0], first_tried_at=note[1], due_at=note[2], conversation=note[3], is_renewed=note[4]
        )
        for position, note in _loads(value).items()
    }


def _loads(value: Value) -> dict[str, Any]:
    if not isinstance(value, bytes):
        raise TypeError("packed mappings are binary properties")
    loaded: dict[str, Any] = orjson.loads(value)
    return loaded


def claim(batch: Batch, lease: str) -> dict[str, Value]:
    """What a handover writes: the lease, and the write's number under it."""
    return {"lease": lease, "writer": lease, "writes": batch.writes + 1}


def _encode_user(key: str) -> bytes:
    return bytes.fromhex(key.removeprefix(_PREFIX).replace("-", ""))


def _encode_text(key: str) -> bytes:
    return key.encode() + b"\n"


def _object_id(data: bytes) -> str:
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _instant(values: Values, name: str) -> float | None:
    return float(values[name]) if name in values else None
