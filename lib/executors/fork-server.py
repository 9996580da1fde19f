"""A fork server: starts shells for a runner.

Who forks has its page tables copied, which takes a runner many times as long as this small process.

In, a line each:  `start`; `taken PID`, when the runner has opened its ends of a shell's pipes.
Out, a line each: `started PID STDIN STDOUT STDERR`, the last three as descriptors of this process; `failed REASON`;
                  `ended PID CODE`, below zero the number of a signal.
It ends with its input; what it started goes on.
"""

import os
import select
import signal

PIPE_BYTES = 256 * 1024
F_SETPIPE_SZ = 1031
# What Python ignores, or this does.
CHANGED_SIGNALS = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

kept = {}


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def close(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


def widen(descriptor):
    """A program that prints much should not wait for its reader at every 64 KiB."""
    try:
        import fcntl

        fcntl.fcntl(descriptor, F_SETPIPE_SZ, PIPE_BYTES)
    except (ImportError, OSError):
        pass


def start():
    opened = []
    try:
        for _ in range(3):
            opened.extend(os.pipe())
        in_read, in_write, out_read, out_write, err_read, err_write = opened
        widen(out_read)
        pid = os.posix_spawn(
            "/bin/sh",
            ["/bin/sh"],
            {},
            file_actions=[(os.POSIX_SPAWN_DUP2, end, n) for n, end in enumerate((in_read, out_write, err_write))],
            setsid=True,
            setsigmask=[],
            setsigdef=CHANGED_SIGNALS,
        )
    except Exception as error:
        close(opened)
        say("failed", str(error).replace("\n", " "))
        return
    close((in_read, out_write, err_write))
    kept[pid] = (in_write, out_read, err_read)
    say("started", pid, *kept[pid])


def reap():
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        say("ended", pid, -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def serve():
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    rest = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            reap()
        if 0 not in ready:
            continue
        came = os.read(0, 65536)
        if not came:
            return
        *lines, rest = (rest + came).split(b"\n")
        for line in lines:
            word, _, pid = line.decode().partition(" ")
            if word == "start":
                start()
            else:
                close(kept.pop(int(pid)))


serve()
