"""A real redis-server in a scratch folder, to be stopped, killed, frozen and started again by a test."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 10.0


class RedisServer:
    """One redis-server on a port of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path, *options: str, password: str | None = None) -> None:
        self.folder = folder
        self.port = _free_port()
        self._options = [*options, *(["--requirepass", password] if password else [])]
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, with the password if there is one."""
        user = f":{self._password}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Run it, and return when it answers, its data loaded."""
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed"
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        with (self.folder / "redis.log").open("ab") as said:
            self._process = subprocess.Popen([program, *fixed, *self._options], stdout=said, stderr=said)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            running = self._process.poll() is None and time.monotonic() < deadline
            assert running, (self.folder / "redis.log").read_text()
            time.sleep(0.005)

    def stop(self) -> None:
        """Let it end in good order (SIGTERM): what it keeps is on the disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it stand still (SIGSTOP): the system still accepts connections for it, nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def ask(self, *words: str) -> bytes:
        """Send one command on a connection of its own and return the beginning of the answer as it came."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as link:
            lines = [] if self._password is None else [("AUTH", self._password)]
            answer = b""
            for line in [*lines, words]:
                link.sendall(b"*%d\r\n" % len(line) + b"".join(_bulk(word) for word in line))
                answer = link.recv(65536)
            return answer

    def _answers(self) -> bool:
        try:
            return self.ask("PING").startswith(b"+PONG")
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self.thaw()
            self._signal(number)
            self._process.wait(PATIENCE)
            self._process = None


def _bulk(word: str) -> bytes:
    data = word.encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_server(folder: Path, *options: str, password: str | None = None) -> Iterator[RedisServer]:
    """Run one with these options (`"--appendonly", "yes"`); nothing is left of its process afterwards."""
    server = RedisServer(folder, *options, password=password)
    try:
        server.start()
        yield server
    finally:
        server.kill()
