"""Programs are found on disk by what they are made of, and only then."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache
from programs import counted

from jaxsim import Design, GaussianMultilevel, Grid, LinearMixed, Normal, PooledOLS, Priors, StudentT, Study, covariate, within
from jaxsim.data.padding import Bounds
from jaxsim.status import Status
from jaxsim.sweep import recipe, shelf
from jaxsim.sweep.content import UnknownError, content

# The other tests have no shelf.
PLACE = shelf.place
SMALL = Study(GaussianMultilevel(6, 4, n_predictors=1), Grid(), (PooledOLS(),), 3, seed=1)

# A study in a process of its own: how many programs it compiles, and every number that it stores.
SCRIPT = """
import json, sys
from jaxsim import GaussianMultilevel, Grid, LinearMixed, Study, cache
from jaxsim.sweep import recipe
cache.WORTH_KEEPING = "0"  # the simulator takes hardly longer to compile than what is kept
count, original = [], recipe.compile_program
recipe.compile_program = lambda *given, **more: count.append(1) or original(*given, **more)
study = Study(GaussianMultilevel(6, 4, n_predictors=1), Grid(), (LinearMixed(),), 5, seed=int(sys.argv[2]))
table = study.run(sys.argv[1], progress=False).estimates
print(json.dumps([len(count), table.select_dtypes("number").to_numpy().tolist()]))
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A shelf of its own, and nothing that this process has compiled."""
    monkeypatch.setattr(shelf, "place", lambda: tmp_path / "shelf")
    monkeypatch.setattr(shelf.cache, "WORTH_KEEPING", "0")
    monkeypatch.setattr(shelf.cache, "IMPORTED", float("inf"))  # files may be edited while tests run
    (tmp_path / "shelf").mkdir()
    recipe.forget()
    kept, on = jax.config.jax_compilation_cache_dir, jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", True)  # benchmarks switch it off
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0
    with_jax_cache(str(tmp_path / "jax"))
    yield tmp_path / "shelf"
    jax.config.update("jax_enable_compilation_cache", on)
    with_jax_cache(kept)
    recipe.forget()


def with_jax_cache(folder):
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()


@pytest.fixture
def compiled(monkeypatch):
    """Programs that were compiled."""
    return counted(monkeypatch)


def run(study, place):
    recipe.forget()  # as a new process
    found = study.run(place, progress=False).read("estimates")
    shelf.wait()
    return found


def test_another_process_compiles_nothing_and_finds_the_same_bits(tmp_path):
    def of(seed, name):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / name), str(seed)]
        environment = {**shelf.os.environ, "JAXSIM_CACHE": str(tmp_path / "cache")}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment)
        return json.loads(done.stdout)

    (first, numbers), (second, again), (other, different) = of(1, "1"), of(1, "2"), of(2, "3")
    assert (first, second, other) == (2, 0, 0)
    np.testing.assert_array_equal(numbers, again)
    assert numbers != different


def test_what_is_made_of_something_else_is_compiled(folder, compiled, tmp_path):
    first = run(SMALL, tmp_path / "1")
    assert len(compiled) == 2
    assert run(SMALL, tmp_path / "2").equals(first)
    assert len(compiled) == 2
    run(dataclasses.replace(SMALL, process=GaussianMultilevel(6, 4, n_predictors=2)), tmp_path / "3")
    assert len(compiled) == 4


def test_other_source_files_settings_and_devices_have_other_names(folder, monkeypatch):
    key = ("fit", PooledOLS(), Bounds(levels=(8,), cells=8, rows=32))
    device = jax.local_devices()[0]
    name = shelf.name_of("program", key, device)
    assert name == shelf.name_of("program", key, device)
    assert name != shelf.name_of("program", key)
    with monkeypatch.context() as changed:
        changed.setattr(shelf, "_surroundings", lambda: ("another source",))
        assert shelf.name_of("program", key, device) != name
    kept = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", "highest")
    assert shelf.name_of("program", key, device) != name
    jax.config.update("jax_default_matmul_precision", kept)
    assert shelf.name_of("program", key, device) == name


def test_source_files_are_looked_at(monkeypatch, tmp_path):
    (tmp_path / "jaxsim").mkdir()
    monkeypatch.setattr(shelf, "ROOT", tmp_path / "jaxsim")
    seen = set()

    def look():
        shelf._source.cache_clear()
        shelf._surroundings.cache_clear()
        return shelf._surroundings()

    try:
        for name in ("__init__.py", "table.json", "more.R"):
            for text in ("1\n", "2\n"):
                (tmp_path / "jaxsim" / name).write_text(text)
                seen.add(look())
        (tmp_path / "jaxsim" / "__init__.pyc").write_text("compiled")
        (tmp_path / "jaxsim" / "__pycache__").mkdir()
        (tmp_path / "jaxsim" / "__pycache__" / "table.pyc.1234").write_text("half written")
        seen.add(look())
    finally:
        monkeypatch.undo()
        look()
    assert len(seen) == 6


def test_a_process_whose_source_has_changed_since_keeps_and_finds_nothing(folder, compiled, monkeypatch, tmp_path):
    """It may run what the files said before, under the name of what they say now."""
    first = run(SMALL, tmp_path / "1")
    kept, count = {file.name for file in folder.iterdir()}, len(compiled)
    file = tmp_path / "start.py"
    file.write_text("changed\n")
    monkeypatch.setattr(shelf, "_source", lambda: [file])
    monkeypatch.setattr(shelf.cache, "IMPORTED", file.stat().st_mtime - 60)  # an import before the change
    assert shelf.changed()
    assert run(SMALL, tmp_path / "2").equals(first)
    assert len(compiled) == 2 * count
    other = dataclasses.replace(SMALL, replicates=4, process=GaussianMultilevel(7, 4, n_predictors=1))
    name = shelf.name_of("shapes", ("fit",))
    run(other, tmp_path / "3")
    shelf.save("shapes-1", 1)
    assert name is None
    assert {file.name for file in folder.iterdir()} == kept
    monkeypatch.setattr(shelf.cache, "IMPORTED", file.stat().st_mtime + 60)  # an import after the change
    assert not shelf.changed()
    file.unlink()
    assert shelf.changed()


@pytest.mark.skipif(not hasattr(shelf.os, "geteuid"), reason="Windows keeps users' folders apart by itself")
def test_a_file_that_others_may_write_to_is_not_taken(folder):
    shelf.save("shapes-1", (1, 2))
    assert shelf.load("shapes-1") == (1, 2)
    assert (folder / "shapes-1").stat().st_mode & 0o777 == 0o600
    (folder / "shapes-1").chmod(0o660)
    assert shelf.load("shapes-1") is None


@pytest.mark.parametrize("damage", [lambda old: old[:-5], lambda old: b"", lambda old: old[:40] + bytes([old[40] ^ 1]) + old[41:]])
def test_a_damaged_file_is_compiled_again_and_mended(damage, folder, compiled, tmp_path):
    first = run(SMALL, tmp_path / "1")
    for file in folder.iterdir():
        file.write_bytes(damage(file.read_bytes()))
    with_jax_cache(str(tmp_path / "empty"))
    assert run(SMALL, tmp_path / "2").equals(first)
    assert len(compiled) == 4
    assert run(SMALL, tmp_path / "3").equals(first)
    assert len(compiled) == 4
    assert not [file for file in folder.iterdir() if file.name.count("-") > 1]  # nothing half written lies about


def test_what_jax_found_in_its_own_cache_is_not_kept(folder, compiled, tmp_path):
    """XLA says "Function not found" when such a program runs, after it was written and read a second time."""
    first = run(SMALL, tmp_path / "1")
    for file in folder.iterdir():
        file.unlink()
    jax.clear_caches()
    assert run(SMALL, tmp_path / "2").equals(first)  # from JAX's cache
    assert not [file for file in folder.iterdir() if file.name.startswith("program")]
    assert run(SMALL, tmp_path / "3").equals(first)
    assert len(compiled) == 6


def test_nothing_is_kept_where_the_cache_is_off(monkeypatch):
    monkeypatch.setattr(shelf, "place", PLACE)
    monkeypatch.setenv("JAXSIM_CACHE", "off")
    assert shelf.place() is None
    assert shelf.load("program-1") is None
    shelf.save("program-1", 1)


DIFFERENT = [
    None, 0, False, 0.0, -0.0, 1, True, 1.0, 1 + 0j, "1", b"1", "", (), (1,), (1, 1), [1], {}, {"a": 1}, {"b": 1}, {"a": 1.0},
    frozenset(), frozenset({1}), np.float64(1), np.float32(1), np.int64(1), np.dtype("f8"), float("nan"), float("inf"),
    PooledOLS, PooledOLS(), PooledOLS(label="x"), LinearMixed(), LinearMixed(df="normal"), LinearMixed(random=("Intercept",)),
    Priors(), Normal(), Normal(0, 2), StudentT(4), Status.OK, Status.SINGULAR, Bounds((8,), 8, 32), Bounds((8, 1), 8, 32),
    *map(jax.tree.structure, [(1, 2), [1, 2], {"a": 1, "b": 2}, (1, (2,)), (None, 1)]),
]  # fmt: skip


def test_different_things_have_different_contents():
    told = [content(one) for one in DIFFERENT]
    assert len({repr(one) for one in told}) == len(told)
    assert told == [content(one) for one in DIFFERENT]


def test_data_of_other_names_have_other_contents():
    designs = [
        Design("y ~ x + (1 | g)", units={"g": 4}, variables={"x": variable}, effects={"x": 1}, sd={"g": 1})
        for variable in (within(1, 2), within(1, 3), covariate("row", Normal()))
    ]
    told = {repr(content((one.program(Bounds((4,), 8, 8)), one.names))) for one in designs}
    assert len(told) == 3


@pytest.mark.parametrize("thing", [lambda: 1, object(), np.zeros(3), Path(), dataclasses.make_dataclass("Mine", ["x"])(1)])
def test_what_has_no_content_has_no_name(thing):
    with pytest.raises(UnknownError):
        content(thing)
    assert shelf.name_of("program", ("fit", thing)) is None
