"""An issuer of tokens on 127.0.0.1 that signs whatever a test asks for.

`tests/services/identity.py` runs a real provider; this one is for
claims that it refuses to make.
"""

import json
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.simulators.behaviour import Behaviour
from tests.simulators.server import Simulator
from tests.simulators.wire import Answer, Received

AUDIENCE = "keepstone"
_JSON = {"Content-Type": "application/json"}


class Issuer(Simulator):
    """Discovery and keys of one issuer; `token` signs any claims with its key."""

    def __init__(self) -> None:
        super().__init__()
        self._key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})

    def token(self, **claims: Any) -> str:
        """A token that is good for ten minutes, unless the claims say otherwise."""
        usual = {"iss": self.url, "aud": AUDIENCE, "exp": int(time.time()) + 600, "groups": ["all"]}
        return jwt.encode({"alg": "RS256", "kid": "k1"}, usual | claims, self._key)

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """The discovery document, or the keys."""
        found: dict[str, Any] = {"keys": [self._key.as_dict(private=False)]}
        if "well-known" in received.path:
            found = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        return Answer(200, _JSON, (json.dumps(found).encode(),))
