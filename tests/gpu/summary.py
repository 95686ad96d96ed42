"""python summary.py OUT_DIR MODE: check.json and summary.txt of a run of check.sh, from what its stages left in parts/
and logs/. Ends with 1 where a stage failed, or there was none."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

LAST_LINES = 30  # of the log of a stage that did not pass


def stages(out: Path) -> list[dict]:
    """What became of each stage, with the end of its log where that is of interest, and all that it measured."""
    found = []
    table = out / "parts/stages.tsv"
    for line in table.read_text().splitlines() if table.exists() else []:
        name, became, seconds, limit = line.split("\t")
        stage = {"name": name, "became": became, "seconds": int(seconds), "limit": int(limit)}
        log, part = out / f"logs/{name}.txt", out / f"parts/{name}.json"
        if is_failure(stage) and log.exists():
            stage["log"] = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        if part.exists():
            try:
                stage["result"] = json.loads(part.read_text())
            except ValueError as error:  # it was stopped while it wrote
                stage["unreadable"] = str(error)
        found.append(stage)
    return found


def is_failure(stage: dict) -> bool:
    """Whether it should have passed."""
    return stage["became"] != "passed" and not stage["became"].startswith("left out")


def told(result) -> list[str]:
    """What a stage says of itself: its part's entry "lines"."""
    return result.get("lines", []) if isinstance(result, dict) else []


def text(mode: str, found: list[dict]) -> list[str]:
    """The readable summary."""
    failed = [s for s in found if is_failure(s)]
    passed = sum(s["became"] == "passed" for s in found)
    lines = [f"nncore on a GPU, {mode} check, {time.strftime('%Y-%m-%d %H:%M')}", ""]
    lines += [f"{s['name']:<12} {s['seconds']:>4} of {s['limit']:>3} s  {s['became']}" for s in found]
    for stage in found:
        if told(stage.get("result")):
            lines += ["", f"== {stage['name']}", *told(stage["result"])]
    for stage in failed:
        lines += ["", f"== {stage['name']}: {stage['became']}", *(f"  {line}" for line in stage.get("log", []))]
    lines += ["", f"{passed} of {len(found)} stages passed"]
    lines += [f"left out: {s['name']}" for s in found if s["became"].startswith("left out")]
    lines += [f"FAILED: {s['name']}: {s['became']}" for s in failed]
    return lines if found else [*lines[:2], "FAILED: there was no stage to run"]


def main() -> int:
    out, mode = Path(sys.argv[1]), sys.argv[2]
    found = stages(out)
    passed = bool(found) and not any(is_failure(s) for s in found)
    whole = {"mode": mode, "date": time.strftime("%Y-%m-%d %H:%M:%S"), "passed": passed, "stages": found}
    (out / "check.json").write_text(json.dumps(whole, indent=1) + "\n")
    lines = text(mode, found)
    (out / "summary.txt").write_text("\n".join(lines) + "\n")
    print("", *lines, "", f"{out}/check.json, {out}/summary.txt", sep="\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
