"""`make run`, as a user meets it: the green line, the clean end, one sentence when it cannot."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from cpo_platform.runner import processes, servers
from tests.runner.conftest import Start

RUN = ("-m", "cpo_platform.runner", "run")


def _read_until(process: subprocess.Popen[str], words: str) -> str:
    """Return what the process says up to a line with these words, or to its end."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


def _sessions(parent: int) -> list[int]:
    """Return the pids of a process's children."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _assert_green(port: int) -> None:
    assert _statuses(port, "database", "broker", "migrations") == {"ok"}


def _statuses(port: int, *names: str) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        checks = json.load(answer)["checks"]
    return {checks[name]["status"] for name in names}


@pytest.mark.long
def test_run_prints_the_way_in_and_leaves_no_process_however_it_ends(
    var: Path, start: Start
) -> None:
    """One platform for both ends: to set one up is most of what this takes."""
    _assert_it_runs_and_ends_cleanly_on_sigterm(var, start)
    # Once more, on what is there now: as on the next day.
    port = processes.free_port()
    process = start(*RUN, PORT=str(port), DEMO="0", DEBUG="1")
    _read_until(process, "Ctrl-C stops it")
    _assert_green(port)
    # Those who are at work have more to leave than those who begin.
    assert processes.wait_for(lambda: _statuses(port, "worker", "push", "beat") == {"ok"}, 60)
    children = _sessions(process.pid)
    everything = [*children, *(pid for child in children for pid in _sessions(child))]
    process.send_signal(signal.SIGKILL)
    gone = processes.wait_for(lambda: not any(map(processes.started_at, everything)), 15)
    assert gone, [_command(pid) for pid in everything if processes.started_at(pid)]
    assert servers.running(var) == []


def _command(pid: int) -> str:
    """Return the command line of a process, to say which one is meant."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def _assert_it_runs_and_ends_cleanly_on_sigterm(var: Path, start: Start) -> None:
    port = processes.free_port()
    process = start(*RUN, PORT=str(port), DEMO="0", DEBUG="1")
    said = _read_until(process, "Ctrl-C stops it")
    assert f"Admin          http://localhost:{port}/admin/" in said
    assert f"OCPI versions  http://localhost:{port}/ocpi/versions" in said
    password = re.search(r"Password       (\S+)\n", said)
    assert password, said
    assert (var / "admin-password").read_text().strip() == password[1]
    _assert_green(port)
    children = _sessions(process.pid)
    assert len(children) == 7  # two keepers, web, worker, push, beat, ocpp

    second = start(*RUN, PORT=str(processes.free_port()), DEMO="0")
    assert second.communicate(timeout=30)[0] == (
        f"`make run` already runs on {var}: stop it first, or set VAR_DIR.\n"
    )
    assert second.returncode == 1

    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=20)[0]
    assert process.returncode == 0, rest
    assert rest.endswith("Stopped.\n")
    assert [pid for pid in children if processes.started_at(pid)] == []
    assert servers.running(var) == []


def test_taken_port_is_one_sentence_and_starts_nothing(var: Path, start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(*RUN, PORT=str(port))
        said = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert said == (
        f"Port {port} is taken (Address already in use): stop what listens on 127.0.0.1:{port}, "
        f"or choose another, PORT={port + 1} make run.\n"
    )
    assert [path.name for path in var.iterdir()] == ["run.lock"]


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgres://cpo:hidden@127.0.0.1:{port}/cpo"),
        ("REDIS_URL", "redis://:hidden@127.0.0.1:{port}/0"),
        ("CELERY_BROKER_URL", "amqp://cpo:hidden@127.0.0.1:{port}//"),
    ],
)
def test_unreachable_server_of_ones_own_is_one_sentence(
    var: Path, start: Start, variable: str, url: str
) -> None:
    closed = processes.free_port()
    process = start(*RUN, PORT=str(processes.free_port()), **{variable: url.format(port=closed)})
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert said.startswith(f"{variable}: cannot reach 127.0.0.1:{closed}: ")
    assert said.count("\n") == 1
    assert "hidden" not in said
    assert servers.running(var) == []


def test_reset_refuses_while_servers_run_and_wipes_afterwards(var: Path, start: Start) -> None:
    with servers.attached({}, var):
        refused = start("-m", "cpo_platform.runner", "reset")
        assert "stop `make run` first" in refused.communicate(timeout=30)[0]
        assert refused.returncode == 1
        assert (var / "postgres" / "data").is_dir()
    wiped = start("-m", "cpo_platform.runner", "reset")
    wiped.communicate(timeout=30)
    assert wiped.returncode == 0
    assert not var.exists()


def test_python_that_is_too_old_is_one_sentence(tmp_path: Path) -> None:
    bootstrap = servers.ROOT / "cpo_platform" / "runner" / "bootstrap.py"
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 0, 'final', 0); "
        f"runpy.run_path({str(bootstrap)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [Path(os.path.realpath("/proc/self/exe")), "-c", code],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed, ")
    assert done.stderr.count("\n") == 1
