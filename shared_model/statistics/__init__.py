"""Named statistics: parameters, catalogue, and what counts allow."""
