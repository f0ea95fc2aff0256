"""Executors: the same numbers to the last bit wherever chunks are computed, and whatever happens to those who compute them."""

import argparse
import contextlib
import dataclasses
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pandas as pd
import psutil
import pytest
from subprocesses import PATIENCE, beside, environment, process, scheduler, state, until, workers

import jaxsim
from jaxsim import Dask, GaussianMultilevel, Grid, InputError, Local, PooledOLS, Study, TwoStage
from jaxsim.cli import options
from jaxsim.counts import counted
from jaxsim.store.folder import Folder
from jaxsim.sweep import memory as memories
from jaxsim.sweep.executors import clusters, dask, jobs, task
from jaxsim.sweep.plan import plan

distributed = pytest.importorskip("distributed")
dask_config, yaml = pytest.importorskip("dask.config"), pytest.importorskip("yaml")

pytestmark = pytest.mark.usefixtures("optimised")

# Two cells of one shape, so that three small programs are compiled.
PROCESS = "GaussianMultilevel(n_obs=4, n_predictors=1)"
STUDY = Study(GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 7]), (PooledOLS(), TwoStage()), replicates=60, seed=3)
# So many chunks that a run can be disturbed long before its end.
LONG, SMALL = dataclasses.replace(STUDY, replicates=600), 8
SCRIPT = f"""
from jaxsim import *
study = Study({PROCESS}, Grid(n_groups=[4, 7]), (PooledOLS(), TwoStage()), replicates=600, seed=3)
"""


