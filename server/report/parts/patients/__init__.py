"""Who the patients are: flow, Table 1, survival of the sets."""
