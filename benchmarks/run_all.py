"""Run every benchmark, one after the other."""

from __future__ import annotations

from benchmarks import (
    check_cifar10,
    decode,
    near_duplicates,
    open_cifar10,
    quickstart,
    start_up,
    train_against_keras,
)


def main() -> None:
    for benchmark in (
        start_up,
        quickstart,
        open_cifar10,
        check_cifar10,
        near_duplicates,
        train_against_keras,
        decode,  # last: it keeps its process on one core
    ):
        benchmark.main()


if __name__ == "__main__":
    main()
