"""What no single field of a study or a site can say: rules over several fields, each with the place it points at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath

from site_config.problems import configuration as kinds
from site_config.problems.base import Kind
from site_config.site_yaml import SiteConfig
from site_config.study.horizon_spacing import APART_DAYS, close_horizons, horizon_beside_cut
from site_config.study.plan_and_lock import LEAST_SLOTS, ClinicalVariable, Shares, Study
from site_config.study.prognostic_models import CLN, MODELS
from site_config.study.time_points import STARTS
from site_config.words_of_messages import clean, nearest, plural


@dataclass(frozen=True)
class Fault:
    """A broken rule: its kind, the field it points at, what is wrong, and the fix where the kind's own is too general."""

    kind: Kind
    location: tuple[int | str, ...]
    what: str
    fix: str | None = None


def study_faults(study: Study) -> list[Fault]:
    """Every rule of a study that is broken."""
    checks: tuple[Callable[[Study], Iterable[Fault]], ...] = (
        _names,
        _roles,
        _models,
        _moments,
        _variables,
        _organs,
        _settings,
        _privacy,
        _noise,
        _shares,
    )
    return list(chain.from_iterable(check(study) for check in checks))


def _twice(names: Iterable[str]) -> list[tuple[int, str]]:
    seen: set[str] = set()
    found = []
    for index, name in enumerate(names):
        if name in seen:
            found.append((index, name))
        seen.add(name)
    return found


def _names(study: Study) -> Iterable[Fault]:
    for field, names in (
        ("sites", [site.name for site in study.sites]),
        ("clinical", [variable.name for variable in study.clinical]),
        ("organs", [organ.name for organ in study.organs]),
    ):
        for index, name in _twice(names):
            yield Fault(kinds.DUPLICATE_NAME, (field, index), f"`{name}` stands twice")
    for index, name in _twice(study.models):
        yield Fault(kinds.DUPLICATE_NAME, ("models", index), f"`{name}` stands twice")


def _roles(study: Study) -> Iterable[Fault]:
    without = [site for site in study.sites if site.role is None]
    development = sum(site.role == "development" for site in study.sites)
    if study.kind == "validate":
        if study.bundle_sha256 is None:
            yield Fault(kinds.VALIDATION_STUDY, ("kind",), "`bundle_sha256` is missing")
        if study.draw or without or development:
            yield Fault(kinds.VALIDATION_STUDY, ("sites",), "every site must have the role evaluation, without a draw")
        development = len(study.sites)
    elif study.draw is None and without:
        yield Fault(kinds.ROLES, ("sites",), f"{plural(len(without), 'site')} without a role, and there is no `draw`")
    elif study.draw is not None and study.draw.evaluation > len(without):
        yield Fault(
            kinds.ROLES,
            ("draw", "evaluation"),
            f"{plural(study.draw.evaluation, 'evaluation site')} of {plural(len(without), 'site')} without a role",
        )
    elif study.draw is not None:
        development += len(without) - study.draw.evaluation
    if study.draw is None and without and study.kind == "develop":
        return
    if development < study.privacy.minimum_sites and not study.privacy.demonstration:
        role = "development" if study.kind == "develop" else "evaluation"
        yield Fault(
            kinds.TOO_FEW_SITES, ("sites",), f"{plural(development, f'{role} site')}, at least {study.privacy.minimum_sites} are needed"
        )


def _models(study: Study) -> Iterable[Fault]:
    if not study.models:
        yield Fault(kinds.MODELS, ("models",), "no model to fit", f"Name at least one model, for example {CLN.name}.")
    for index, model in enumerate(study.models):
        missing = [part for part in MODELS[model].needs if part not in study.models]
        if missing:
            yield Fault(
                kinds.MODELS, ("models", index), f"{model} needs {' and '.join(missing)}", f"Add {' and '.join(missing)} to `models`."
            )


