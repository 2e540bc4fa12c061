"""`alt tls`: a certificate for a server that no public authority knows."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alt.config import (
    TLS_AUTHORITY,
    TLS_AUTHORITY_KEY,
    TLS_CERTIFICATE,
    TLS_FOLDER,
    TLS_KEY,
    default_data_dir,
)

from ..asking.data_directory import data_dir_option
from ..terminal import output

if TYPE_CHECKING:
    from alt.certificates import Signed

# Names and addresses by which a server is reached on its own machine.
OWN_NAMES = ("localhost", "127.0.0.1", "::1")


@click.group()
def tls() -> None:
    """Certificates for `alt start --tls-port`."""


@tls.command()
@click.option(
    "--name",
    "names",
    metavar="NAME",
    multiple=True,
    help="A further name or address by which clients reach the server, beside this machine's own. Repeatable.",
)
@click.option(
    "--days",
    default=825,
    show_default=True,
    type=click.IntRange(min=1, max=3_650),
    help="How long the certificate is valid.",
)
@data_dir_option
@output.json_option()
def init(names: tuple[str, ...], days: int, data_dir: Path | None, as_json: bool) -> None:
    """Make an authority and a certificate that it signs, in the data directory.

    Where there is an authority already it signs a new certificate, which a running server takes up within a second.

    \b
    Example: alt tls init --name db.example.internal
    """
    try:
        import cryptography  # noqa: F401 - what makes them
    except ImportError:
        raise click.ClickException(
            "certificates are made with the cryptography library: pip install 'alt-dynamodb[tls]'"
        ) from None
    from alt.certificates import make_certificate
    from alt.storage.sqlite.data_directory import UnusableDataError, make_private, refuse_foreign

    directory = (data_dir or default_data_dir()).absolute()
    known = list(dict.fromkeys([*OWN_NAMES, socket.gethostname(), *names]))
    try:
        refuse_foreign(directory)
        make_private(directory)
        folder = directory / TLS_FOLDER
        if folder.is_symlink():
            raise click.ClickException(
                f"{folder} is a link: the keys stay in the data directory, so remove it"
            )
        make_private(folder)
        authority = _authority(folder)
        made = make_certificate(authority, known, days)
        _write(folder / TLS_KEY, made.key)
        _write(folder / TLS_CERTIFICATE, made.certificate)
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"cannot make a certificate in {directory}: {error}") from None
    bundle = folder / TLS_AUTHORITY
    if as_json:
        output.json({"authority": str(bundle), "certificate": str(folder / TLS_CERTIFICATE), "names": known})
        return
    click.echo(f"A certificate for {', '.join(known)} is in {folder / TLS_CERTIFICATE}.")
    click.echo("Serve it with `alt start --tls-port 8443`. Clients need to know who signed it:")
    click.echo(f"AWS_CA_BUNDLE={bundle}")
    click.echo(f"NODE_EXTRA_CA_CERTS={bundle}")


def _authority(folder: Path) -> Signed:
    """The authority in the folder, a new one where there is none."""
    from alt.certificates import Signed, make_authority

    certificate, key = folder / TLS_AUTHORITY, folder / TLS_AUTHORITY_KEY
    if certificate.exists() and key.exists():
        return Signed(certificate.read_bytes(), key.read_bytes())
    made = make_authority(f"Alt on {socket.gethostname()}")
    _write(key, made.key)
    _write(certificate, made.certificate)
    return made


def _write(path: Path, text: bytes) -> None:
    """Whole or not at all, for its user alone. A link in its place is replaced, and not followed."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
