"""What a directory may look like after a power cut, from the log of what was done to it.

The model, for files:

- An fsync or fdatasync that has ended made durable what was written or truncated before it began.
- Of everything later any part may be there: all or nothing, the beginning, any of the
  writes, any of the sectors (512 bytes or 4 KB) of any of them. So a later write may be
  there and an earlier one not. What is cut out of a file reads as zeros.

For names, as the journals of ext4 and XFS have them, and without what only they promise:

- A folder's names change one after another. After a cut they are what they were after
  any of the changes since those that are durable; a rename is one change.
- An fsync of the folder makes all changes before it durable. An fsync of a file makes the
  change durable that created it, hence those of its folder before that, and its folder
  itself; not a later rename of it.
- Different folders, and names and contents, know nothing of each other: a file may have
  its name and be empty. Nothing is renamed from one folder to another.

Files ending in -shm are left out: SQLite makes them anew for the first that opens them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.crash.disk_log import Kind, Record

SECTORS = (512, 4096)


class Change(NamedTuple):
    """Of a file: `data` written at `offset`; None cuts it, or lengthens it, to `offset`."""

    offset: int
    data: bytes | None


class Node:
    """A file or a folder: what is durable of it, and the changes that are not, in their order."""

    def __init__(self, path: str, folder: Folder | None) -> None:
        self.path = path  # under which it was created
        self.pending: list[Any] = []
        self.synced = 0  # the position of the last fsync that has ended, when it began
        self._settled = 0  # changes that are durable
        self._folder = folder
        self._created = 0 if folder is None else folder.changes + 1

    @property
    def changes(self) -> int:
        return self._settled + len(self.pending)

    def settle(self, until: int) -> None:
        """Make the first `until` of all changes durable."""
        count = max(0, until - self._settled)
        for change in self.pending[:count]:
            self.apply(change)
        del self.pending[:count]
        self._settled += count

    def settle_name(self) -> None:
        if self._folder is not None:
            self._folder.settle(self._created)
            self._folder.settle_name()

    def apply(self, change: Any) -> None:
        raise NotImplementedError


class File(Node):
    def __init__(self, path: str, folder: Folder) -> None:
        super().__init__(path, folder)
        self.contents = bytearray()

    def apply(self, change: Change) -> None:
        change_contents(self.contents, change)


class Folder(Node):
    """Its changes are what became of names: a node, or None for a name that is no more."""

    def __init__(self, path: str, folder: Folder | None) -> None:
        super().__init__(path, folder)
        self.names: dict[str, Node] = {}
        self.live: dict[str, Node] = {}  # with all changes

    def change(self, names: dict[str, Node | None]) -> None:
        self.pending.append(names)
        change_names(self.live, names)

    def apply(self, change: dict[str, Node | None]) -> None:
        change_names(self.names, change)


def change_contents(contents: bytearray, change: Change) -> None:
    if change.data is None:
        del contents[change.offset :]
    contents.extend(bytes(max(0, change.offset - len(contents))))
    if change.data is not None:
        contents[change.offset : change.offset + len(change.data)] = change.data


def change_names(names: dict[str, Node], change: dict[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """The directory as the log has it so far."""

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}  # by inode, which a removed file's next of the number takes over
        self._syncs: dict[int, tuple[Node, int, int]] = {}  # under way: node, its changes, position
        self._root = Folder("", None)

    def replay(self, records: Iterable[Record]) -> None:
        for record in records:
            self._STEPS[record.kind](self, record)

    def _create(self, record: Record) -> None:
        self._add(record, File)

    def _make_folder(self, record: Record) -> None:
        if record.paths == [""]:
            self._nodes[record.inode] = self._root
        else:
            self._add(record, Folder)

    def _add(self, record: Record, kind: type[File] | type[Folder]) -> None:
        (path,) = record.paths
        folder, name = self._find(path)
        node = self._nodes[record.inode] = kind(path, folder)
        folder.change({name: node})

    def _write(self, record: Record) -> None:
        self._nodes[record.inode].pending.append(Change(record.offset, record.data))

    def _truncate(self, record: Record) -> None:
        self._nodes[record.inode].pending.append(Change(record.offset, None))

    def _begin_sync(self, record: Record) -> None:
        node = self._nodes[record.inode]
        self._syncs[record.offset] = (node, node.changes, record.end)

    def _end_sync(self, record: Record) -> None:
        node, changes, position = self._syncs.pop(record.offset)
        node.settle(changes)
        node.settle_name()
        node.synced = max(node.synced, position)

    def _rename(self, record: Record) -> None:
        (old_folder, old), (folder, new) = map(self._find, record.paths)
        if old_folder is not folder:
            raise NotImplementedError(
                f"{record.paths}: the model does not say what a power cut leaves of that"
            )
        folder.change({old: None, new: folder.live[old]})

    def _remove(self, record: Record) -> None:
        (path,) = record.paths
        folder, name = self._find(path)
        folder.change({name: None})

    _STEPS: dict[Kind, Callable[[Disk, Record], None]] = {  # noqa: RUF012
        Kind.CREATE: _create,
        Kind.WRITE: _write,
        Kind.TRUNCATE: _truncate,
        Kind.SYNC_BEGIN: _begin_sync,
        Kind.SYNC_END: _end_sync,
        Kind.RENAME: _rename,
        Kind.UNLINK: _remove,
        Kind.MAKE_FOLDER: _make_folder,
        Kind.REMOVE_FOLDER: _remove,
    }

    def _find(self, path: str) -> tuple[Folder, str]:
        *folders, name = path.split("/")
        folder = self._root
        for each in folders:
            found = folder.live[each]
            assert isinstance(found, Folder)
            folder = found
        return folder, name

    def live(self, folder: str) -> dict[str, Node]:
        """The names in a folder as if no power cut came, in the order in which they were given."""
        found = self._root.live.get(folder)
        return found.live if isinstance(found, Folder) else {}

    def cut(self, target: Path, fate: Fate) -> None:
        """Write into the empty folder `target` what is left."""
        _write_folder(self._root, target, fate)


class Fate:
    """What becomes of each file's and folder's pending changes: one of WAYS for all, or one drawn for each."""

    def __init__(self, random: Random, way: str | None = None) -> None:
        self._random = random
        self._way = way
        self._sector = random.choice(SECTORS)

    def contents(self, file: File) -> bytearray:
        contents = bytearray(file.contents)
        way = self._way or self._random.choice(list(WAYS))
        for change in WAYS[way](self, file.pending):
            change_contents(contents, change)
        return contents

    def names(self, folder: Folder) -> dict[str, Node]:
        names = dict(folder.names)
        count = {"lost": 0, "kept": len(folder.pending)}.get(self._way or "")
        for change in folder.pending[
            : self._random.randint(0, len(folder.pending)) if count is None else count
        ]:
            change_names(names, change)
        return names

    def _lost(self, _changes: list[Change]) -> Iterator[Change]:
        return iter(())

    def _kept(self, changes: list[Change]) -> Iterator[Change]:
        return iter(changes)

    def _ended(self, changes: list[Change]) -> Iterator[Change]:
        """The first ones, and sectors of the next."""
        count = self._random.randint(0, len(changes))
        yield from changes[:count]
        yield from self._torn(changes[count : count + 1])

    def _reordered(self, changes: list[Change]) -> Iterator[Change]:
        return (change for change in changes if self._random.random() < 0.5)

    def _torn(self, changes: list[Change]) -> Iterator[Change]:
        for offset, data in changes:
            if data is None:
                if self._random.random() < 0.5:
                    yield Change(offset, None)
                continue
            begin, end = offset, offset + len(data)
            while begin < end:
                sector_end = min(end, begin - begin % self._sector + self._sector)
                if self._random.random() < 0.5:
                    yield Change(begin, data[begin - offset : sector_end - offset])
                begin = sector_end


WAYS: dict[str, Callable[[Fate, list[Change]], Iterator[Change]]] = {
    "lost": Fate._lost,
    "kept": Fate._kept,
    "ended": Fate._ended,
    "reordered": Fate._reordered,
    "torn": Fate._torn,
}


def _write_folder(folder: Folder, target: Path, fate: Fate) -> None:
    for name, node in fate.names(folder).items():
        if isinstance(node, Folder):
            (target / name).mkdir()
            _write_folder(node, target / name, fate)
        elif isinstance(node, File) and not name.endswith("-shm"):
            (target / name).write_bytes(fate.contents(node))
