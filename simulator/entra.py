"""Entra ID, as far as an app needs it to get its tokens: discovery, client credentials, and the errors they earn."""

import base64
import binascii
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from simulator.assertions import check_assertion
from simulator.calls import Answer
from simulator.connector import response_of
from simulator.entra_errors import EntraError
from simulator.misbehaving import ConnectionBroken, break_connection, suffer
from simulator.refusals import Refusal
from simulator.world import World

BOT_TENANT = "botframework.com"
BOT_TENANT_ID = "d6d49420-f39b-4df7-a1dc-d59a935871db"
GRAPH = "https://graph.microsoft.com"
AUDIENCES = {
    "https://api.botframework.com/.default": "https://api.botframework.com",
    f"{GRAPH}/.default": GRAPH,
}


def tenant_id_of(world: World, tenant: str) -> str:
    """The tenant's id; raises `EntraError` where no such tenant serves this app."""
    if tenant == BOT_TENANT:
        if world.config.multi_tenant:
            return BOT_TENANT_ID
        text = f"Application with identifier '{world.config.app_id}' was not found in the directory 'Bot Framework'."
        raise EntraError(400, "unauthorized_client", 700016, text)
    if tenant not in world.config.tenants:
        raise EntraError(400, "invalid_tenant", 90002, f"Tenant '{tenant}' not found.")
    return tenant


def discovery(world: World, tenant: str) -> dict[str, Any]:
    """The OpenID configuration of a tenant."""
    tenant_id = tenant_id_of(world, tenant)
    base = f"{world.login_url}/{tenant_id if tenant != BOT_TENANT else tenant}"
    return {
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    }


def issue(world: World, tenant: str, form: Mapping[str, str], authorization: str, now: float) -> dict[str, Any]:
    """The answer to a token request, or an `EntraError`."""
    tenant_id = tenant_id_of(world, tenant)
    if form.get("grant_type") != "client_credentials":
        raise EntraError(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
    client_id, secret = _credentials(form, authorization)
    if client_id != world.config.app_id:
        text = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
        raise EntraError(400, "unauthorized_client", 700016, text)
    by_assertion = "client_assertion" in form
    if by_assertion:
        check_assertion(world, tenant_id, form, now)
    elif secret is None:
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise EntraError(401, "invalid_client", 7000218, text)
    elif secret != world.config.app_password:
        raise EntraError(401, "invalid_client", 7000215, "Invalid client secret provided.")
    audience = _audience(form.get("scope", ""))
    world.tokens_issued += 1
    return {
        "token_type": "Bearer",
        "expires_in": world.config.token_lifetime_s,
        "ext_expires_in": world.config.token_lifetime_s,
        "access_token": access_token(world, tenant_id, audience, now, proof="2" if by_assertion else "1"),
    }


def access_token(world: World, tenant_id: str, audience: str, now: float, *, proof: str = "1") -> str:
    """An app's token as Entra signs it; `proof` is 1 for a secret and 2 for an assertion."""
    start = int(now)
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{tenant_id}/",
        "iat": start,
        "nbf": start,
        "exp": start + world.config.token_lifetime_s,
        "appid": world.config.app_id,
        "appidacr": proof,
        "idtyp": "app",
        "tid": tenant_id,
        "uti": uuid.uuid4().hex,
        "ver": "1.0",
    }
    roles = world.graph.roles(tenant_id) if audience == GRAPH else ()
    if roles:
        claims["roles"] = list(roles)
    return world.entra_keys.current.sign(claims)


def _credentials(form: Mapping[str, str], authorization: str) -> tuple[str, str | None]:
    if not authorization.startswith("Basic "):
        return form.get("client_id", ""), form.get("client_secret")
    try:
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise EntraError(400, "invalid_request", 900144, "The Authorization header is not valid.") from None
    return unquote_plus(name), unquote_plus(secret)


def _audience(scope: str) -> str:
    # MSAL adds no scopes of its own to client credentials, so exactly one resource is asked for.
    if scope in AUDIENCES:
        return AUDIENCES[scope]
    if not scope.endswith("/.default"):
        text = f"The provided value for scope {scope} is not valid: client credentials need '<resource>/.default'."
        raise EntraError(400, "invalid_scope", 1002012, text)
    resource = scope.removesuffix("/.default")
    raise EntraError(400, "invalid_resource", 500011, f"The resource principal named {resource} was not found.")


def routes(world: World) -> list[web.RouteDef]:
    """Entra's routes."""

    async def configuration(request: web.Request) -> web.StreamResponse:
        try:
            return response_of(Answer(200, discovery(world, request.match_info["tenant"])))
        except EntraError as error:
            return response_of(Answer(error.status, error.body()))

    async def keys(_: web.Request) -> web.StreamResponse:
        return response_of(Answer(200, world.entra_keys.as_jwks()))

    async def token(request: web.Request) -> web.StreamResponse:
        world.token_requests += 1
        form = {name: str(value) for name, value in (await request.post()).items()}
        authorization = request.headers.get("Authorization", "")
        lost = None
        try:
            lost = await suffer(world, request, kind="token")
            answer = Answer(200, issue(world, request.match_info["tenant"], form, authorization, time.time()))
        except EntraError as error:
            answer = Answer(error.status, error.body())
        except Refusal as refusal:
            trouble = EntraError(refusal.status, "temporarily_unavailable", 90033, "A transient error has occurred.")
            answer = Answer(trouble.status, trouble.body(), refusal.headers())
        except ConnectionBroken:
            return break_connection(request)
        return break_connection(request) if lost else response_of(answer)

    return [
        web.get("/{tenant}/v2.0/.well-known/openid-configuration", configuration),
        web.get("/{tenant}/discovery/v2.0/keys", keys),
        web.post("/{tenant}/oauth2/v2.0/token", token),
    ]
