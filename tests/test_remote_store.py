"""Results at an address instead of a folder: a server that answers like S3, and fsspec's file system in memory."""

import dataclasses
import sys

import fsspec
import pandas as pd
import pytest
from exactly import same
from subprocesses import beside, s3_server

import jaxsim
from jaxsim import Dask, GaussianMultilevel, Grid, InputError, PooledOLS, Study, TwoStage
from jaxsim.cli.main import main
from jaxsim.store.errors import StorageError
from jaxsim.store.folder import Folder
from jaxsim.store.ours import CHUNKS
from jaxsim.store.place import RemotePlace
from jaxsim.sweep.worker import Worker

pytest.importorskip("s3fs")

STUDY = Study(GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 7]), (PooledOLS(), TwoStage()), replicates=60, seed=3)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("local") / "r", progress=False, batch=7)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """The server's file system; this process and those it starts find it by fsspec's own settings."""
    with pytest.MonkeyPatch.context() as settings, s3_server(tmp_path_factory.mktemp("s3")) as address:
        for name, value in (("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("FSSPEC_S3_ENDPOINT_URL", address)):
            settings.setenv(name, value)
        settings.setitem(fsspec.config.conf, "s3", {"endpoint_url": address})  # what fsspec made of the variable, had it been there
        fs = fsspec.filesystem("s3")
        fs.mkdir("studies")
        yield fs


@pytest.fixture(params=["s3", "memory"])
def address(request, tmp_path):
    """An empty place at an address, in turn of each kind; its name is the test's own."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        return f"s3://studies/{tmp_path.name}"
    return f"memory://{tmp_path.name}"


def test_a_run_at_an_address_is_that_in_a_folder(address, local):
    results = STUDY.run(address, progress=False, batch=7)
    assert same(results, local)
    assert same(jaxsim.load(address), local)
    assert results.folder.place.names(CHUNKS) == local.folder.place.names(CHUNKS)
    for name in local.folder.place.names(CHUNKS):
        assert results.folder.place.read(f"{CHUNKS}/{name}") == local.folder.place.read(f"{CHUNKS}/{name}")
    pd.testing.assert_frame_equal(jaxsim.load(address).measures(), local.measures(), check_exact=True)
    assert results.progress == (120, 120)
    assert "chunk 30 of 30" in results.folder.place.read("log.txt").decode()


def test_an_interrupted_run_goes_on(address, local, monkeypatch):
    write, written = RemotePlace.write, []

    def stop_at_the_fourth_chunk(self, name, content):
        if name.startswith(CHUNKS):
            if len(written) == 3:
                raise KeyboardInterrupt
            written.append(name)
        write(self, name, content)

    monkeypatch.setattr(RemotePlace, "write", stop_at_the_fourth_chunk)
    with pytest.raises(KeyboardInterrupt):
        STUDY.run(address, progress=False, batch=7)
    monkeypatch.setattr(RemotePlace, "write", write)
    assert [f"{CHUNKS}/{name}" for name in jaxsim.load(address).folder.place.names(CHUNKS)] == sorted(written)
    computed, compute = [], Worker.compute
    monkeypatch.setattr(Worker, "compute", lambda self, chunk, listen: computed.append(len(chunk)) or compute(self, chunk, listen))
    assert same(STUDY.run(address, progress=False, batch=7), local)
    assert len(computed) == 27


def test_replicates_are_added(address, local):
    dataclasses.replace(STUDY, replicates=20).run(address, progress=False, batch=7)
    results = STUDY.run(address, progress=False, batch=7)
    assert same(results, local)
    assert len(results.provenance) == 2


def test_a_damaged_object_is_computed_again_by_a_worker(s3, local, tmp_path, capsys):
    """Cut short, and one of the same length with a wrong byte; a Dask worker finds the same store by the same settings."""
    address = f"s3://studies/{tmp_path.name}"
    folder = STUDY.run(address, progress=False, batch=7).folder
    short, wrong = folder.place.names(CHUNKS)[3], folder.place.names(CHUNKS)[5]
    content = folder.place.read(f"{CHUNKS}/{wrong}")
    s3.pipe_file(f"studies/{tmp_path.name}/{CHUNKS}/{short}", folder.place.read(f"{CHUNKS}/{short}")[:100])
    s3.pipe_file(f"studies/{tmp_path.name}/{CHUNKS}/{wrong}", content[:300] + bytes([content[300] ^ 1]) + content[301:])
    results = STUDY.run(address, executor=Dask(workers=1), batch=7)
    assert "2 damaged chunks were removed" in capsys.readouterr().out
    assert same(results, local)
    assert "chunk 2 of 2: 4 datasets" in folder.place.read("log.txt").decode()
    assert folder.check() == ()


def test_two_runs_at_once(local, tmp_path):
    """There are no locks at an address: what both computed is read once."""
    address = f"memory://{tmp_path.name}"

    def work():
        STUDY.run(address, progress=False, batch=4)

    with beside(work):
        STUDY.run(address, progress=False, batch=7)
    assert same(jaxsim.load(address), local)


def test_the_command_line(s3, tmp_path, monkeypatch, capsys):
    address = f"s3://studies/{tmp_path.name}"
    STUDY.run(address, progress=False)
    assert main(["summary", address, "--csv", str(tmp_path / "measures.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "measures.csv")) == len(jaxsim.load(address).measures())
    capsys.readouterr()
    assert main(["report", address]) == 2
    assert "--out" in capsys.readouterr().err
    assert main(["report", address, "--out", str(tmp_path / "report")]) == 0
    assert (tmp_path / "report" / "index.html").is_file()


def test_somebody_elses_place_is_refused(address):
    place = Folder(address).place
    place.write("thesis.tex", b"years of work")
    with pytest.raises(InputError, match="exists and holds no jaxsim results"):
        STUDY.run(address, progress=False)
    with pytest.raises(InputError, match=r"no study\.json"):
        jaxsim.load(address)
    assert place.names() == ["thesis.tex"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"endpoint_url": "http://127.0.0.1:9"}, "Could not connect to the endpoint"),
        ({"key": "", "secret": "", "endpoint_url": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_a_server_that_cannot_be_used(monkeypatch, settings, message):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setitem(fsspec.config.conf, "s3", settings)
    with pytest.raises(StorageError, match=rf"s3://nowhere/x.*{message}.*FSSPEC_S3_ENDPOINT_URL.*same command goes on"):
        STUDY.run("s3://nowhere/x", progress=False)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(InputError, match=r"s3://studies/x: .*pip install 'jaxsim-studies\[s3\]'"):
        STUDY.run("s3://studies/x", progress=False)
    with pytest.raises(InputError, match=r"ftpx://x/y: .*an address that fsspec can open"):
        STUDY.run("ftpx://x/y", progress=False)
