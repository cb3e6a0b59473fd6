"""A real identity provider for the tests: oidc-provider under node, installed by its lock file.

It is installed once for all workers; where node or npm is missing the tests that need it fail and say so.
"""

import base64
import fcntl
import json
import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import urlencode

FOLDER = Path(__file__).parent / "identity_provider"
SECRET = "not-a-secret"


def install() -> None:
    """`npm ci`, unless what is there is what the lock file asks for."""
    for program in ("node", "npm"):
        assert which(program), f"`{program}` is needed for the identity provider: install Node.js 20 or newer"
    modules, lock = FOLDER / "node_modules", FOLDER / "package-lock.json"
    installed = FOLDER / "node_modules" / ".installed-lock.json"
    with (FOLDER / ".install.lock").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"`npm ci` in `{FOLDER}` failed: {done.stderr[-2000:]}"
        assert modules.is_dir()
        installed.write_bytes(lock.read_bytes())


class IdentityProvider:
    """The running server; it ends with its standard input, whatever happens to us."""

    def __init__(self, redirects: str = "https://127.0.0.1:1/session/callback") -> None:
        install()
        self._process = subprocess.Popen(
            ["node", "server.js"],
            cwd=FOLDER,
            env={"PATH": str(Path(str(which("node"))).parent), "REDIRECTS": redirects},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("issuer "), f"the identity provider did not start: `{line}`"
        self.issuer = line.split()[1]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def tell(self, what: str) -> None:
        """`rotate` its keys, or let it go `away` and come `back`."""
        with urllib.request.urlopen(f"{self.issuer}/test/{what}", timeout=10) as answer:
            assert answer.status == 200

    def token(
        self,
        client: str = "batch",
        *,
        claims: Mapping[str, Any] = {},
        algorithm: str = "RS256",
        resource: str = "urn:keepstone",
        lifetime: int = 300,
        certificate: str = "",
    ) -> str:
        """An access token by client credentials; `claims` are what an administrator would configure."""
        headers = {
            "authorization": "Basic " + base64.b64encode(f"{client}:{SECRET}".encode()).decode(),
            "x-test-claims": json.dumps(dict(claims)),
            "x-test-algorithm": algorithm,
            "x-test-lifetime": str(lifetime),
        }
        if certificate:
            headers["x-test-client-certificate"] = base64.b64encode(certificate.encode()).decode()
        form = {"grant_type": "client_credentials", "resource": resource}
        return str(self.post("/token", form, headers)["access_token"])

    def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        """POST a form, get JSON."""
        request = urllib.request.Request(self.issuer + path, urlencode(form).encode(), dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error


def unsigned(token: str, **changes: Any) -> str:
    """The token with other claims and the old signature: a forgery."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "==")) | changes
    return ".".join((head, encoded(claims), signature))


def encoded(value: Mapping[str, Any]) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def nonsense() -> str:
    """Random text in base64url."""
    return secrets.token_urlsafe(32)
