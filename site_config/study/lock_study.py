"""From a study to its lock: the draw resolved, blocks fixed, the roster filled in. Deterministic in the study alone.

Orders come from SHA-256 of seed and site name, so they are the same with every Python and on every machine, and do not
depend on the order in which the sites are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from site_config.documents.rules_over_fields import study_faults
from site_config.open_hours import grouped
from site_config.problems import configuration as kinds
from site_config.problems import privacy
from site_config.problems.base import Problem, together
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import EarlierStudy, LeftBehind, Role, RosterEntry, Study, StudyLock
from site_config.words_of_messages import nearest, plural

PATIENTS_A_SITE = 4.0
MARGIN = 1.5
"""How many times the fewest patients a block is laid out for: hospitals differ, and the counts come after the lock."""


FEW_HOLDERS, MANY_HOLDERS, FEW_SITES = 3, 5, 10
REFUSED_LATER = "The sum over a block is opened. Each hospital would refuse the study at admission unless its own policy asks for less."


def shuffled(names: Iterable[str], seed: int, purpose: str) -> list[str]:
    """The names in the order of SHA-256(purpose, seed, name)."""
    return sorted(names, key=lambda name: hashlib.sha256(f"fedhcc|{purpose}|{seed}|{name}".encode()).digest())


def resolve_roles(study: Study) -> dict[str, Role]:
    """Role of every site in the study's order: as written, or drawn among the sites without one.

    Without a draw a site that has no role is a configuration problem.
    """
    roles: dict[str, Role | None] = {site.name: site.role for site in study.sites}
    open_ = [name for name, role in roles.items() if role is None]
    if open_ and study.draw is None:
        raise kinds.ROLES.problem(f"{plural(len(open_), 'site')} without a role, and there is no `draw`")
    if study.draw is not None and study.draw.evaluation > len(open_):
        raise kinds.ROLES.problem(f"{plural(study.draw.evaluation, 'evaluation site')} of {plural(len(open_), 'site')} without a role")
    drawn = set(shuffled(open_, study.draw.seed, "draw")[: study.draw.evaluation]) if study.draw else set()
    return {name: role or ("evaluation" if name in drawn else "development") for name, role in roles.items()}


def fixed_blocks(
    names: Sequence[str], study: Study, role: Role, patients_a_site: float = PATIENTS_A_SITE, anew: str = ""
) -> tuple[tuple[str, ...], ...]:
    """Sites of a role in blocks of nearly equal size, each of at least `blocks.minimum_sites` sites.

    The number of patients is not known when a study is locked; blocks are made large enough for `MARGIN` times
    `blocks.minimum_patients` to train on at `patients_a_site` (those of the validation split do not train), and the masked
    counts at the study's start decide. Too few sites make one block. Evaluation sites are always one block: their table
    is opened once, as a whole. Where hours are declared, hospitals whose machines are on together come together. `anew` draws others.
    """
    if not names:
        return ()
    hours = {site.name: site.hours for site in study.sites}
    if role == "development" and any(hours.values()):
        least = max(study.blocks.minimum_sites, 1 if study.privacy.demonstration else study.privacy.minimum_sites)
        groups = grouped([(name, hours[name]) for name in names], least)
        return tuple(block for group in groups for block in _drawn_blocks(group, study, role, patients_a_site, anew))
    return _drawn_blocks(names, study, role, patients_a_site, anew)


def _drawn_blocks(names: Sequence[str], study: Study, role: Role, patients_a_site: float, anew: str) -> tuple[tuple[str, ...], ...]:
    least = max(study.blocks.minimum_sites, 1 if study.privacy.demonstration else study.privacy.minimum_sites)
    by_patients = int(len(names) * patients_a_site * (1 - study.validation_fraction) // (MARGIN * study.blocks.minimum_patients))
    count = 1 if role == "evaluation" else max(1, min(len(names) // least, by_patients))
    order = shuffled(names, study.training.seed, f"blocks {role}{anew}")
    blocks = [set(order[start::count]) for start in range(count)]
    return tuple(tuple(name for name in names if name in block) for block in blocks)


def planned_blocks(study: Study, anew: str = "") -> dict[Role, tuple[tuple[str, ...], ...]]:
    """The blocks of a study's lock by role; a role that no site has is left out. `anew` draws others of the same sizes."""
    roles = sorted(resolve_roles(study).items())
    named: dict[Role, list[str]] = {role: [name for name, own in roles if own == role] for role in ("development", "evaluation")}
    return {role: fixed_blocks(names, study, role, anew=anew) for role, names in named.items() if names}


