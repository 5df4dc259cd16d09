"""The command line starts quickly: its help imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'av', 'numpy', 'lightning', 'cv2'}"
    code = f"import sys, trainer.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