def _variables(study: Study) -> Iterable[Fault]:
    for model in MODELS.preferred(study.models):
        if model.variables and not study.clinical:
            yield Fault(
                kinds.VARIABLE,
                ("clinical",),
                f"the model {model.name} needs clinical variables",
                f"Declare variables, or remove {model.name} from `models`.",
            )
    for index, variable in enumerate(study.clinical):
        yield from _variable(variable, index)
    columns = [(index, column.name) for index, column in enumerate(study.design)]
    for place, name in _twice(name for _, name in columns):
        if sum(variable.name == name for variable in study.clinical) < 2:
            yield Fault(kinds.DUPLICATE_NAME, ("clinical",), f"the column `{name}` stands twice ({columns[place][0] + 1})")


RESERVED = frozenset(
    {"patient", "event", "response", "manufacturer", "flags", "interval_days", "carried_forward", "slices_repeated", "partial"}
)
"""Columns of cohort.csv and rows of Table 1 that every study has."""
CODES = {"binary": (2, 2), "ordinal": (3, 64), "nominal": (2, 64)}


def _variable(variable: ClinicalVariable, index: int) -> Iterable[Fault]:
    place, codes = ("clinical", index), variable.codes
    if variable.coded:
        least, most = CODES[variable.kind]
        if not least <= len(codes) <= most:
            yield Fault(kinds.VARIABLE, (*place, "values"), f"{variable.kind} `{variable.name}` has the codes {list(codes)}")
        if variable.bounds is not None or variable.log:
            yield Fault(kinds.VARIABLE, place, f"`{variable.name}` is {variable.kind}; `bounds` and `log` are of continuous variables")
    elif variable.bounds is None or not variable.bounds[0] < variable.bounds[1]:
        fix = "Write `bounds: [LEAST, LARGEST]`, wide enough for every patient."
        yield Fault(kinds.VARIABLE, place, f"continuous `{variable.name}` needs `bounds`, the smaller first", fix)
    elif variable.log and variable.bounds[0] <= 0:
        yield Fault(kinds.VARIABLE, (*place, "bounds"), f"`{variable.name}` enters as a logarithm, so its bounds are above 0")
    elif variable.values:
        yield Fault(kinds.VARIABLE, (*place, "values"), f"continuous `{variable.name}` has codes", "Remove `values`.")
    reserved = variable.name in RESERVED or (variable.name == "sex" and not variable.coded)
    if reserved or variable.name.endswith(("_date", "_day")):
        yield Fault(kinds.VARIABLE, (*place, "name"), f"`{variable.name}` is a column of its own", "Choose another name.")


def _moments(study: Study) -> Iterable[Fault]:
    zero, known = study.endpoint.time_zero, [*study.moments, *STARTS]
    if zero not in known:
        near = nearest(zero, known)
        fix = f"Write `{near}`." if near else f"Declare it: `moments: {{{zero}: what it is}}`."
        yield Fault(kinds.MOMENT, ("endpoint", "time_zero"), f"`{zero}` is no moment of the study", fix)
    for name in study.moments:
        if name in ("last_contact", "last_ct", "baseline_ct", "followup_ct", "first_followup"):
            yield Fault(kinds.MOMENT, ("moments", name), f"`{name}` has its own meaning", "Choose another name.")


