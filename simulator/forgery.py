"""Tokens that a bot must refuse, one way of being wrong each."""

import time
from collections.abc import Callable
from enum import StrEnum

import jwt

from simulator.botclient import BotClient
from simulator.signing import Key
from simulator.world import World


class Forgery(StrEnum):
    """What is wrong with the token; `GENUINE` is not wrong at all."""

    GENUINE = "genuine"
    MISSING = "missing"
    MALFORMED = "malformed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_SERVICE_URL = "wrong_service_url"
    NO_SERVICE_URL = "no_service_url"
    UNKNOWN_KEY = "unknown_key"  # The kid of a published key, but another key's signature.
    UNKNOWN_KID = "unknown_kid"
    UNENDORSED = "unendorsed"  # A published key that may not speak for msteams.
    UNSIGNED = "unsigned"  # The algorithm `none`.
    SHARED_SECRET = "shared_secret"  # noqa: S105 - HS256 with a public value as the secret.
    ENTRA = "entra"  # Signed by Entra, not by Bot Framework.


def header_of(world: World, client: BotClient, forgery: Forgery) -> str | None:
    """The whole Authorization header, or None where there is none."""
    if forgery is Forgery.MISSING:
        return None
    return f"Bearer {_TOKENS[forgery](world, client)}"


def _with(**changes: object) -> Callable[[World, BotClient], str]:
    def make(world: World, client: BotClient) -> str:
        claims = {**client.claims(time.time()), **changes}
        return world.bot_keys.current.sign({name: value for name, value in claims.items() if value is not None})

    return make


def _shifted(seconds: float) -> Callable[[World, BotClient], str]:
    return lambda world, client: world.bot_keys.current.sign(client.claims(time.time() + seconds))


def _unknown_key(world: World, client: BotClient) -> str:
    return Key.make().sign(client.claims(time.time()), kid=world.bot_keys.current.kid)


def _unendorsed(world: World, client: BotClient) -> str:
    key = next((each for each in world.bot_keys.keys if not each.endorsements), None)
    return (key or world.bot_keys.add_unendorsed()).sign(client.claims(time.time()))


def _unsigned(world: World, client: BotClient) -> str:
    headers = {"kid": world.bot_keys.current.kid}
    return jwt.encode(client.claims(time.time()), "", algorithm="none", headers=headers)


def _shared_secret(world: World, client: BotClient) -> str:
    key = world.bot_keys.current
    secret = str(key.as_jwk()["n"])
    return jwt.encode(client.claims(time.time()), secret, algorithm="HS256", headers={"kid": key.kid})


def _entra(world: World, client: BotClient) -> str:
    return world.entra_keys.current.sign(client.claims(time.time()))


_TOKENS: dict[Forgery, Callable[[World, BotClient], str]] = {
    Forgery.GENUINE: _with(),
    Forgery.MALFORMED: lambda *_: "not.a.token",
    Forgery.EXPIRED: _shifted(-7200),
    Forgery.NOT_YET_VALID: _shifted(7200),
    Forgery.WRONG_AUDIENCE: _with(aud="00000000-0000-0000-0000-000000000000"),
    Forgery.WRONG_ISSUER: _with(iss="https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"),
    Forgery.WRONG_SERVICE_URL: _with(serviceurl="https://attacker.example/teams/"),
    Forgery.NO_SERVICE_URL: _with(serviceurl=None),
    Forgery.UNKNOWN_KEY: _unknown_key,
    Forgery.UNKNOWN_KID: lambda _, client: Key.make().sign(client.claims(time.time())),
    Forgery.UNENDORSED: _unendorsed,
    Forgery.UNSIGNED: _unsigned,
    Forgery.SHARED_SECRET: _shared_secret,
    Forgery.ENTRA: _entra,
}
