"""Alert rules, from new points or the clock to alerts.

`rounds` repeats evaluations for all organizations. `evaluation` decides which rules are due for
which robots, by new points and by the clock; `observation` does so for rules that are not on a
metric. `runs` reads their samples and runs them, `evaluator` applies a rule to samples in whatever
order they arrive, and `machine` holds the states in order of time. `records` stores the states,
`alerts` opens and resolves alerts. `rules` and `preview` are for users who write rules.
"""
