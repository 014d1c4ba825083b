"""The life of a command, from its creation to its outcome.

`creation` checks and stores a command. `hand_over` gives a robot its next command, after the
status `sent` has been committed, so that a command leaves at most once. `reports` stores what the
robot answers, `approvals` and `decisions` what users decide, and `expiry` runs in a job and ends
what nothing answers. `stop_requests` come before everything else, and `stop_latch` keeps a robot
stopped until its reset. `leases` let one user at a time move a robot.

No module knows a transport: long poll, MQTT and VDA 5050 call the same functions. All times are
those of the database's clock.
"""
