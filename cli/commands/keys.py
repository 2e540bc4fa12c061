"""`alt keys`: who may sign requests, and what each may do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
import ujson

from alt.config import DEFAULT_REGION, DEFAULT_ROLE, ROLES, Role

from ..asking.data_directory import confirm, data_dir_option
from ..asking.database import database_option, run_on_database
from ..asking.encryption_key import unlock
from ..settings import BY_NAME
from ..terminal import output
from ..terminal.output import Cell

if TYPE_CHECKING:
    from alt.auth.keys import AccessKey, ListedKey
    from alt.auth.policies import Policy
    from alt.storage.postgres.access_keys import AccessKeys as RemoteKeys
    from alt.storage.sqlite.access_keys import AccessKeys

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

_HEADINGS = ("Access key", "Name", "Role", "Tenant", "Created")
_POLICY = "policy"  # what is shown in place of a role

json_option = output.json_option()


class _Place(NamedTuple):
    """Where keys are kept: in a data directory, or in a database, and what their secrets are made with in a file."""

    data_dir: Path | None
    engine: str | None
    secret_file: Path | None


def _place_option(command: Command) -> Command:
    """Options that say where keys are kept; the command is given that as `place`."""

    @wraps(command)
    def placed(data_dir: Path | None, engine: str | None, keys_secret_file: Path | None, **given: Any) -> Any:
        if engine is not None and data_dir is not None:
            raise click.UsageError("--data-dir and --engine are two places for the data: leave one out.")
        if engine is None and keys_secret_file is not None:
            raise click.UsageError(
                "--keys-secret-file is about the keys in the database of --engine: name that, too."
            )
        return command(place=_Place(data_dir, engine, keys_secret_file), **given)

    secret_option = click.option(
        BY_NAME["keys-secret-file"].flag,
        envvar=BY_NAME["keys-secret-file"].variable,
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="With --engine: file with what secrets are made with.  [default: keys.secret in this user's data directory]",
    )
    return data_dir_option(database_option(required=False)(secret_option(placed)))  # type: ignore[return-value]


@click.group()
def keys() -> None:
    """Make, list and remove the access keys that `alt start --auth enforce` asks for.

    A running server notices within a second. `keys.secret` in the data directory is what
    secrets are made with: keep it as private as the secrets, and a copy of it with your backups.
    With --engine the keys are in the database, and every server needs a copy of that file.
    """


def _name(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    from alt.auth.keys import NAME

    if name is not None and not NAME.fullmatch(name):
        raise click.BadParameter("a name has up to 64 letters, digits and any of +=,.@_-")
    return name


def _tenant(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    from alt.auth.keys import TENANT

    if name is not None and not TENANT.fullmatch(name):
        raise click.BadParameter("a tenant's name has up to 63 lower-case letters, digits and dashes")
    return name


@keys.command()
@click.argument("name", required=False, callback=_name)
@click.option(
    "--role",
    type=click.Choice(ROLES),
    show_default=DEFAULT_ROLE,
    help="readonly: reads. readwrite: that, and changes items and tables. admin: everything, backups and restores too.",
)
@click.option(
    "--policy",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="In place of a role, a policy document as IAM has them (JSON).",
)
@click.option(
    "--tenant",
    metavar="NAME",
    callback=_tenant,
    help="Whose tables it is for: each tenant has its own, under an account id of its own. Without it, everybody's.",
)
@_place_option
@json_option
def create(
    name: str | None,
    role: Role | None,
    policy: Path | None,
    tenant: str | None,
    place: _Place,
    as_json: bool,
) -> None:
    """Make an access key. Its secret is shown once, as an SDK reads it from the environment.

    NAME is the user's in error messages: the role's, if none is given.

    For example: alt keys create reports --role readonly
    """
    import time

    if role is not None and policy is not None:
        raise click.UsageError("give either --role or --policy: a policy says all that a key may do.")
    rights = (role or DEFAULT_ROLE) if policy is None else _read_policy(policy)
    with _stored(place) as stored:
        key = stored.create(
            name or role or (_POLICY if policy else DEFAULT_ROLE), rights, time.time(), tenant
        )
    _show_secret(key, as_json)


def _read_policy(file: Path) -> Policy:
    from alt.auth.policies import MalformedPolicyError, read_policy

    try:
        return read_policy(file.read_text(encoding="utf-8"))
    except (MalformedPolicyError, UnicodeDecodeError, OSError) as error:
        raise click.ClickException(f"{file} is no policy: {error}") from None


@keys.command("test")
@click.argument("key")
@click.argument("action")
@click.argument("resource")
@click.option(
    "--value",
    "values",
    metavar="NAME=VALUE",
    multiple=True,
    help="What a request has for a condition key, such as dynamodb:LeadingKeys=a or aws:SourceIp=10.0.0.1. Repeatable.",
)
@_place_option
@json_option
def test(key: str, action: str, resource: str, values: tuple[str, ...], place: _Place, as_json: bool) -> None:
    """Say whether a key may do something, and what decides: its role, or the statement of its policy by its Sid.

    ACTION is dynamodb:GetItem or GetItem. RESOURCE is an ARN, the name of a table, or *. The policies of tables are not
    looked at. The exit status is 1 for deny.

    \b
    Example: alt keys test AKIAIOSFODNN7EXAMPLE GetItem Music
    """
    import time

    from alt.auth.permissions import Circumstances, decide
    from alt.auth.policies import Wanted

    given = _values(values)
    with _stored(place) as stored:
        found = stored.get(key)
    if found is None:
        raise _no_such_key(key)
    region = DEFAULT_REGION
    if resource != "*" and not resource.startswith("arn:"):
        resource = f"arn:aws:dynamodb:{region}:{found.account}:table/{resource}"
    wanted = Wanted(action.removeprefix("dynamodb:"), resource, given.get)
    source = given.get("aws:sourceip", [None])[0]
    decision = decide(found, wanted, None, Circumstances(region, time.time(), source))
    said = "allow" if decision.is_allowed else "deny"
    if as_json:
        output.json({"Decision": said, "DecidedBy": decision.by})
    else:
        click.echo(f"{said}\t{decision.by or 'nothing allows it'}")
    if not decision.is_allowed:
        raise SystemExit(1)


def _values(given: tuple[str, ...]) -> dict[str, list[str]]:
    """By condition key, in lower case."""
    found: dict[str, list[str]] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"{each!r} is no NAME=VALUE")
        found.setdefault(name.lower(), []).append(value)
    return found


@keys.command()
@_place_option
@json_option
def ls(place: _Place, as_json: bool) -> None:
    """List the access keys. In a pipe one line a key, tab-separated: access key, name, role, tenant, created.

    For example: alt keys ls --json
    """
    with _stored(place) as stored:
        found = stored.listed()
    if as_json:
        output.json([_json(key) for key in found])
    else:
        output.table(
            _HEADINGS,
            (
                [
                    Cell(key.id),
                    Cell(key.name),
                    Cell(key.role or _POLICY),
                    Cell(key.tenant or ""),
                    output.time(key.created),
                ]
                for key in found
            ),
        )


@keys.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@_place_option
@json_option
def rm(key: str, yes: bool, place: _Place, as_json: bool) -> None:
    """Remove an access key: what it signs is refused from then on.

    For example: alt keys rm AKIAIOSFODNN7EXAMPLE --yes
    """
    with _stored(place) as stored:
        found = next((each for each in stored.listed() if each.id == key), None)
        if found is None:
            raise _no_such_key(key)
        if not yes:
            confirm(f"Remove the access key {key} of {found.name}?")
        if not stored.remove(key):
            raise _no_such_key(key)
    if as_json:
        output.json(_json(found))
    else:
        click.echo(f"Removed {key}.")


@keys.command()
@click.argument("key")
@_place_option
@json_option
def rotate(key: str, place: _Place, as_json: bool) -> None:
    """Give an access key a new secret, which is shown once. What the old one signs is refused.

    For example: alt keys rotate AKIAIOSFODNN7EXAMPLE
    """
    with _stored(place) as stored:
        rotated = stored.rotate(key)
    if rotated is None:
        raise _no_such_key(key)
    _show_secret(rotated, as_json)


@contextmanager
def _stored(place: _Place) -> Iterator[AccessKeys | _InDatabase]:
    """The keys of a data directory, which is made where there is none: keys come before the first start. Or a database's."""
    import apsw

    from alt.config import default_data_dir
    from alt.storage.sqlite.access_keys import AccessKeys
    from alt.storage.sqlite.data_directory import (
        MASTER_KEY_FILE,
        UnusableDataError,
        make_private,
        refuse_foreign,
    )

    directory = (place.data_dir or default_data_dir()).absolute()
    try:
        if place.engine is not None:
            yield _InDatabase(place.engine, place.secret_file or directory / MASTER_KEY_FILE)
            return
        refuse_foreign(directory)
        make_private(directory)
        unlock(directory)
        stored = AccessKeys(directory)
        try:
            yield stored
        finally:
            stored.close()
    except (UnusableDataError, apsw.Error, OSError) as error:
        raise click.ClickException(str(error)) from None


