"""Download one file over HTTP so that it can be taken up again where it stopped."""

import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ran_deploy.errors import UsageError
from ran_deploy.progress import Progress

_TIMEOUT_S = 30.0
"""For the connection, and for each read."""
_RETRY_DELAYS_S = (1.0, 4.0)
_CHUNK_BYTES = 1 << 18
_PASSING = (408, 429, 500, 502, 503, 504)
"""Answers that may be better next time."""
_UNSATISFIABLE = 416


class _CutError(Exception):
    """The transfer stopped for a reason that may pass."""


def check_url(url: str) -> str:
    """Return ``url`` if it can be downloaded from.

    Raises:
        UsageError: It is not an http or https address.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is not an address to download from.", fix="Give an http:// or https:// address.")
    return url


def download(url: str, part: Path, *, what: str) -> int:
    """Download ``url`` to ``part``, after the bytes that an earlier attempt left there.

    A transfer that is cut is resumed by an HTTP range request, twice after a pause; the bytes so far stay in
    ``part``. Whether they belong to the same file only a checksum can tell.

    Args:
        url: An http or https address.
        part: The file to write or to continue.
        what: What progress and messages call it.

    Returns:
        The number of bytes received in this call.

    Raises:
        UsageError: The server cannot be reached, refuses the file, or breaks off; or the disk is full.
    """
    transfer = _Transfer(check_url(url), part, what)
    for delay_s in (*_RETRY_DELAYS_S, None):
        try:
            transfer.attempt()
        except _CutError as cut:
            if delay_s is None:
                raise _broken_off(url, part, cut) from cut
            time.sleep(delay_s)
        else:
            break
    return transfer.received


def _broken_off(url: str, part: Path, cut: _CutError) -> UsageError:
    done = _size(part)
    kept = f" after {done} bytes, which are kept" if done else ""
    return UsageError(
        f"The download of {url} broke off{kept}: {cut}.",
        fix="Check the network and run the same command again; it goes on where it stopped. Or give a mirror by --url.",
    )


class _Transfer:
    """The attempts to complete one file."""

    def __init__(self, url: str, part: Path, what: str) -> None:
        self.received = 0
        self._url = url
        self._part = part
        self._what = what

    def attempt(self) -> None:
        """Ask for what is missing and write it. Raises _CutError where another attempt may do better."""
        offset = _size(self._part)
        # Compressed transfer would make ranges meaningless.
        headers = {"User-Agent": "ran-deploy", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - check_url admits http(s) only
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                self._receive(response, offset)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == _UNSATISFIABLE and offset:
                    self._settle(error, offset)
                    return
            if error.code in _PASSING:
                raise _CutError(f"the server answers {error.code} {error.reason}") from error
            raise UsageError(
                f"The server refuses {self._url}: {error.code} {error.reason}.",
                fix="Check the address, or give a mirror by --url.",
            ) from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise _CutError(str(getattr(error, "reason", error)) or type(error).__name__) from error

    def _settle(self, error: urllib.error.HTTPError, offset: int) -> None:
        """Handle "range not satisfiable": the file is complete, or what is here belongs to another one."""
        total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if total is None or int(total[1]) != offset:
            _discard(self._part)
            raise _CutError("the file on the server is not the one begun")

    def _receive(self, response: http.client.HTTPResponse, offset: int) -> None:
        resumed = offset > 0 and response.status == http.client.PARTIAL_CONTENT
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", "")) if resumed else None
        if resumed and (start is None or int(start[1]) != offset):
            _discard(self._part)
            raise _CutError("the server sends another range than was asked for")
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else 0
        before = self.received
        try:
            with self._part.open("ab" if resumed else "wb") as stream, Progress(self._what, total, "bytes") as progress:
                while chunk := _read(response):
                    stream.write(chunk)
                    self.received += len(chunk)
                    progress.advance(len(chunk))
        except OSError as error:
            raise UsageError(
                f"{self._part} cannot be written: {error.strerror or error}.",
                fix="Free some space or choose another folder.",
            ) from error
        if self.received - before < total:
            raise _CutError(f"the server sent {self.received - before} of {total} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(str(error) or type(error).__name__) from error


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _discard(part: Path) -> None:
    # Emptied, not removed: its owner holds a lock on it.
    with part.open("wb"):
        pass
