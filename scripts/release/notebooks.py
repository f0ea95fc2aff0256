"""A notebook from top to bottom: tables and figures show, and a run shows one bar."""

import sys
from pathlib import Path

import nbclient
import nbformat

CELLS = (
    "from jaxsim import GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study\n"
    "study = Study(GaussianMultilevel(n_predictors=1), Grid(n_groups=[5, 8]), (PooledOLS(), LinearMixed()), 10)\n"
    "study",
    "results = study.run('run')\nresults",
    "results.plot.coverage()",
)

if __name__ == "__main__":
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": sys.argv[1]}}).execute()
    shown = [{kind for output in cell.outputs for kind in output.get("data", {})} for cell in book.cells]
    assert "text/html" in shown[0], shown
    assert "text/html" in shown[1], shown
    assert "image/png" in shown[2], shown
    assert Path(sys.argv[1], "run", "study.json").exists()
    assert sum("<progress" in str(output) for output in book.cells[1].outputs) == 1
