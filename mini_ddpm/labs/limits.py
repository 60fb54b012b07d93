"""What a student's kernel may take."""

import sys


def limit(memory: float, file: float = 0.25) -> None:
    """Hold this process to some GiB of memory and of a file that it writes, where the system can (not on Windows)."""
    if sys.platform == "win32":
        return
    import resource

    for what, size in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, file), (resource.RLIMIT_CORE, 0)):
        _, most = resource.getrlimit(what)
        wanted = int(size * 2**30)
        if most == resource.RLIM_INFINITY or wanted < most:
            resource.setrlimit(what, (wanted, wanted))
