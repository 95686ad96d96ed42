"""Running out of memory is a Python exception that leaves everything usable."""

import subprocess
import sys

PROGRAM = """
import resource
import numpy as np
import nncore as nc

nc.set_num_threads(2)
a, b = nc.ones(512, 512), nc.ones(512, 512)
nc.relu(nc.ones(1 << 20))  # the threads are started
nc.empty_cache()

def used():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

soft, hard = resource.getrlimit(resource.RLIMIT_AS)
result = nc.empty(512, 512)
del result  # in the cache, so that only working memory is missing
resource.setrlimit(resource.RLIMIT_AS, (used() + (1 << 18), hard))
for attempt in (lambda: nc.mm(a.t(), b), lambda: nc.empty(1 << 28)):
    try:
        attempt()
    except RuntimeError as error:
        print("out of memory" in str(error))
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
print(bool((nc.mm(a.t(), b) == 512).all()))
"""


def test_out_of_memory_is_an_exception_and_work_goes_on():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["True", "True", "True"], run.stderr
