"""Draw the pictures of the gallery anew: ``python docs/draw.py``, some minutes. They are in ``docs/pictures``."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import jaxsim
from jaxsim.report import FIGURES

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the study of the page, and draw every figure of the catalogue."""
    found = BLOCK.search((HERE / "gallery.md").read_text())
    assert found is not None
    with tempfile.TemporaryDirectory() as folder:
        known: dict[str, Any] = {"jaxsim": jaxsim}
        exec(found[1].replace("results/gallery", f"{folder}/gallery"), known)
        (HERE / "pictures").mkdir(exist_ok=True)
        for name in FIGURES:
            figure = getattr(known["results"].plot, name)()
            figure.savefig(HERE / "pictures" / f"{name}.png", dpi=80)
            print(name)


if __name__ == "__main__":
    main()