def planned_holders(study: Study) -> tuple[str, ...]:
    """The hospitals that hold shares of a study's rows: as named, or drawn by the study's seed; none where nothing is shared.

    Three up to ten sites, five above, unless the study says which (DESIGN section 5).
    """
    if not study.shares_rows:
        return ()
    if study.shares.names:
        return study.shares.names
    names = [site.name for site in study.sites]
    count = study.shares.holders or (FEW_HOLDERS if len(names) <= FEW_SITES else MANY_HOLDERS)
    return tuple(sorted(shuffled(names, study.training.seed, "holders")[:count]))


def refused_blocks(study: Study, blocks: Mapping[Role, Sequence[Sequence[str]]]) -> list[Problem]:
    """FH-506 for every role with a block below what a hospital asks unless its own policy says otherwise.

    Each hospital of such a block refuses the study at admission, so it is told while the study is written. A demonstration
    is left out: its hospitals lift their minima by declaring every patient simulated.
    """
    if study.privacy.demonstration:
        return []
    least = max(Policy().minimum_roster, study.privacy.minimum_sites)
    found = []
    for role, of_role in blocks.items():
        size = min((len(block) for block in of_role), default=least)
        if size < least:
            what = f"a block of {plural(size, f'{role} hospital')}; by default a hospital refuses a sum over fewer than {least}"
            found.append(
                privacy.ROSTER_TOO_SMALL.problem(what, why=REFUSED_LATER, fix=_remedy(of_role, least, role), where="study.yaml, sites")
            )
    return found


def _remedy(blocks: Sequence[Sequence[str]], least: int, role: Role) -> str:
    if sum(map(len, blocks)) >= least:
        return f"Raise `blocks.minimum_sites` in study.yaml to {least} or more."
    enrol = f"Enrol more {role} hospitals (`fedhcc-coordinator enrol NAME.request.json --role {role}`) and name them in study.yaml"
    return f"{enrol}, {least} at least{'' if role == 'development' else ', or none'}."


def honest_faults(study: Study, blocks: Mapping[Role, Sequence[Sequence[str]]]) -> list[Problem]:
    """FH-131 where the noise would be sized for more honest hospitals than a training block has."""
    dp = study.privacy.dp
    size = min((len(block) for block in blocks.get("development", ())), default=0)
    if dp is None or dp.honest <= size:
        return []
    what = f"`honest: {dp.honest}`, and a block has {plural(size, 'hospital')}"
    return [kinds.NOT_ENFORCED.problem(what, fix=f"Write {max(size, 1)} or fewer.", where="study.yaml: privacy.dp.honest")]


def unknown_sites(study: Study, enrolled: Iterable[str]) -> list[Problem]:
    """A problem for every site of the study that is not enrolled, with the nearest name that is."""
    known = list(enrolled)
    listed = {site.name for site in study.sites}
    strange = {
        site.name: nearest(site.name, [name for name in known if name not in listed]) for site in study.sites if site.name not in known
    }
    found = [
        kinds.UNKNOWN_SITE.problem(f"`{name}` is not enrolled", fix=f"Write `{near}` in study.yaml.", where="study.yaml, sites")
        for name, near in strange.items()
        if near
    ]
    others = [name for name, near in strange.items() if not near]
    if others:
        found.append(kinds.UNKNOWN_SITE.problem(_not_enrolled(others), fix=_enrol(others, len(known)), where="study.yaml, sites"))
    return found


def _not_enrolled(names: list[str]) -> str:
    if len(names) == 1:
        return f"`{names[0]}` is not enrolled"
    return f"{len(names)} hospitals of the study are not enrolled: {', '.join(names)}"


def _enrol(names: list[str], enrolled: int) -> str:
    here = "" if enrolled else "No hospital is enrolled here: is this the office's folder? "
    return f"{here}Enrol each first: `fedhcc-coordinator enrol {names[0]}.request.json`; `fedhcc-coordinator list` shows who is."


def lock_study(
    study: Study,
    entries: Sequence[RosterEntry],
    *,
    code_digest: str,
    coordinator_key: str,
    office_digest: str = "",
    published: Iterable[StudyLock] = (),
    leaving: LeftBehind | None = None,
) -> StudyLock:
    """The lock of a study over enrolled sites. Their roles are those of `resolve_roles`, whatever the entries say.

    published: the coordinator's studies so far; a study that stands among them is found again, with the earlier ones it had then.
    leaving: for a study that goes on from another one.
    Raises one problem that carries all others when a site of the study has no entry.
    """
    missing = unknown_sites(study, (entry.name for entry in entries))
    if missing:
        raise together(missing)
    blocks = planned_blocks(study)
    if faults := honest_faults(study, blocks):
        raise together(faults)
    roles = resolve_roles(study)
    by_name = {entry.name: entry for entry in entries}
    roster = tuple(by_name[name].model_copy(update={"role": role}) for name, role in sorted(roles.items()))
    lock = StudyLock(
        study=study,
        roster=roster,
        blocks=blocks,
        code_digest=code_digest,
        office_digest=office_digest,
        coordinator_key=coordinator_key,
        holders=planned_holders(study),
        leaving=leaving,
    )
    return in_one_block(named_beside(lock, tuple(published))) if lock.holders else lock


