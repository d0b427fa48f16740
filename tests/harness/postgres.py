"""A real PostgreSQL in a scratch folder, to be stopped, frozen, crashed and started again by a test.

Its programs refuse to run as root, so for root they run as `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PASSWORD = "canary-pg-5b1e"
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class PostgresServer:
    """One server with its data in `folder`, on a port of its own, which it keeps when it is started again.

    Args:
        fsync: whether it waits for the disk; what it wrote survives its own crash without that too.
    """

    def __init__(self, folder: Path, fsync: bool) -> None:
        self._fsync = "on" if fsync else "off"
        self.port = _free_port()
        self._folder = folder
        self._data = folder / "data"
        self._count = 0

    def create(self) -> None:
        """Make its files; its superuser, `genmb`, has a password."""
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        _own(self._folder)
        _own(secret)
        words = ["-U", "genmb", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "-N"]
        self._run("initdb", *words)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n")
            file.write(f"unix_socket_directories = '{self._folder}'\nfsync = {self._fsync}\n")

    def start(self) -> None:
        """Run it, and return when it answers."""
        self._run("pg_ctl", "start", "-w", "-l", str(self._folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` in good order, `immediate` as though it had crashed."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def restart(self) -> None:
        """Crash it and start it again; it recovers from its log."""
        self._run("pg_ctl", "restart", "-w", "-m", "immediate", "-l", str(self._folder / "log"))

    def freeze(self) -> None:
        """Let all its processes stand still: the system still accepts connections for it, nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def database(self) -> str:
        """Make a place without any tables, and return its address: a schema, far cheaper than a database."""
        self._count += 1
        name = f"scratch_{self._count}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return self.url(f"?options=-csearch_path%3D{name},pg_catalog")

    def url(self, options: str = "") -> str:
        """Its address, with the password."""
        return f"postgresql://genmb:{PASSWORD}@127.0.0.1:{self.port}/postgres{options}"

    def end(self) -> None:
        """Stop it if it runs, at once."""
        self.thaw()
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")

    def _signal(self, number: signal.Signals) -> None:
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists():
            main = int(pid_file.read_text().split()[0])
            children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
            for pid in [main, *map(int, children)]:
                os.kill(pid, number)

    def _run(self, program: str, *words: str) -> None:
        found = shutil.which(
            program, path=os.pathsep.join([os.environ["PATH"], *map(str, reversed(_PLACES))])
        )
        assert found, f"{program} is not installed"
        done = subprocess.run(
            [found, "-D", str(self._data), *words],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            **_as_somebody(),
        )
        log = self._folder / "log"
        assert done.returncode == 0, (done.stdout or b"").decode() + (log.read_text() if log.exists() else "")


def _as_somebody() -> dict[str, object]:
    """Whom the server runs as: oneself, unless that is root."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _own(path: Path) -> None:
    somebody = _as_somebody()
    if somebody:
        os.chown(path, somebody["user"], somebody["group"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgres_server(fsync: bool = True) -> Iterator[PostgresServer]:
    """Run one; nothing is left of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="genmb-postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), fsync)
        try:
            server.create()
            server.start()
            yield server
        finally:
            server.end()
