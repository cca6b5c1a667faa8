"""urllib's opener as a monitor needs it: no file:, no ftp:, connections that keep the deadline, safe redirects.

Apart from http.py because it derives from urllib's classes, whose import costs what a monitor of callables
need not pay.
"""

from __future__ import annotations

import base64
import re
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..checks import ascii_host, has_host
from ..errors import ConfigError
from ..model import Headers
from ..options import PROXY
from ..text import short
from .exchange import Answer, Question, exchange, receive_head
from .message import TargetError
from .network import Network, Plan
from .wire import Trip, Wire, connect

MAX_REDIRECTS = 10
MAX_LOCATION = 4096
"""Characters of a Location at most; the standard library keeps the latest ones for a while."""
MOST_COOKIES = 8192
"""Bytes of the cookies that are kept, at most; more of them are forgotten, all."""
ODD = re.compile(r"\d{13}|[^\t -~]")
"""What no cookie needs: an age of a thousand years, characters beyond ASCII."""
OWN_HEADERS = {"User-agent": "minimon", "Accept": "*/*", "Accept-encoding": "identity"}
"""What every request has, unless the user says otherwise."""
REDIRECTS = (301, 302, 303, 307, 308)
SAFE = "!#$%&'()*+,/:;=?@[]~"
PUNCTUATION = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"
"""What stays as it is in a Location; all else is quoted."""
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")
"""What may be asked twice (RFC 9110, 9.2.2)."""
PORTS = {"http": 80, "https": 443}


class Peer(NamedTuple):
    """Whom a URL is about, and what is asked there."""

    scheme: str
    host: str
    """In ASCII, an IPv6 address without its brackets."""
    port: int
    authority: str
    """As the Host header has it."""
    selector: str
    """Path and query, quoted."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self[:3]

    @property
    def url(self) -> str:
        """The whole of it."""
        return f"{self.scheme}://{self.authority}{self.selector}"


class Proxy(NamedTuple):
    """A proxy for HTTP."""

    host: str
    port: int
    login: str
    """The header Proxy-Authorization, or ""."""


def peer_of(url: str) -> tuple[Peer, str]:
    """Whom a URL is about, and the userinfo that was in it. Raises ValueError."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not an address") from None
    if scheme not in PORTS:
        raise ValueError(f"another scheme than http and https: {scheme:.20}")
    if port == 0 or not has_host(parts):
        raise ValueError("an address without a host or port that can be")
    host = ascii_host(host)
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    authority = shown if port is None else f"{shown}:{port}"
    selector = quote(parts.path or "/", safe=SAFE) + ("?" + quote(parts.query, safe=SAFE) if parts.query else "")
    return Peer(scheme, host, port or PORTS[scheme], authority, selector), parts.netloc.rpartition("@")[0]


