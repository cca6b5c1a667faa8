"""What the tests of the probes poll: servers that talk as they are told, a proxy, an authority that certifies."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator

import pytest

from minimon import Result

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
Talk = Callable[[socket.socket], None]


class Peer:
    """A server that has a function talk to each client, each on a thread of its own."""

    def __init__(self, talk: Talk, host: str = "127.0.0.1") -> None:
        self._talk = talk
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.settimeout(None)
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = f"http://{self.address}/"
        self.connections = 0
        self.ended = 0
        """Connections that are over."""
        self._clients: list[socket.socket] = []  # handles of their own: TLS takes the sockets over
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # until the listening socket is shut down
            while True:
                client, _ = self._listener.accept()
                handle = client.dup()
                self._clients.append(handle)
                self.connections += 1  # now it can be hung up on
                self._threads.append(threading.Thread(target=self._serve, args=(client, handle), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket, handle: socket.socket) -> None:
        with handle, client, contextlib.suppress(OSError):
            client.settimeout(10.0)
            self._talk(client)
        self.ended += 1

    def hang_up(self) -> None:
        """End every connection."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all that runs."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5.0)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5.0)


@contextlib.contextmanager
def peer(talk: Talk, host: str = "127.0.0.1") -> Iterator[Peer]:
    """A Peer that is closed in the end."""
    made = Peer(talk, host)
    try:
        yield made
    finally:
        made.close()


def read_request(client: socket.socket) -> bytes:
    """The whole of one request; b"" when the client has left."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = client.recv(65536)
        if not piece:
            return b""
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", b"0")):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def replying(*answers: bytes, seen: list[bytes] | None = None) -> Talk:
    """Answers the requests of each connection with these in turn, then closes; the last goes on for ever."""
    requests = [] if seen is None else seen

    def talk(client: socket.socket) -> None:
        at = 0
        while request := read_request(client):
            requests.append(request)
            client.sendall(answers[min(at, len(answers) - 1)])
            at += 1

    return talk


def once(answer: bytes, seen: list[bytes] | None = None) -> Talk:
    """Answers one request and closes."""

    def talk(client: socket.socket) -> None:
        request = read_request(client)
        if not request:
            return
        if seen is not None:
            seen.append(request)
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        client.recv(1)

    return talk


def mute(client: socket.socket) -> None:
    """Reads and never answers."""
    while client.recv(65536):
        pass


def sent(request: bytes, name: str) -> list[str]:
    """The values of a header, in the order in which they were sent."""
    lines = (line.partition(": ") for line in request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:])
    return [value for key, _, value in lines if key.lower() == name.lower()]


class ForwardProxy:
    """A small HTTP proxy, as a Talk: hands on what it is asked, and opens tunnels."""

    def __init__(self, refusal: bytes = b"") -> None:
        self.requests: list[bytes] = []
        self._refusal = refusal

    def __call__(self, client: socket.socket) -> None:
        request = read_request(client)
        if not request:
            return
        self.requests.append(request)
        method, target = request.split(b" ")[:2]
        if self._refusal:
            client.sendall(self._refusal)
        elif method == b"CONNECT":
            host, _, port = target.decode().rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port)), 5.0) as upstream:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
                back.start()
                _pump(client, upstream)
                back.join(5.0)
        else:
            host, _, rest = target.removeprefix(b"http://").decode().partition("/")
            name, _, port = host.partition(":")
            with socket.create_connection((name, int(port or 80)), 5.0) as upstream:
                upstream.sendall(request.replace(target, b"/" + rest.encode(), 1))
                _pump(upstream, client)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def verdict(result: Result) -> tuple[str, str]:
    """What the tests compare."""
    return result.outcome.value, result.reason


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that is ours, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])


def free_port() -> int:
    """A port on which nobody listens, as far as can be known."""
    with closed_port() as port:
        return port


@contextlib.contextmanager
def black_hole(host: str = "127.0.0.2", port: int = 0) -> Iterator[int]:
    """A port that swallows what knocks: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        except OSError as error:
            pytest.skip(f"no {host} here: {error}")
        where = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(where)
        yield int(where[1])


# Certificates


DAY = 86400.0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class Authority:
    """A private authority: certifies names, for times of its choice. Its files are PEM."""

    def __init__(self, folder: pathlib.Path, *, days: float = 3650.0) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl program to make certificates with")
        folder.mkdir(exist_ok=True)
        self.folder, self.file, self._key = folder, folder / "ca.pem", folder / "ca.key"
        self._config = folder / "ca.cnf"
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("01\n")
        self._config.write_text(
            f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={folder}\ndatabase={folder}/index.txt\nserial={folder}/serial\n"
            "default_md=sha256\npolicy=p\nunique_subject=no\n"
            "[p]\ncommonName=optional\norganizationName=optional\n"
        )
        self._make_key(self._key)
        extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n"
        self._sign(self.file, self._key, ("/CN=Private CA", extensions), (-1.0, days), own=True)

    @staticmethod
    def _make_key(path: pathlib.Path) -> None:
        _run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", str(path))

    def _sign(
        self, path: pathlib.Path, key: pathlib.Path, says: tuple[str, str], days: tuple[float, float], *, own: bool
    ) -> None:
        """Subject and extensions; begin and end in days from now."""
        request, extra = path.with_suffix(".csr"), path.with_suffix(".ext")
        extra.write_text(says[1])
        _run("openssl", "req", "-new", "-key", str(key), "-subj", says[0], "-out", str(request))
        issuer = ["-selfsign"] if own else ["-cert", str(self.file)]
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + day * DAY)) for day in days]
        command = ["openssl", "ca", "-batch", "-notext", "-config", str(self._config), *issuer]
        command += ["-keyfile", str(key if own else self._key), "-in", str(request), "-out", str(path)]
        _run(*command, "-extfile", str(extra), "-startdate", dates[0], "-enddate", dates[1])

    def certify(
        self,
        name: str,
        *,
        subject: str = "",
        names: str = "IP:127.0.0.1",
        begin: float = -1.0,
        end: float = 30.0,
        own: bool = False,
    ) -> pathlib.Path:
        """A certificate with its key in one file; `own` has it signed by itself. Days count from now."""
        path, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._make_key(key)
        extensions = f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n"
        extensions += "subjectKeyIdentifier=hash\n" + ("" if own else "authorityKeyIdentifier=keyid\n")
        self._sign(path, key, (subject or f"/CN={name}", extensions), (begin, end), own=own)
        path.write_bytes(path.read_bytes() + key.read_bytes())
        return path


def over_tls(
    pem: pathlib.Path,
    talk: Talk,
    *,
    clients: pathlib.Path | None = None,
    optional: bool = False,
    oldest: bool = False,
    names: list[str | None] | None = None,
) -> Talk:
    """The same conversation after a handshake.

    `clients` certifies those who may talk; `optional` lets the others talk too; `oldest` speaks TLS 1.1 and no other;
    `names` takes the names that are asked for (SNI).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if clients is not None:
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    if oldest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    if names is not None:
        context.sni_callback = lambda sock, name, _: names.append(name)

    def shake(client: socket.socket) -> None:
        with client.dup() as plain:
            plain.settimeout(5.0)
            secured = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            with secured:
                try:
                    secured.do_handshake()
                except ssl.SSLError:  # its alert has been sent; what is unread would make a reset of the end
                    plain.shutdown(socket.SHUT_WR)
                    mute(plain)
                    return
                talk(secured)
                with contextlib.suppress(OSError, ValueError):
                    secured.unwrap()

    return shake