class _InDatabase:
    """The keys of a database. `file` has, or gets with the first key, what their secrets are made with."""

    def __init__(self, dsn: str, file: Path) -> None:
        self._dsn = dsn
        self._file = file

    def listed(self) -> list[ListedKey]:
        return self._run(lambda keys: keys.listed())

    def get(self, key_id: str) -> AccessKey | None:
        return self._run(lambda keys: keys.get(key_id))

    def create(self, name: str, rights: Role | Policy, now: float, tenant: str | None) -> AccessKey:
        return self._run(lambda keys: keys.create(name, rights, now, tenant))

    def rotate(self, key_id: str) -> AccessKey | None:
        return self._run(lambda keys: keys.rotate(key_id))

    def remove(self, key_id: str) -> bool:
        return self._run(lambda keys: keys.remove(key_id))

    def _run(self, work: Callable[[RemoteKeys], Coroutine[Any, Any, T]]) -> T:
        from alt.storage.postgres import schema
        from alt.storage.postgres.access_keys import AccessKeys, MasterFile
        from alt.storage.postgres.database import Database
        from alt.storage.sqlite import master_key
        from alt.storage.sqlite.data_directory import make_private

        def make() -> bytes:
            make_private(self._file.parent)
            return master_key.make(self._file)

        async def run(database: Database) -> T:
            await schema.check(database)
            return await work(
                AccessKeys(database, MasterFile(self._file, partial(master_key.read, self._file), make))
            )

        return run_on_database(self._dsn, run)


def _show_secret(key: AccessKey, as_json: bool) -> None:
    if as_json:
        output.json(
            {
                "AccessKeyId": key.id,
                "SecretAccessKey": key.secret,
                "UserName": key.name,
                "Role": key.role,
                "Tenant": key.tenant,
                "Account": key.account,
                "Policy": None if key.policy is None else ujson.loads(key.policy.text),
            }
        )
        return
    click.echo(f"AWS_ACCESS_KEY_ID={key.id}")
    click.echo(f"AWS_SECRET_ACCESS_KEY={key.secret}")
    click.echo("The secret is not shown again.", err=True)


def _no_such_key(key: str) -> click.ClickException:
    return click.ClickException(f"there is no access key {output.printable(key)}: `alt keys ls` lists them")


def _json(key: ListedKey) -> dict[str, Any]:
    return {
        "AccessKeyId": key.id,
        "UserName": key.name,
        "Role": key.role,
        "Tenant": key.tenant,
        "Policy": None if key.policy is None else ujson.loads(key.policy),
        "CreateDate": output.time(key.created).plain,
    }
