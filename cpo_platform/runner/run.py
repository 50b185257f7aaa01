"""`make run`: everything from an empty directory to a platform that answers, and back."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import kombu
import psycopg
import redis
from amqp.exceptions import AMQPError

from cpo_platform import environment as env
from cpo_platform.runner import launch, postgres, processes, servers, supervisor, valkey
from cpo_platform.runner.errors import RunnerError

NEEDED_MEGABYTES = 200
PREPARE_SECONDS = 600
HEALTHY_SECONDS = 60
# What commands that are typed beside `make run` have to know of it.
CHOICES = ("PORT", "PUBLIC_URL", "OCPP_PORT", "OUTBOUND_ALLOW_PRIVATE", "FLOWER_PORT")
BROKER = "CELERY_BROKER_URL"
ADMIN_PASSWORD_FILE = "admin-password"  # noqa: S105 - a file name


class StopRequested(BaseException):
    """Ctrl-C or SIGTERM; not an Exception, so that nothing takes it for a failure."""


def run(*, die_with_parent: bool) -> int:
    """Run the platform until Ctrl-C, SIGTERM or a failure; return the exit status.

    Raises:
        RunnerError: something is in the way; nothing is left running.
    """
    signals = _Signals()
    if die_with_parent:
        launch.die_with_parent(signal.SIGTERM, os.getppid())
    try:
        _run(signals)
    except StopRequested:
        _say("Stopped.")
    return 0


def _run(signals: "_Signals") -> None:
    began = time.monotonic()
    var, host, port = env.var_dir(), env.text("HOST", "127.0.0.1"), _port()
    demo = env.flag("DEMO", default=True)
    environ = {**os.environ, "PORT": str(port), "HOST": host, "OCPP_PORT": str(_ocpp_port(port))}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    if demo:
        # The demonstration's partner lives on this machine.
        environ.setdefault("OUTBOUND_ALLOW_PRIVATE", "true")
        environ["SANDBOX_PORT"] = str(_sandbox_port(port))
        environ["VAR_DIR"] = str(var)
    entries = _entries(demo=demo)
    _check_disk(var)
    _check_own_servers()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_only_one(var))
        processes.check_port(host, port)
        processes.check_port(env.text("OCPP_HOST", host), _ocpp_port(port), variable="OCPP_PORT")
        if flower_port := _flower_port():
            processes.check_port("127.0.0.1", flower_port, variable="FLOWER_PORT")
        if demo:
            processes.check_port("127.0.0.1", _sandbox_port(port), variable="SANDBOX_PORT")
        stack.enter_context(signals.shielded())
        leases = stack.enter_context(servers.attached(environ, var))
        servers.keep_choices(var, {name: environ[name] for name in CHOICES if environ.get(name)})
        with signals.listening():
            _prepare(environ, demo=demo)
        everything = supervisor.Supervisor(entries, environ, env.BASE_DIR)
        try:
            with signals.listening():
                everything.start()
                deadline = time.monotonic() + HEALTHY_SECONDS
                everything.watch(lambda: _healthy(host, port) or time.monotonic() > deadline)
                if not _healthy(host, port):
                    raise RunnerError(f"/readyz is not green after {HEALTHY_SECONDS} s.")
                _say(_banner(port, var, demo=demo, seconds=time.monotonic() - began))
                everything.keep_alive(until=lambda: not all(held.alive() for held in leases))
                raise RunnerError(f"An embedded server has ended: see {var / 'log'}.")
        finally:
            _say("Stopping.")
            everything.stop()


class _Signals:
    """Turn the first SIGINT or SIGTERM into StopRequested, where the code is ready for it."""

    def __init__(self) -> None:
        self._armed = True
        self._pending = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self._pending = True
        if self._armed:
            self._armed = False
            raise StopRequested

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """Keep a signal for later."""
        self._armed = False
        yield

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Let a signal, or one that came before, interrupt the block."""
        if self._pending:
            raise StopRequested
        self._armed = True
        try:
            yield
        finally:
            self._armed = False


def _port() -> int:
    return env.integer("PORT", 8000, minimum=1, maximum=65535)


def _ocpp_port(port: int) -> int:
    return env.integer("OCPP_PORT", min(port + 1000, 65535), minimum=1, maximum=65535)


def _sandbox_port(port: int) -> int:
    return env.integer("SANDBOX_PORT", min(port + 100, 65535), minimum=1, maximum=65535)


def _flower_port() -> int:
    """Return where Flower is to listen; 0: it is not wanted."""
    return env.integer("FLOWER_PORT", 0, maximum=65535)


def _entries(*, demo: bool) -> list[supervisor.Entry]:
    names = ["Procfile", *(["Procfile.demo"] if demo else [])]
    if _flower_port():
        names.append("Procfile.flower")
    files = [env.BASE_DIR / name for name in names]
    return [entry for file in files if file.is_file() for entry in supervisor.read_procfile(file)]


def _check_disk(var: Path) -> None:
    try:
        var.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(var).free // 1_000_000
        writable = os.access(var, os.W_OK | os.X_OK)
    except OSError as error:
        raise RunnerError(f"Cannot make {var}: {error.strerror}.") from None
    if not writable:
        raise RunnerError(f"Cannot write to {var}: it belongs to uid {var.stat().st_uid}.")
    if free < NEEDED_MEGABYTES:
        raise RunnerError(
            f"The disk of {var} is full: {free} MB are free, at least {NEEDED_MEGABYTES} MB are "
            "needed."
        )


