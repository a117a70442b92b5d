"""The first import of Keras, without TensorFlow's report on the hardware."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keras", "layers"]

_STDERR = 2


@contextmanager
def _native_stderr_held_back() -> Iterator[None]:
    """Keep what native code writes to the standard error stream; show it if the block raises."""
    sys.stderr.flush()
    saved = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)


os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _native_stderr_held_back():
    import keras
    from keras import layers
