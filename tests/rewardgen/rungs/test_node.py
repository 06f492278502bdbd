"""What a start asks of a cluster before anything is begun."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from rewardgen.cli.main import main
from rewardgen.rungs.node import ClusterError, require_cluster


@pytest.fixture
def with_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: found("json" if name == "ray" else name)
    )


@pytest.mark.usefixtures("with_ray")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "no.such.host.invalid:6379"])
def test_an_address_where_nobody_listens_starts_nothing(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    flags = ["--task=cartpole/balance", f"--cluster={address}", f"--runs-dir={runs}"]
    assert main(["run", *flags]) == 2
    assert f"no Ray cluster answers at '{address}'" in capsys.readouterr().err
    assert not runs.exists()


@pytest.mark.usefixtures("with_ray")
@pytest.mark.parametrize("address", ["auto", "ray://somewhere:10001", "local"])
def test_other_kinds_of_address_are_left_to_ray(address: str) -> None:
    require_cluster(address)


@pytest.mark.usefixtures("with_ray")
def test_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        require_cluster(f"127.0.0.1:{listener.getsockname()[1]}")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClusterError, match=r"pip install -e '\.\[ray\]'"):
        require_cluster("auto")
