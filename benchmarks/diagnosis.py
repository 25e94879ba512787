"""How often a diagnosis names first what was planted, and how often it names nothing in health.

Every plant of `ailing_runs` is trained with three seeds and diagnosed, beside ten healthy runs of
different networks, images and recipes. Controls: what is left when only the history is looked at,
and what is named when the ailment that was planted is taken out of the catalog. When real images
are there, runs on flowers and on dogs and cats are diagnosed too; no limit was chosen on them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec

import darkroom
from benchmarks.ailing_runs import HEALTHY, PLANTS, Plant
from benchmarks.held_out_runs import HELD_OUT
from benchmarks.measure import report, spread, test_data
from darkroom.evaluation.diagnosis.ailments import AILMENTS, judge_evidence
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis
from darkroom.evaluation.diagnosis.evidence import Evidence
from darkroom.evaluation.diagnosis.gather import gather
from darkroom.evaluation.predict import Answerer
from darkroom.intervals import wilson

SEEDS = (0, 1, 2)
OF_HEALTHY = range(10, 20)  # seeds, one for each
WANTED, OF_WANTED = 10, 12  # planted ailments named first, as a share


class Judged(msgspec.Struct, frozen=True):
    """A run, diagnosed."""

    evidence: Evidence
    diagnosis: Diagnosis
    seconds: float

    @property
    def first(self) -> str | None:
        return next((finding.name for finding in self.diagnosis), None)


def judged(plant: Plant, seed: int) -> Judged:
    """Plant an ailment and diagnose the run."""
    with tempfile.TemporaryDirectory() as place:
        run = plant(Path(place), seed)
        started = time.perf_counter()
        evidence = gather(run, Answerer(run))
        diagnosis = judge_evidence(evidence)
        return Judged(evidence, diagnosis, time.perf_counter() - started)


def by_history(evidence: Evidence) -> str | None:
    """Name what the history alone shows."""
    gone = dict.fromkeys(("train", "valid", "leaked"), "not looked at")
    blind = msgspec.structs.replace(
        evidence, train=None, valid=None, leaked=None, silent=(), changed={}, looks=0, missing=gone
    )
    return next((finding.name for finding in judge_evidence(blind)), None)


def without(evidence: Evidence, name: str) -> list[str]:
    """Name what is found when one ailment is not looked for."""
    others = tuple(ailment for ailment in AILMENTS if ailment.name != name)
    return [finding.name for finding in judge_evidence(evidence, others)]


def share(hits: int, of: int) -> dict[str, object]:
    rate = wilson(hits, of)
    return {"hits": hits, "of": of, "share": rate.value, "low": rate.low, "high": rate.high}


def planted() -> tuple[dict[str, object], list[float]]:
    """Diagnose every plant with every seed."""
    rows, seconds, blind, taken_out = {}, [], 0, 0
    for name, plant in PLANTS.items():
        runs = [judged(plant, seed) for seed in SEEDS]
        seconds += [run.seconds for run in runs]
        blind += sum(by_history(run.evidence) == name for run in runs)
        taken_out += sum(name in without(run.evidence, name) for run in runs)
        rows[name] = {
            "named first": sum(run.first == name for run in runs),
            "named": sum(name in [each.name for each in run.diagnosis] for run in runs),
            "first": [run.first for run in runs],
            "also": [[each.name for each in run.diagnosis][1:] for run in runs],
        }
        print(name, rows[name], flush=True)
    of = len(SEEDS) * len(PLANTS)
    return {
        "ailments": rows,
        "named first": share(sum(row["named first"] for row in rows.values()), of),
        "control: named first by the history alone": share(blind, of),
        "control: named though taken out of the catalog": share(taken_out, of),
    }, seconds


def healthy() -> tuple[dict[str, object], list[float]]:
    """Diagnose the healthy runs."""
    runs = [judged(plant, seed) for plant, seed in zip(HEALTHY, OF_HEALTHY, strict=True)]
    found = [[each.name for each in run.diagnosis] for run in runs]
    figures = share(sum(not names for names in found), len(runs))
    return {"without a finding": figures, "found": found}, [run.seconds for run in runs]


def held_out() -> list[dict[str, object]]:
    """Diagnose runs on real photographs; whether a finding is true is for a person to say."""
    rows = []
    for name, plant in HELD_OUT.items():
        with tempfile.TemporaryDirectory() as place:
            run = plant(Path(place), test_data())
            started = time.perf_counter()
            diagnosis = darkroom.diagnose(run)
            rows.append(
                {
                    "run": name,
                    "seconds": time.perf_counter() - started,
                    "epochs": len(run.history),
                    "valid": run.best.valid_accuracy,
                    "findings": [[each.name, each.what] for each in diagnosis],
                    "explained": [[each.finding.name, each.by] for each in diagnosis.explained],
                    "cannot tell": [[each.name, each.why] for each in diagnosis.unclear],
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    of_planted, seconds = planted()
    of_healthy, more = healthy()
    figures = {
        "planted": of_planted,
        "healthy": of_healthy,
        "seconds of a diagnosis": spread(seconds + more),
        "real photographs": held_out() if test_data().exists() else "not there",
    }
    hits = sum(row["named first"] for row in of_planted["ailments"].values())
    goals = {
        "10 of 12 planted ailments are named first": hits * OF_WANTED
        >= WANTED * len(SEEDS) * len(PLANTS),
        "no finding on 9 of 10 healthy runs": of_healthy["without a finding"]["hits"] >= 9,
        "control: an ailment that is taken out is not named": of_planted[
            "control: named though taken out of the catalog"
        ]["hits"]
        == 0,
    }
    report("diagnosis", figures, goals)


if __name__ == "__main__":
    main()
