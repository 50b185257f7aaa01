"""The embedded pair: started once, shared, and gone with its last user."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from cpo_platform import environment as env
from cpo_platform.runner import postgres, processes, servers
from cpo_platform.runner.errors import RunnerError
from tests.runner.conftest import Start


def test_pair_serves_keeps_its_data_and_stops_with_the_last_user(var: Path) -> None:
    first: dict[str, str] = {}
    leases = servers.attach(first, var, for_tests=False)
    with psycopg.connect(first["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'Ärger' AS word")
    with redis.Redis.from_url(first["REDIS_URL"]) as client:
        client.set("kept", "yes")
    for lease in leases:
        lease.release()

    assert servers.known_urls(var) == {}
    assert servers.running(var) == []
    assert not any(lease.alive() for lease in leases)

    second: dict[str, str] = {}
    with servers.attached(second, var):
        with psycopg.connect(second["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT lower(word) FROM kept").fetchone() == ("ärger",)
        with redis.Redis.from_url(second["REDIS_URL"]) as client:
            assert client.get("kept") == b"yes"


def test_state_file_leads_other_processes_to_the_running_servers(var: Path, start: Start) -> None:
    ours: dict[str, str] = {}
    with servers.attached(ours, var):
        assert servers.known_urls(var) == ours
        other = start(
            "manage.py", "shell", "-v", "0", "-c", "import os; print(os.environ['DATABASE_URL'])"
        )
        assert other.communicate(timeout=30)[0].strip() == ours["DATABASE_URL"]
        # The other one has gone and we have not: the servers stay.
        assert servers.known_urls(var) == ours


def test_state_file_of_another_process_is_not_believed(var: Path) -> None:
    home = var / "postgres"
    processes.write_private(
        home / servers.STATE,
        json.dumps(
            {
                "pid": os.getpid(),
                "started": 1,
                "keeper_pid": os.getpid(),
                "keeper_started": processes.started_at(os.getpid()),
                "port": 1,
                "url": "x",
            }
        ),
    )
    assert servers.find(home) is None


def test_command_starts_servers_for_its_own_duration(var: Path, start: Start) -> None:
    process = start(
        "manage.py", "shell", "-v", "0", "-c", "import os; print(os.environ['REDIS_URL'])"
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert output.startswith("redis://:")
    assert servers.running(var) == []


def test_servers_end_when_their_only_user_is_killed(var: Path, start: Start) -> None:
    process = start(
        "manage.py", "shell", "-v", "0", "-c", "import time; print(1, flush=True); time.sleep(99)"
    )
    assert process.stdout
    assert process.stdout.readline() == "1\n"
    assert servers.running(var) == ["postgres", "valkey"]
    process.kill()
    assert processes.wait_for(lambda: not servers.running(var), 10)


def test_server_dies_with_its_keeper_and_starts_again(var: Path) -> None:
    home = var / "postgres"
    first = servers.lease("postgres", home)
    keeper = first._keeper
    assert keeper
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    # At once: the next keeper waits for the dying server, and overcomes the stale postmaster.pid.
    second = servers.lease("postgres", home)
    assert not first.alive()
    with psycopg.connect(second.state.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    first.release()
    second.release()


def test_stale_pid_of_a_living_process_does_not_stop_the_start(var: Path) -> None:
    home = var / "postgres"
    servers.lease("postgres", home).release()
    (home / "data" / "postmaster.pid").write_text(f"{os.getppid()}\n{home}/data\n1\n1\n\n\n\n")
    held = servers.lease("postgres", home)
    assert held.alive()
    held.release()


def test_strangers_get_in_only_by_the_password(var: Path) -> None:
    with servers.attached({}, var):
        urls = servers.known_urls(var)
        password = (var / "postgres" / "password").read_text()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(urls["DATABASE_URL"].replace(password, "guess"))
        secret = (var / "valkey" / "password").read_text()
        with (
            redis.Redis.from_url(urls["REDIS_URL"].replace(f":{secret}@", "")) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        private = [*var.glob("*/password"), *var.glob("*/state.json"), *var.glob("*/valkey.conf")]
        assert len(private) == 5
        assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
def test_root_without_user_namespaces_runs_postgresql_as_nobody(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = postgres.binary_directory()
    real = postgres._shim
    monkeypatch.setattr(
        postgres,
        "_shim",
        lambda command, identity, stdin="": real(
            ["/bin/false"] if identity == "namespace" else command, identity, stdin
        ),
    )
    home = var / "postgres"
    home.mkdir(parents=True)
    try:
        assert postgres._identity(home, binaries) == "nobody"
    except RunnerError as error:  # a checkout under /root: nobody but root gets in
        assert "run as an ordinary user" in str(error)  # noqa: PT017 - both answers are right


def test_commands_know_what_the_run_beside_them_chose(tmp_path: Path) -> None:
    servers.keep_choices(tmp_path, {"PORT": "8800"})
    with (tmp_path / servers.RUN_LOCK).open("w") as lock:
        assert servers.try_exclusively(lock)
        assert _chosen_elsewhere(tmp_path) == {"PORT": "8800"}

    # Nobody runs any more: what was chosen then is of no interest.
    assert _chosen_elsewhere(tmp_path) == {}
    assert servers.chosen_by_run(tmp_path / "nothing") == {}


def _chosen_elsewhere(var: Path) -> dict[str, str]:
    """Ask in another process: a lock of one's own is none."""
    script = (
        "import json, pathlib, sys; from cpo_platform.runner import servers; "
        "print(json.dumps(servers.chosen_by_run(pathlib.Path(sys.argv[1]))))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(var)],
        capture_output=True,
        text=True,
        check=True,
        cwd=env.BASE_DIR,
    )
    chosen: dict[str, str] = json.loads(found.stdout)
    return chosen
