"""Tokens of a managed identity, asked of the platform that the app runs on. They block: call them in a thread."""

import time

from shared.errors import TokenRefused, TokenUnavailable
from shared.tokens.source import Token


def identity_token(client_id: str, scope: str) -> Token:
    """The token of a user-assigned identity for a scope `<resource>/.default`.

    Raises TokenRefused, and TokenUnavailable where no such platform answers.
    Source: https://learn.microsoft.com/azure/app-service/overview-managed-identity.
    """
    # Imported here because its 100 ms concern no process without an identity.
    from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415
    from azure.identity import CredentialUnavailableError, ManagedIdentityCredential  # noqa: PLC0415

    try:
        # A new credential for each fetch, because one that stays would keep a token that was refused.
        with ManagedIdentityCredential(client_id=client_id) as credential:
            found = credential.get_token(scope)
    except CredentialUnavailableError as error:
        raise TokenUnavailable(f"no managed identity answers here: {error.message}") from error
    except ClientAuthenticationError as error:
        raise TokenRefused(f"the managed identity was refused: {error.message}") from error
    except AzureError as error:
        raise TokenUnavailable(f"the managed identity failed: {type(error).__name__}") from error
    return Token(value=found.token, lifetime=found.expires_on - time.time())
