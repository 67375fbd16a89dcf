"""The app's certificate, read for MSAL: PEM, or PKCS #12 (a PFX file) without a password."""

import base64
import binascii
import re
from pathlib import Path

from shared.errors import TokenRefused

BEGIN = b"-----BEGIN "
PEM_BLOCK = re.compile(r"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----.+?-----END (?P=kind)-----", re.DOTALL)


def msal_certificate(*, text: str = "", path: str = "") -> dict[str, str]:
    """Private key and certificate as MSAL takes them, from a setting's text or from a file.

    The text is PEM, its line breaks perhaps written as `\\n`, or the Base64 of PKCS #12, as Key Vault gives it. MSAL
    then signs with PS256 and tells the certificate by its SHA-256 thumbprint.
    Raises TokenRefused for what is neither: only an operator can mend that.
    """
    name = "MicrosoftAppCertificate" if text else "MicrosoftAppCertificatePath"
    try:
        return _read(_decoded(text) if text else Path(path).read_bytes())
    except OSError as error:
        raise TokenRefused(f"{name} cannot be read: {type(error).__name__}") from error
    # What the libraries below say of a broken key might quote it, so it is not told.
    except (ValueError, TypeError):
        told = f"{name} holds no private key with its certificate, as PEM or as PFX without a password"
        raise TokenRefused(told) from None


def _decoded(text: str) -> bytes:
    plain = text.replace("\\n", "\n").encode()
    if BEGIN in plain:
        return plain
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("neither PEM nor Base64") from error


def _read(data: bytes) -> dict[str, str]:
    # Imported here because only an app with a certificate needs it.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: PLC0415

    if BEGIN in data:
        return _read_pem(data.decode())
    key, certificate, _ = pkcs12.load_key_and_certificates(data, None)
    if key is None or certificate is None:
        raise ValueError("a key and its certificate are needed")
    pem = serialization.Encoding.PEM
    encoded = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"private_key": encoded.decode(), "public_certificate": certificate.public_bytes(pem).decode()}


def _read_pem(text: str) -> dict[str, str]:
    from cryptography import x509  # noqa: PLC0415 - as above.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    blocks = {found["kind"]: found.group() for found in reversed(list(PEM_BLOCK.finditer(text)))}
    key = next((block for kind, block in blocks.items() if kind.endswith("PRIVATE KEY")), "")
    # The first certificate is the app's own, those after it are its issuers'.
    certificate = blocks.get("CERTIFICATE", "")
    # Read once, so that what is wrong is told here.
    serialization.load_pem_private_key(key.encode(), password=None)
    x509.load_pem_x509_certificate(certificate.encode())
    return {"private_key": key, "public_certificate": certificate}
