"""The certificate: whatever form operators have it in, MSAL gets a key and its certificate, or a sentence is told."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from shared.errors import TokenRefused
from shared.tokens.certificate import msal_certificate

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "herald")])
CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(NAME)
    .issuer_name(NAME)
    .public_key(KEY.public_key())
    .serial_number(1)
    .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    .not_valid_after(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=365))
    .sign(KEY, hashes.SHA256())
)
PEM = serialization.Encoding.PEM
KEY_PEM = KEY.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
OLD_KEY_PEM = KEY.private_bytes(
    PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
CERTIFICATE_PEM = CERTIFICATE.public_bytes(PEM).decode()
PFX = pkcs12.serialize_key_and_certificates(b"herald", KEY, CERTIFICATE, None, serialization.NoEncryption())
LOCKED = pkcs12.serialize_key_and_certificates(
    b"herald", KEY, CERTIFICATE, None, serialization.BestAvailableEncryption(b"secret")
)


def is_ours(found: dict[str, str]) -> bool:
    """Whether MSAL would get our key and our certificate."""
    key = serialization.load_pem_private_key(found["private_key"].encode(), password=None)
    certificate = x509.load_pem_x509_certificate(found["public_certificate"].encode())
    assert isinstance(key, rsa.RSAPrivateKey)
    return (key.private_numbers(), certificate) == (KEY.private_numbers(), CERTIFICATE)


@pytest.mark.parametrize(
    "text",
    [
        KEY_PEM + CERTIFICATE_PEM,  # As openssl writes it.
        CERTIFICATE_PEM + KEY_PEM,  # The other way round.
        OLD_KEY_PEM + CERTIFICATE_PEM,  # An older form of the key.
        (KEY_PEM + CERTIFICATE_PEM).replace("\n", "\\n"),  # On one line.
        base64.b64encode(PFX).decode(),  # As Key Vault gives it.
        base64.encodebytes(PFX).decode(),  # With line breaks.
    ],
)
def test_a_text_is_read_in_each_of_its_forms(text: str) -> None:
    assert is_ours(msal_certificate(text=text))


@pytest.mark.parametrize("data", [PFX, (KEY_PEM + CERTIFICATE_PEM).encode()])
def test_a_file_is_read_as_pfx_and_as_pem(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "certificate"
    file.write_bytes(data)

    assert is_ours(msal_certificate(path=str(file)))


def test_the_apps_own_certificate_comes_before_its_issuers() -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    issuer = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(other.public_key())
        .serial_number(2)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2026, 2, 1, tzinfo=UTC))
        .sign(other, hashes.SHA256())
    )

    assert is_ours(msal_certificate(text=KEY_PEM + CERTIFICATE_PEM + issuer.public_bytes(PEM).decode()))


@pytest.mark.parametrize(
    "text",
    [
        "not a certificate",  # Nothing of the kind.
        "aGVsbG8=",  # Base64 of something else.
        KEY_PEM,  # Half of it.
        CERTIFICATE_PEM,  # The other half.
        base64.b64encode(LOCKED).decode(),  # With a password.
        KEY_PEM.replace("A", "B") + CERTIFICATE_PEM,  # Broken.
    ],
)
def test_what_cannot_be_read_is_told_without_quoting_it(text: str) -> None:
    with pytest.raises(TokenRefused, match=r"^MicrosoftAppCertificate holds no private key") as caught:
        msal_certificate(text=text)

    assert caught.value.__cause__ is None


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TokenRefused, match=r"^MicrosoftAppCertificatePath cannot be read: FileNotFoundError$"):
        msal_certificate(path=str(tmp_path / "nothing"))
