"""The hospital's running program: node, runner, worker, agent and control."""