def in_one_block(lock: StudyLock) -> StudyLock:
    """A study whose rows are compared with earlier ones has one block a role, whatever was planned.

    The holders compare rows over all hospitals together: twenty patients changed there may be one in a block, and the block's sums
    of before and after would differ by that one. Another division would not help: its sums intersect with the earlier ones'.
    """
    if not lock.compares:
        return lock
    return lock.model_copy(update={"blocks": {role: (lock.names(role),) for role in lock.blocks}})


def named_beside(lock: StudyLock, published: Sequence[StudyLock]) -> StudyLock:
    """The lock with the published studies that it names; one that was published itself is found again, with those it had then."""
    for one in published:
        if one.model_copy(update={"earlier": (), "beside": (), "blocks": lock.blocks}) == lock:
            return lock.model_copy(update={"earlier": one.earlier, "beside": one.beside})
    return lock.model_copy(update={"earlier": earlier_studies(lock, published), "beside": studies_beside(lock, published)})


def earlier_studies(lock: StudyLock, published: Sequence[StudyLock]) -> tuple[EarlierStudy, ...]:
    """The published studies over some of the same hospitals."""
    names = {entry.name for entry in lock.roster}
    return as_earlier(one for one in published if names & {entry.name for entry in one.roster})


def studies_beside(lock: StudyLock, published: Sequence[StudyLock]) -> tuple[EarlierStudy, ...]:
    """Those over none of them, but over hospitals of an earlier one, of one over hospitals of that, and so on: they add up with these."""
    names = {entry.name for entry in lock.roster}
    apart = {one.study_id: one for one in published if not names & {entry.name for entry in one.roster}}
    reached = names.union(*(one.roster for one in earlier_studies(lock, published)))
    found: list[StudyLock] = []
    while more := [one for one in apart.values() if one not in found and reached & {entry.name for entry in one.roster}]:
        found += more
        reached = reached.union(*({entry.name for entry in one.roster} for one in more))
    return as_earlier(found)


def as_earlier(locks: Iterable[StudyLock]) -> tuple[EarlierStudy, ...]:
    """Studies as a later lock names them."""
    found = [
        EarlierStudy(
            study=one.study_id,
            roster=tuple(sorted(entry.name for entry in one.roster)),
            development=tuple(sorted(one.names("development"))),
            blocks=blocks if len(blocks := one.blocks.get("development", ())) > 1 else (),
            complete=one.study.complete,
        )
        for one in locks
    ]
    return tuple(sorted(found, key=lambda one: one.study))


def lock_faults(lock: StudyLock) -> list[Problem]:
    """What contradicts itself in a lock received from elsewhere: the study's own rules, and sites, roles and blocks must agree."""
    found = [fault.kind.problem(fault.what, fix=fault.fix, where="the lock") for fault in study_faults(lock.study)]
    found += honest_faults(lock.study, lock.blocks)
    names = [entry.name for entry in lock.roster]
    if len(set(names)) != len(names) or len({entry.signing_key for entry in lock.roster}) != len(names):
        found.append(kinds.LOCK_DAMAGED.problem("a name or a key stands twice in the roster"))
    if set(names) != {site.name for site in lock.study.sites}:
        found.append(kinds.LOCK_DAMAGED.problem("the roster is not the study's list of sites"))
    declared = {site.name: site.role for site in lock.study.sites if site.role is not None}
    if any(declared.get(entry.name, entry.role) != entry.role for entry in lock.roster):
        found.append(kinds.LOCK_DAMAGED.problem("a site has another role than the study declares"))
    if lock.holders != planned_holders(lock.study):
        found.append(kinds.LOCK_DAMAGED.problem("the holders of shares are not those the study names or draws"))
    earlier = (*lock.earlier, *lock.beside)
    if len({one.study for one in earlier}) != len(earlier) or (earlier and not lock.holders):
        found.append(kinds.LOCK_DAMAGED.problem("an earlier study stands twice, or nobody could compare with it"))
    if lock.compares and any(len(of_role) > 1 for of_role in lock.blocks.values()):
        found.append(kinds.LOCK_DAMAGED.problem("several blocks, in a study that is compared with earlier ones over all hospitals"))
    for role in ("development", "evaluation"):
        placed = [name for block in lock.blocks.get(role, ()) for name in block]
        if sorted(placed) != sorted(lock.names(role)):
            found.append(kinds.LOCK_DAMAGED.problem(f"the blocks are not the {role} sites, each once"))
    return found
