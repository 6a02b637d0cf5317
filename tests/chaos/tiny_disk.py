"""A disk of a few megabytes that can be filled up and cleared again: a tmpfs, where this machine lets us mount one."""

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

SIZE_MIB = 24
_BALLAST = "ballast"
_CHUNK_BYTES = 4096


class TinyDisk:
    """Mounted at a folder until `close`."""

    def __init__(self, folder: Path) -> None:
        """Mount it at `folder`, which is made.

        Raises:
            PermissionError: mounting is not allowed here.
        """
        self.folder = folder
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            raise PermissionError(mounted.stderr.strip())

    def fill(self) -> None:
        """Take every byte that is left; what frees itself meanwhile is taken too."""
        with (self.folder / _BALLAST).open("ab", buffering=0) as ballast:
            try:
                while ballast.write(b"\0" * _CHUNK_BYTES):
                    pass
            except OSError:  # full: what we came for
                return

    def clear(self) -> None:
        """Give the room back."""
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)


@cache
def why_not() -> str | None:
    """Return why no such disk can be made here; None where it can."""
    try:
        with TemporaryDirectory(prefix="liftwatch-disk-") as folder:
            TinyDisk(Path(folder) / "disk").close()
    except (PermissionError, FileNotFoundError) as error:
        return f"no tmpfs can be mounted: {error}"
    return None
