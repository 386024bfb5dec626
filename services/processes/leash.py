"""Runs a command that dies with its parent, as a less privileged user where asked. A script, not for importing.

    leash.py PARENT_PID SIGNAL UID GID COMMAND [ARGUMENT …]

It asks the kernel for SIGNAL when PARENT_PID dies, becomes UID and GID (-1: stays who it is) and turns into
COMMAND, under the same pid. A program of its own, because Python code between fork and exec is not safe in a process
with threads; and only the standard library, because it runs before anything is known to be readable. It must not
leave traces in the command: signals are as in a fresh process.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NOT_EXECUTABLE = 126  # as shells exit
ORPHANED = 125


def main(arguments: list[str]) -> int:
    """Turn into the command. Returns an exit status only where that cannot be."""
    parent_pid, death_signal, uid, gid = map(int, arguments[:4])
    command = arguments[4:]
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. Elsewhere a child outlives a killed parent and is found at the next start.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the kernel was asked
        return ORPHANED
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be run: {error.strerror}\n")
    return NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
