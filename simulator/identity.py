"""A managed identity's endpoint on the bot's platform, as App Service has it.

Source: https://learn.microsoft.com/azure/app-service/overview-managed-identity. With the app's own client id it gives
the app's tokens; with that of another identity it gives tokens for the exchange (`registration.py`).
"""

import time

from aiohttp import web

from simulator.calls import Answer
from simulator.connector import response_of
from simulator.credentials import EXCHANGE_AUDIENCE
from simulator.entra import AUDIENCES, access_token
from simulator.world import World

PATH = "/_identity/token"
LIFETIME_S = 3600


def issuer_of(world: World) -> str:
    """Who signs the managed identity's tokens: the home tenant."""
    return f"{world.login_url}/{world.config.tenant_id}/v2.0"


def assertion_of(world: World, *, subject: str | None = None, audience: str, now: float) -> str:
    """A token of the managed identity; `now` is Unix time."""
    subject = subject or world.config.identity_subject
    claims = {
        "aud": audience,
        "iss": issuer_of(world),
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + LIFETIME_S,
        "sub": subject,
        "oid": subject,
        "azp": world.config.identity_id,
        "tid": world.config.tenant_id,
        "ver": "2.0",
    }
    return world.entra_keys.current.sign(claims)


def routes(world: World) -> list[web.RouteDef]:
    """The endpoint's route."""

    async def token(request: web.Request) -> web.Response:
        world.token_requests += 1
        answer = _token(world, request, time.time())
        world.tokens_issued += answer.status == 200
        return response_of(answer)

    return [web.get(PATH, token)]


def _token(world: World, request: web.Request, now: float) -> Answer:
    config = world.config
    if request.headers.get("X-IDENTITY-HEADER") != world.credentials.header:
        return Answer(401, {"statusCode": 401, "message": "Unauthorized."})
    client_id, resource = request.query.get("client_id", ""), request.query.get("resource", "")
    if client_id == config.identity_id and resource == EXCHANGE_AUDIENCE:
        value = assertion_of(world, audience=resource, now=now)
    elif client_id == config.app_id and resource in AUDIENCES.values():
        value = access_token(world, config.tenant_id, resource, now, proof="2")
    else:
        return Answer(400, {"statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found."})
    expires_on = str(int(now) + LIFETIME_S)
    body = {"access_token": value, "client_id": client_id, "expires_on": expires_on, "resource": resource}
    return Answer(200, {**body, "token_type": "Bearer"})
