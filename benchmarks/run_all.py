"""Run every benchmark, one after the other."""

from __future__ import annotations

from benchmarks import open_cifar10, quickstart, start_up, train_against_keras


def main() -> None:
    for benchmark in (start_up, quickstart, open_cifar10, train_against_keras):
        benchmark.main()


if __name__ == "__main__":
    main()
