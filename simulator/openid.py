"""Bot Framework's OpenID metadata: the keys a bot checks Teams' calls against."""

from typing import Any

from aiohttp import web

from simulator.calls import Answer, refused
from simulator.connector import response_of
from simulator.misbehaving import ConnectionBroken, break_connection, suffer
from simulator.refusals import Refusal
from simulator.world import World

ISSUER = "https://api.botframework.com"
CONFIGURATION_PATH = "/v1/.well-known/openidconfiguration"
KEYS_PATH = "/v1/.well-known/keys"


def configuration(world: World) -> dict[str, Any]:
    """The metadata document, with the issuer of the real service."""
    return {
        "issuer": ISSUER,
        "authorization_endpoint": "https://invalid.botframework.com",
        "jwks_uri": world.login_url + KEYS_PATH,
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    }


def routes(world: World) -> list[web.RouteDef]:
    """The routes of the metadata and of the keys."""

    async def metadata(request: web.Request) -> web.StreamResponse:
        return await _served(world, request, configuration(world))

    async def keys(request: web.Request) -> web.StreamResponse:
        world.key_requests += 1
        return await _served(world, request, world.bot_keys.as_jwks())

    return [web.get(CONFIGURATION_PATH, metadata), web.get(KEYS_PATH, keys)]


async def _served(world: World, request: web.Request, document: dict[str, Any]) -> web.StreamResponse:
    try:
        lost = await suffer(world, request, kind="openid")
    except Refusal as refusal:
        return response_of(refused(refusal))
    except ConnectionBroken:
        return break_connection(request)
    return break_connection(request) if lost else response_of(Answer(200, document))
