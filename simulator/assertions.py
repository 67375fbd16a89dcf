"""Client assertions: a JWT that proves the app by its certificate, or by an identity that it is federated with.

Sources: https://learn.microsoft.com/entra/identity-platform/certificate-credentials and
https://learn.microsoft.com/entra/workload-id/workload-identity-federation.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from simulator.credentials import Federation
from simulator.entra_errors import EntraError
from simulator.signing import SKEW_S
from simulator.world import World

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["RS256", "PS256"]


def check_assertion(world: World, tenant_id: str, form: Mapping[str, str], now: float) -> None:
    """Refuse an assertion that does not prove the app; `now` is Unix time."""
    if form.get("client_assertion_type") != TYPE:
        raise EntraError(400, "invalid_request", 900144, f"'client_assertion_type' must be '{TYPE}'.")
    assertion = form["client_assertion"]
    try:
        header = jwt.get_unverified_header(assertion)
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise EntraError(400, "invalid_request", 50027, "JWT token is invalid or malformed.") from None
    if claims.get("iss") == world.config.app_id:
        _check_certificate(world, tenant_id, assertion, header, claims)
    else:
        _check_federation(world, assertion, header, claims)
    if not float(claims.get("nbf", now)) - SKEW_S <= now < float(claims.get("exp", 0)) + SKEW_S:
        raise _refused(700024, "Client assertion is not within its valid time range.")


def _check_certificate(
    world: World, tenant_id: str, assertion: str, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    thumbprint = _hex(str(header.get("x5t#S256") or header.get("x5t") or ""))
    key = world.credentials.certificates.get(thumbprint)
    if key is None or not _is_signed(assertion, key):
        text = (
            "The certificate with identifier used to sign the client assertion is not registered on application. "
            f"[Reason - The key was not found., Thumbprint of key used by client: '{thumbprint.upper()}']"
        )
        raise _refused(700027, text)
    if claims.get("sub") != world.config.app_id:
        raise _refused(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
    base = f"{world.login_url}/{tenant_id}"
    if claims.get("aud") not in (f"{base}/oauth2/v2.0/token", f"{base}/v2.0"):
        raise _refused(700023, "Client assertion audience claim does not match Realm issuer.")


def _check_federation(world: World, assertion: str, header: dict[str, Any], claims: dict[str, Any]) -> None:
    issuer, subject, audience = claims.get("iss"), claims.get("sub"), claims.get("aud")
    known = world.credentials.federations
    text = "No matching federated identity record found for presented assertion"
    by_issuer = [each for each in known if each.issuer == issuer]
    if not by_issuer:
        raise _refused(700211, f"{text} issuer '{issuer}'.")
    by_subject = [each for each in by_issuer if each.subject == subject]
    if not by_subject:
        raise _refused(700213, f"{text} subject '{subject}'.")
    found = next((each for each in by_subject if each.audience == audience), None)
    if found is None:
        raise _refused(700212, f"{text} audience '{audience}'.")
    key = _key_of(world, found, header)
    if key is None or not _is_signed(assertion, key):
        raise _refused(50013, "Assertion failed signature validation.")


def _key_of(world: World, federation: Federation, header: dict[str, Any]) -> RSAPublicKey | None:
    if federation.key is not None:
        return federation.key
    key = next((each for each in world.entra_keys.keys if each.kid == header.get("kid")), None)
    return key.private.public_key() if key is not None else None


def _is_signed(assertion: str, key: RSAPublicKey) -> bool:
    # The times and the audience have errors of their own.
    unchecked = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        jwt.decode(assertion, key, algorithms=ALGORITHMS, options=unchecked)  # type: ignore[arg-type] # A partial one.
    except jwt.InvalidTokenError:
        return False
    return True


def _hex(encoded: str) -> str:
    """A thumbprint as hex, from the Base64 of a JWT's header."""
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
    except (binascii.Error, ValueError):
        return ""


def _refused(number: int, text: str) -> EntraError:
    return EntraError(401, "invalid_client", number, text)
