"""Copying of a run's networks beside another store: staged under temporary names, then put in place or removed.

Tested by tests/rnc/store/test_copy.py.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rnc.store.errors import StoreError
from rnc.store.file_locations import (
    copy_network,
    is_plain_file,
    networks_folder,
    open_network,
    real_path,
    recorded_network,
    resume_file,
    sha256_of,
)
from rnc.store.networks_shared_by_stores import users_of_networks


@contextmanager
def networks_beside(
    source: Path, target: Path, run_id: str, recorded: Mapping[str, str]
) -> Iterator[Callable[[], None]]:
    """Copy the networks (path -> SHA-256) and the resume file of an unfinished run; yield a function that puts them in place.

    Every path is checked on both sides before anything is written, and only the target's folder of this run is written to. If
    the block fails, the previous files are restored.
    """
    wanted = _wanted(source, target, run_id, recorded)
    finals = [final for _file, final, _digest in wanted]
    placed: list[Path] = []
    try:
        for file, final, digest in wanted:
            _stage(file, final, digest)
        yield lambda: _place(finals, placed)
    except BaseException:
        for final in placed:
            final.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _beside(final, "before").replace(final)
        raise
    finally:
        for final in finals:
            _beside(final, "partial").unlink(missing_ok=True)
            _beside(final, "before").unlink(missing_ok=True)


def _wanted(
    source: Path, target: Path, run_id: str, recorded: Mapping[str, str]
) -> list[tuple[Path, Path, str | None]]:
    """Return (file, its target, its SHA-256) of all files to copy; files that are already in place are left out.

    Raises StoreError if a path leads elsewhere, if something that is not a file has a target's name, or if a file of another
    store would be replaced.
    """
    pairs: list[tuple[Path, Path, str | None]] = [
        (recorded_network(source, run_id, path), recorded_network(target, run_id, path), str(digest))
        for path, digest in recorded.items()
    ]
    resume = resume_file(source, run_id)
    if resume.is_symlink() or resume.exists():
        pairs.append((resume, resume_file(target, run_id), None))
    for file, _final, _digest_of_it in pairs:
        _check_readable(file)
    missing = [(file, final, digest) for file, final, digest in pairs if not _is_there(final, digest or _digest(file))]
    if any(final.exists() for _file, final, _digest in missing):
        naming, unknown = users_of_networks(target, run_id)
        others = [other for other in (*naming, *unknown) if other != real_path(source)]
        if others:
            raise StoreError(
                f"{networks_folder(target, run_id)} holds other networks of that name, which {others[0].name} beside it "
                "may need; name a store in another folder"
            )
    return missing


def _check_readable(file: Path) -> None:
    if not file.is_symlink() and not file.exists():
        raise StoreError(f"network {file} is missing; nothing of its run was copied")
    open_network(file).close()


def _is_there(final: Path, digest: str) -> bool:
    if not final.is_symlink() and not final.exists():
        return False
    if not is_plain_file(final):
        raise StoreError(f"{final} is in the way: it is no plain file, and was left as it is")
    return _digest(final) == digest


def _digest(file: Path) -> str:
    return sha256_of(file)[0]


def _stage(file: Path, final: Path, digest: str | None) -> None:
    """Copy a file to a temporary name beside its target, and check the hash of the bytes read."""
    final.parent.mkdir(parents=True, exist_ok=True)
    copied_digest = copy_network(file, _beside(final, "partial"))
    if digest is not None and copied_digest != digest:
        raise StoreError(f"network {file} is damaged; nothing of its run was copied")


def _place(finals: list[Path], placed: list[Path]) -> None:
    """Rename files to their targets, and add each to `placed`; a previous file is kept beside its target."""
    for final in finals:
        if final.exists():
            final.replace(_beside(final, "before"))
        placed.append(final)
        _beside(final, "partial").replace(final)


def _beside(file: Path, kind: str) -> Path:
    return file.with_name(f".{file.name}.{kind}")