@pytest.fixture(autouse=True)
def _in_time():
    """A run that waits for what never comes fails its test."""

    def late(*_):
        raise AssertionError(f"not done within {2 * PATIENCE} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(2 * PATIENCE)
    yield
    signal.alarm(0)


def same(results, expected):
    pd.testing.assert_frame_equal(results.estimates, expected, check_exact=True)
    return True


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("expected") / "r", progress=False).estimates


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    return LONG.run(tmp_path_factory.mktemp("long") / "r", progress=False).estimates


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The address of a scheduler with two worker processes, which stand in another folder than the tests."""
    folder = tmp_path_factory.mktemp("two")
    with scheduler(folder / "scheduler") as (_, address), workers(address, 2, folder / "workers"):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)
        yield address


@pytest.fixture
def client(two):
    with distributed.Client(two, set_as_default=False) as client:
        yield client


def test_local_chunks_of_any_size(tmp_path, expected):
    assert same(STUDY.run(tmp_path / "r", progress=False, executor=Local(threads=1), batch=7), expected)


@pytest.mark.parametrize("count", [1, 2])
def test_workers_started_for_the_run(tmp_path, expected, count):
    results = STUDY.run(tmp_path / "r", progress=False, executor=Dask(workers=count), batch=7)
    assert same(results, expected)
    assert results.provenance[0]["executor"] == f"dask, local, {counted(count, 'worker')}"


@pytest.mark.parametrize("batch", [7, 4096])
def test_workers_that_are_there(tmp_path, expected, two, batch):
    assert same(STUDY.run(tmp_path / "r", progress=False, executor=Dask(two), batch=batch), expected)


def test_a_relative_folder_is_that_of_the_run(tmp_path, monkeypatch, expected, two, client):
    monkeypatch.chdir(tmp_path)
    assert same(STUDY.run("relative", progress=False, executor=Dask(two)), expected)
    assert list(tmp_path.iterdir()) == [tmp_path / "relative"]
    assert str(tmp_path) not in {found["cwd"] for found in client.run(state).values()}


def test_what_workers_are_set_to_and_keep(tmp_path, two, client):
    """float64, the cache of compiled programs, one thread; and of two studies, one after the other, only the last."""
    for seed in (3, 4):
        study = dataclasses.replace(STUDY, seed=seed)
        study.run(tmp_path / str(seed), progress=False, executor=Dask(two), batch=7)
        for found in client.run(state).values():
            assert found["float64"]
            assert found["cache"] == found["own cache"]
            if found["studies"]:
                assert (found["threads"], found["programs"], found["tile threads"]) == ([1], 1, 1)
        assert [study.to_json()] in [found["studies"] for found in client.run(state).values()]


def test_two_runs_at_one_scheduler(tmp_path, expected, two):
    """Of the same study: each must get its own files."""

    def work(name):
        assert same(STUDY.run(tmp_path / name, progress=False, executor=Dask(two), batch=2), expected)

    with beside(work, "a"):
        work("b")


def kill_a_worker(client, folder):
    """SIGKILL to a worker that has been given chunks and cannot finish them: it is stopped first."""
    until("chunks", lambda: len(list(folder.glob("chunks/*.parquet"))) > 3)
    address, pid = next(iter(client.run(os.getpid).items()))

    def is_stopped_with_work():
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)  # what it said before has arrived
        if client.processing([address])[address]:
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    until("work for it", is_stopped_with_work)
    os.kill(pid, signal.SIGKILL)


def test_a_worker_that_is_killed_costs_nothing(tmp_path, long, two, client):
    with beside(kill_a_worker, client, tmp_path / "r"):
        results = LONG.run(tmp_path / "r", progress=False, executor=Dask(two), batch=SMALL)
    assert same(results, long)
    assert "workers gone: tcp://" in (tmp_path / "r" / "log.txt").read_text()
    stored = [span for entry in Folder(tmp_path / "r").entries() for span in entry.about.spans]
    assert len(stored) == len(set(stored)), "a chunk that was computed twice is one file"
    until("its successor", lambda: len(client.nthreads()) == 2)


def test_nobody_else_can_use_a_cluster_that_a_run_starts(tmp_path):
    """A scheduler runs what it is sent: any user of this machine could have code run by this one."""
    with clusters.start("local", 1, {}) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with pytest.raises(InputError, match=r"no Dask scheduler answers at tls://.*distributed\.comm\.tls"):
            STUDY.run(tmp_path / "r", progress=False, executor=Dask(address))
        for caller in ("plain", "without a certificate", "with a certificate of its own"):
            assert not answers(address, caller), caller
        with distributed.Client(cluster, set_as_default=False) as client:
            assert client.submit(os.getpid).result(PATIENCE) != os.getpid()


def answers(address, caller):
    """Whether a scheduler says anything to a caller that takes any certificate from it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if caller == "with a certificate of its own":
        context = distributed.Security.temporary().get_connection_args("client")["ssl_context"]
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = address.removeprefix("tls://").split(":")
    try:
        with socket.create_connection((host, int(port)), 30) as line, contextlib.ExitStack() as stack:
            spoken = line if caller == "plain" else stack.enter_context(context.wrap_socket(line))
            spoken.sendall(bytes(64))
            return bool(spoken.recv(1))
    except (ssl.SSLError, ConnectionError):
        return False


def test_a_scheduler_with_certificates(tmp_path, monkeypatch, expected):
    """As the page about clusters says it is set up: the same file for the scheduler, its workers and the run."""
    page = (Path(__file__).parents[1] / "docs" / "how-to" / "cluster.md").read_text()
    settings = page.split("```yaml\n")[1].split("```")[0].replace("/home/me/.config/dask", str(tmp_path))
    made = distributed.Security.temporary()
    (tmp_path / "cert.pem").write_text(made.tls_ca_file)
    (tmp_path / "key.pem").write_text(made.tls_client_key)
    (tmp_path / "tls.yaml").write_text(settings)
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path))
    with scheduler(tmp_path / "scheduler") as (_, address), workers(address, 1, tmp_path / "worker"):
        assert address.startswith("tls://")
        assert not answers(address, "with a certificate of its own")
        with dask_config.set(dask_config.merge(dask_config.config, yaml.safe_load(settings))):
            assert same(STUDY.run(tmp_path / "r", progress=False, executor=Dask(address)), expected)


