"""What a Slurm controller says of the elements of an array; accounting (sacct), which many clusters lack, is not asked."""

import re
import subprocess
import time
from typing import Any

OVER = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
GONE = "the controller no longer knows it"

GRACE_S = 10.0
"""How long an element must be over without a result: a shared file system is late, and a queue takes it back."""

COMMAND_S = 60.0


class Queue:
    """The elements of one array, until each has ended.

    Args:
        array: number of the array's job.
    """

    def __init__(self, array: str) -> None:
        self.array = array
        self.since: dict[str, float] = {}  # when an element was first seen to be over without a result

    def ended(self, elements: list[Any]) -> dict[Any, str]:
        """Those of submitit's jobs that have ended: an empty word where there is a result, else their state."""
        found = {element: "" for element in elements if element.paths.result_pickle.exists()}
        states = self._states()
        if states is None:  # the controller does not answer now
            return found
        for element in elements:
            state = states.get(element.job_id, states.get(self.array, GONE))
            if element in found or (state != GONE and state.split(":")[0] not in OVER):
                self.since.pop(element.job_id, None)
            elif time.monotonic() - self.since.setdefault(element.job_id, time.monotonic()) > GRACE_S:
                found[element] = state
        return found

    def cancel(self) -> bool:
        """Cancel all that has not ended; whether Slurm took the order."""
        return _call("scancel", self.array).returncode == 0

    def _states(self) -> dict[str, str] | None:
        """States of elements by "array_index", and of those that still wait together by "array"; None: no answer."""
        said = _call("scontrol", "show", "job", "--oneliner", self.array)
        if said.returncode:
            return {} if "Invalid job id" in said.stderr + said.stdout else None
        found = {}
        for line in said.stdout.splitlines():
            fields = dict(re.findall(r"(\w+)=(\S+)", line))
            index = fields.get("ArrayTaskId", "")
            reason = fields.get("Reason", "None")
            state = fields.get("JobState", "") + (f": {reason}" if reason != "None" else "")
            for name in [f"{self.array}_{index}"] if index.isdecimal() else [self.array]:
                found[name] = state
        return found


def _call(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 1, "", str(error))
