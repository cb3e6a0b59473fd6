"""A browser of the simplest kind: follows redirects, keeps cookies per host, fills in forms; no scripts."""

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser shows."""

    url: str
    status: int
    headers: list[tuple[str, str]]
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def cookie(self, name: str) -> str:
        """The whole `Set-Cookie` of this name."""
        found = [value for key, value in self.headers if key.lower() == "set-cookie"]
        return next((each for each in found if each.startswith(f"{name}=")), "")


@dataclass(slots=True)
class Browser:
    """One profile; `hosts` says where a name of the policy really is, as a hosts file would."""

    hosts: Mapping[str, str]
    trust: str
    jar: dict[str, dict[str, str]] = field(default_factory=dict)

    def get(self, url: str, *, accept: str = "text/html", follow: bool = True) -> Page:
        """Open a page."""
        return self.send("GET", url, None, accept=accept, follow=follow)

    def submit(self, url: str, form: Mapping[str, str]) -> Page:
        """Send a form."""
        return self.send("POST", url, form)

    def send(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None,
        *,
        accept: str = "text/html",
        follow: bool = True,
    ) -> Page:
        """Request, and follow where it leads."""
        for _ in range(10):
            page = self._once(method, url, form, accept)
            location = next((value for key, value in page.headers if key.lower() == "location"), "")
            if not follow or page.status not in (302, 303) or not location:
                return page
            method, url, form = "GET", urljoin(url, location), None
        raise AssertionError("too many redirects")

    def _once(self, method: str, url: str, form: Mapping[str, str] | None, accept: str) -> Page:
        parts = urlsplit(url)
        real = urlsplit(
            self.hosts.get(f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{parts.netloc}")
        )
        assert real.hostname
        cookies = self.jar.setdefault(parts.netloc, {})
        headers = {"accept": accept, "host": parts.netloc}
        if cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        connection: http.client.HTTPConnection
        if real.scheme == "https":
            context = ssl.create_default_context(cafile=self.trust)
            connection = http.client.HTTPSConnection(real.hostname, real.port, timeout=10, context=context)
        else:
            connection = http.client.HTTPConnection(real.hostname, real.port, timeout=10)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = None
        if form is not None:
            body = urlencode(form)
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            page = Page(url, answer.status, answer.getheaders(), answer.read().decode())
        finally:
            connection.close()
        for key, value in page.headers:
            if key.lower() == "set-cookie":
                name, _, rest = value.partition("=")
                text = rest.split(";")[0]
                gone = not text or re.search(r"max-age=0|expires=Thu, 01 Jan 1970", value, re.IGNORECASE)
                if gone:
                    cookies.pop(name, None)
                else:
                    cookies[name] = text
        return page