def test_without_what_makes_certificates(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(InputError, match=r"needs cryptography .*pip install 'jaxsim-studies\[dask\]'"):
        STUDY.run(tmp_path / "r", progress=False, executor=Dask())


def test_no_scheduler(tmp_path, monkeypatch):
    monkeypatch.setattr(dask, "ANSWER", 2)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9.*dask scheduler"):
        STUDY.run(tmp_path / "r", progress=False, executor=Dask("tcp://127.0.0.1:9"))
    assert time.monotonic() - began < 20, "Dask's own limit is 30 s"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(scheduler="http://127.0.0.1:8786"), "is no address.*tcp://"),
        (dict(scheduler="cluster"), "is no address"),
        (dict(cluster="moab"), "cluster='moab' is not known; use one of 'local', 'slurm', 'pbs'"),
        (dict(workers=0), "workers=0: give at least 1"),
    ],
)
def test_impossible_clusters(arguments, message):
    with pytest.raises(InputError, match=message):
        Dask(**arguments)


@pytest.mark.parametrize(("package", "cluster"), [("distributed", "local"), ("dask_jobqueue", "slurm")])
def test_without_the_extra(tmp_path, monkeypatch, package, cluster):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'jaxsim-studies\[dask\]'"):
        STUDY.run(tmp_path / "r", progress=False, executor=Dask(cluster=cluster))


