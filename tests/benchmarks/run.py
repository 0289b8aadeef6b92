"""All benchmarks, one after the other: `make bench`. They print, and never fail a test."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    wanted = sys.argv[1:] or [
        "bench_answers",
        "bench_client",
        "bench_jobs",
        "bench_coalescing",
        "bench_operations",
        "bench_round_trips",
        "bench_memory",
        "bench_bulk",
        "bench_guard",
    ]
    for name in wanted:
        print(f"\n{name}", flush=True)
        subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=True)


if __name__ == "__main__":
    main()
