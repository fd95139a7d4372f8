"""Asking a server how large a file is, where nothing was published of it."""

import requests
from urllib3.exceptions import HTTPError

from plas_jax.datasets.download import PATIENCE, PLAIN, DownloadError, Patience, answered


def offered_size(url: str, patience: Patience = PATIENCE) -> int:
    """Ask a server how many bytes a file has, of which nothing was published. Raises `DownloadError`."""
    fault = f"cannot download {url}"
    try:
        reply = requests.head(url, headers=PLAIN, timeout=patience.timeout, allow_redirects=True)
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise DownloadError(f"{fault}: the server could not be reached") from error
    length = reply.headers.get("Content-Length", "")
    if reply.status_code != 200 or not length.isdigit() or int(length) == 0:
        raise DownloadError(f"{fault}: {answered(reply)} and no size when it was asked for one")
    return int(length)
