"""`alt rekey`: encrypt a data directory, change its key, or decrypt it."""

from __future__ import annotations

from pathlib import Path

import click

from ..asking.data_directory import data_dir_option, directory_of
from ..asking.encryption_key import read_key
from ..terminal import output
from ..terminal.progress import progress_bar

SHOWN_FILES = 5


@click.command()
@click.option(
    "--new-encryption-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the key to encrypt with: 32 bytes in hex or base64 (`openssl rand -hex 32`), or a passphrase.",
)
@click.option("--decrypt", is_flag=True, help="Leave the data unencrypted.")
@data_dir_option
@output.json_option()
def rekey(new_encryption_key_file: Path | None, decrypt: bool, data_dir: Path | None, as_json: bool) -> None:
    """Encrypt a data directory, give it another key, or decrypt it. No server may run meanwhile.

    Everything is written anew: tables, backups, snapshots, access keys, accounts. That takes as much room again until
    it is done. If the command is cut short, the directory has the old key or the new one, never
    something between: whatever uses it next finishes the change.

    \b
    Example: alt rekey --new-encryption-key-file new.key
    """
    import apsw

    from alt.storage.sqlite.copies.rekeying import rekey
    from alt.storage.sqlite.data_directory import (
        AlreadyServedError,
        ServerLock,
        UnusableDataError,
        is_encrypted,
    )

    if decrypt == (new_encryption_key_file is not None):
        raise click.UsageError("give either --new-encryption-key-file or --decrypt.")
    new = None if new_encryption_key_file is None else read_key(new_encryption_key_file)
    # The variable may name the key that the directory is about to get.
    directory = directory_of(data_dir, disregard_key_of_plain=True)
    if decrypt and not is_encrypted(directory):
        raise click.ClickException(f"{directory} is not encrypted")
    try:
        lock = ServerLock(directory)
    except AlreadyServedError as error:
        raise click.ClickException(f"{error}: stop that server first") from None
    try:
        with progress_bar() as report:
            changed = rekey(directory, new, lambda done, total: report("Writing anew", done, total))
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    except (apsw.Error, OSError) as error:
        raise click.ClickException(f"cannot rekey {directory}: {error}") from None
    finally:
        lock.release()
    if as_json:
        output.json({"encrypted": not decrypt, "files": len(changed.files), "left": changed.left})
        return
    click.echo(
        f"{'Decrypted' if decrypt else 'Encrypted'} {output.counted(len(changed.files), 'file')} of {directory}."
    )
    if changed.left:
        more = f" and {len(changed.left) - SHOWN_FILES} more" if len(changed.left) > SHOWN_FILES else ""
        click.echo(
            f"Warning: nobody owns these files, and they are what they were: {', '.join(changed.left[:SHOWN_FILES])}{more}",
            err=True,
        )
