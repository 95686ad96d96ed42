"""Runs a CUDA compilation, and fails it where ptxas serialised wgmma (C7508, C7510) or spilled registers."""

import re
import subprocess
import sys

result = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
bad = [
    line for line in result.stdout.splitlines() if re.search(r"C7508|C7510|[1-9]\d* bytes spill (stores|loads)", line)
]
if result.returncode or bad:
    print(result.stdout, end="")
for line in bad:
    print(f"error: {line.strip()}")
sys.exit(result.returncode or bool(bad))
