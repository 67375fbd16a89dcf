"""How the app may prove who it is, besides its secret: certificates, and identities that it is federated with."""

import secrets
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """Another issuer whose tokens are taken for the app's own proof. Without a key the issuer is Entra itself."""

    issuer: str
    subject: str
    audience: str = EXCHANGE_AUDIENCE
    key: RSAPublicKey | None = None


@dataclass(slots=True)
class Credentials:
    """What is registered. `header` is the secret of the managed identity's endpoint."""

    certificates: dict[str, RSAPublicKey] = field(default_factory=dict)
    federations: list[Federation] = field(default_factory=list)
    header: str = field(default_factory=lambda: secrets.token_hex(16))

    def add_certificate(self, pem: str) -> dict[str, str]:
        """Register a certificate and return its thumbprints in hex."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise ValueError("Entra takes certificates with RSA keys only.")  # noqa: TRY004 - A person's mistake.
        # Entra knows a certificate by SHA-1 as well as by SHA-256.
        algorithms: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303
        prints = {name: certificate.fingerprint(algorithm).hex() for name, algorithm in algorithms.items()}
        for thumbprint in prints.values():
            self.certificates[thumbprint] = key
        return prints

    def forget(self) -> None:
        """Only the secret proves the app from now on."""
        self.certificates.clear()
        self.federations.clear()


def rsa_key(pem: str) -> RSAPublicKey:
    """A public key; raises ValueError for what is none of RSA's."""
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise ValueError("The key must be a public RSA key.")  # noqa: TRY004 - A person's mistake.
    return key