def _organs(study: Study) -> Iterable[Fault]:
    for index, name in _twice(target for organ in study.organs for target in organ.targets):
        yield Fault(kinds.DUPLICATE_NAME, ("organs", index // 2, "targets"), f"the target `{name}` stands twice")
    for index, organ in enumerate(study.organs):
        low = organ.window.level - organ.window.width / 2
        if low > 2000:
            yield Fault(kinds.CONTRADICTION, ("organs", index, "window"), "the window lies above everything a CT shows")


def _settings(study: Study) -> Iterable[Fault]:
    low, high = study.imaging.interval_days
    if not 0 <= low < high:
        yield Fault(
            kinds.CONTRADICTION,
            ("imaging", "interval_days"),
            f"{low} to {high} days is no interval",
            "Write two numbers, the smaller first.",
        )
    if study.network.norm == "batch":
        yield Fault(
            kinds.CONTRADICTION,
            ("network", "norm"),
            "batch statistics of single hospitals cannot be summed in a federation",
            "Write `norm: group`, or `norm: frozen` with pretrained weights.",
        )
    if study.network.norm == "frozen" and study.network.pretrained_sha256 is None and study.network.warm_start == "none":
        yield Fault(
            kinds.CONTRADICTION,
            ("network", "norm"),
            "frozen statistics need pretrained weights",
            "Set `pretrained_sha256`, or write `norm: group`.",
        )
    if study.network.warm_start == "phantom" and (not study.simulated or study.network.pretrained_sha256 is None):
        yield Fault(
            kinds.CONTRADICTION,
            ("network", "warm_start"),
            "weights trained on phantoms start simulated studies only, from a file declared by its SHA-256",
            "Write `warm_start: none`.",
        )
    cuts = study.training.cut_days
    if cuts is not None and (len(cuts) + 1 != study.training.intervals or list(cuts) != sorted(set(cuts)) or cuts[0] <= 0):
        yield Fault(
            kinds.CONTRADICTION,
            ("training", "cut_days"),
            f"{study.training.intervals} intervals need {study.training.intervals - 1} rising positive cut points",
        )
    if (near := close_horizons(study)) is not None and near[0] != near[1]:
        what = f"horizons at {near[0]} and {near[1]} days show who died in between"
        yield Fault(kinds.CONTRADICTION, ("evaluation", "horizons"), what, f"Keep them at least {APART_DAYS} days apart.")
    if (beside := horizon_beside_cut(study)) is not None:
        what = f"a horizon at day {beside[0]} beside a cut of the training hazard at {beside[1]} show together who died in between"
        yield Fault(kinds.CONTRADICTION, ("evaluation", "horizons"), what, f"Write {beside[1]}, or other `training.cut_days`.")
    if study.shows_counts:
        what = f"rows filled up to a multiple of {study.shares.slots} tell the office how many patients a hospital has"
        yield Fault(kinds.CONTRADICTION, ("shares", "slots"), what, f"Write a power of two from {LEAST_SLOTS}; {Shares().slots} is usual.")
    yield from _horizons(study)
    for model, rate in study.network.dropout.items():
        if not 0 <= rate < 1:
            yield Fault(
                kinds.WRONG_VALUE, ("network", "dropout", model), f"{rate} is no probability below 1", "Write a number from 0 to below 1."
            )


def _horizons(study: Study) -> Iterable[Fault]:
    """Days at which nothing could be judged, or twice the same."""
    days, place, longest = study.evaluation.horizons, ("evaluation", "horizons"), study.shares.longest_days
    if any(day <= 0 for day in days) or not days:
        yield Fault(kinds.CONTRADICTION, place, "horizons are positive days", "Write days, for example [365, 730].")
        return
    if 1 in days:
        yield Fault(kinds.CONTRADICTION, place, "nothing can be judged at day 1", "Write later days, for example [365, 730].")
    if len(set(days)) < len(days):
        twice = next(day for day in days if days.count(day) > 1)
        yield Fault(kinds.CONTRADICTION, place, f"the horizon {twice} stands twice", "Write each day once.")
    if max(days) >= longest - 1:
        what = f"the horizon {max(days)} lies beyond the {longest} days that the study looks at (shares.longest_days)"
        fix = f"Write horizons up to {longest - 2}, or raise shares.longest_days (at most 12,000) where patients are followed that long."
        yield Fault(kinds.CONTRADICTION, place, what, fix)


def _privacy(study: Study) -> Iterable[Fault]:
    if study.simulated:
        return
    if study.privacy.demonstration:
        yield Fault(kinds.DEMONSTRATION, ("privacy", "demonstration"), "true, but the study is not declared simulated")
    if not study.privacy.masks:
        yield Fault(kinds.DEMONSTRATION, ("privacy", "masks"), "false, but the study is not declared simulated")


def _noise(study: Study) -> Iterable[Fault]:
    """Under differential privacy nothing leaves but noised updates, hazards and counts, so nothing else can be asked."""
    dp = study.privacy.dp
    if dp is None:
        return
    place = ("privacy", "dp")
    if study.kind != "develop" or not MODELS.networks(study.models):
        yield Fault(kinds.NOT_ENFORCED, place, "noise is added where networks are trained, and this study trains none")
    for index, name in enumerate(study.models):
        if not MODELS[name].is_network:
            yield Fault(kinds.NOT_ENFORCED, ("models", index), f"`{name}` is not fitted under differential privacy", "Name networks only.")
    if dp.results == 0 and (any(site.role == "evaluation" for site in study.sites) or study.draw is not None):
        what = "no result is opened under this differential privacy, so no site evaluates"
        fix = "Evaluate the bundle in a study of `kind: validate` at other hospitals, or write `results: 0.3` for noised counts and curves."
        yield Fault(kinds.NOT_ENFORCED, place, what, fix)
    if dp.results > 0 and study.resolution != "shares":
        yield Fault(kinds.NOT_ENFORCED, (*place, "results"), "noised results are opened on shares only", "Write `resolution: shares`.")
    training = study.training
    if training.local_steps != 1 or training.proximal or training.site.name != "sgd" or training.gradient_norm or training.keep != "last":
        what = "the noise is sized for one clipped gradient a round and patient, and no validation loss is opened"
        fix = "Leave `local_steps`, `proximal`, `site`, `gradient_norm` and `keep` at their defaults."
        yield Fault(kinds.CONTRADICTION, ("training",), what, fix)
    if dp.delta * dp.patients > 1:
        yield Fault(kinds.CONTRADICTION, (*place, "delta"), f"{dp.delta:g} is above one over {dp.patients} patients", "Write 1e-5.")
    if dp.placement == "distributed" and not study.privacy.masks:
        yield Fault(kinds.CONTRADICTION, (*place, "placement"), "shares of noise need the secure sum", "Write `placement: local`.")


def _shares(study: Study) -> Iterable[Fault]:
    if not study.shares_rows:
        return
    shares, sites = study.shares, [site.name for site in study.sites]
    for index, name in enumerate(shares.names):
        if name not in sites:
            near = nearest(name, sites)
            fix = f"Write `{near}`." if near else "Name sites of the study."
            yield Fault(kinds.HOLDERS, ("shares", "names", index), f"`{name}` is not a site of the study", fix)
    for index, name in _twice(shares.names):
        yield Fault(kinds.HOLDERS, ("shares", "names", index), f"`{name}` stands twice")
    if shares.names and len(shares.names) not in ({shares.holders} if shares.holders else {3, 5}):
        yield Fault(kinds.HOLDERS, ("shares", "names"), f"{plural(len(shares.names), 'holder')} named")
    wanted = len(shares.names) or shares.holders or 3
    least = (wanted - 1) // 2 + 1 + (1 if study.privacy.demonstration else study.privacy.minimum_sites)
    if len(sites) < max(least, wanted):
        what = f"{plural(len(sites), 'site')}; {wanted} holders need {max(least, wanted)}"
        yield Fault(kinds.HOLDERS, ("shares",), what, "Enrol more hospitals, or write `resolution: exact` where all sites may pool rows.")


def site_faults(site: SiteConfig) -> list[Fault]:
    """Every rule of a hospital's configuration that is broken."""
    return list(chain(_paths(site), _sources(site), _model_files(site), _policy(site)))


def _paths(site: SiteConfig) -> Iterable[Fault]:
    """Paths that a shell or another system would know; here each would name a folder beside site.yaml that nobody made."""
    configured: list[tuple[tuple[str, ...], Path]] = [(("paths", name), path) for name, path in site.paths if path is not None]
    configured += [(("segmentation", "models", name, "folder"), model.folder) for name, model in site.segmentation.models.items()]
    for place, path in configured:
        written = str(path)
        if written.startswith(("~", "$")):
            fix = f"Write `{clean(str(path.expanduser()))}`." if written.startswith("~/") else "Write the whole path, from / on."
            yield Fault(kinds.WRONG_VALUE, place, f"`~` and `$` mean nothing here, in `{clean(written)}`", fix)
        elif "\\" in written or (written[1:2] == ":" and written[:1].isalpha()):
            under = PureWindowsPath(written)
            mounted = "/".join(("/mnt", under.drive[:1].lower(), *under.parts[1:])) if under.drive[1:] == ":" else under.as_posix()
            fix = f"Write it with /, under WSL for example `{clean(mounted)}`."
            yield Fault(kinds.WRONG_VALUE, place, f"`{clean(written)}` is a path of Windows", fix)


def _sources(site: SiteConfig) -> Iterable[Fault]:
    for name, target in site.segmentation.targets.items():
        place = ("segmentation", "targets", name)
        if (target.model is None) == (not target.masks):
            yield Fault(kinds.SOURCE, place, "needs exactly one of `model` and `masks: true`")
        elif target.model is not None and target.model not in site.segmentation.models:
            near = nearest(target.model, site.segmentation.models)
            fix = f"Write `model: {near}`." if near else "Declare the model under `segmentation.models`."
            yield Fault(kinds.SOURCE, (*place, "model"), "no such model is declared", fix)
        elif target.model is not None and not target.labels:
            yield Fault(kinds.SOURCE, place, "`labels` is missing", "Add the label numbers of the model that make up this target.")


def site_in_study(site: SiteConfig, study: Study) -> list[Fault]:
    """What shows only when a hospital's file is laid beside the study: its name, and a source for every target.

    A hospital without images (`paths.scans: null`) needs no sources.
    """
    found = []
    names = [one.name for one in study.sites]
    if site.site not in names:
        near = nearest(site.site, names)
        fix = f"Write `site: {near}`." if near else "Ask the coordinator under which name this hospital takes part."
        found.append(Fault(kinds.NOT_IN_STUDY, ("site",), f"`{site.site}` is not a site of the study", fix))
    wanted = [target for organ in study.organs for target in organ.targets] if site.paths.scans is not None and study.reads_scans else []
    declared = list(site.segmentation.targets)
    for target in wanted:
        if target not in declared:
            near = nearest(target, [name for name in declared if name not in wanted])
            fix = f"Rename `{near}` to `{target}`." if near else f"Add `{target}: {{masks: true}}`, or a model with labels."
            found.append(Fault(kinds.SOURCE, ("segmentation", "targets"), f"the study's target `{target}` has no source", fix))
    return found


def _model_files(site: SiteConfig) -> Iterable[Fault]:
    for name, model in site.segmentation.models.items():
        place = ("segmentation", "models", name, "sha256")
        for file, digest in model.sha256.items():
            path = PurePosixPath(file)
            if path.is_absolute() or ".." in path.parts or "\\" in file:
                yield Fault(kinds.ESCAPING_PATH, (*place, file), "leads out of the model's folder")
            if len(digest) != 64 or any(char not in "0123456789abcdef" for char in digest):
                yield Fault(kinds.HASH, (*place, file), "is not 64 lower-case hexadecimal digits")


def _policy(site: SiteConfig) -> Iterable[Fault]:
    policy = site.policy
    if policy.schedule.from_hour == policy.schedule.to_hour:
        yield Fault(
            kinds.CONTRADICTION,
            ("policy", "schedule"),
            "no hour is left to compute in",
            "Write two different hours; 22 to 6 goes over midnight.",
        )
    if policy.known_peers is not None:
        if policy.known_peers.at_least > len(policy.known_peers.fingerprints):
            yield Fault(
                kinds.CONTRADICTION,
                ("policy", "known_peers"),
                f"at least {policy.known_peers.at_least} of {len(policy.known_peers.fingerprints)} fingerprints",
            )
        for index, digest in enumerate(policy.known_peers.fingerprints):
            if len(digest) != 64 or any(char not in "0123456789abcdef" for char in digest):
                yield Fault(kinds.HASH, ("policy", "known_peers", "fingerprints", index), "is not 64 lower-case hexadecimal digits")
    if not policy.masks_required and not policy.simulated_patients:
        yield Fault(
            kinds.DEMONSTRATION,
            ("policy", "masks_required"),
            "false, but `simulated_patients` is not true",
            "Remove the line `masks_required: false`; or, if every patient is made up, write `simulated_patients: true`.",
        )
