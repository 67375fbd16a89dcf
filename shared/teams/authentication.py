"""Who may post activities: the Bot Framework's rules for a caller, then Herald's own for hosts and tenants.

Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
The bot SDK reads and checks the token. What it gets wrong is done here instead: it fetches keys blocking and fails on
an unknown key id (`keys.py`), accepts a key without endorsements and a token without an expiry, skips the service URL
when an activity has none, lets everybody in when the app id is empty, and offers ways for emulators and other bots.
"""

from dataclasses import dataclass
from typing import Any

from botframework.connector.auth import (
    AuthenticationConstants,
    ChannelValidation,
    ClaimsIdentity,
    JwtTokenExtractor,
    VerifyOptions,
)
from jwt import PyJWTError

from shared.domain.activities import tenant_of
from shared.errors import ActivityRefused, TokenUnavailable
from shared.settings import Settings
from shared.teams.keys import ALGORITHM, SigningKey, SigningKeys
from shared.teams.protocol import is_trusted

CHANNEL = "msteams"
SKEW_SECONDS = 5 * 60


@dataclass(frozen=True, slots=True)
class _EndorsedKeys:
    """The keys as the SDK's token reader asks for them, without those that may not sign for Teams."""

    keys: SigningKeys

    async def get(self, key_id: str | None) -> SigningKey:
        """The key of this id. Raises ActivityRefused where it is unknown or not endorsed."""
        key = await self.keys.find(key_id or "")
        if key is None:
            raise ActivityRefused(401, "the token's key is not published")
        if CHANNEL not in key.endorsements:
            raise ActivityRefused(401, "the token's key is not endorsed for Teams")
        return key


class Authenticator:
    """Tells whether an activity comes from Teams, from an allowed tenant, and may be answered to its service URL."""

    def __init__(self, settings: Settings, keys: SigningKeys) -> None:
        self._app_id = settings.app_id
        self._issuer = settings.cloud.token_issuer
        self._service_hosts = settings.service_hosts
        self._tenants = settings.tenants
        options = VerifyOptions(
            issuer=[self._issuer], audience=None, clock_tolerance=SKEW_SECONDS, ignore_expiration=False
        )
        self._extractor = JwtTokenExtractor(options, settings.openid_metadata_url, [ALGORITHM])
        self._extractor.open_id_metadata = _EndorsedKeys(keys)

    async def authenticate(self, activity: dict[str, Any], authorization: str | None) -> str:
        """Answer the activity's tenant. Raises ActivityRefused, or TokenUnavailable while the keys cannot be had."""
        identity = await self._identify(authorization)
        self._check_claims(identity, activity)
        service_url = activity.get("serviceUrl")
        if not isinstance(service_url, str) or not is_trusted(service_url, self._service_hosts):
            raise ActivityRefused(403, "the service URL's host is not one that a setting names")
        tenant = tenant_of(activity)
        if tenant not in self._tenants:
            raise ActivityRefused(403, "the tenant is not one that a setting names")
        return tenant

    async def _identify(self, authorization: str | None) -> ClaimsIdentity:
        """The signed claims: scheme, issuer, signature, algorithm and validity are checked by the SDK."""
        if not authorization:
            raise ActivityRefused(401, "no token")
        try:
            identity = await self._extractor.get_identity_from_auth_header(authorization, CHANNEL)
        except (ActivityRefused, TokenUnavailable):
            raise
        except PyJWTError as error:
            raise ActivityRefused(401, f"the token is not valid: {type(error).__name__}") from error
        except Exception as error:
            # The SDK raises bare exceptions for an algorithm or endorsement that is not allowed: the door stays shut
            # for whatever it finds wrong.
            raise ActivityRefused(401, f"the token is not valid: {error}") from error
        if identity is None:
            raise ActivityRefused(401, "no bearer token of the Bot Framework's issuer")
        return identity

    def _check_claims(self, identity: ClaimsIdentity, activity: dict[str, Any]) -> None:
        audience = identity.get_claim_value(AuthenticationConstants.AUDIENCE_CLAIM)
        if not self._app_id or audience != self._app_id:
            raise ActivityRefused(401, "the token is for another bot")
        if not identity.get_claim_value("exp"):
            raise ActivityRefused(401, "the token never expires")
        claimed = identity.get_claim_value(ChannelValidation.SERVICE_URL_CLAIM)
        if not claimed or claimed != activity.get("serviceUrl"):
            raise ActivityRefused(401, "the token is for another service URL")
        if activity.get("channelId") != CHANNEL:
            raise ActivityRefused(401, "the activity is not from Teams")
