"""A Python that has loaded every library already, and runs each script in a fork of itself.

A script of its own process spends seconds on imports before it reads its first option. Here each
script still has a process, arguments, a folder, streams and an exit status of its own, and begins
with none of the modules of this project; but what it imports of the libraries is there.
"""

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

LIBRARIES = (
    "astropy.io.fits",
    "astropy.wcs",
    "h5py",
    "keras",
    "matplotlib.pyplot",
    "scipy.stats",
    "skimage.transform",
    "sklearn.isotonic",
    "sqlalchemy",
    "tensorflow",
    "tqdm.contrib.logging",
    "yaml",
)


def run_warm(*words, cwd, timeout=300):
    """Run a script, a module (``-m``) or code (``-c``) with the words of a command line."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        asked = {
            "words": [str(word) for word in words],
            "cwd": str(cwd),
            "environment": dict(os.environ),
            "streams": [str(path) for path in streams],
            "timeout": timeout,
        }
        server = _server()
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        status = server.stdout.readline()
        assert status, "the warm Python has ended"
        said = [path.read_text() for path in streams]
    return subprocess.CompletedProcess(asked["words"], int(status), *said)


@cache
def _server():
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.warm"],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, server)
    return server


def _end(server):
    server.kill()
    server.wait()
    server.stdin.close()
    server.stdout.close()


def _serve():
    """Fork for each line that is asked; give what was asked to the fork, and None at the end."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return json.loads(line)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def _become(asked):
    """Make this process what a shell would have started, run the script, and end."""
    signal.alarm(asked["timeout"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in enumerate(asked["streams"], 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    tempfile.tempdir = None
    with _End():
        _run(asked["words"])


class _End:
    """End the process with the status of what ran, as the interpreter would."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        status = error.code if isinstance(error, SystemExit) else int(error is not None)
        if not isinstance(status, int | None):
            sys.stderr.write(f"{status}\n")
            status = 1
        elif error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(error)
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        # The end of the libraries themselves would wait for threads that only the parent has.
        os._exit(status or 0)


def _run(words):
    if words[0] == "-c":
        sys.argv, sys.path[0] = words[:1] + words[2:], str(Path.cwd())
        sys.modules["__main__"] = ModuleType("__main__")
        exec(words[1], vars(sys.modules["__main__"]))
    elif words[0] == "-m":
        sys.argv, sys.path[0] = words[1:], str(Path.cwd())
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for library in LIBRARIES:
        import_module(library)
    asked = _serve()
    if asked is not None:
        _become(asked)
