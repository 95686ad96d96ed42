"""For all tests: a kernel that starts before the interpreter lock was released is an error."""

import nncore as nc

nc._core.check_interpreter_lock(True)
