"""study.yaml and site.yaml: read with file, line, field, what was expected and the nearest valid name; written back as YAML.

All faults of a document are reported at once. Text becomes values in `yamltext`, values become models here, and
`rules` checks what no single field can say.
"""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from site_config.atomic_files import read_limited
from site_config.documents import rules_over_fields
from site_config.documents import yaml_text as yamltext
from site_config.documents.document_kinds import refuse_signed
from site_config.documents.former_words import instead_of_field, instead_of_value
from site_config.problems import configuration as kinds
from site_config.problems.base import Problem, together
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study
from site_config.words_of_messages import clean, nearest

M = TypeVar("M", bound=BaseModel)
Location = tuple[int | str, ...]

NO_SITE = (
    "Go to the hospital's folder, or name it with --home (FEDHCC_SITE_HOME); a new one is made by"
    " `fedhcc-site init --name NAME --home FOLDER`."
)

EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": 'a text (put digits and words like true in quotes: "007")',
    "tuple_type": "a list (one `- entry` a line)",
    "dict_type": "a mapping (`name: value` lines)",
    "model_type": "a mapping (`field: value` lines)",
    "model_attributes_type": "a mapping (`field: value` lines)",
    "path_type": "a path",
}
VALUE_ERRORS = ("literal_error", "greater_than", "less_than", "string_too", "string_pattern", "too_short", "too_long", "finite_number")


def load_study(path: Path) -> Study:
    """Read a study; raises one `Problem` that carries all others found in the same pass."""
    return parse_study(read_limited(path, yamltext.BYTES), path.name)


def parse_study(data: bytes, role: str = "study.yaml") -> Study:
    """A study from the bytes of its YAML document."""
    refuse_signed(data, "study.yaml")
    root = yamltext.parse(data, role)
    study = validate(Study, root, role)
    _apply(rules_over_fields.study_faults(study), root, role)
    return study


def load_site(path: Path) -> SiteConfig:
    """Read a hospital's configuration and set `home` to the folder it stands in."""
    return parse_site(read_limited(path, yamltext.BYTES, missing=NO_SITE), path.name, path.resolve().parent)


def parse_site(data: bytes, role: str = "site.yaml", home: Path = Path()) -> SiteConfig:
    """A hospital's configuration from the bytes of its YAML document."""
    root = yamltext.parse(data, role)
    if isinstance(root.items, dict):
        line = root.key_lines.get("home")
        if line:
            raise kinds.UNKNOWN_FIELD.problem(f"line {line}: `home` is not a field", fix="Remove the line.", where=f"{role}:{line}")
    site = validate(SiteConfig, root, role).model_copy(update={"home": home})
    _apply(rules_over_fields.site_faults(site), root, role)
    return site


def _apply(faults: list[rules_over_fields.Fault], root: yamltext.Node, role: str) -> None:
    problems = []
    for fault in faults:
        _, way, line = root.at(fault.location)
        problems.append(fault.kind.problem(f"line {line}: {field_name(way)}{fault.what}", fix=fault.fix, where=f"{role}:{line}"))
    if problems:
        raise together(problems)


def validate(model: type[M], root: yamltext.Node, role: str) -> M:
    """The model's value of a document's tree; pydantic's errors become numbered problems with their lines."""
    if not isinstance(root.items, dict):
        raise kinds.WRONG_FORM.problem(f"line {root.line}: a mapping of fields is expected", where=f"{role}:{root.line}")
    try:
        return model.model_validate(root.plain())
    except ValidationError as error:
        found: dict[tuple[Location, str], list[Any]] = {}
        for one in error.errors(include_url=False):
            _, way, _ = root.at(one["loc"])
            found.setdefault((way, "missing" if one["type"] == "missing" else "other"), []).append(one)
        problems = [_problem(model, root, role, errors) for errors in found.values()]
    raise together(sorted(problems, key=lambda problem: int((problem.where or ":0").rsplit(":", 1)[1])))


