"""The one door: policy, ledger, release, and how the journal reads afterwards."""
