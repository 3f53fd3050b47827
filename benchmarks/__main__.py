"""`python -m benchmarks`: see benchmarks/cli/."""

import sys

from benchmarks import exit_codes, surroundings


def _main() -> int:
    from benchmarks.cli import main  # here, so that an interrupt or a fault while it is imported has its end too

    return main()


if __name__ == "__main__":
    surroundings.settle()
    sys.exit(exit_codes.ended(_main, sys.argv[1:]))
