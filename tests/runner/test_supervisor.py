"""The supervisor: what crashes is started again, and nothing stays behind."""

import os
import signal
import sys
from pathlib import Path

import pytest

from cpo_platform.runner import processes
from cpo_platform.runner.errors import RunnerError
from cpo_platform.runner.supervisor import Entry, Supervisor, read_procfile
from tests.runner.conftest import Start

STUBBORN = "trap '' TERM; echo $$ > {file}; while :; do sleep 0.1; done"


def _supervise(cwd: Path, **commands: str) -> Supervisor:
    entries = [Entry(name, command) for name, command in commands.items()]
    return Supervisor(entries, os.environ, cwd)


def _pid(file: Path) -> int:
    assert processes.wait_for(lambda: file.exists() and bool(file.read_text().strip()), 10)
    return int(file.read_text())


def test_procfile_is_read_and_a_wrong_line_named(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text('# why\n\nweb: serve --port "$PORT"\nbeat-2:tick\n')
    assert read_procfile(procfile) == [
        Entry("web", 'serve --port "$PORT"'),
        Entry("beat-2", "tick"),
    ]
    procfile.write_text("web: serve\nno command\n")
    with pytest.raises(RunnerError, match=r"^Procfile, line 2: expected `name: command`\.$"):
        read_procfile(procfile)


def test_output_carries_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor = _supervise(tmp_path, web="sh -c 'echo hello; sleep 99'", worker="sleep 99")
    supervisor.start()
    seen: list[str] = []

    def has_come() -> bool:
        seen.append(capsys.readouterr().out)
        return "hello" in "".join(seen)

    try:
        assert processes.wait_for(has_come, 10)
    finally:
        supervisor.stop()
    assert "".join(seen) == "web    | hello\n"


def test_end_of_one_process_is_named_and_all_are_stopped(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    supervisor = _supervise(
        tmp_path, web="sh -c 'exit 3'", worker=f"sh -c 'echo $$ > {pid}; exec sleep 99'"
    )
    supervisor.start()
    worker = _pid(pid)
    with pytest.raises(
        RunnerError, match=r"^The process web ended \(3\): see its last lines above\.$"
    ):
        supervisor.watch(lambda: False)
    supervisor.stop()
    assert processes.started_at(worker) is None


def test_a_process_that_crashes_is_started_again(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    supervisor = _supervise(tmp_path, worker=f"sh -c 'echo $$ > {pid}; exec sleep 99'")
    supervisor.start()
    try:
        first = _pid(pid)
        os.kill(first, signal.SIGKILL)
        supervisor.keep_alive(until=lambda: _pid(pid) != first)
        assert processes.started_at(_pid(pid)) is not None
    finally:
        supervisor.stop()


def test_a_process_that_crashes_again_and_again_ends_it_all(tmp_path: Path) -> None:
    supervisor = _supervise(tmp_path, web="sh -c 'exit 3'")
    supervisor.start()
    try:
        with pytest.raises(RunnerError, match=r"The process web ended \(3\), for the 6th time"):
            supervisor.keep_alive(until=lambda: False)
    finally:
        supervisor.stop()


def test_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent", tmp_path / "child"
    script = tmp_path / "stubborn.sh"
    script.write_text(f"({STUBBORN.format(file=child)}) & {STUBBORN.format(file=parent)}\n")
    supervisor = _supervise(tmp_path, web=f"sh {script}")
    supervisor.start()
    pids = [_pid(parent), _pid(child)]
    supervisor.stop(seconds=0.3)
    assert processes.wait_for(
        lambda: [processes.started_at(pid) for pid in pids] == [None, None], 5
    )


def test_processes_get_sigterm_when_the_supervisor_is_killed(tmp_path: Path, start: Start) -> None:
    pid, ended = tmp_path / "pid", tmp_path / "ended"
    child = tmp_path / "child.sh"
    child.write_text(
        f"trap 'echo > {ended}; exit' TERM; echo $$ > {pid}; while :; do sleep 0.1; done\n"
    )
    code = (
        "import os, pathlib, time\n"
        "from cpo_platform.runner.supervisor import Entry, Supervisor\n"
        f"Supervisor([Entry('web', 'sh {child}')], os.environ, pathlib.Path('/')).start()\n"
        "time.sleep(99)\n"
    )
    supervisor = start("-c", code)
    web = _pid(pid)
    supervisor.send_signal(signal.SIGKILL)
    assert processes.wait_for(lambda: processes.started_at(web) is None, 10)
    assert ended.exists()


def test_python_of_the_environment_is_first_on_the_path(tmp_path: Path) -> None:
    # What `make run` relies on when a Procfile says just `celery`.
    assert (Path(sys.executable).parent / "celery").exists()
