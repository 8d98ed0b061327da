"""Starts a program that ends with whoever started it: `python end_with_parent.py PARENT SIGNAL COMMAND…`.

The kernel sends the signal when the parent ends, however it ends. Run by its path, so that nothing else is imported.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel, look whether the parent is still there, and become the program."""
    parent, signal, *command = sys.argv[1:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the command of the program that started this


if __name__ == "__main__":
    main()
