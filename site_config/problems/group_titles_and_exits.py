"""What the numbers of problems and the exit statuses mean, in words."""

from __future__ import annotations

from site_config.problems.base import Exit

EXITS = {
    Exit.OK: "nothing is wrong",
    Exit.FINDINGS: "findings to read; nothing stops",
    Exit.USAGE: "the command line",
    Exit.CONFIGURATION: "study.yaml, site.yaml or another setting",
    Exit.CONTENT: "what a file holds",
    Exit.ACCESS: "what the program may reach: paths, permissions, disk",
    Exit.IDENTITY: "keys, kits, rosters",
    Exit.REFUSED: "a policy or the door said no",
    Exit.STALLED: "the study waits for somebody",
    Exit.INTERNAL: "a fault of the program",
    Exit.INTERRUPTED: "stopped by Ctrl-C; nothing was left half-written",
}
GROUP_TITLES = {
    1: "Documents: study.yaml and site.yaml",
    2: "Tables: cohort.csv and scans.csv",
    3: "Scans, segmentation, slices",
    4: "Identity: keys, kits, rosters, locks",
    5: "Privacy: policy, secure sums, the journal",
    6: "Models: networks, weights, bundles",
    7: "Federation: Flower, phases, resume",
    8: "Survival: estimation",
    9: "The machine and the program",
}