def test_a_chunk_that_ends_its_workers_and_a_scheduler_that_goes(tmp_path, long):
    """At a scheduler that gives a chunk up with its first worker; then nobody is left, and at last not even the scheduler."""
    results = tmp_path / "r"
    with (
        scheduler(tmp_path / "scheduler", DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as (started, address),
        workers(address, 1, tmp_path / "worker", "--no-nanny"),
        distributed.Client(address, set_as_default=False) as client,
    ):
        client.wait_for_workers(1)
        said = r"every worker that took the chunk of cell \d.*--memory.*goes on from there"
        with beside(kill_a_worker, client, results), pytest.raises(InputError, match=said):
            LONG.run(results, progress=False, executor=Dask(address), batch=SMALL)
        assert 0 < Folder(results).datasets() < 1200, "what was finished is kept"

        def end():
            until("waiting", lambda: "no worker yet" in log(results))
            started.kill()

        with beside(end), pytest.raises(InputError, match=r"the Dask scheduler is gone\. What was finished is kept"):
            LONG.run(results, progress=False, executor=Dask(address), batch=SMALL)
    assert same(LONG.run(results, progress=False), long)


def test_an_answer_that_dies_with_its_worker(tmp_path, monkeypatch, expected):
    """The chunk is done, and its worker killed before it could say so; there is no other until later."""
    monkeypatch.setattr(dask, "ANSWER", 5)
    stored, answers = dask._DaskExecution._stored, []
    with scheduler(tmp_path / "scheduler") as (_, address), contextlib.ExitStack() as stack:
        first = stack.enter_context(workers(address, 1, tmp_path / "first", "--no-nanny"))

        def ask(self, future, chunk):
            if not answers:
                first.kill()
                until("nobody there", lambda: not self.client.nthreads())
            answers.append(stored(self, future, chunk))
            if len(answers) == 1:
                stack.enter_context(workers(address, 1, tmp_path / "second", "--no-nanny"))
            return answers[-1]

        monkeypatch.setattr(dask._DaskExecution, "_stored", ask)
        assert same(STUDY.run(tmp_path / "r", progress=False, executor=Dask(address)), expected)
    assert answers[0] is None


def log(folder):
    return (folder / "log.txt").read_text() if (folder / "log.txt").exists() else ""


def run_command(folder, *more):
    """``jaxsim run`` with a worker of its own, as a person starts it: a process and its children."""
    (folder / "study.py").write_text(SCRIPT)
    arguments = ["run", "study.py", "--executor", "dask", "--batch", "2", "--out", "r", "--no-report", *more]
    return process(["-c", "import sys; from jaxsim.cli.main import main; sys.exit(main())", *arguments], folder)


@pytest.mark.parametrize("ending", ["Ctrl-C", "SIGKILL"])
def test_a_run_that_is_stopped_goes_on(tmp_path, long, ending):
    """Ctrl-C reaches the workers too, and must not end them; and none may live on when the run itself is killed."""
    with run_command(tmp_path, "--workers", "1") as run:
        until("chunks", lambda: len(list(tmp_path.glob("r/chunks/*.parquet"))) > 3)
        children = psutil.Process(run.pid).children(recursive=True)
        if ending == "Ctrl-C":
            os.killpg(run.pid, signal.SIGINT)
        else:
            run.kill()
        assert run.wait(60) == (130 if ending == "Ctrl-C" else -signal.SIGKILL)
        until("no process is left", lambda: not any(child.is_running() for child in children))
    said = (tmp_path / "output.txt").read_text()
    if ending == "Ctrl-C":
        assert "stopping after the chunk in hand" in said
        assert "the same command goes on from there" in said
        assert "workers gone" not in said
    assert 0 < Folder(tmp_path / "r").datasets() < 1200
    assert same(LONG.run(tmp_path / "r", progress=False), long)


def test_a_script_that_its_workers_would_run_again(tmp_path):
    (tmp_path / "unguarded.py").write_text(SCRIPT + "study.run('r', progress=False, executor=Dask(workers=1))")
    done = subprocess.run(
        [sys.executable, "unguarded.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 1
    assert "put what that runs under `if __name__ == '__main__':`" in done.stderr


def test_a_worker_that_does_not_see_the_folder(tmp_path, two, client):
    """``memory://`` is another one in each process, as a folder that is not shared is on each machine."""
    with pytest.raises(InputError, match=r"the worker on .* does not see the run's results in memory://blind.*all machines share"):
        STUDY.run("memory://blind", progress=False, executor=Dask(two))
    client.run(see, STUDY.to_json().encode())
    with pytest.raises(InputError, match=r"it is not in memory://blind here.*all machines share"):
        STUDY.run("memory://blind", progress=False, executor=Dask(two))


def see(study):
    fsspec.filesystem("memory").pipe("/blind/study.json", study)


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    given = task.Task(STUDY.to_json(), jaxsim.store.place.LocalPlace(tmp_path / "elsewhere"), 2**30)
    with pytest.raises(InputError, match="does not see"):
        task.compute(given, plan(STUDY)[0])
    assert not (tmp_path / "elsewhere").exists()


def test_a_worker_with_other_versions(tmp_path):
    given = task.Task(STUDY.to_json(), Folder(tmp_path).place, 2**30, versions=("0.0.1", "0.0.2"))
    with pytest.raises(InputError, match=r"other versions: jaxsim-studies .* there, 0\.0\.1 here, jax .* there, 0\.0\.2 here"):
        task.compute(given, plan(STUDY)[0])


def test_a_worker_without_jaxsim(tmp_path):
    (tmp_path / "bare.py").write_text("import sys\nsys.modules['jaxsim'] = None\n")
    with (
        scheduler(tmp_path / "scheduler") as (_, address),
        workers(address, 1, tmp_path / "worker", "--no-nanny", "--preload", str(tmp_path / "bare.py")),
        pytest.raises(InputError, match=r"a worker cannot import what it needs \(.*jaxsim.*environment like this one"),
    ):
        STUDY.run(tmp_path / "r", progress=False, executor=Dask(address))


def test_processes_on_this_machine_share_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "available", lambda: 2**32)
    monkeypatch.setattr(Local, "sharing", 4)
    results = STUDY.run(tmp_path / "r", progress=False)
    assert results.folder.plan()["memory"] == 2**30
    assert Dask(workers=4).sharing == 4
    assert Dask("tcp://far:1", workers=4).sharing == Dask(cluster="slurm", workers=4).sharing == 1


SBATCH = """#!/bin/sh
if grep -q nowhere "$1"; then echo "invalid partition" >&2; exit 1; fi
job=$(mktemp -p "$(dirname "$0")")
cp "$1" "$job"
setsid sh "$job" > /dev/null 2>&1 &
echo "Submitted batch job $!"
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queueing system that starts every job at once: commands with the names of Slurm's and of PBS's."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for submit, cancel in (("sbatch", "scancel"), ("qsub", "qdel")):
        (commands / submit).write_text(SBATCH)
        (commands / cancel).write_text('#!/bin/sh\nkill -- -"$1"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "")


JOB = {"cores": 1, "memory": "1GB", "interface": "lo", "local_directory": "/tmp", "shared_temp_directory": "/tmp"}


def end_the_job(folder):
    """All processes of the first job, as when its time is up; a run whose only job it was must wait for another."""
    until("chunks", lambda: len(list(folder.glob("chunks/*.parquet"))) > 3)
    for found in psutil.process_iter(["cmdline"]):
        if "SLURMCluster-0" in (found.info["cmdline"] or ()):
            os.killpg(os.getpgid(found.pid), signal.SIGKILL)
            return


def test_a_job_that_ends_gets_a_successor(tmp_path, monkeypatch, queue, long):
    monkeypatch.setattr(jobs, "GIVEN_UP", 2)
    with beside(end_the_job, tmp_path / "r"):
        results = LONG.run(tmp_path / "r", progress=False, executor=Dask(cluster="slurm", workers=1, options=JOB), batch=SMALL)
    assert same(results, long)
    assert "1 jobs ended; as many were submitted" in log(tmp_path / "r")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**JOB, "queue": "nowhere"}, "the slurm cluster did not start: .*invalid partition.*--cluster-option"),
        ({}, "how much cores and memory.*--cluster-option"),
        ({**JOB, "colour": "red"}, "colour.*--cluster-option"),
    ],
)
def test_jobs_that_are_refused(tmp_path, queue, given, message):
    with pytest.raises(InputError, match=message):
        STUDY.run(tmp_path / "r", progress=False, executor=Dask(cluster="slurm", options=given))


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("slurm", "#SBATCH --cpus-per-task=3\n#SBATCH --mem=954M\n"), ("pbs", "#PBS -l select=1:ncpus=3:mem=954MB\n")],
)
def test_a_process_for_each_core_of_a_job(queue, kind, asked):
    with clusters.start(kind, 1, {**JOB, "cores": 3, "job_extra_directives": "--gres=gpu:1"}) as cluster:
        script = cluster.job_script()
        assert cluster.scheduler_address.startswith("tls://")
        keys = re.findall(r"--tls-(?:key|cert|ca-file) (/tmp/\S+)", script)
        assert [stat.S_IMODE(os.stat(path).st_mode) for path in keys] == [0o600] * 3, "the jobs' alone"
    assert "--nworkers 3" in script
    assert "--nthreads 1" in script
    assert asked in script
    assert " --gres=gpu:1\n" in script


TEXTS = ("cores=4", "walltime=08:00:00", "job_extra_directives=--gres=gpu:1", "job_extra_directives=--nice")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--scheduler", "tcp://a:1"], Dask("tcp://a:1")),
        (["--workers", "3"], Dask(workers=3)),
        (
            ["--cluster", "slurm", *(f"--cluster-option={text}" for text in TEXTS)],
            Dask(None, "slurm", 2, {"cores": 4, "walltime": "08:00:00", "job_extra_directives": ["--gres=gpu:1", "--nice"]}),
        ),
        (["--scheduler", "tcp://a:1", "--workers", "3"], "--workers is about a cluster to start, and --scheduler names one"),
        (["--scheduler", "a"], "is no address of a Dask scheduler"),
    ],
)
def test_options(given, expected):
    parser = argparse.ArgumentParser()
    options.add_run_options(parser)
    chosen = parser.parse_args(["--executor", "dask", *given])
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            options.executor(chosen)
    else:
        assert options.executor(chosen) == expected


def test_a_queue_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"a pbs cluster needs qsub.*run it where jobs are submitted"):
        STUDY.run(tmp_path / "r", progress=False, executor=Dask(cluster="pbs", options=JOB))
