"""Images from a web server."""

from http.client import HTTPException
from urllib import request
from urllib.error import HTTPError

from realbogus.fetch.transfer import Transfer, TransferError, read_chunks, reason_of, save

__all__ = ["download"]

_AGAIN = frozenset({408, 425, 429})


def download(transfer: Transfer) -> None:
    """Download by http or https."""
    try:
        response = _web_client().open(transfer.source, timeout=transfer.patience.silence)
    except HTTPError as error:
        error.close()
        final = 400 <= error.code < 500 and error.code not in _AGAIN
        raise TransferError(f"the server answered {error.code}", final=final) from error
    except (OSError, HTTPException, UnicodeError) as error:
        raise TransferError(reason_of(error)) from error
    with response:
        expected = response.length
        received = save(read_chunks(response.read1), transfer)
    if expected is not None and received != expected:
        raise TransferError(f"the connection ended after {received} of {expected} bytes")


def _web_client() -> request.OpenerDirector:
    """Make a client that follows the proxy settings, and opens nothing but http and https."""
    client = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        client.add_handler(handler())
    return client
