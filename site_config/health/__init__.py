"""What `doctor` finds on a machine: findings, what every machine has, and the page that a person can print."""
