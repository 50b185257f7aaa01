"""What containers, systemd and Kubernetes start is what the Procfile says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from cpo_platform import environment as env
from cpo_platform.runner import deployment, supervisor

NAMES = [entry.name for entry in supervisor.read_procfile(env.BASE_DIR / "Procfile")]


def start(tmp_path: Path, name: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Start a process of a Procfile whose commands only say that they run."""
    program = (
        "from pathlib import Path; from cpo_platform import environment; "
        "from cpo_platform.runner import __main__ as runner, deployment, supervisor; "
        "entry = supervisor.Entry; "
        "deployment._entries = lambda: [entry('web', 'echo served ${REMAP_SIGTERM}')]; "
        "import sys; sys.exit(runner.main())"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "start", name],
        env={**os.environ, "VAR_DIR": str(tmp_path), **more},
        cwd=env.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_process_is_started_by_its_name(tmp_path: Path) -> None:
    done = start(tmp_path, "web")
    assert (done.returncode, done.stdout) == (0, "served SIGQUIT\n")


def test_a_name_that_the_procfile_lacks_is_one_sentence(tmp_path: Path) -> None:
    done = start(tmp_path, "wbe")
    assert (done.returncode, done.stderr) == (
        1,
        "The Procfile has no 'wbe': it has web, flower.\n",
    )


def test_there_is_a_unit_for_every_process(tmp_path: Path) -> None:
    paths = [*deployment.write_units(tmp_path / "units", user="cpo", env_file=Path("/etc/cpo.env"))]
    assert [path.name for path in paths] == [
        *(f"cpo-platform-{name}.service" for name in NAMES),
        "cpo-platform.target",
    ]
    for name, path in zip(NAMES, paths, strict=False):
        lines = path.read_text().splitlines()
        assert "User=cpo" in lines
        assert "EnvironmentFile=/etc/cpo.env" in lines
        assert any(
            line.startswith("ExecStart=") and line.endswith(f" -m cpo_platform.runner start {name}")
            for line in lines
        )
    assert all(path.name in paths[-1].read_text() for path in paths[:-1])


def test_the_compose_file_passes_every_setting_on_and_listens_outside() -> None:
    services: dict[str, Any] = yaml.safe_load((env.BASE_DIR / "compose.yaml").read_text())[
        "services"
    ]
    for name in ("web", "worker", "push", "beat", "ocpp", "prepare"):
        assert services[name]["env_file"] == ".env", name
        # A copied .env.example says 127.0.0.1.
        assert services[name]["environment"]["HOST"] == "0.0.0.0", name  # noqa: S104  compared only


def test_the_image_runs_as_a_user_that_kubernetes_knows_not_to_be_root() -> None:
    lines = (env.BASE_DIR / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 1000:1000"]


def test_the_compose_file_starts_every_process() -> None:
    services: dict[str, Any] = yaml.safe_load((env.BASE_DIR / "compose.yaml").read_text())[
        "services"
    ]
    started = [one["command"][0] for one in services.values() if one.get("command")]
    assert sorted(started) == sorted(NAMES)


def test_the_example_for_kubernetes_starts_every_process() -> None:
    text = (env.BASE_DIR / "docs/deployment/kubernetes.yaml").read_text()
    deployments = [one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment"]
    containers = [one["spec"]["template"]["spec"]["containers"][0] for one in deployments]
    assert sorted(container["args"][0] for container in containers) == sorted(NAMES)
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in deployments}
    assert replicas.pop("cpo-platform-beat") == 1
    assert set(replicas.values()) == {2}


def test_the_image_holds_everything_that_runs() -> None:
    copied = (env.BASE_DIR / "Dockerfile").read_text()
    for name in ("cpo_platform", "locations", "tariffs", "sessions_app", "roaming", "ocpp_gateway"):
        assert f"COPY {name} {name}\n" in copied
    ignored = (env.BASE_DIR / ".dockerignore").read_text().splitlines()
    assert {".env", "var", ".git"} <= set(ignored)


@pytest.mark.django_db
def test_probes_are_answered_by_any_name(client: Client) -> None:
    assert client.get("/healthz", headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/readyz", headers={"Host": "10.0.0.7:8000"}).status_code in {200, 503}
    assert client.get("/admin/", headers={"Host": "10.0.0.7:8000"}).status_code == 400
