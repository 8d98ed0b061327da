"""The code that every figure about secret shares speaks for."""

COVERED = (
    "shared_model/shares/circuits/arithmetic.py",
    "shared_model/shares/circuits/exact_constants.py",
    "shared_model/shares/circuits/plain_numbers.py",
    "shared_model/shares/circuits/reciprocals.py",
    "shared_model/shares/circuits/shared_value.py",
    "shared_model/shares/holder/holder_engine.py",
    "shared_model/analyses/cindex_on_shares.py",
    "shared_model/analyses/count_minimum.py",
    "shared_model/analyses/covariates_on_shares.py",
    "shared_model/analyses/cox_on_shares.py",
    "shared_model/analyses/newton_on_shares.py",
    "shared_model/analyses/pairs_on_shares.py",
    "shared_model/analyses/risk_sums_on_shares.py",
    "shared_model/analyses/groups",
    "shared_model/analyses/scores",
)
