"""Problems 9xx: the machine, its files, and faults of the program itself."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

INTERNAL = Kind(
    901,
    "internal",
    "The program met a fault of its own",
    why="Something happened that the program does not know how to name. Nothing of your data is in this message: only the kind of the fault and the line of the program.",
    fix="Run the same command again with FEDHCC_DEBUG=1 in the environment; the full trace then appears on this machine only. Send the line above to the maintainers, not the trace.",
    exit=Exit.INTERNAL,
)

USAGE = Kind(
    902,
    "usage",
    "A command or an argument was not understood",
    why="A command, an option or an argument is misspelt, missing or too many.",
    fix="Run the command with --help; it lists every command and option with an example. In Python, help(fedhcc.cox) lists the arguments.",
    exit=Exit.USAGE,
)

FILE_MISSING = Kind(
    910,
    "file-missing",
    "A file is not where it was looked for",
    why="The path does not exist for this program, or leads through a file or in a circle.",
    fix="Check the spelling of the path; one without a leading slash starts in the folder the command runs in.",
    exit=Exit.ACCESS,
)

FILE_UNREADABLE = Kind(
    911,
    "file-unreadable",
    "A file may not be read",
    why="The operating system refused to read the file for this user. That is a matter of permissions or of the storage, not of the data: leave the data as they are.",
    fix="Give the user that runs this program permission to read the file (see `ls -l`), then run the command again.",
    exit=Exit.ACCESS,
)

FILE_TOO_LARGE = Kind(
    912,
    "file-too-large",
    "A file is larger than a file of its kind can be",
    why="Documents and tables are small; a file beyond the limit is usually the wrong one, so it is not read.",
    fix="Check that the path names the right file.",
    exit=Exit.CONTENT,
)

CANNOT_WRITE = Kind(
    913,
    "cannot-write",
    "A file cannot be written",
    why="The operating system refused to write: permissions, a read-only volume, or a folder that is missing. Nothing was left half-written.",
    fix="Make the folder where it is missing, and writable for the user that runs this program.",
    exit=Exit.ACCESS,
    leaves=True,
)

DISK_FULL = Kind(
    914,
    "disk-full",
    "The disk is full",
    why="The file system has no room left, or the user's quota is used up. The former file is untouched.",
    fix="Free some space (`df -h` shows how much is left), then run the same command again; it continues where it stopped.",
    exit=Exit.ACCESS,
    leaves=True,
)

NOT_A_FILE = Kind(
    915,
    "not-a-file",
    "A folder or device stands where a file is expected",
    why="The path exists, but it is not an ordinary file.",
    fix="Name the file itself, not the folder it stands in.",
    exit=Exit.ACCESS,
)

SYSTEM_REFUSED = Kind(
    916,
    "system-refused",
    "The operating system refused an operation",
    why="A file or network operation failed below the program. That is a matter of access, not of the data.",
    fix="Check permissions, mounts and the storage's health, then run the command again.",
    exit=Exit.ACCESS,
)

STATE_DAMAGED = Kind(
    917,
    "state-damaged",
    "A file the program wrote earlier no longer reads",
    why="The file is not valid JSON or not what this program writes. It is written in one piece, so it was edited, or the storage damaged it.",
    fix="Restore the file from a backup of the state folder; do not edit files of the state folder by hand.",
    exit=Exit.CONTENT,
)

NOT_INSTALLED = Kind(
    918,
    "not-installed",
    "A part of the software is not installed",
    why="This command needs a library that belongs to another extra of the package.",
    fix='Install the extra that holds it, for example `pip install "fedhcc[site]"`, or use the project\'s container image.',
    exit=Exit.ACCESS,
)

NOT_MOUNTED = Kind(
    919,
    "not-mounted",
    "A path of site.yaml would not exist in the container",
    why="A container sees the hospital's folder as /site and nothing else of the machine, unless it is mounted. A path of the host means nothing inside.",
    fix="Mount it: `fedhcc-site compose --mount /path/on/the/host=/path/in/the/container`, and write the path in the container into site.yaml.",
)

WRONG_FOLDER = Kind(
    920,
    "wrong-folder",
    "The command was given another folder than its own",
    why="The office and each hospital have a folder of their own, with keys of their own. A command takes the one named by --home, or the one it runs in.",
    fix="Name the folder with --home: the office's holds register.json, a hospital's site.yaml.",
    exit=Exit.ACCESS,
)
