"""The app's registration in Entra: what proves it, besides its secret."""

import time
from dataclasses import replace

from simulator.credentials import EXCHANGE_AUDIENCE, Federation, rsa_key
from simulator.identity import assertion_of, issuer_of
from simulator.judge import Judge


class Registration(Judge):
    """The verbs about credentials."""

    def register_certificate(self, pem: str) -> dict[str, str]:
        """Let a certificate's key sign the app's assertions; returns the thumbprints."""
        return self.world.credentials.add_certificate(pem)

    def register_federation(
        self,
        *,
        issuer: str | None = None,
        subject: str | None = None,
        audience: str = EXCHANGE_AUDIENCE,
        public_key: str | None = None,
    ) -> dict[str, str]:
        """Trust another issuer's tokens of one subject; unless told otherwise the stand-in's managed identity.

        `public_key` (PEM) is the foreign issuer's.
        """
        config = self.world.config
        found = Federation(
            issuer=issuer or issuer_of(self.world), subject=subject or config.identity_subject, audience=audience
        )
        if public_key is not None:
            found = replace(found, key=rsa_key(public_key))
        self.world.credentials.federations.append(found)
        return {"issuer": found.issuer, "subject": found.subject, "audience": found.audience}

    def forget_credentials(self) -> None:
        """Forget certificates and federations; the secret stays."""
        self.world.credentials.forget()

    def identity_assertion(self, *, subject: str | None = None, audience: str = EXCHANGE_AUDIENCE) -> str:
        """A token of the managed identity, as the app presents it."""
        return assertion_of(self.world, subject=subject, audience=audience, now=time.time())
