"""The loop that runs a study: for every chunk simulate, fit every strategy, write; finished chunks are never lost."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxsim.design import Study
from jaxsim.store.folder import Folder
from jaxsim.store.provenance import Provenance
from jaxsim.store.results import Results
from jaxsim.store.schema import estimates_table, fits_table
from jaxsim.sweep.compile import Programs
from jaxsim.sweep.plan import Chunk, fingerprint, plan


def run(study: Study, out: Path, *, progress: bool = True) -> Results:
    """Run what is not yet in ``out`` and return the results.

    Args:
        study: what to simulate.
        out: folder for the results, made if need be; one that holds the same study is completed, one with another refused.
        progress: show a bar of fits on the terminal.

    Raises:
        InputError: if ``out`` holds another study or something that is not a study.
    """
    folder = Folder(out)
    chunks = plan(study)
    folder.claim(study, fingerprint(chunks))
    open_chunks = [chunk for chunk in chunks if not folder.has(chunk.index)]
    provenance = Provenance.begin(study)
    total = sum(len(chunk) for chunk in chunks) * len(study.estimators)
    left = sum(len(chunk) for chunk in open_chunks) * len(study.estimators)
    programs = Programs(study)
    try:
        with tqdm(total=total, initial=total - left, unit="fit", unit_scale=True, disable=not progress) as bar:
            for chunk in open_chunks:
                programs.prepare(chunk)
            for chunk in open_chunks:
                _run_chunk(study, chunk, programs, folder, provenance, bar)
    finally:
        programs.pool.shutdown(wait=False, cancel_futures=True)
        if any(folder.has(chunk.index) for chunk in open_chunks):
            folder.write_provenance(provenance.finish())
    return Results(out)


def _run_chunk(study: Study, chunk: Chunk, programs: Programs, folder: Folder, provenance: Provenance, bar: tqdm) -> None:
    bar.set_description("simulating" if programs.ready(chunk) else "compiling, then simulating")
    begin = time.perf_counter()
    drawn, data = programs.simulate(chunk)
    truth = np.asarray(drawn)
    provenance.spend("simulate", time.perf_counter() - begin)
    estimates, fits = [], []
    for i, estimator in enumerate(study.estimators):
        bar.set_description(f"fitting {estimator.name}" if programs.ready(chunk, i) else f"compiling {estimator.name}")
        begin = time.perf_counter()
        fit = programs.fit(chunk, i, data)
        provenance.spend(f"fit {estimator.name}", time.perf_counter() - begin)
        estimates.append(estimates_table(chunk.cells, chunk.replicates, estimator.name, data.fixed, truth, fit, study.conf_level))
        fits.append(fits_table(chunk.cells, chunk.replicates, estimator, data, fit))
        bar.update(len(chunk))
    begin = time.perf_counter()
    folder.write(chunk.index, estimates, fits)
    provenance.spend("write", time.perf_counter() - begin)
