"""Who may call the Connector, and how often: the bearer token and the limits, before anything is done."""

import math

from simulator.calls import Call
from simulator.payload import is_split
from simulator.places import Person
from simulator.refusals import Refusal, Shape
from simulator.world import World

AUDIENCE = "https://api.botframework.com"
RULES = {"create": "create", "send": "send", "reply": "send", "members": "members", "roster": "roster"}
RULES |= {"member": "members", "team": "conversations", "channels": "conversations"}


def authenticate(world: World, call: Call, now: float) -> None:
    """Refuse a call without a valid token of this bot; `now` is Unix time."""
    scheme, _, token = call.authorization.partition(" ")
    claims = world.verifier.claims(token, audience=AUDIENCE, now=now) if scheme.lower() == "bearer" else None
    if claims is None:
        raise Refusal("Unauthorized", shape=Shape.PLAIN)
    if claims.get("appid") != world.config.app_id:
        raise Refusal("BotNotRegistered")


def locate(world: World, call: Call) -> None:
    """Find out whom the call is about: its conversation, the person of a new one, and the tenant that pays for it."""
    directory = world.directory
    call.tenant_id = world.config.tenant_id
    if call.kind == "create":
        _locate_new(world, call)
    elif "conversation" in call.path:
        call.place = directory.place(call.path["conversation"])
    elif "team" in call.path:
        call.place = directory.place(call.path["team"])
    if call.place is not None:
        call.tenant_id, call.person = call.place.tenant_id, call.place.person


def _locate_new(world: World, call: Call) -> None:
    body = call.json()
    channel_data = body.get("channelData")
    channel_data = channel_data if isinstance(channel_data, dict) else {}
    tenant = channel_data.get("tenant")
    tenant_id = tenant.get("id") if isinstance(tenant, dict) else body.get("tenantId")
    if isinstance(tenant_id, str):
        call.tenant_id = tenant_id
    channel = channel_data.get("channel")
    if isinstance(channel, dict):
        call.place = world.directory.place(str(channel.get("id")))
        return
    call.person = _only_member(world, body.get("members"))


def _only_member(world: World, members: object) -> Person | None:
    if isinstance(members, list) and len(members) == 1 and isinstance(members[0], dict):
        return world.directory.person(str(members[0].get("id")))
    return None


def admit(world: World, call: Call, now: float) -> None:
    """Count the call, then take its share of the limits or refuse it; `now` is monotonic."""
    cost = 1
    if call.kind in ("send", "reply", "update"):
        cost = 2 if is_split(call.json()) else 1
    world.ledger.request(call.kind, now, cost)
    wait = world.limits.admit(
        tenant=call.tenant_id, conversation=call.thread, rule=RULES.get(call.kind), cost=cost, now=now
    )
    if wait > 0:
        world.ledger.count("throttled")
        raise Refusal("Throttled", retry_after=max(1, math.ceil(wait)))