def _problem(model: type[BaseModel], root: yamltext.Node, role: str, errors: list[Any]) -> Problem:
    """One problem for all errors of one field; the branches of a union become one expectation."""
    first = errors[0]
    node, way, line = root.at(first["loc"])
    where, field = f"{role}:{line}", field_name(way)
    if first["type"] == "missing":
        names = [str(one["loc"][-1]) for one in errors]
        listed = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
        return kinds.MISSING_FIELD.problem(f"line {line}: {field}{listed} is missing", fix=f"Add {listed} here.", where=where)
    if first["type"] == "extra_forbidden":
        name = str(way[-1]) if way else "?"
        near = nearest(name, fields_at(model, tuple(way[:-1])))
        fix = instead_of_field(name) or (
            f"Write `{near}` instead of `{clean(name)}`."
            if near
            else f"Remove the line; known here: {', '.join(fields_at(model, way[:-1]))}."
        )
        return kinds.UNKNOWN_FIELD.problem(f"line {line}: `{clean(name)}` is not a field{_inside(way[:-1])}", fix=fix, where=where)
    wanted = " or ".join(dict.fromkeys(_expected(one) for one in errors))
    kind = kinds.WRONG_VALUE if all(one["type"].startswith(VALUE_ERRORS) for one in errors) else kinds.WRONG_TYPE
    near = nearest(str(node.value), _choices(errors)) if node.items is None else None
    former = instead_of_value(node.value) if first["type"] == "literal_error" and node.items is None else None
    fix = former or (f"Write `{near}`." if near else f"Write {wanted}.")
    if "sha256" in str(way[-1:]) or any("64" in str(one.get("ctx", {}).get("pattern", "")) for one in errors):
        kind, wanted, fix = kinds.HASH, "64 lower-case hexadecimal digits", None  # type: ignore[assignment]
    return kind.problem(f"line {line}: {field}expected {wanted}, found {_found(node)}", fix=fix, where=where)


def _expected(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return f"one of {context['expected']}".replace(" or ", ", ")
    if kind == "string_pattern_mismatch":
        return (
            "lower-case letters, digits and hyphens, at most 40"
            if "-" in context["pattern"][5:]
            else "lower-case letters, digits and underscores"
        )
    if kind in EXPECTED:
        return EXPECTED[kind]
    for name, word in (("min_length", "at least"), ("max_length", "at most")):
        if name in context:
            return f"{word} {context[name]} {'characters' if kind.startswith('string') else 'entries'}"
    return str(error["msg"]).removeprefix("Input should be ").removeprefix("Value should be ").lower()


def _choices(errors: list[Any]) -> list[str]:
    return [word for one in errors if one["type"] == "literal_error" for word in re.findall(r"'([^']*)'", one["ctx"]["expected"])]


def _found(node: yamltext.Node) -> str:
    if isinstance(node.items, dict):
        return "a mapping"
    if isinstance(node.items, list):
        return "a list"
    if node.value is None:
        return "nothing"
    return f"`{clean(str(node.value))}`"


def field_name(way: Location) -> str:
    """A location as people write it, `organs[0].window.width: `; empty for the document itself."""
    text = ""
    for part in way:
        text += f"[{part}]" if isinstance(part, int) else (f".{clean(part)}" if text else clean(part))
    return f"{text}: " if text else ""


def _inside(way: Location) -> str:
    name = field_name(way).removesuffix(": ")
    return f" of `{name}`" if name else ""


def fields_at(model: type[BaseModel], way: Location) -> list[str]:
    """Names of the fields of the model that stands at a location of a document; empty where none does."""
    here: Any = model
    for part in way:
        here = next((found for one in _models(here) if (found := _step(one, part)) is not None), None)
    found = next((one for one in _models(here) if isinstance(one, type) and issubclass(one, BaseModel)), None)
    return [name for name, info in found.model_fields.items() if not info.exclude] if found else []


def _models(annotation: Any) -> list[Any]:
    """An annotation's alternatives: `X | None` is X and None."""
    return list(typing.get_args(annotation)) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else [annotation]


def _step(annotation: Any, part: int | str) -> Any:
    """The annotation of a field, of a list's entries or of a mapping's values."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias) and issubclass(annotation, BaseModel):
        info = annotation.model_fields.get(str(part))
        return info.annotation if info else None
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if typing.get_origin(annotation) in (tuple, list) else None


def dump_yaml(model: BaseModel, comment: str = "", *, lean: bool = False) -> str:
    """The model as a YAML document in the order of its fields; reading it back gives an equal value.

    `lean` leaves out what has its default, and writes short lists and mappings on one line.
    """
    plain = _yamlable(model.model_dump(exclude_none=not isinstance(model, SiteConfig), exclude_defaults=lean))
    body = yaml.safe_dump(
        plain, sort_keys=False, allow_unicode=True, width=140 if lean else 120, default_flow_style=None if lean else False
    )
    return "".join(f"# {line}\n" for line in comment.splitlines()) + body


def _yamlable(value: Any) -> Any:
    """Lists for tuples and texts for paths; whole numbers stay as keys."""
    if isinstance(value, dict):
        return {key: _yamlable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_yamlable(item) for item in value]
    return str(value) if isinstance(value, Path) else value