def _check_own_servers() -> None:
    """Make sure that a database and a broker of the user's own can be reached."""
    if own := env.text(postgres.VARIABLE):
        env.database(postgres.VARIABLE)
        try:
            psycopg.connect(own, connect_timeout=5).close()
        except psycopg.Error as error:
            raise RunnerError(_unreachable(postgres.VARIABLE, own, error)) from None
    if own := env.redis_url(valkey.VARIABLE):
        try:
            with redis.Redis.from_url(own, socket_connect_timeout=5, socket_timeout=5) as client:
                client.ping()
        except (redis.RedisError, ValueError) as error:
            raise RunnerError(_unreachable(valkey.VARIABLE, own, error)) from None
    if own := env.broker_url(BROKER):
        try:
            with kombu.Connection(own, connect_timeout=5) as tried, tried.channel():
                pass
        except (kombu.exceptions.KombuError, AMQPError, redis.RedisError, OSError) as error:
            raise RunnerError(_unreachable(BROKER, own, error)) from None


def _unreachable(variable: str, url: str, error: Exception) -> str:
    """Say what cannot be reached, without the password."""
    try:
        parts = urlsplit(url)
        where, password = f"{parts.hostname}:{parts.port or 'default port'}", parts.password
    except ValueError:
        where, password = "that address", None
    # PostgreSQL's first line says what, after naming the address, and the next ones guess why.
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].strip()
    reason = reason.rpartition("failed: ")[2]
    if password:
        reason = reason.replace(password, "***")
    return f"{variable}: cannot reach {where}: {reason.rstrip('.')}."


@contextlib.contextmanager
def _only_one(var: Path) -> Iterator[None]:
    """Refuse a second `make run` on the same data."""
    with (var / servers.RUN_LOCK).open("w") as lock:
        # A command may be looking at it just now, for a moment.
        if not processes.wait_for(lambda: servers.try_exclusively(lock), seconds=0.5):
            raise RunnerError(f"`make run` already runs on {var}: stop it first, or set VAR_DIR.")
        yield


def _prepare(environ: dict[str, str], *, demo: bool) -> None:
    """Migrate, collect static files, load the demonstration, make the staff user."""
    process = processes.spawn(
        [sys.executable, "manage.py", "prepare", *(["--demo"] if demo else [])],
        death_signal=signal.SIGTERM,
        output=subprocess.PIPE,
        env=environ,
        cwd=env.BASE_DIR,
    )
    printer = threading.Thread(target=_copy, args=(process,), daemon=True)
    printer.start()
    try:
        status = process.wait(PREPARE_SECONDS)
    except subprocess.TimeoutExpired:
        raise RunnerError("Preparing the database takes too long: see above.") from None
    finally:
        processes.stop(process, signal.SIGTERM, seconds=3)
        printer.join(1)
    if status:
        raise RunnerError("Preparing the database failed: see above.")


def _copy(process: subprocess.Popen[bytes]) -> None:
    if process.stdout:
        with process.stdout as lines:
            for line in lines:
                sys.stdout.write(line.decode(errors="replace"))
                sys.stdout.flush()


def _healthy(host: str, port: int) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/readyz", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _banner(port: int, var: Path, *, demo: bool, seconds: float) -> str:
    url = env.base_url("PUBLIC_URL", f"http://localhost:{port}")
    try:
        password = (var / ADMIN_PASSWORD_FILE).read_text().strip()
    except FileNotFoundError:
        given = "the one in ADMIN_PASSWORD" if env.text("ADMIN_PASSWORD") else "as you set it"
        password = f"{given} (new: .venv/bin/python manage.py changepassword admin)"
    tries = [
        f"sign in at {url}/admin/" + (" and look at the demonstration network" if demo else ""),
        f"curl -i {url}/ocpi/versions        (OCPI wants a token: make a partner in the admin)",
        ".venv/bin/python manage.py help     commands find this database by themselves",
        "make test                           in another terminal",
    ]
    if demo:
        tries.insert(
            0,
            f"start a session as a driver would: http://localhost:{_sandbox_port(port)}/locations",
        )
    else:
        tries[1:1] = [
            "docs/operators.md                   from an empty platform to the first session",
            f"make sandbox PORT={port} TOKEN=token-a    be a partner (docs/operators.md, 4)",
            ".venv/bin/python manage.py simulate_chargers   connects chargers that do not exist",
        ]
    return "\n".join(
        [
            "",
            f"The CPO platform is up after {seconds:.0f} s.",
            "",
            f"  Admin          {url}/admin/",
            "  User           admin",
            f"  Password       {password}",
            f"  OCPI versions  {url}/ocpi/versions",
            f"  Chargers       ws://localhost:{_ocpp_port(port)}/ocpp/ and their identity",
            *([f"  Sandbox eMSP   http://localhost:{_sandbox_port(port)}/"] if demo else []),
            "",
            "  Try next:",
            *(f"  - {line}" for line in tries),
            "",
            f"Ctrl-C stops it. The data stays in {var}/; `make reset` wipes it.",
            "",
        ]
    )


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