def basic(user: str, password: str) -> str:
    """The header of Basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def basic_of(userinfo: str) -> str:
    """The same of the userinfo in a URL."""
    user, _, password = userinfo.partition(":")
    return basic(unquote(user), unquote(password))


def proxy_of(setting: str | None, peer: Peer) -> Proxy | None:
    """The proxy that a peer is asked through. Raises ValueError for one of the environment that is not HTTP."""
    if setting == "env":  # as urllib reads it: no HTTP_PROXY beside REQUEST_METHOD, for a client may have set that
        setting = urllib.request.getproxies().get(peer.scheme)
        if setting and urllib.request.proxy_bypass(peer.authority):
            setting = None
    if not setting:
        return None
    found = PROXY.fullmatch(setting if "://" in setting else f"http://{setting}")
    if found is None:
        raise ValueError(f"proxy of the environment ({peer.scheme}_proxy): only http://host:port can be used")
    userinfo, host, port = found.groups()
    return Proxy(host.strip("[]"), int(port or 80), basic_of(userinfo) if userinfo else "")


class Ask(urllib.request.Request):
    """One request of a trip. The first one is made once for all polls, and copied for each."""

    trip: Trip
    chain: tuple[str, ...] = ()
    """The URLs that led here."""
    home = True
    """Whether this is still the origin that the user named: another one sees nothing of what the user set."""
    question: Question | None = None
    """The whole request as it is sent, where it is always the same."""

    def __init__(self, peer: Peer, plan: HttpPlan, data: bytes | None, headers: dict[str, str], method: str) -> None:
        super().__init__(peer.url, data, headers, method=method)
        if self.headers == OWN_HEADERS:
            self.headers = OWN_HEADERS  # many checks have no others, and share them
        self.peer, self.plan = peer, plan
        self.proxy = proxy_of(plan.proxy, peer)

    def again(self, trip: Trip) -> Ask:
        """The same request for another trip; parsing its URL anew would cost as much as sending it."""
        copy = Ask.__new__(Ask)
        copy.__dict__.update(self.__dict__, unredirected_hdrs={}, trip=trip)
        return copy

    def asked(self) -> Question:
        """The whole request."""
        method, body, peer = self.get_method(), self.data or b"", self.peer
        headers = {"Host": peer.authority, **self.unredirected_hdrs, **self.headers}
        headers.setdefault("Connection", "keep-alive" if self.plan.reuse else "close")
        if self.data is not None or method in ("POST", "PUT", "PATCH"):
            headers["Content-length"] = str(len(body))  # type: ignore[arg-type]
        target = peer.selector
        if self.proxy is not None and peer.scheme == "http":
            target = peer.url
            if self.proxy.login:
                headers.setdefault("Proxy-authorization", self.proxy.login)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name.title()}: {value}" for name, value in headers.items())]
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body  # type: ignore[operator]
        key = peer.scheme, peer.authority, self.proxy, self.home
        return Question(data, key, self.plan, method == "HEAD", "Upgrade" in headers, method in IDEMPOTENT)

    def next(self, status: int, location: str) -> Ask:
        """The request that a redirect asks for (RFC 9110, 15.4). Raises TargetError."""
        if len(location) > MAX_LOCATION:
            raise TargetError("protocol", f"redirect: its Location has more than {MAX_LOCATION} characters")
        try:
            url = urljoin(self.peer.url, quote(location.strip(), safe=PUNCTUATION, encoding="iso-8859-1"))
            peer, _ = peer_of(url)  # a login there is not ours
            proxy_of(self.plan.proxy, peer)
        except ValueError as error:
            raise TargetError("protocol", f"redirect: {error}") from None
        chain = (*self.chain, self.peer.url)
        if peer.url in chain:
            raise TargetError("protocol", f"redirects in a ring: {_told((*chain, peer.url))}")
        if len(chain) > self.plan.max_redirects:
            raise TargetError("protocol", f"more than {self.plan.max_redirects} redirects: {_told(chain)}")
        same = peer.origin == self.peer.origin
        again = same and status in (307, 308)
        method = self.get_method() if again or self.get_method() == "HEAD" else "GET"
        headers = dict(self.headers) if same else dict(OWN_HEADERS)
        if not again:
            headers.pop("Content-type", None)
        following = Ask(peer, self.plan, self.data if again else None, headers, method)  # type: ignore[arg-type]
        following.trip, following.chain, following.home = self.trip, chain, self.home and same
        return following


class _Settings:
    """The headers that set cookies, as http.cookiejar asks for them; without those that it stumbles over aloud."""

    def __init__(self, headers: Headers) -> None:
        said = [text for text in headers.get_all("set-cookie") if len(text) <= 1024 and not ODD.search(text)]
        self._headers = Headers([("Set-Cookie", text) for text in said])

    def info(self) -> Headers:
        """The headers."""
        return self._headers


class Cookies(urllib.request.HTTPCookieProcessor):
    """Keeps the cookies of one check, few and small."""

    def http_request(self, request: Any) -> Any:
        """Send what is kept, to the origin alone that the user named: a jar minds no ports."""
        return super().http_request(request) if request.home else request

    https_request = http_request

    def http_response(self, request: Any, response: Any) -> Any:
        """Take what the target sets."""
        if not request.home:
            return response
        try:
            super().http_response(request, _Settings(response.headers))  # type: ignore[arg-type]
        except BaseException:
            response.close()
            raise
        sizes = [len(cookie.name) + len(cookie.value or "") + len(cookie.path) for cookie in self.cookiejar]
        if len(sizes) > 50 or sum(sizes) > MOST_COOKIES:
            self.cookiejar.clear()
        return response

    https_response = http_response

    def after_fork(self) -> None:
        """In the child: its lock may be held for ever."""
        self.cookiejar = type(self.cookiejar)()


def _told(chain: tuple[str, ...]) -> str:
    """The way that redirects led, without its middle where it is long."""
    urls = [short(url, 60) for url in chain]
    return " > ".join([*urls[:2], "…", *urls[-2:]] if len(urls) > 4 else urls)


class HttpPlan(Plan):
    """How a request gets to its target, and what is done with a redirect."""

    def __init__(self, options: Mapping[str, Any], network: Network, *, tls: bool) -> None:
        try:
            super().__init__(options, network, tls=tls)
        except ConfigError:
            if tls or options.get("ca_file") or options.get("cert"):
                raise  # else there is no ssl, which is not needed before a redirect leads there
        self.proxy: str | None = options.get("proxy")
        self.follow_redirects = options.get("follow_redirects", True)
        self.max_redirects = options.get("max_redirects", MAX_REDIRECTS)
        self.cookies = Cookies() if options.get("cookies") is True else None

    def after_fork(self) -> None:
        """In the child: no connections, no cookies."""
        super().after_fork()
        if self.cookies is not None:
            self.cookies.after_fork()


class Transport(urllib.request.BaseHandler):
    """http: and https:, each request on a connection of its own, or on one that was kept."""

    def http_open(self, request: Ask) -> Answer:
        """Send it; the answer, its head read. Raises TargetError."""
        question = request.question or request.asked()
        if request.plan.reuse:
            kept = request.plan.take(question.key, request.trip)
            answer = None if kept is None else self._try(kept, question)
            if answer is not None:
                return answer
        request.trip.reused = False
        return exchange(self._dial(request), question)

    https_open = http_open

    def _try(self, kept: Wire, question: Question) -> Answer | None:
        """On a connection that was kept; None when it proves to be stale, and the request may be made twice."""
        trip = kept.trip
        received, trip.reused, trip.address = trip.received, True, kept.address
        try:
            answer = exchange(kept, question)
            if answer.status != 408 or not question.twice:
                return answer
            answer.close()  # what servers say to who was silent for long (RFC 9110, 15.5.9)
        except TargetError as error:
            if error.kind not in ("connect", "truncated") or trip.received > received or not question.twice:
                raise
        return None

    def _dial(self, ask: Ask) -> Wire:
        wire = _connected(ask)
        if ask.peer.scheme == "http":
            return wire
        return ask.plan.secure(wire, ask.peer.host, ask.home, lambda: _connected(ask))


def _connected(ask: Ask) -> Wire:
    """A connection to the target, through a proxy if need be. Raises TargetError."""
    plan, trip, peer, proxy = ask.plan, ask.trip, ask.peer, ask.proxy
    if proxy is None:
        return connect(peer.host, peer.port, trip, plan.resolver, family=plan.family, guard=plan.guard)
    if plan.guard is not None:
        plan.guard(peer.host, "")
    try:
        wire = connect(proxy.host, proxy.port, trip, plan.resolver, family=plan.family)
    except TargetError as error:
        raise TargetError(error.kind, f"proxy: {error.detail}") from None
    if peer.scheme == "https":
        _tunnel(wire, peer, proxy)
    return wire


def _tunnel(wire: Wire, peer: Peer, proxy: Proxy) -> None:
    """Have the proxy connect to the target (RFC 9110, 9.3.6)."""
    where = f"[{peer.host}]:{peer.port}" if ":" in peer.host else f"{peer.host}:{peer.port}"
    login = f"Proxy-Authorization: {proxy.login}\r\n" if proxy.login else ""
    wire.trip.enter("proxy", "proxy")
    try:
        wire.send(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{login}\r\n".encode("latin-1"))
        head = receive_head(wire)
        if not 200 <= head.status <= 299:
            raise TargetError("connect", f"headers: CONNECT was answered {head.status} {head.reason}")
    except TargetError as error:
        wire.close()
        raise TargetError(error.kind, error.detail.replace("headers:", "proxy:", 1)) from None


class Redirects(urllib.request.BaseHandler):
    """Follows to http and https, and never to the same URL twice. Every other answer is an answer, no exception."""

    handler_order = 600  # after the cookies were taken

    def http_response(self, request: Ask, response: Answer) -> Any:
        """What the redirect leads to."""
        if response.status not in REDIRECTS or not request.plan.follow_redirects:
            return response
        location = response.headers.get("location")
        if not location:
            return response
        response.close()  # the body of a redirect is not read, however long it is
        following = request.next(response.status, location)
        request.trip.redirects += 1
        request.trip.at = following.peer.url
        return self.parent.open(following, timeout=request.timeout)

    https_response = http_response


def opener_of(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """An opener with these handlers and no other. Threads may share it."""
    made = urllib.request.OpenerDirector()
    for handler in (Transport(), Redirects(), *handlers):
        made.add_handler(handler)
    return made
