"""Reading and writing FITS: the only home of astropy.io.fits.

Files come from telescopes and networks, so whatever a damaged one makes astropy do ends as one
line that names it.
"""

from realbogus.fitsfiles.opening import Header
from realbogus.fitsfiles.reading import (
    FitsImage,
    check_fits,
    header_value,
    read_fits,
    read_header,
    read_table,
    read_touched,
)
from realbogus.fitsfiles.writing import (
    Planes,
    encode_cards,
    encode_image,
    encode_table,
    write_image,
    write_packed,
)

__all__ = [
    "FitsImage",
    "Header",
    "Planes",
    "check_fits",
    "encode_cards",
    "encode_image",
    "encode_table",
    "header_value",
    "read_fits",
    "read_header",
    "read_table",
    "read_touched",
    "write_image",
    "write_packed",
]
