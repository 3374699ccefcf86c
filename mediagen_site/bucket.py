"""Media in an S3-compatible bucket, and how STORAGE_URL is read."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from django.core.exceptions import ImproperlyConfigured
from storages.backends.s3 import S3Storage

from generations.files import BLOCK, Blocks, scratch

_FORM = (
    "Write s3://key:secret@host:port/bucket?region=…&secure=0, or s3://bucket to take the keys from the environment."
)
_SECURE = {"1": "https", "true": "https", "0": "http", "false": "http"}


class BucketStorage(S3Storage):
    def blocks(self, name: str, start: int, length: int) -> Blocks:
        if not length:  # a range header cannot ask for nothing
            return Blocks(io.BytesIO(), 0)
        wanted = {"Bucket": self.bucket_name, "Key": name, "Range": f"bytes={start}-{start + length - 1}"}
        try:
            return Blocks(self.connection.meta.client.get_object(**wanted)["Body"], length)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise FileNotFoundError(f"{name} is not in storage") from None
            raise

    @contextlib.contextmanager
    def as_file(self, name: str) -> Iterator[Path]:
        with scratch() as folder, self.open(name) as source:
            path = folder / Path(name).name
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
            yield path

    def ping(self) -> None:
        """Raises a botocore error when the bucket cannot be reached."""
        self.connection.meta.client.head_bucket(Bucket=self.bucket_name)


def read_url(url: str) -> dict[str, Any]:
    """STORAGE_URL as the options of the bucket storage. The refusals never repeat the address: it holds a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"STORAGE_URL has a wrong host or port. {_FORM}") from None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = ", ".join(sorted(set(query) - {"region", "secure"}))
    bucket = parts.path.strip("/") or parts.hostname or ""
    wrong = {
        "does not begin with s3://": parts.scheme != "s3",
        "names no bucket": not bucket or "/" in bucket or (not parts.path.strip("/") and bool(parts.username or port)),
        "has a key without a secret": bool(parts.username) != bool(parts.password),
        f"has the unknown option {unknown}": bool(unknown),
        "has a wrong `secure` (write 0 or 1)": query.get("secure", "1") not in _SECURE,
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise ImproperlyConfigured(f"STORAGE_URL {what}. {_FORM}")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    endpoint = (
        f"{_SECURE[query.get('secure', '1')]}://{host}{f':{port}' if port else ''}" if parts.path.strip("/") else None
    )
    keys = (
        {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")} if parts.username else {}
    )
    return {
        "bucket_name": bucket,
        "endpoint_url": endpoint,
        "region_name": query.get("region") or None,
        **keys,
        "file_overwrite": True,
        "default_acl": None,
        "querystring_expire": 300,
        "client_config": _client(),
    }


def _client() -> Config:
    """Checksums only where they are required: many compatible stores refuse the newer trailing ones."""
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        connect_timeout=5,
        read_timeout=60,
        retries={"max_attempts": 3, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
