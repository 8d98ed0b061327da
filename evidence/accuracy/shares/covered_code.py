"""The code that every figure about secret shares speaks for."""

_SHARES = ("circuits/arithmetic", "circuits/constants", "circuits/reciprocals", "holder/engine", "circuits/plain_numbers", "circuits/value")
_ANALYSES = ("concordance", "covariates", "cox", "count_minimum", "newton", "pairs", "risk_sums")
COVERED = (
    *(f"shared_model/shares/{name}.py" for name in _SHARES),
    *(f"shared_model/analyses/{name}.py" for name in _ANALYSES),
    "shared_model/analyses/groups",
    "shared_model/analyses/scores",
)
