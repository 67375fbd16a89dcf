"""RSA keys, the JWK documents that publish them, and tokens signed with them."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

SKEW_S = 300


def _number(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key; `endorsements` name the channels it may speak for (Bot Framework metadata only)."""

    kid: str
    private: RSAPrivateKey
    endorsements: tuple[str, ...] = ()

    @classmethod
    def make(cls, endorsements: tuple[str, ...] = ()) -> "Key":
        private = generate_private_key(public_exponent=65537, key_size=2048)
        modulus = private.public_key().public_numbers().n
        kid = base64.urlsafe_b64encode(hashlib.sha1(_number(modulus).encode(), usedforsecurity=False).digest())
        return cls(kid.decode().rstrip("="), private, endorsements)

    def as_jwk(self) -> dict[str, Any]:
        numbers = self.private.public_key().public_numbers()
        jwk: dict[str, Any] = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "x5t": self.kid,
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }
        return jwk | ({"endorsements": list(self.endorsements)} if self.endorsements else {})

    def sign(self, claims: dict[str, Any], *, kid: str | None = None) -> str:
        """A JWT with RS256; another `kid` than the key's own makes a forgery."""
        kid = self.kid if kid is None else kid
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": kid, "x5t": kid})


@dataclass(slots=True)
class KeyRing:
    """The keys that are published; the last one signs."""

    keys: list[Key] = field(default_factory=list)

    @property
    def current(self) -> Key:
        return self.keys[-1]

    def rotate(self, *, keep_old: bool = True) -> Key:
        """Sign with a new key from now on; the old ones stay published unless told otherwise."""
        key = Key.make(self.current.endorsements)
        self.keys = [*self.keys, key] if keep_old else [key]
        return key

    def add_unendorsed(self) -> Key:
        """Publish a key without endorsements; it does not become the one that signs."""
        key = Key.make()
        self.keys.insert(0, key)
        return key

    def as_jwks(self) -> dict[str, Any]:
        return {"keys": [key.as_jwk() for key in self.keys]}


@dataclass(slots=True)
class Verifier:
    """Checks bearer tokens that a key ring signed, each one once: afterwards only its expiry is read."""

    ring: KeyRing
    _known: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def claims(self, token: str, *, audience: str, now: float) -> dict[str, Any] | None:
        """The claims of a valid token for this audience, or None. `now` is Unix time."""
        known = self._known.get((token, audience))
        if known is None:
            known = self._verify(token, audience)
            if known is None:
                return None
            if len(self._known) > 1000:
                self._known.clear()
            self._known[token, audience] = known
        return known if now < known["exp"] else None

    def _verify(self, token: str, audience: str) -> dict[str, Any] | None:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next((each for each in self.ring.keys if each.kid == kid), None)
            if key is None:
                return None
            claims: dict[str, Any] = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=["RS256"],
                audience=audience,
                options={"require": ["exp", "aud", "iss"]},
            )
        except jwt.InvalidTokenError:
            return None
        return claims
