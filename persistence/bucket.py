"""Contents of files in a bucket of an S3-compatible store, by obstore, which the extra `s3` installs."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from salon.actors.store import StoreError

try:
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store
except ImportError:
    raise StoreError("files in a bucket need a library: pip install 'salon[s3]'") from None

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .s3_options import S3Options

PIECE = 65_536  # bytes read at once, as from a folder
CONNECT_TIMEOUT = "5s"  # a store that is there accepts at once
TIMEOUT = "30s"  # for one request: a part of an upload has 5 MB
RETRY = timedelta(seconds=15)  # an uploader waits meanwhile, and then tries again themselves


class Bucket:
    """Implements `Contents` on `s3://BUCKET/PREFIX`."""

    def __init__(self, url: str, options: S3Options) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._url = url
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        given: dict[str, Any] = {
            "endpoint": options.endpoint,
            "region": options.region,
            "access_key_id": options.access_key,
            "secret_access_key": options.secret_key,
        }
        self._store = S3Store(
            bucket,
            client_options={
                "allow_http": (options.endpoint or "").startswith("http:"),
                "connect_timeout": CONNECT_TIMEOUT,
                "timeout": TIMEOUT,
            },
            retry_config={"max_retries": 3, "retry_timeout": RETRY},
            **{name: value for name, value in given.items() if value is not None},
        )
        next(self.names(), None)  # a wrong bucket or key is found out now

    def put(self, name: str, path: Path) -> None:
        """Keep the content of the file at `path`, which is used up. Again, it changes nothing."""
        with self._explained():
            if not self._has(name):
                with path.open("rb") as file:
                    obstore.put(self._store, self._prefix + name, file)
            path.unlink()

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in pieces. Raises `StoreError` where there is no such content."""
        with self._explained():
            found = obstore.get(self._store, self._prefix + name, options={"range": (start, end)})
            for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    def delete(self, name: str) -> None:
        """Delete a content, if it is there."""
        with self._explained():
            obstore.delete(self._store, self._prefix + name)

    def names(self) -> Iterator[str]:
        """The names of all contents."""
        with self._explained():
            for page in obstore.list(self._store, self._prefix or None, chunk_size=1000):
                for each in page:
                    yield each["path"].removeprefix(self._prefix)

    def _has(self, name: str) -> bool:
        try:
            obstore.head(self._store, self._prefix + name)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            what = str(error).partition("\n")[0]
            raise StoreError(
                f"{self._url}: the store of the files failed ({type(error).__name__}: {what}): "
                "see whether it runs, and whether bucket and keys are right"
            ) from error
