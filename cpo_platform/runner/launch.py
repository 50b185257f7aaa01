"""Become another program that dies with its parent: `launch.py PARENT SIGNAL IDENTITY COMMAND...`.

Run as a file, it needs the standard library only and starts in about 20 ms. A shim rather than a
`preexec_fn`: that is unsafe where threads run. Identities:

* same: stay who we are.
* namespace: root becomes uid 1000 of a new user namespace, and stays root for the files. PostgreSQL
  refuses uid 0, and asks no further.
* nobody: root becomes uid 65534, for systems that refuse user namespaces.
"""

import ctypes
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NAMESPACE_UID = 1000
NOBODY = 65534


def die_with_parent(signal_number: int, parent: int) -> None:
    """Ask the kernel for a signal when the parent ends, however it ends."""
    _check(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0))
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)


def enter_user_namespace() -> None:
    """Become an ordinary user to ourselves while the files stay ours."""
    uid, gid = os.geteuid(), os.getegid()
    _check(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NAMESPACE_UID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NAMESPACE_UID} {gid} 1")


def become_nobody() -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def main(arguments: list[str]) -> None:
    """Change identity, tie this process to its parent, become the command."""
    parent, signal_number, identity, *command = arguments
    if identity == "namespace":
        enter_user_namespace()
    elif identity == "nobody":
        become_nobody()
    # After the change of identity, which makes the kernel forget the request.
    die_with_parent(int(signal_number), int(parent))
    os.execvp(command[0], command)  # noqa: S606 - that is what this program is for


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"Cannot start {' '.join(sys.argv[4:5])}: {error}")
