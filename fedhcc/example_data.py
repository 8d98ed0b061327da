"""The data of the examples: real patients of eighteen real institutions."""

from __future__ import annotations

from typing import Any


def load_lung() -> Any:
    """The NCCTG lung cancer data (Loprinzi et al. 1994) as a DataFrame, shipped with lifelines: 228 patients.

    `inst` names the institution, `time` is in days, `status` is 1 for a death.

    >>> import fedhcc
    >>> frame = fedhcc.load_lung()
    >>> len(frame), frame["inst"].nunique(), int(frame["status"].sum())
    (228, 18, 165)
    """
    from lifelines.datasets import load_lung as shipped

    return shipped()
