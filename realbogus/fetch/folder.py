"""Images from a folder."""

from pathlib import Path

from realbogus.fetch.transfer import Transfer, TransferError, read_chunks, save

__all__ = ["copy"]


def copy(transfer: Transfer) -> None:
    """Copy from a folder."""
    path = Path(transfer.source)
    if not path.is_file():
        raise TransferError("the folder has no such file", final=True)
    try:
        file = path.open("rb")
    except OSError as error:
        raise TransferError(str(error.strerror), final=True) from error
    with file:
        save(read_chunks(file.read), transfer)
