from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from site_config.study.prognostic_models import CLN, MODELS, PAPER_MODELS, RAD_D, RAD_S, RADCLN_D, ModelName, NetworkName, PrognosticModel


def test_the_five_of_the_paper_in_both_orders() -> None:
    assert PAPER_MODELS == ("CLN", "Rad-S", "Rad-D", "RadCLN-S", "RadCLN-D")
    assert [model.name for model in MODELS] == ["RadCLN-D", "RadCLN-S", "Rad-D", "Rad-S", "CLN"]


def test_what_a_model_reads_follows_from_its_parts() -> None:
    assert (RADCLN_D.network, RADCLN_D.clinical, RADCLN_D.needs) == (RAD_D, CLN, ("Rad-D", "CLN"))
    assert RADCLN_D.scans == "baseline and follow-up CT"
    assert not RADCLN_D.can_read(followup=False)
    assert RAD_S.can_read(followup=False)
    assert CLN.can_read(followup=False)
    assert (CLN.network, CLN.scans) == (None, "")


def test_what_a_study_must_train_and_read() -> None:
    assert MODELS.networks(["RadCLN-D", "CLN", "Rad-D"]) == ("Rad-D",)
    assert MODELS.networks(PAPER_MODELS) == ("Rad-S", "Rad-D")
    assert MODELS.networks(["CLN"]) == ()
    assert MODELS.read_scans(["RadCLN-S"])
    assert not MODELS.read_scans(["CLN"])
    assert not MODELS.read_variables(["Rad-S", "Rad-D"])


@pytest.mark.parametrize(
    "fields",
    [{}, {"visits": 1, "variables": True}, {"visits": 3}, {"parts": (CLN, RAD_S)}, {"parts": (RAD_S,)}],
)
def test_a_model_that_contradicts_itself_is_an_error(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="X"):
        PrognosticModel(name="X", rank=9, label="", colour="", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "rank"), [("CLN", 9), ("X", 1)])
def test_a_name_or_a_rank_is_given_once(name: str, rank: float) -> None:
    with pytest.raises(ValueError, match="taken"):
        MODELS.add(PrognosticModel(name=name, rank=rank, label="", colour="", variables=True))


def test_a_document_names_known_models_only() -> None:
    assert TypeAdapter(ModelName).validate_python("CLN") == "CLN"
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(NetworkName).validate_python("CLN")
    assert refused.value.errors()[0]["type"] == "literal_error"
    assert refused.value.errors()[0]["ctx"]["expected"] == "'Rad-S' or 'Rad-D'"
    assert TypeAdapter(ModelName).json_schema() == {"type": "string", "enum": list(PAPER_MODELS)}
