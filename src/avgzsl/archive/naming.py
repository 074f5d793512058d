"""The name of an archive, as people know it; without one it is called as its folder is."""

from avgzsl.archive.collection import Collection, open_index
from avgzsl.archive.index_record import checked_name, read_record, write_record
from avgzsl.archive.writer import only_writer
from avgzsl.errors import ConfigError


def named(collection: Collection, name: str | None) -> Collection:
    """The index, which is kept under this name from now on; as it is where no name is given. Raises ConfigError."""
    if name is None or name == collection.record.name:
        return collection
    require_name(name)
    with only_writer(collection.folder):
        record = read_record(collection.folder)
        write_record(collection.folder, record.model_copy(update={"name": name}))
    return open_index(collection.folder, collection.url, type(collection.run.method))


def require_name(name: str | None) -> None:
    """Raises ConfigError for what is no name."""
    try:
        checked_name(name)
    except ValueError as problem:
        raise ConfigError(str(problem)) from problem
