"""study.yaml and site.yaml as text: lines, limits, rules, schemas."""
