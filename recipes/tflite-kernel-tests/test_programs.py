"""One of the programs runs on its target, and says that all of its cases pass."""

import subprocess

from tflite_kernel_tests import PROGRAMS

done = subprocess.run([PROGRAMS["cast_test"]], capture_output=True, text=True, check=False)
assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
assert "[  PASSED  ]" in done.stdout
print(f"{len(PROGRAMS)} programs")
