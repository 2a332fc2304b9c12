"""A forged state, pickle or skops file raises ValueError, or gives a model that works.

FORGED_FILES=20 in the environment tests 20 times as many.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

N_FORGED = 700 * int(os.environ.get("FORGED_FILES", "1"))
FORGED = Path(__file__).with_name("forged.py")


@pytest.mark.parametrize("batch", range(2))
def test_forged_files_raise_value_error_or_give_models_that_work(batch):
    command = [sys.executable, str(FORGED), str(batch * N_FORGED), str(N_FORGED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=N_FORGED)
    lines = done.stdout.splitlines()
    # A signal has a negative code; the last line is then the case that ended the process.
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-2000:])
    assert [line for line in lines if "FAILED" in line] == []
    assert len(lines) == N_FORGED
    # Neither is all refused nor all accepted.
    n_used = sum(line.endswith("; used") for line in lines)
    assert 0.1 * N_FORGED < n_used < 0.5 * N_FORGED
