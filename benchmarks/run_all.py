"""Run every benchmark, one after the other."""

from __future__ import annotations

from benchmarks import (
    calibration,
    check_cifar10,
    checkpoint_cost,
    convert,
    decode,
    diagnosis,
    dogs_and_cats,
    explanations,
    interval_coverage,
    judging,
    near_duplicates,
    open_cifar10,
    quickstart,
    start_up,
    time_to_accuracy,
    train_against_keras,
    tune,
)


def main() -> None:
    for benchmark in (
        start_up,
        quickstart,
        open_cifar10,
        check_cifar10,
        near_duplicates,
        train_against_keras,
        checkpoint_cost,
        dogs_and_cats,
        convert,
        interval_coverage,
        calibration,
        judging,
        explanations,
        diagnosis,
        time_to_accuracy,
        tune,
        decode,  # last: it keeps its process on one core
    ):
        benchmark.main()


if __name__ == "__main__":
    main()
