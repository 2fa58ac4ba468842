"""Each guide's script on its engine: every id exactly once, even if a worker is killed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the extra arrow")
pytest.importorskip("psutil", reason="needs the group engines")

import psutil
from engines_helpers import (
    Service,
    assert_each_id_once,
    read_lookups,
    run_and_kill_a_worker,
    script_of,
    service,
    write_ids,
)

pytestmark = pytest.mark.engines

# More logical processors than actors, and an address that is always there.
_START_RAY = "import ray; ray.init(num_cpus=4, _node_ip_address='127.0.0.1', include_dashboard=False)"
_RUN = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs {package}, of the group engines")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as started:
        write_ids(list(started.expected), tmp_path / "ids")
        yield started


@needs("ray")
def test_ray_data(running: Service, tmp_path: Path) -> None:
    script = script_of("ray.md", tmp_path)
    run_and_kill_a_worker(
        [sys.executable, "-c", f"{_START_RAY}; {_RUN}", script, tmp_path / "ids", tmp_path / "lookups"],
        {"RAY_DATA_DISABLE_PROGRESS_BARS": "1"},
        running,
        is_ray_actor,
    )
    assert_each_id_once(read_lookups(tmp_path / "lookups"), running)


def is_ray_actor(process: psutil.Process) -> bool:
    return "BatchLookup" in " ".join(process.cmdline())


@needs("distributed")
def test_dask(running: Service, tmp_path: Path) -> None:
    script = script_of("dask.md", tmp_path)
    run_and_kill_a_worker(
        [sys.executable, script, tmp_path / "ids", tmp_path / "lookups"], {}, running, is_dask_worker
    )
    assert_each_id_once(read_lookups(tmp_path / "lookups"), running)


def is_dask_worker(process: psutil.Process) -> bool:
    return "spawn_main" in " ".join(process.cmdline())


@needs("pyspark")
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_spark(running: Service, tmp_path: Path) -> None:
    script = script_of("spark.md", tmp_path)
    run_and_kill_a_worker(
        [sys.executable, script, tmp_path / "ids", tmp_path / "lookups"],
        {
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": "--master local[2,4] --conf spark.ui.enabled=false pyspark-shell",
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        running,
        is_spark_worker,
    )
    assert_each_id_once(read_lookups(tmp_path / "lookups"), running)


def is_spark_worker(process: psutil.Process) -> bool:
    """The workers are forks of a daemon that has the same command line."""
    parent = process.parent()
    return all(
        each is not None and "pyspark.daemon" in " ".join(each.cmdline()) for each in (process, parent)
    )
