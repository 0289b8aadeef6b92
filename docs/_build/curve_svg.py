"""docs/curve.svg: what share of the pairs with one answer hits, and what share of all pairs hits wrongly, by threshold.

`python docs/_build/curve_svg.py PAIRS…` makes it again, of files as `askonce-worker evaluate` reads them, with the
embedding model that `askonce-worker local` runs (70 texts a second) and whatever options of `evaluate` follow.
"""

import os
import subprocess
import sys
from pathlib import Path

from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack

PICTURE = Path(__file__).parents[1] / "curve.svg"


def main() -> int:
    with Stack(choose_parts(["embeddings"])) as stack:
        command = [sys.executable, "-m", "askonce_worker", "evaluate", *sys.argv[1:], "--plot", str(PICTURE)]
        return subprocess.run(command, env={**os.environ, **stack.environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
